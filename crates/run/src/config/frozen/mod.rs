//! Encoders that are never trained: which one, and what is to be said about it.

mod onnx;
mod tokens;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sporeprint_images::{CacheConfig, Filter};

use super::ConfigError;
use super::error::check;
use super::names::fields;

pub use onnx::OnnxConfig;
pub use tokens::{TokenCode, VisionTransformerConfig};

/// A frozen encoder before it is opened; the table `[frozen]` of `config.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FrozenConfig {
    /// The pixels themselves, averaged down.
    Pixels(PixelsConfig),
    /// Edges, colours and patches, with a dictionary learnt from the folder.
    Simple(SimpleConfig),
    /// DINOv2's vision transformer, from a file of weights.
    Dinov2(VisionTransformerConfig),
    /// CLIP's tower of pictures, from a file of weights.
    Clip(VisionTransformerConfig),
    /// A model of another framework, from an ONNX file.
    Onnx(OnnxConfig),
}

impl FrozenConfig {
    /// Names that `encoder.architecture` takes when settings are resolved, beside those of [`Architecture`](super::Architecture) and
    /// the path of an ONNX file.
    pub const NAMES: &[&str] = &["pixels", "simple", "dinov2", "clip"];

    /// The encoder of a name, with its default settings.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "pixels" => Some(Self::Pixels(PixelsConfig::default())),
            "simple" => Some(Self::Simple(SimpleConfig::default())),
            "dinov2" => Some(Self::Dinov2(VisionTransformerConfig::default())),
            "clip" => Some(Self::Clip(VisionTransformerConfig::default())),
            path if path.to_ascii_lowercase().ends_with(".onnx") => {
                Some(Self::Onnx(OnnxConfig { model: path.into(), ..OnnxConfig::default() }))
            }
            _ => None,
        }
    }

    /// What to call it where people read.
    pub fn name(&self) -> &str {
        match self {
            Self::Pixels(_) => "pixels",
            Self::Simple(_) => "simple",
            Self::Dinov2(_) => "dinov2",
            Self::Clip(_) => "clip",
            Self::Onnx(config) => config.model.to_str().unwrap_or("an ONNX model"),
        }
    }

    /// The word for it in `frozen.kind`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Pixels(_) => "pixels",
            Self::Simple(_) => "simple",
            Self::Dinov2(_) => "dinov2",
            Self::Clip(_) => "clip",
            Self::Onnx(_) => "onnx",
        }
    }

    /// The settings that an encoder of a kind hears.
    pub(super) fn settings_of(kind: &str) -> &'static [&'static str] {
        match kind {
            "pixels" => fields::<PixelsConfig>(),
            "simple" => fields::<SimpleConfig>(),
            "dinov2" => fields::<VisionTransformerConfig>(),
            // Its code is the class token's, brought to the space of words.
            "clip" => &["image_size", "digest"],
            "onnx" => fields::<OnnxConfig>(),
            _ => &[],
        }
    }

    /// Side of the square pictures that it expects, in pixels.
    pub fn image_size(&self) -> usize {
        match self {
            Self::Pixels(config) => config.image_size,
            Self::Simple(config) => config.image_size,
            Self::Dinov2(config) | Self::Clip(config) => config.image_size,
            Self::Onnx(config) => config.image_size(),
        }
    }

    /// How photographs become those pictures: resized as they were when the weights were trained.
    pub fn cache(&self) -> CacheConfig {
        let filter = match self {
            Self::Pixels(_) | Self::Simple(_) => Filter::Bilinear,
            Self::Dinov2(_) | Self::Clip(_) => Filter::Bicubic,
            Self::Onnx(config) => config.filter.unwrap_or_default(),
        };
        CacheConfig { filter, ..CacheConfig::new(self.image_size()) }
    }

    /// The file that the encoder is, where it is one of its own.
    pub fn model_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Onnx(config) => Some(&mut config.model),
            _ => None,
        }
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// - a setting out of its range
    pub fn check(&self) -> Result<(), ConfigError> {
        let (size, hint) = match self {
            Self::Pixels(_) | Self::Simple(_) => (self.image_size(), "64 is usual"),
            Self::Dinov2(_) | Self::Clip(_) => {
                (self.image_size(), "224 is usual; whole multiples of the patch size lose no pixels")
            }
            Self::Onnx(config) => {
                config.check()?;
                (self.image_size(), "leave it out to take the model's own")
            }
        };
        check(size > 0, "frozen.image_size", size, "1 or more", hint)
    }
}

/// Settings of the encoder whose codes are the pixels themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelsConfig {
    /// Side of the pictures, in pixels.
    pub image_size: usize,
    /// Side that they are averaged down to.
    pub side: usize,
}

impl Default for PixelsConfig {
    /// 32 x 32 as in published k-means baselines, from pictures of 64 pixels.
    fn default() -> Self {
        Self { image_size: 64, side: 32 }
    }
}

/// Settings of edges, colours and patches as an encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimpleConfig {
    /// Side of the pictures, in pixels; features are taken from 32 x 32.
    pub image_size: usize,
}

impl Default for SimpleConfig {
    fn default() -> Self {
        Self { image_size: 64 }
    }
}
