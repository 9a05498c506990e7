//! Encoders of other frameworks, as ONNX files: settings, sidecar, the library that runs them, the model itself.

mod library;
mod model;

use std::path::Path;

use serde_json::Value;

use super::{FrozenEncoder, FrozenError};
use crate::config::Normalization;
use crate::config::OnnxConfig;
use crate::images::Filter;

pub use library::onnx_runtime;
use model::OnnxEncoder;
pub(super) use model::memory_bytes;

/// Side of the pictures where nothing says it.
const USUAL_SIZE: usize = OnnxConfig::USUAL_SIZE;

/// Fills in what is unset.
///
/// # Errors
/// - a sidecar or a model that cannot be read, no ONNX Runtime
pub(super) fn complete(config: &mut OnnxConfig) -> Result<(), FrozenError> {
    let sidecar = Sidecar::beside(&config.model)?;
    config.image_size = config.image_size.or(model::only_size(&config.model)?).or(sidecar.size).or(Some(USUAL_SIZE));
    config.filter = config.filter.or(sidecar.filter).or(Some(Filter::default()));
    config.mean = config.mean.or(sidecar.mean).or(Some(Normalization::IMAGENET.mean));
    config.deviation = config.deviation.or(sidecar.deviation).or(Some(Normalization::IMAGENET.deviation));
    Ok(())
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
