//! The settings of a run from what is given: one function for every verb.

use toml::{Table, Value};

use super::overlay::{difference, get, merge, remove, set};
use super::unheard::refuse_unheard;
use super::{
    AggregateConfig, Architecture, ConfigError, EncoderConfig, FrozenConfig, Overlay, RunConfig, WeightsSource,
};

impl RunConfig {
    /// The settings of a run by what a file and flags give; what neither gives follows from both together.
    ///
    /// They decide where the network starts, and with that the recipe: [`RunConfig::default`] where nothing is said of the network,
    /// trained by [`AggregateConfig::default`] where a setting of that training is given;
    /// [`from_scratch`](Self::from_scratch) where its shape is given or `weights` is `none`; [`from_weights`](Self::from_weights)
    /// where `weights` is a file; and the network as published where `encoder.architecture` names one, which may be one that is
    /// never trained (see [`FrozenConfig::NAMES`]). The file is laid over that, the flags over the file.
    ///
    /// Of a file that a run wrote out, only what differs from its own start counts as given: with other weights the rest follows
    /// the recipe of those.
    ///
    /// # Errors
    /// - a setting that does not exist, has another type, or cannot work
    /// - settings that say nothing because of others, all of them; settings of a file that flags silence are left in peace
    pub fn resolve(file: &Overlay, flags: &Overlay) -> Result<Self, ConfigError> {
        let decided = file.decided()?;
        let base = base_of(&[&decided, flags])?;
        let config = base.overlaid(&decided, &base)?.overlaid(flags, &base)?;
        let mut refused = refuse_unheard(flags, &config, &base);
        if !file.is_written_out {
            let alone = base_of(&[file])?;
            let in_file = refuse_unheard(file, &alone.overlaid(file, &alone)?, &alone);
            refused.extend(
                refuse_unheard(file, &config, &base)
                    .into_iter()
                    .filter(|unheard| flags.get(&unheard.setting).is_none())
                    .filter(|unheard| in_file.iter().any(|other| other.setting == unheard.setting)),
            );
        }
        accepted(config, refused)
    }

    /// These settings, those of a run that is there, with what flags change.
    ///
    /// # Errors
    /// - as [`resolve`](Self::resolve); settings of the run that flags silence are left in peace
    pub fn with(&self, flags: &Overlay) -> Result<Self, ConfigError> {
        let base = base_of(&[&start_of(self)])?;
        let config = self.overlaid(flags, &base)?;
        let refused = refuse_unheard(flags, &config, &base);
        accepted(config, refused)
    }

    /// These settings with given ones laid over them; those that are put back take the value they have in `base`.
    fn overlaid(&self, given: &Overlay, base: &Self) -> Result<Self, ConfigError> {
        let mut settings = table(self);
        let usual = table(base);
        for path in &given.unset {
            put_back(&mut settings, &usual, path);
        }
        if let Some(network) = &given.described {
            let network = EncoderConfig { head_dim: self.encoder.head_dim, ..network.clone() };
            settings.insert("encoder".to_owned(), Value::Table(table(&network)));
        }
        let mut given = given.given.clone();
        name_encoder(&mut settings, &mut given)?;
        merge(&mut settings, &given);
        let mut config: Self = settings.try_into()?;
        config.version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(config)
    }
}

fn accepted(config: RunConfig, refused: Vec<super::Unheard>) -> Result<RunConfig, ConfigError> {
    if !refused.is_empty() {
        return Err(ConfigError::Unheard(refused));
    }
    config.check()?;
    Ok(config)
}

fn table<T: serde::Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are plain values, which TOML has words for")
}

/// Takes a setting away, or gives it its usual value where it cannot be without one.
fn put_back(settings: &mut Table, usual: &Table, path: &str) {
    remove(settings, path);
    let may_be_without = || {
        let mut without = usual.clone();
        remove(&mut without, path);
        let read: Result<RunConfig, _> = without.try_into();
        read.is_ok_and(|config| get(&table(&config), path).is_none())
    };
    if let (Some(value), false) = (get(usual, path), may_be_without()) {
        set(settings, path, value.clone());
    }
}

/// The settings that stand where only this is not given.
///
/// # Errors
/// - a network of no known name
fn base_of(layers: &[&Overlay]) -> Result<RunConfig, ConfigError> {
    let last = |path: &str| layers.iter().rev().find_map(|layer| layer.get(path));
    let architecture = match last("encoder.architecture").and_then(Value::as_str) {
        Some(name) if FrozenConfig::by_name(name).is_none() => Some(name.parse::<Architecture>()?),
        _ => None,
    };
    // The network that comes with the program is no other by its own name.
    let is_named = architecture.is_some_and(|name| name != EncoderConfig::built_in().architecture);
    let is_frozen = architecture.is_none() && last("encoder.architecture").is_some();
    let shaped = ["encoder.width", "encoder.stem", "frozen.kind"];
    let is_shaped = is_named || is_frozen || shaped.iter().any(|path| last(path).is_some());
    let default = || {
        let usual = RunConfig::default();
        if !layers.iter().any(|layer| layer.asks_for_training()) {
            return usual;
        }
        RunConfig { aggregate: AggregateConfig::default(), ..usual }
    };
    let base = match last("weights").and_then(Value::as_str) {
        Some("builtin") => return Ok(default()),
        None if !is_shaped => return Ok(default()),
        None | Some("none") => RunConfig::from_scratch(),
        Some(_) => RunConfig::from_weights(),
    };
    Ok(match architecture {
        Some(architecture) => base.as_published(architecture),
        None => base,
    })
}

