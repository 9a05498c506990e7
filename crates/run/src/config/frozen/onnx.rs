//! Models of other frameworks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sporeprint_images::Filter;

use super::{ConfigError, TokenCode, check};

/// Settings of an encoder that is an ONNX file.
///
/// What is unset is taken from a sidecar, `MODEL.json` beside `MODEL.onnx` or else transformers'
/// `preprocessor_config.json`; then from the model's input; then ImageNet's mean and deviation and 224 pixels are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnnxConfig {
    /// The file.
    pub model: PathBuf,
    /// Side of the square pictures, in pixels.
    pub image_size: Option<usize>,
    /// How photographs are brought to that size.
    pub filter: Option<Filter>,
    /// Mean of red, green and blue that is taken off pixels of 0 to 1.
    pub mean: Option<[f32; 3]>,
    /// What is divided by then.
    pub deviation: Option<[f32; 3]>,
    /// Which tokens make the code where the model ends in tokens.
    pub tokens: TokenCode,
    /// Digest of the file that a run was made with; another one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl OnnxConfig {
    /// Side of the pictures where nothing says it.
    pub const USUAL_SIZE: usize = 224;

    /// Side of the pictures as far as it is known before the model is opened.
    pub fn image_size(&self) -> usize {
        self.image_size.unwrap_or(Self::USUAL_SIZE)
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// - a setting out of its range
    pub fn check(&self) -> Result<(), ConfigError> {
        let Some(deviation) = self.deviation else { return Ok(()) };
        let ok = deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        let hint = "0.229,0.224,0.225 is usual";
        check(ok, "frozen.deviation", format!("{deviation:?}"), "three positive numbers", hint)
    }
}
