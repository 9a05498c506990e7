//! Encoders of other frameworks, as ONNX files: settings, sidecar, the library that runs them, the model itself.

mod library;
mod model;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::check_value;
use super::{FrozenEncoder, FrozenError};
use crate::batch::{DEVIATION, MEAN};
use crate::encoder::TokenCode;
use crate::images::Filter;

pub use library::onnx_runtime;
use model::OnnxEncoder;

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

/// Side of the pictures where nothing says it.
const USUAL_SIZE: usize = 224;

impl OnnxConfig {
    /// Side of the pictures as far as it is known before the model is opened.
    pub(crate) fn image_size(&self) -> usize {
        self.image_size.unwrap_or(USUAL_SIZE)
    }

    pub(crate) fn check(&self) -> Result<(), FrozenError> {
        let hint = "leave it out to take the model's own";
        check_value(self.image_size() > 0, "--image-size", self.image_size(), "1 or more", hint)?;
        let deviation = self.deviation.unwrap_or(DEVIATION);
        let ok = deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        check_value(
            ok,
            "--pixel-deviation",
            format!("{deviation:?}"),
            "three positive numbers",
            "0.229,0.224,0.225 is usual",
        )
    }

    /// Bytes that the opened model takes, about.
    pub(crate) fn memory_bytes(&self) -> f64 {
        model::memory_bytes(&self.model)
    }

    /// Fills in what is unset.
    ///
    /// # Errors
    /// - a sidecar or a model that cannot be read, no ONNX Runtime
    pub(crate) fn complete(&mut self) -> Result<(), FrozenError> {
        let sidecar = Sidecar::beside(&self.model)?;
        self.image_size = self.image_size.or(model::only_size(&self.model)?).or(sidecar.size).or(Some(USUAL_SIZE));
        self.filter = self.filter.or(sidecar.filter).or(Some(Filter::default()));
        self.mean = self.mean.or(sidecar.mean).or(Some(MEAN));
        self.deviation = self.deviation.or(sidecar.deviation).or(Some(DEVIATION));
        Ok(())
    }
}

/// What `preprocessor_config.json` says, in numbers for pixels of 0 to 1.
#[derive(Debug, Default)]
struct Sidecar {
    size: Option<usize>,
    filter: Option<Filter>,
    mean: Option<[f32; 3]>,
    deviation: Option<[f32; 3]>,
}

impl Sidecar {
    fn beside(model: &Path) -> Result<Self, FrozenError> {
        let own = model.with_extension("json");
        let path = if own.exists() { own } else { model.with_file_name("preprocessor_config.json") };
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs_err::read_to_string(&path)?;
        let config: Value = serde_json::from_str(&text)
            .map_err(|error| FrozenError::Sidecar { path: path.clone(), reason: error.to_string() })?;
        let on = |key: &str| config[key].as_bool().unwrap_or(true);
        // What pixels of 0 to 255 are multiplied by; 1 to 255 of ours then.
        let factor = if on("do_rescale") { config["rescale_factor"].as_f64().unwrap_or(1.0 / 255.0) } else { 1.0 };
        let three = |key: &str| -> Result<Option<[f32; 3]>, FrozenError> {
            let Some(values) = config[key].as_array() else { return Ok(None) };
            let numbers: Vec<f32> = values.iter().filter_map(|v| Some(v.as_f64()? as f32)).collect();
            let numbers = <[f32; 3]>::try_from(numbers);
            let reason = format!("{key} takes three numbers");
            numbers.map(Some).map_err(|_| FrozenError::Sidecar { path: path.clone(), reason })
        };
        let scale = (1.0 / (255.0 * factor)) as f32;
        let (mean, deviation) = if on("do_normalize") {
            (three("image_mean")?, three("image_std")?)
        } else {
            (Some([0.0; 3]), Some([1.0; 3]))
        };
        let size = |key: &str| {
            let value = &config[key];
            let side =
                value.as_u64().or_else(|| value["height"].as_u64()).or_else(|| value["shortest_edge"].as_u64())?;
            usize::try_from(side).ok()
        };
        // Pillow's numbers for its filters.
        let filter = match config["resample"].as_u64() {
            None => None,
            Some(2) => Some(Filter::Bilinear),
            Some(3) => Some(Filter::Bicubic),
            Some(other) => {
                let reason = format!("resample is {other}, expected 2 (bilinear) or 3 (bicubic)");
                return Err(FrozenError::Sidecar { path, reason });
            }
        };
        Ok(Self {
            filter,
            size: size("crop_size").or_else(|| size("size")),
            mean: mean.map(|m| m.map(|x| x * scale)),
            deviation: deviation.map(|d| d.map(|x| x * scale)),
        })
    }
}

/// Opens the model.
pub(super) fn open(config: &OnnxConfig) -> Result<Box<dyn FrozenEncoder>, FrozenError> {
    Ok(Box::new(OnnxEncoder::open(config)?))
}
