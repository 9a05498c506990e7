//! `train-encoder`: photographs to an encoder for other people's photographs, by labels or by a teacher.

mod labelled;
mod taught;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::StageError;
use super::images::{Images, decode_images, find_all, note_skipped};
use burn::tensor::Device;

use crate::config::{EncoderConfig, Labels, TrainEncoderConfig, WeightsSource};
use crate::encoder::{BuildEncoder, Encoder, Weights};
use crate::images::{CacheConfig, FoundImage, ImageCache};
use crate::progress::Observer;
use crate::run::{Existing, RunDir, SessionError, hold, write_atomically};
use crate::train::EpochLoop;

/// What came of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedEncoder {
    /// The weights, half precision, with the network's settings beside them.
    pub weights: PathBuf,
    /// Images trained on.
    pub n_images: usize,
    /// Images that could not be read or had no label.
    pub n_skipped: usize,
    /// Names of the classes, sorted; none where a teacher stood in their place.
    pub classes: Vec<String>,
}

/// Trains an encoder on images and writes `encoder.safetensors` into `dir`, beside `train-encoder.toml` and `metrics.jsonl`: to name
/// their labels (`classes.csv` has them), or to say what the teacher of the settings says, who needs no labels. Stopped or
/// killed, it goes on from its newest checkpoint.
///
/// # Errors
/// When there are fewer than two classes or a teacher cannot be asked, another process works in the folder, or a file cannot be
/// read or written.
pub fn train_encoder(
    config: &TrainEncoderConfig,
    (paths, labels): (&[PathBuf], &Labels),
    dir: &RunDir,
    existing: Existing,
    interval: Duration,
    observer: &dyn Observer,
) -> Result<TrainedEncoder, StageError> {
    config.check()?;
    // Looked at before an older training is removed.
    let labels = if config.teacher.is_some() { &Labels::None } else { labels };
    let found = find_all(paths, labels)?;
    let opened = match &config.teacher {
        Some(teacher) => Some(taught::Lesson::open(config, teacher)?),
        None => {
            labelled::classes_of(found.iter().map(|image| image.label.as_deref()))?;
            None
        }
    };
    let settings = dir.root().join("train-encoder.toml");
    let held = hold(dir, &settings, existing)?;
    write_settings(config, &settings)?;
    let images = read(config, &found, (dir, held.goes_on), observer)?;
    let training = Training { config, images: &images, dir, interval, settings: &settings };
    let classes = match opened {
        Some(lesson) => {
            lesson.teach(&training, observer)?;
            Vec::new()
        }
        None => labelled::train(&training, observer)?,
    };
    Ok(TrainedEncoder { weights: dir.encoder(), n_images: images.len(), n_skipped: images.n_skipped, classes })
}

/// What both ways of training are given.
struct Training<'a> {
    config: &'a TrainEncoderConfig,
    images: &'a Images,
    dir: &'a RunDir,
    interval: Duration,
    settings: &'a Path,
}

const STAGE: &str = "train-encoder";

impl Training<'_> {
    fn epoch_loop(&self, n_images: usize) -> Result<EpochLoop, StageError> {
        let Self { config, images, dir, .. } = self;
        let text = fs::read_to_string(self.settings)?;
        let settings = crate::images::content_hash(text.as_bytes(), 0);
        Ok(EpochLoop {
            stage: STAGE,
            n_images,
            batch_size: config.batch_size,
            epochs: config.epochs,
            seed: config.seed,
            learning_rate: config.sgd.learning_rate(config.epochs),
            fingerprint: format!("images {}, settings {settings:016x}", images.cache.fingerprint()),
            checkpoints: dir.checkpoints(),
            interval: self.interval,
            metrics: dir.metrics(),
            metrics_before: 0,
        })
    }
}

fn read(
    config: &TrainEncoderConfig,
    found: &[FoundImage],
    (dir, goes_on): (&RunDir, bool),
    observer: &dyn Observer,
) -> Result<Images, StageError> {
    let cache_config = CacheConfig::new(config.encoder.image_size);
    // One that a kill left unfinished, or of other pictures, is made anew.
    if goes_on && let Ok(built) = ImageCache::open(&dir.cache(), found, &cache_config) {
        return Ok(built.into());
    }
    let built = decode_images(&dir.cache(), found, &cache_config, observer)?;
    let images = Images::from(built);
    note_skipped(&images, None, observer);
    Ok(images)
}

fn write_settings(config: &TrainEncoderConfig, path: &Path) -> Result<(), StageError> {
    let unreadable = |reason: String| SessionError::Unreadable { path: path.to_owned(), reason };
    let text = toml::to_string_pretty(config).map_err(|e| unreadable(e.to_string()))?;
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}

/// The network with its weights.
fn with_weights(
    config: &EncoderConfig,
    weights: &WeightsSource,
    seed: u64,
    device: &Device,
) -> Result<Encoder, StageError> {
    let network = config.init(device, seed)?;
    Ok(match weights {
        WeightsSource::None => network,
        WeightsSource::BuiltIn => network.with_built_in_weights()?.0,
        WeightsSource::File(path) => network.with_weights(path)?.0,
    })
}