impl Overlay {
    /// Whether a setting is given that only training over the bank hears: who names a learning rate wants one.
    fn asks_for_training(&self) -> bool {
        // These decide without training too: which codes, which statistics, images at a time, and whether there is any.
        const OTHERS: [&str; 4] = ["codes", "norm", "epochs", "batch_size"];
        let aggregate = self.given.get("aggregate").and_then(Value::as_table);
        aggregate.is_some_and(|given| given.keys().any(|name| !OTHERS.contains(&name.as_str())))
    }

    /// Of what a run wrote out, what differs from the start that it says it had; anything else as it is.
    fn decided(&self) -> Result<Self, ConfigError> {
        if !self.is_written_out {
            return Ok(self.clone());
        }
        let usual = RunConfig::default();
        let start = start_of(&usual.overlaid(self, &usual)?);
        let base = base_of(&[&start])?;
        // What has no value is not written.
        let mut whole = self.clone();
        whole.unset.extend(difference(&table(&base), &self.given).unset);
        let config = base.overlaid(&whole, &base)?;
        let mut found = difference(&table(&base), &table(&config));
        if found.asks_for_training() {
            // A run of no epochs may have settings of training all the same, which nobody asked for it.
            found.set("aggregate.epochs", config.aggregate.epochs as i64);
        }
        merge(&mut found.given, &start.given);
        Ok(found)
    }
}

/// The least that must be given for [`base_of`] to find where settings started from.
fn start_of(config: &RunConfig) -> Overlay {
    let mut start = Overlay::default();
    if let Some(frozen) = &config.frozen {
        start.set("frozen", Value::Table(table(frozen)));
    }
    let network = &config.encoder;
    let is_own = |usual: EncoderConfig| {
        let shape = |config: &EncoderConfig| (config.architecture, config.width.to_bits(), config.stem);
        shape(network) == shape(&usual)
    };
    let is_usual = config.weights == WeightsSource::BuiltIn && is_own(EncoderConfig::built_in());
    if !is_usual || config.frozen.is_some() {
        start.set("weights", String::from(config.weights.clone()));
    }
    if config.weights != WeightsSource::BuiltIn && !is_own(RunConfig::from_scratch().encoder) {
        start.set("encoder.architecture", network.architecture.name());
    }
    start
}

/// Gives the network that is named its own shape, before anything else that is given is laid over it.
///
/// A word that names an encoder which is never trained becomes the table `frozen`, and the size of pictures given for the one goes
/// to the other; the name of a network takes that table away again.
fn name_encoder(settings: &mut Table, given: &mut Table) -> Result<(), ConfigError> {
    let name = get(given, "encoder.architecture").and_then(Value::as_str).map(str::to_owned);
    let given_frozen = given.get("frozen").and_then(|frozen| frozen.get("kind")).cloned();
    if let Some(name) = name {
        if let Some(frozen) = FrozenConfig::by_name(&name) {
            remove(given, "encoder.architecture");
            settings.insert("frozen".to_owned(), Value::Table(table(&frozen)));
        } else {
            let architecture: Architecture = name.parse()?;
            if given_frozen.is_none() {
                settings.remove("frozen");
            }
            if get(settings, "encoder.architecture").and_then(Value::as_str) != Some(architecture.name()) {
                // Width, stem and head of one network mean nothing for another: it is built as published.
                let mut published = table(&EncoderConfig { architecture, ..EncoderConfig::default() });
                if let Some(size) = get(settings, "encoder.image_size") {
                    published.insert("image_size".to_owned(), size.clone());
                }
                settings.insert("encoder".to_owned(), Value::Table(published));
            }
        }
    }
    if given_frozen.is_some() && given_frozen.as_ref() != get(settings, "frozen.kind") {
        settings.remove("frozen");
    }
    let kind = get(settings, "frozen.kind").or(given_frozen.as_ref()).and_then(Value::as_str).map(str::to_owned);
    let image_size = "encoder.image_size";
    if let Some(size) = (kind.is_some() && given_frozen.is_none()).then(|| remove(given, image_size)).flatten() {
        set(given, "frozen.image_size", size);
    }
    // What another kind would hear is refused later, with what silences it.
    let heard = kind.as_deref().map_or(&[][..], FrozenConfig::settings_of);
    if let Some(Value::Table(frozen)) = given.get_mut("frozen") {
        frozen.retain(|name, _| name == "kind" || heard.contains(&name) || !is_known(name));
    }
    if kind.is_none() {
        given.remove("frozen");
    }
    Ok(())
}

/// Whether some encoder that is never trained has such a setting.
fn is_known(name: &str) -> bool {
    super::names::is_setting(&format!("frozen.{name}"))
}
