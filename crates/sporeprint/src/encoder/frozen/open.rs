//! From the settings of a frozen encoder to the encoder.

use std::path::Path;

use super::{FrozenEncoder, FrozenError, Pixels, Simple, onnx};
use crate::config::FrozenConfig;
use crate::encoder::{VisionTransformer, open_pictures};
use crate::images::{CodeView, ImageCache, content_hash};
use crate::progress::Observer;

/// Published weights that a hint names.
const DINOV2_HUB: &str = "hf:facebook/dinov2-small";
const CLIP_HUB: &str = "hf:openai/clip-vit-base-patch32";

/// What can be done with the settings of a frozen encoder.
pub trait OpenFrozen {
    /// Checks that the encoder can be opened before any work is done, and notes which weights those are.
    ///
    /// # Errors
    /// - as [`open`](Self::open), but for what is fitted later
    fn bind(&mut self, weights: Option<&Path>) -> Result<(), FrozenError>;

    /// Bytes that the opened encoder takes, about: weights come into memory twice while they are read.
    fn memory_bytes(&self, weights: Option<&Path>) -> f64;

    /// Learns from this view of the run's own pictures what the encoder needs to know of them, and writes it to `fitted`. Most need
    /// nothing and write nothing.
    ///
    /// # Errors
    /// - the file cannot be written
    fn fit(
        &self,
        images: &ImageCache,
        view: CodeView,
        seed: u64,
        fitted: &Path,
        observer: &dyn Observer,
    ) -> Result<(), FrozenError>;

    /// Opens the encoder: from `weights` where it comes from a file, from what [`fit`](Self::fit) wrote to `fitted`
    /// where it was fitted.
    ///
    /// # Errors
    /// - a file that is missing, damaged or of something else
    fn open(&self, weights: Option<&Path>, fitted: &Path) -> Result<Box<dyn FrozenEncoder>, FrozenError>;
}

impl OpenFrozen for FrozenConfig {
    fn bind(&mut self, weights: Option<&Path>) -> Result<(), FrozenError> {
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
                onnx::complete(config)?;
                onnx::open(config)?;
                config.digest = Some(digest(&config.model)?);
                Ok(())
            }
        }
    }

    fn memory_bytes(&self, weights: Option<&Path>) -> f64 {
        if let Self::Onnx(config) = self {
            return onnx::memory_bytes(&config.model);
        }
        let n_bytes = weights.and_then(|path| fs_err::metadata(path).ok()).map_or(0, |file| file.len());
        2.0 * n_bytes as f64
    }

    fn fit(
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

    fn open(&self, weights: Option<&Path>, fitted: &Path) -> Result<Box<dyn FrozenEncoder>, FrozenError> {
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
