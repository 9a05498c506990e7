//! Settings as somebody gives them: some of all, by their paths, before they are laid over what stands without them.

use serde::Deserialize;
use toml::{Table, Value};

use super::names::{is_setting, is_table};
use super::{ConfigError, EncoderConfig};

/// Settings that a file or a command line gives: values under their paths in `config.toml`, and settings that are to be put back.
///
/// A file has all of `config.toml`'s words or some of them, and `unset = ["encoder.head_dim"]` beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    pub(super) given: Table,
    pub(super) unset: Vec<String>,
    /// The network that the weights given here describe themselves.
    pub(super) described: Option<EncoderConfig>,
    /// Written out whole by a run: what it says need not have been anybody's decision.
    pub(super) is_written_out: bool,
}

impl Overlay {
    /// Reads the text of a settings file; one with a `version` was written out by a run.
    ///
    /// # Errors
    /// - text that is not TOML
    /// - `unset` is no list of settings
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_table(text.parse()?)
    }

    /// The same from a table that is read already.
    ///
    /// # Errors
    /// - `unset` is no list of settings
    pub fn from_table(mut given: Table) -> Result<Self, ConfigError> {
        let unset = given.remove("unset").unwrap_or_else(|| Value::Array(Vec::new()));
        let is_written_out = given.contains_key("version");
        let mut overlay = Self { given, is_written_out, ..Self::default() };
        for name in Vec::<String>::deserialize(unset)? {
            overlay.unset(&name)?;
        }
        Ok(overlay)
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.unset.is_empty()
    }

    /// The value given for a setting, such as `cluster.n_init`.
    pub fn get(&self, setting: &str) -> Option<&Value> {
        get(&self.given, setting)
    }

    /// Gives a setting its value.
    pub fn set(&mut self, setting: &str, value: impl Into<Value>) {
        set(&mut self.given, setting, value.into());
    }

    /// Puts a setting back: one that may be without a value has none then, any other the value that it has without being given.
    /// A table, such as `cluster`, stands for all of its settings.
    ///
    /// # Errors
    /// - there is no such setting
    pub fn unset(&mut self, setting: &str) -> Result<(), ConfigError> {
        if !is_setting(setting) {
            return Err(ConfigError::Unknown { setting: setting.to_owned() });
        }
        self.unset.push(setting.to_owned());
        Ok(())
    }

    /// Says which network the weights given here are of; what else is given here wins.
    pub fn describe(&mut self, network: EncoderConfig) {
        self.described = Some(network);
    }

    /// Every setting given here with its value, by path.
    pub fn leaves(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        leaves("", &self.given, &mut found);
        found
    }
}

fn leaves<'a>(above: &str, table: &'a Table, found: &mut Vec<(String, &'a Value)>) {
    for (name, value) in table {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Table(table) if is_table(&path) => leaves(&path, table, found),
            _ => found.push((path, value)),
        }
    }
}

pub(super) fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((name, rest)) => get(table.get(name)?.as_table()?, rest),
    }
}

pub(super) fn set(table: &mut Table, path: &str, value: Value) {
    let Some((name, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(name.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        set(inner, rest, value);
    }
}

pub(super) fn remove(table: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((name, rest)) => remove(table.get_mut(name)?.as_table_mut()?, rest),
    }
}

/// Lays given settings over others: tables of settings are merged, everything else replaces what is there.
pub(super) fn merge(settings: &mut Table, given: &Table) {
    fn walk(above: &str, settings: &mut Table, given: &Table) {
        for (name, value) in given {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match (settings.get_mut(name), value) {
                (Some(Value::Table(there)), Value::Table(value)) if is_table(&path) => walk(&path, there, value),
                _ => {
                    settings.insert(name.clone(), value.clone());
                }
            }
        }
    }
    walk("", settings, given);
}

/// What must be given over `base` to get `settings`: values, and settings that have none.
pub(super) fn difference(base: &Table, settings: &Table) -> Overlay {
    let mut found = Overlay::default();
    let (base, settings) = (Overlay { given: base.clone(), ..Overlay::default() }, settings);
    let whole = Overlay { given: settings.clone(), ..Overlay::default() };
    for (path, value) in whole.leaves() {
        if base.get(&path) != Some(value) {
            found.set(&path, value.clone());
        }
    }
    found.unset = (base.leaves().into_iter()).map(|(path, _)| path).filter(|path| whole.get(path).is_none()).collect();
    found
}
