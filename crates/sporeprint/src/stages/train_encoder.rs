//! `train-encoder`: labelled photographs to an encoder for other people's photographs.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use burn::tensor::Device;
use fs_err as fs;

use super::StageError;
use super::images::{Images, note_skipped};
use crate::config::{Labels, TrainEncoderConfig};
use crate::encoder::BuildEncoder;
use crate::images::{CacheConfig, ImageCache};
use crate::progress::Observer;
use crate::run::{Existing, RunDir, SessionError, lock, write_atomically};
use crate::train::{Classification, EpochLoop, LabelledSet, TrainError, remove_all};

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
    fs::create_dir_all(dir.root())?;
    let _lock = lock(dir)?;
    let settings = dir.root().join("train-encoder.toml");
    prepare(dir, &settings, existing)?;
    let images = read(config, paths, labels, dir, observer)?;
    let names: Vec<Option<&str>> = images.entries.iter().map(|e| e.label.as_deref()).collect();
    let mut classes: Vec<String> = names.iter().flatten().map(|&name| name.to_owned()).collect();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() < 2 || names.iter().any(Option::is_none) {
        let unlabelled = names.iter().filter(|name| name.is_none()).count();
        return Err(StageError::TooFewClasses { n_classes: classes.len(), unlabelled });
    }
    let class_of = |name: &Option<&str>| classes.binary_search_by(|c| c.as_str().cmp(name.unwrap_or(""))).unwrap_or(0);
    let numbers: Vec<u32> = names.iter().map(|name| class_of(name) as u32).collect();
    let set = LabelledSet::split(&images.cache, numbers, classes.len(), config.hold_out, config.seed);
    write_settings(config, &settings, &classes, dir)?;
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
    training.run(&mut learner, true, observer).map_err(|error| named(error, &images))?;
    let weights = dir.encoder();
    learner.into_network().without_head().save_described(&weights)?;
    remove_all(&dir.checkpoints(), training.stage)?;
    Ok(TrainedEncoder { weights, n_images: images.len(), n_skipped: images.n_skipped, classes })
}

/// Refuses a folder with something else in it, and one whose training should not be lost.
fn prepare(dir: &RunDir, settings: &std::path::Path, existing: Existing) -> Result<(), StageError> {
    let path = dir.root().to_owned();
    if settings.exists() {
        return match existing {
            Existing::Refuse => Err(SessionError::Exists { path }.into()),
            Existing::Resume => Ok(()),
            Existing::Overwrite => {
                remove_all(&dir.checkpoints(), STAGE)?;
                [dir.metrics(), dir.encoder()].iter().filter(|p| p.exists()).try_for_each(fs::remove_file)?;
                Ok(())
            }
        };
    }
    let stranger = fs::read_dir(&path)?.flatten().any(|entry| entry.path() != dir.lock());
    if stranger { Err(SessionError::NotARun { path }.into()) } else { Ok(()) }
}

const STAGE: &str = "train-encoder";

fn read(
    config: &TrainEncoderConfig,
    paths: &[PathBuf],
    labels: &Labels,
    dir: &RunDir,
    observer: &dyn Observer,
) -> Result<Images, StageError> {
    let found = super::images::find(paths, labels)?;
    if found.is_empty() {
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(StageError::NoImages { paths: paths.join(", ") });
    }
    let cache_config = CacheConfig::new(config.encoder.image_size);
    if dir.cache().exists()
        && let Ok(built) = ImageCache::open(&dir.cache(), &found, &cache_config)
    {
        return Ok(built.into());
    }
    observer.begin("reading images", found.len() as u64);
    let built = ImageCache::build(&dir.cache(), &found, &cache_config, &|progress| {
        observer.advance(progress.done as u64, &format!("{} skipped", progress.skipped));
    })?;
    observer.end();
    let images = Images::from(built);
    note_skipped(&images, None, observer);
    Ok(images)
}

fn write_settings(
    config: &TrainEncoderConfig,
    path: &std::path::Path,
    classes: &[String],
    dir: &RunDir,
) -> Result<(), StageError> {
    let unreadable = |reason: String| SessionError::Unreadable { path: path.to_owned(), reason };
    let text = toml::to_string_pretty(config).map_err(|e| unreadable(e.to_string()))?;
    write_atomically(path, |out| out.write_all(text.as_bytes()))?;
    write_atomically(&dir.root().join("classes.csv"), |out| {
        writeln!(out, "class,name")?;
        classes.iter().enumerate().try_for_each(|(class, name)| {
            let name = crate::run::tables::neutralise(name).replace('"', "\"\"");
            writeln!(out, "{class},\"{name}\"")
        })
    })?;
    Ok(())
}

fn epoch_loop(
    config: &TrainEncoderConfig,
    set: &LabelledSet<'_>,
    dir: &RunDir,
    interval: Duration,
    settings: &std::path::Path,
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

fn named(error: TrainError, images: &Images) -> StageError {
    match error {
        TrainError::NotFinite { images: batch, at } => StageError::NotFinite {
            stage: STAGE,
            epoch: at.epoch + 1,
            batch: at.batch + 1,
            images: batch.iter().map(|&i| images.entries[i as usize].name.clone()).collect(),
            setting: "sgd.learning_rate",
        },
        other => other.into(),
    }
}
