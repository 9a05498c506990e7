//! Where weights come from, in the one word that settings have for it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an encoder's first weights come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum WeightsSource {
    /// Drawn from the run's seed; the word is `none`.
    #[default]
    None,
    /// The encoder that comes with the program; the word is `builtin`.
    BuiltIn,
    /// A file; the word is its path.
    File(PathBuf),
}

impl WeightsSource {
    /// The file to read, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::None | Self::BuiltIn => None,
            Self::File(path) => Some(path),
        }
    }
}

impl From<String> for WeightsSource {
    fn from(word: String) -> Self {
        match word.as_str() {
            "none" => Self::None,
            "builtin" => Self::BuiltIn,
            path => Self::File(PathBuf::from(path)),
        }
    }
}

impl FromStr for WeightsSource {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self::from(word.to_owned()))
    }
}

impl From<WeightsSource> for String {
    fn from(source: WeightsSource) -> Self {
        match source {
            WeightsSource::None => "none".to_owned(),
            WeightsSource::BuiltIn => "builtin".to_owned(),
            WeightsSource::File(path) => path.display().to_string(),
        }
    }
}
