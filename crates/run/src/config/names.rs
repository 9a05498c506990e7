//! Every setting by its path, as the settings' own types know them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::{
    AggregateConfig, ClusterConfig, EncoderConfig, ImagesConfig, OnnxConfig, PixelsConfig, PretrainConfig, RunConfig,
    SgdSettings, SimpleConfig, VisionTransformerConfig,
};
use sporeprint_images::ViewConfig;

/// Tables of settings; any other table in `config.toml` is one value.
const TABLES: [&str; 9] =
    ["images", "encoder", "frozen", "pretrain", "pretrain.sgd", "aggregate", "aggregate.sgd", "views", "cluster"];
/// The optimiser's in `train-encoder.toml`, whose other tables have the same names.
const SGD: &str = "sgd";

static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let tables: [(&str, &[&str]); 14] = [
        ("", fields::<RunConfig>()),
        ("images", fields::<ImagesConfig>()),
        ("encoder", fields::<EncoderConfig>()),
        ("frozen", &["kind"]),
        ("frozen", fields::<PixelsConfig>()),
        ("frozen", fields::<SimpleConfig>()),
        ("frozen", fields::<VisionTransformerConfig>()),
        ("frozen", fields::<OnnxConfig>()),
        ("pretrain", fields::<PretrainConfig>()),
        ("pretrain.sgd", fields::<SgdSettings>()),
        ("aggregate", fields::<AggregateConfig>()),
        ("aggregate.sgd", fields::<SgdSettings>()),
        ("views", fields::<ViewConfig>()),
        ("cluster", fields::<ClusterConfig>()),
    ];
    let path = |table: &str, name: &str| if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
    tables.iter().flat_map(|(table, names)| names.iter().map(move |name| path(table, name))).collect()
});

/// Every setting of a run by its path in `config.toml`, tables among them, in order.
pub fn setting_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(String::as_str)
}

pub(super) fn is_setting(path: &str) -> bool {
    NAMES.contains(path)
}

pub(super) fn is_table(path: &str) -> bool {
    TABLES.contains(&path) || path == SGD
}

/// The names of a struct's fields, as serde reads them.
pub(super) fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // Ends in an error once the names are known: there is nothing to read.
    let _ = T::deserialize(Listener(&mut found));
    found
}

/// Hears which fields a struct asks for.
struct Listener<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("nothing to read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_and_every_value_of_the_settings_has_a_name() {
        let whole = toml::Table::try_from(RunConfig::default()).expect("settings serialise");
        let overlay = super::super::Overlay::from_table(whole).expect("settings");
        assert!(overlay.leaves().len() > 60);
        overlay.leaves().iter().for_each(|(path, _)| assert!(is_setting(path), "{path}"));
        assert!(TABLES.iter().all(|table| is_setting(table)));
        assert!(["cluster.components", "frozen.tokens", "aggregate.sgd.decay"].iter().all(|path| is_setting(path)));
        assert!(!is_setting("cluster.no_such"));
    }
}
