//! What weights do not say of themselves: the JSON files that transformers and OpenCLIP put beside them.

use std::path::Path;

use serde_json::Value;

use super::arithmetic::Activation;
use crate::config::Normalization;
use crate::encoder::frozen::check_value;
use crate::encoder::{FrozenError, WeightsError};

/// CLIP's own mean and deviation of red, green and blue.
pub(super) const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
pub(super) const CLIP_DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// `config.json`, or nothing: then the published networks' values are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    config: Value,
}

impl Settings {
    /// Reads `config.json` beside the weights.
    pub(super) fn beside(weights: &Path) -> Result<Self, WeightsError> {
        Ok(Self { config: json(&weights.with_file_name("config.json"))? })
    }

    /// The part of one of CLIP's towers.
    pub(super) fn tower(&self, name: &str) -> Self {
        Self { config: self.config.get(name).cloned().unwrap_or(Value::Null) }
    }

    /// Heads of the attention; 64 numbers each in all published networks of this kind.
    ///
    /// # Errors
    /// - no number is given, and 64 does not divide the tokens; or the one given does not
    pub(super) fn heads(&self, dim: usize) -> Result<usize, FrozenError> {
        let given = self.config.get("num_attention_heads").and_then(Value::as_u64).map(|n| n as usize);
        let heads = given.unwrap_or(if dim.is_multiple_of(64) { dim / 64 } else { 0 });
        let ok = heads > 0 && dim.is_multiple_of(heads);
        let expected = format!("a number that divides the tokens' {dim}");
        let hint = "put the config.json that belongs to the weights beside them";
        check_value(
            ok,
            "num_attention_heads in config.json",
            given.map_or("unknown".to_owned(), |n| n.to_string()),
            expected,
            hint,
        )?;
        Ok(heads)
    }

    pub(super) fn epsilon(&self, otherwise: f32) -> f32 {
        self.config.get("layer_norm_eps").and_then(Value::as_f64).map_or(otherwise, |e| e as f32)
    }

    pub(super) fn activation(&self, otherwise: Activation) -> Activation {
        match self.config.get("hidden_act").and_then(Value::as_str) {
            Some("quick_gelu") => Activation::QuickGelu,
            Some("gelu") => Activation::Gelu,
            _ => otherwise,
        }
    }
}

/// Mean and deviation of the pixels, from `preprocessor_config.json` where there is one.
pub(super) fn pixel_statistics(weights: &Path, clip: bool) -> Result<([f32; 3], [f32; 3]), WeightsError> {
    let config = json(&weights.with_file_name("preprocessor_config.json"))?;
    let three = |key: &str| {
        let values: Vec<f32> = config.get(key)?.as_array()?.iter().filter_map(|v| Some(v.as_f64()? as f32)).collect();
        <[f32; 3]>::try_from(values).ok()
    };
    let Normalization { mean, deviation } =
        if clip { Normalization { mean: CLIP_MEAN, deviation: CLIP_DEVIATION } } else { Normalization::IMAGENET };
    let positive = |d: &[f32; 3]| d.iter().all(|d| *d > 0.0);
    Ok((three("image_mean").unwrap_or(mean), three("image_std").filter(positive).unwrap_or(deviation)))
}

/// A file that is not there says nothing; one that is no JSON is an error.
fn json(path: &Path) -> Result<Value, WeightsError> {
    match fs_err::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| WeightsError::Damaged { path: path.to_owned(), reason: error.to_string() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}
