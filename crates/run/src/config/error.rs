//! Settings that cannot work.

use super::NetworkError;

/// A setting that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One that the network cannot be built with.
    #[error(transparent)]
    Encoder(#[from] NetworkError),
    /// A value outside its range.
    #[error("{flag} is {found}, expected {expected}\nhint: {hint}")]
    Value {
        /// The flag that sets it.
        flag: &'static str,
        /// What was given.
        found: String,
        /// What can be given.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
}

pub(super) fn check(
    ok: bool,
    flag: &'static str,
    found: impl ToString,
    expected: &str,
    hint: &'static str,
) -> Result<(), ConfigError> {
    if ok {
        return Ok(());
    }
    Err(ConfigError::Value { flag, found: found.to_string(), expected: expected.to_owned(), hint })
}
