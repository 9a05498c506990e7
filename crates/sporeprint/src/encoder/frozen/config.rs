//! Which frozen encoder, and how it is opened.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FrozenEncoder, FrozenError, OnnxConfig, Pixels, PixelsConfig, Simple, SimpleConfig, onnx};
use crate::encoder::{TokenCode, VisionTransformer, VisionTransformerConfig, open_pictures};
use crate::images::{CacheConfig, CodeView, Filter, ImageCache, content_hash};
use crate::progress::Observer;

/// Published weights that a hint names.
const DINOV2_HUB: &str = "hf:facebook/dinov2-small";
const CLIP_HUB: &str = "hf:openai/clip-vit-base-patch32";

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
    /// Names that `--encoder` takes, beside those of [`Architecture`](crate::encoder::Architecture).
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

    /// The same encoder for pictures of another size.
    pub fn set_image_size(&mut self, image_size: usize) {
        match self {
            Self::Pixels(config) => config.image_size = image_size,
            Self::Simple(config) => config.image_size = image_size,
            Self::Dinov2(config) | Self::Clip(config) => config.image_size = image_size,
            Self::Onnx(config) => config.image_size = Some(image_size),
        }
    }

    /// Sets what an ONNX model's pixels become; whether the encoder lets itself be told.
    pub fn set_pixel_statistics(&mut self, mean: Option<[f32; 3]>, deviation: Option<[f32; 3]>) -> bool {
        let Self::Onnx(config) = self else { return false };
        config.mean = mean.or(config.mean);
        config.deviation = deviation.or(config.deviation);
        true
    }

    /// The file that the encoder is, where it is one of its own.
    pub fn model_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Onnx(config) => Some(&mut config.model),
            _ => None,
        }
    }

    /// Sets which tokens make the code; whether the encoder has a choice of them.
    pub fn set_tokens(&mut self, tokens: TokenCode) -> bool {
        match self {
            Self::Dinov2(config) => {
                config.tokens = tokens;
                true
            }
            Self::Onnx(config) => {
                config.tokens = tokens;
                true
            }
            Self::Pixels(_) | Self::Simple(_) | Self::Clip(_) => false,
        }
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// - a setting out of its range
    pub fn check(&self) -> Result<(), FrozenError> {
        match self {
            Self::Pixels(config) => config.check(),
            Self::Simple(config) => config.check(),
            Self::Dinov2(config) | Self::Clip(config) => config.check(),
            Self::Onnx(config) => config.check(),
        }
    }

    /// Checks that the encoder can be opened before any work is done, and notes which weights those are.
    ///
    /// # Errors
    /// - as [`open`](Self::open), but for what is fitted later
    pub fn bind(&mut self, weights: Option<&Path>) -> Result<(), FrozenError> {
        match self {
            Self::Pixels(_) | Self::Simple(_) => Ok(()),
            Self::Dinov2(config) => {
                let weights = needed(weights, "dinov2", DINOV2_HUB)?;
                VisionTransformer::open(weights, config)?;
                config.digest = Some(digest(weights)?);
                Ok(())
            }
            Self::Clip(config) => {
                let weights = needed(weights, "clip", CLIP_HUB)?;
                open_pictures(weights, config)?;
                config.digest = Some(digest(weights)?);
                Ok(())
            }
            Self::Onnx(config) => {
                config.complete()?;
                onnx::open(config)?;
                config.digest = Some(digest(&config.model)?);
                Ok(())
            }
        }
    }

    /// Bytes that the opened encoder takes, about: weights come into memory twice while they are read.
    pub fn memory_bytes(&self, weights: Option<&Path>) -> f64 {
        if let Self::Onnx(config) = self {
            return config.memory_bytes();
        }
        let n_bytes = weights.and_then(|path| fs_err::metadata(path).ok()).map_or(0, |file| file.len());
        2.0 * n_bytes as f64
    }

    /// Learns from this view of the run's own pictures what the encoder needs to know of them, and writes it to `fitted`. Most need
    /// nothing and write nothing.
    ///
    /// # Errors
    /// - the file cannot be written
    pub fn fit(
        &self,
        images: &ImageCache,
        view: CodeView,
        seed: u64,
        fitted: &Path,
        observer: &dyn Observer,
    ) -> Result<(), FrozenError> {
        match self {
            Self::Pixels(_) | Self::Dinov2(_) | Self::Clip(_) | Self::Onnx(_) => Ok(()),
            Self::Simple(_) => {
                observer.begin("learning a dictionary of patches", 0);
                Simple::fit(images, view, seed)?.save(fitted)?;
                observer.end();
                Ok(())
            }
        }
    }

    /// Opens the encoder: from `weights` where it comes from a file, from what [`fit`](Self::fit) wrote to `fitted`
    /// where it was fitted.
    ///
    /// # Errors
    /// - a file that is missing, damaged or of something else
    pub fn open(&self, weights: Option<&Path>, fitted: &Path) -> Result<Box<dyn FrozenEncoder>, FrozenError> {
        match self {
            Self::Pixels(config) => Ok(Box::new(Pixels::new(config.clone()))),
            Self::Simple(_) => Ok(Box::new(Simple::open(fitted)?)),
            Self::Dinov2(config) => {
                let weights = needed(weights, "dinov2", DINOV2_HUB)?;
                same_weights(weights, config.digest.as_deref())?;
                Ok(Box::new(VisionTransformer::open(weights, config)?))
            }
            Self::Clip(config) => {
                let weights = needed(weights, "clip", CLIP_HUB)?;
                same_weights(weights, config.digest.as_deref())?;
                Ok(Box::new(open_pictures(weights, config)?))
            }
            Self::Onnx(config) => {
                same_weights(&config.model, config.digest.as_deref())?;
                onnx::open(config)
            }
        }
    }
}

fn needed<'a>(weights: Option<&'a Path>, encoder: &'static str, hub: &'static str) -> Result<&'a Path, FrozenError> {
    weights.ok_or(FrozenError::NoWeights { encoder, hub })
}

/// Sixteen hexadecimal digits that stand for a file's bytes.
fn digest(path: &Path) -> Result<String, FrozenError> {
    Ok(format!("{:016x}", content_hash(&fs_err::read(path)?, 0)))
}

/// Codes of other weights cannot be compared with those of the run.
fn same_weights(path: &Path, expected: Option<&str>) -> Result<(), FrozenError> {
    match expected {
        Some(expected) if digest(path)? != expected => Err(FrozenError::OtherWeights { path: path.to_owned() }),
        _ => Ok(()),
    }
}
