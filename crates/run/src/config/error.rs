//! Settings that cannot work, or that say nothing.
//!
//! Messages name settings by their paths between backticks, `` `encoder.image_size` `` or `` `weights = none` ``, so that whoever
//! shows them can put flags in their place.

use super::NetworkError;

/// A setting that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One that the network cannot be built with.
    #[error(transparent)]
    Encoder(#[from] NetworkError),
    /// A value outside its range.
    #[error("`{setting}` is {found}, expected {expected}\nhint: {hint}")]
    Value {
        /// The setting's path.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What can be given.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
    /// Strengths of views outside their range.
    #[error("{0}\nhint: leave it out of `views` for the usual strength")]
    Views(String),
    /// Settings that decide nothing because of others.
    #[error("{}", said(.0))]
    Unheard(Vec<Unheard>),
    /// A setting that does not exist.
    #[error("`{setting}` is no setting{}", nearest(.setting))]
    Unknown {
        /// What was given.
        setting: String,
    },
    /// A file that a setting names is not there.
    #[error("`{setting}`: there is no file {}\nhint: {hint}", path.display())]
    NoFile {
        /// The setting's path.
        setting: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// Settings that are not TOML, of another type or unknown.
    #[error("cannot read the settings: {0}")]
    Toml(#[from] toml::de::Error),
}

/// A setting that decides nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// Its path.
    pub setting: String,
    /// What silences it.
    pub because: String,
    /// What to do to have it heard.
    pub remedy: &'static str,
}

fn said(unheard: &[Unheard]) -> String {
    match unheard {
        [one] => format!("`{}` says nothing: {}\nhint: {}, or leave it out", one.setting, one.because, one.remedy),
        many => {
            let mut text = format!("{} settings say nothing here:", many.len());
            for Unheard { setting, because, remedy } in many {
                text += &format!("\n  `{setting}`: {because} ({remedy})");
            }
            text + "\nhint: leave them out, or do as it says beside them"
        }
    }
}

/// A hint at the setting whose last word is the same, where there is one.
fn nearest(setting: &str) -> String {
    let last = setting.rsplit('.').next().unwrap_or(setting);
    let meant = super::setting_names().find(|name| name.rsplit('.').next() == Some(last));
    meant.map_or_else(
        || "\nhint: `config.toml` of a run lists them".to_owned(),
        |name| format!("\nhint: `{name}` is one"),
    )
}

/// Refuses a value that is not `ok`.
pub(super) fn check(
    ok: bool,
    setting: &'static str,
    found: impl ToString,
    expected: &str,
    hint: &'static str,
) -> Result<(), ConfigError> {
    if ok {
        return Ok(());
    }
    Err(ConfigError::Value { setting, found: found.to_string(), expected: expected.to_owned(), hint })
}

/// Refuses a number below `least`.
pub(super) fn at_least(
    least: usize,
    setting: &'static str,
    found: usize,
    hint: &'static str,
) -> Result<(), ConfigError> {
    check(found >= least, setting, found, &format!("{least} or more"), hint)
}

/// Refuses what is not a positive finite number.
pub(super) fn positive<T>(setting: &'static str, found: T, hint: &'static str) -> Result<(), ConfigError>
where
    T: Copy + ToString + Into<f64>,
{
    let number: f64 = found.into();
    check(number.is_finite() && number > 0.0, setting, found, "a positive number", hint)
}

/// Refuses what is negative or not finite.
pub(super) fn not_negative<T>(setting: &'static str, found: T, hint: &'static str) -> Result<(), ConfigError>
where
    T: Copy + ToString + Into<f64>,
{
    let number: f64 = found.into();
    check(number.is_finite() && number >= 0.0, setting, found, "0 or more", hint)
}
