//! Training with labels, from drawn pictures to a weight file that says what its network is.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::tensor::Device;
use sporeprint::config::EncoderConfig;
use sporeprint::config::{Labels, TeacherConfig, TrainEncoderConfig, WeightsSource};
use sporeprint::demo::{KINDS, write_demo};
use sporeprint::encoder::BuildEncoder;
use sporeprint::encoder::{Weights, described_encoder, read_tensors};
use sporeprint::progress::{Observer, Silent};
use sporeprint::run::tables::read_metrics;
use sporeprint::run::{Existing, RunDir};
use sporeprint::stages::{StageError, TrainedEncoder, train_encoder};

fn config(epochs: usize) -> TrainEncoderConfig {
    let default = TrainEncoderConfig::default();
    let encoder = EncoderConfig { width: 0.125, image_size: 32, ..default.encoder.clone() };
    let mut config = TrainEncoderConfig { encoder, epochs, batch_size: 16, hold_out: 0.2, ..default };
    (config.small_epochs, config.small_size, config.sharp_epochs) = (1, 24, 1);
    (config.instance_weight, config.sgd.learning_rate, config.average) = (0.1, 0.05, 0.9);
    config
}

fn train(
    config: &TrainEncoderConfig,
    photos: &Path,
    out: &Path,
    existing: Existing,
    observer: &dyn Observer,
) -> Result<TrainedEncoder, StageError> {
    let paths: [PathBuf; 1] = [photos.to_owned()];
    train_encoder(config, (&paths, &Labels::FromDirs), &RunDir::new(out), existing, Duration::ZERO, observer)
}

/// Asks to stop after a number of batches.
struct StopAfter(AtomicUsize);

impl Observer for StopAfter {
    fn begin(&self, _what: &str, _total: u64) {}
    fn advance(&self, _done: u64, _detail: &str) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
    fn interrupted(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn kinds_are_learnt_and_a_stopped_training_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, whole, broken) = (dir.path().join("photos"), dir.path().join("whole"), dir.path().join("broken"));
    write_demo(&photos, 120, 3).unwrap();
    let config = config(16);
    let trained = train(&config, &photos, &whole, Existing::Refuse, &Silent).unwrap();
    assert_eq!((trained.classes.len(), trained.n_images), (KINDS.len(), 120));

    let last = read_metrics(&whole.join("metrics.jsonl")).unwrap().pop().unwrap();
    let figure = |name: &str| last.numbers().find(|(found, _)| *found == name).unwrap().1;
    // One kind in six would be named by chance.
    assert!(figure("accuracy_views") >= 0.35, "{last:?}");
    assert!(figure("accuracy_held_out") <= 1.0 && figure("image_size") == 32.0, "{last:?}");

    for stop in [3, 20, 25] {
        let observer = StopAfter(AtomicUsize::new(stop));
        let existing = if broken.exists() { Existing::Resume } else { Existing::Refuse };
        let error = train(&config, &photos, &broken, existing, &observer).unwrap_err();
        assert!(error.is_interrupted(), "{error}");
    }
    train(&config, &photos, &broken, Existing::Resume, &Silent).unwrap();
    let bytes = |dir: &Path| fs_err::read(dir.join("encoder.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&broken), "a resumed training ends in other bytes");
}

#[test]
fn a_pupil_of_another_shape_learns_its_teachers_codes_and_a_stopped_lesson_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, whole, broken) = (dir.path().join("photos"), dir.path().join("whole"), dir.path().join("broken"));
    write_demo(&photos, 48, 3).unwrap();
    let network = EncoderConfig { image_size: 64, ..EncoderConfig::built_in() };
    let teacher = TeacherConfig { sizes: vec![32, 24], ..TeacherConfig::network(network, WeightsSource::BuiltIn) };
    let pupil = config(1).encoder;
    let mut config = TrainEncoderConfig::taught(pupil.clone(), WeightsSource::None, teacher);
    (config.epochs, config.batch_size, config.average, config.sgd.learning_rate) = (6, 16, 0.5, 0.0005);
    // No labels are asked for: a folder of one kind would do.
    let trained = train(&config, &photos, &whole, Existing::Refuse, &Silent).unwrap();
    assert_eq!((trained.classes.len(), trained.n_images), (0, 48));
    assert_eq!(described_encoder(&trained.weights).unwrap(), Some(pupil), "without the map to the teacher's codes");
    let distance: Vec<f64> = read_metrics(&whole.join("metrics.jsonl"))
        .unwrap()
        .iter()
        .filter_map(|line| line.numbers().find(|(name, _)| *name == "code_distance").map(|(_, distance)| distance))
        .collect();
    assert!(distance.len() == 6 && distance[5] < distance[0], "{distance:?}");
    let observer = StopAfter(AtomicUsize::new(10));
    assert!(train(&config, &photos, &broken, Existing::Refuse, &observer).unwrap_err().is_interrupted());
    train(&config, &photos, &broken, Existing::Resume, &Silent).unwrap();
    let bytes = |dir: &Path| fs_err::read(dir.join("encoder.safetensors")).unwrap();
    assert!(bytes(&whole) == bytes(&broken), "a resumed lesson ends in other bytes");
}

#[test]
fn a_pupil_that_is_its_own_teacher_keeps_its_classifier() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, out) = (dir.path().join("photos"), dir.path().join("out"));
    write_demo(&photos, 12, 1).unwrap();
    let network = EncoderConfig { image_size: 64, ..EncoderConfig::built_in() };
    let teacher = TeacherConfig { sizes: vec![64], ..TeacherConfig::network(network.clone(), WeightsSource::BuiltIn) };
    let mut config = TrainEncoderConfig::taught(network, WeightsSource::BuiltIn, teacher);
    (config.epochs, config.batch_size) = (1, 6);
    let trained = train(&config, &photos, &out, Existing::Refuse, &Silent).unwrap();
    let tensors = read_tensors(&trained.weights).unwrap();
    let shape = |name: &str| tensors.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.shape.clone());
    assert_eq!((shape("classifier.weight"), shape("head.weight")), (Some(vec![1000, 1280]), None));
}

#[test]
fn the_weight_file_says_what_its_network_is_in_half_precision() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("encoder.safetensors");
    let encoder_config = config(1).encoder;
    let encoder = encoder_config.init(&Device::flex(), 4).unwrap();
    encoder.save_described(&path, None).unwrap();
    let described = described_encoder(&path).unwrap().unwrap();
    assert_eq!(described, encoder_config);
    let (loaded, report) = described.init(&Device::flex(), 9).unwrap().with_weights(&path).unwrap();
    assert!(report.ignored.is_empty() && report.fresh.is_empty());
    for (written, read) in encoder.named_tensors().iter().zip(loaded.named_tensors()) {
        let close = written.data.iter().zip(&read.data).all(|(a, b)| (a - b).abs() <= a.abs() / 2048.0 + 1e-7);
        assert!(written.name == read.name && close, "{}", written.name);
    }
    let n_numbers: usize = read_tensors(&path).unwrap().iter().map(|t| t.data.len()).sum();
    assert!(fs_err::metadata(&path).unwrap().len() <= 2 * n_numbers as u64 + 20_000);
    encoder.save(&path).unwrap();
    assert_eq!(described_encoder(&path).unwrap(), None);
}

#[test]
fn labels_that_are_missing_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    write_demo(&photos, 12, 0).unwrap();
    let one = photos.join(KINDS[0]);
    let error = train(&config(1), &one, &dir.path().join("out"), Existing::Refuse, &Silent).unwrap_err().to_string();
    assert!(error.contains("expected two classes or more") && error.contains("hint:"), "{error}");
}
