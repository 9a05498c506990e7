//! `train-encoder`: labelled photographs to an encoder for other people's photographs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use fs_err as fs;

use super::StageError;
use super::images::{Images, decode_images, find_all, note_skipped};
use super::train::named;
use crate::config::{Labels, TrainEncoderConfig};
use crate::encoder::BuildEncoder;
use crate::images::{CacheConfig, FoundImage, ImageCache};
use crate::progress::Observer;
use crate::run::tables::write_classes;
use crate::run::{Existing, RunDir, SessionError, hold, write_atomically};
use crate::train::{Classification, EpochLoop, LabelledSet, remove_all};

/// What came of a training with labels.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedEncoder {
    /// The weights, half precision, with the network's settings beside them.
    pub weights: PathBuf,
    /// Images trained on.
    pub n_images: usize,
    /// Images that could not be read or had no label.
    pub n_skipped: usize,
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
}

/// Trains an encoder on labelled images and writes `encoder.safetensors` into `dir`, beside `train-encoder.toml`,
/// `classes.csv` and `metrics.jsonl`. Stopped or killed, it goes on from its newest checkpoint.
///
/// # Errors
/// When there are fewer than two classes, another process works in the folder, or a file cannot be read or written.
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
    let found = find_all(paths, labels)?;
    classes_of(found.iter().map(|image| image.label.as_deref()))?;
    let settings = dir.root().join("train-encoder.toml");
    let held = hold(dir, &settings, existing)?;
    write_settings(config, &settings)?;
    let images = read(config, &found, (dir, held.goes_on), observer)?;
    let names: Vec<Option<&str>> = images.entries.iter().map(|e| e.label.as_deref()).collect();
    let classes = classes_of(names.iter().copied())?;
    let class_of = |name: &Option<&str>| classes.binary_search_by(|c| c.as_str().cmp(name.unwrap_or(""))).unwrap_or(0);
    let numbers: Vec<u32> = names.iter().map(|name| class_of(name) as u32).collect();
    let set = LabelledSet::split(&images.cache, numbers, classes.len(), config.hold_out, config.seed);
    write_classes(&dir.root().join("classes.csv"), &classes)?;
    observer.note(&format!(
        "{} images of {} classes, {} kept apart; {} of width {} at {} px",
        set.train.len(),
        classes.len(),
        set.held_out.len(),
        config.encoder.architecture,
        config.encoder.width,
        config.encoder.image_size
    ));
    let device = Device::flex().autodiff();
    let mut network = config.encoder.clone();
    network.head_dim = Some(classes.len());
    let network = network.init(&device, config.seed)?;
    let training = epoch_loop(config, &set, dir, interval, &settings)?;
    let mut learner = Classification::new(network, set, config, device);
    training.run(&mut learner, true, observer).map_err(|error| named(error, STAGE, "sgd.learning_rate", &images))?;
    let weights = dir.encoder();
    learner.into_network().without_head().save_described(&weights)?;
    remove_all(&dir.checkpoints(), training.stage)?;
    Ok(TrainedEncoder { weights, n_images: images.len(), n_skipped: images.n_skipped, classes })
}

/// The names of the classes, sorted.
///
/// # Errors
/// When there are fewer than two, or a label is missing.
fn classes_of<'a>(labels: impl Iterator<Item = Option<&'a str>> + Clone) -> Result<Vec<String>, StageError> {
    let mut classes: Vec<String> = labels.clone().flatten().map(str::to_owned).collect();
    classes.sort_unstable();
    classes.dedup();
    let unlabelled = labels.filter(Option::is_none).count();
    if classes.len() < 2 || unlabelled > 0 {
        return Err(StageError::TooFewClasses { n_classes: classes.len(), unlabelled });
    }
    Ok(classes)
}

const STAGE: &str = "train-encoder";

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

fn epoch_loop(
    config: &TrainEncoderConfig,
    set: &LabelledSet<'_>,
    dir: &RunDir,
    interval: Duration,
    settings: &Path,
) -> Result<EpochLoop, StageError> {
    let text = fs::read_to_string(settings)?;
    let settings = crate::images::content_hash(text.as_bytes(), 0);
    Ok(EpochLoop {
        stage: STAGE,
        n_images: set.train.len(),
        batch_size: config.batch_size,
        epochs: config.epochs,
        seed: config.seed,
        learning_rate: config.sgd.learning_rate(config.epochs),
        fingerprint: format!("images {}, settings {settings:016x}", set.cache.fingerprint()),
        checkpoints: dir.checkpoints(),
        interval,
        metrics: dir.metrics(),
        metrics_before: 0,
    })
}
