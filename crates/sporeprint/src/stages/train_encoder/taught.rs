//! Training by a teacher, without labels.

use burn::tensor::Device;

use super::super::train::named;
use super::{STAGE, StageError, Training, with_weights};
use crate::config::{EncoderConfig, TeacherConfig, TrainEncoderConfig, WeightsSource};
use crate::encoder::{Encoder, Linear, OpenFrozen, built_in_classifier, classifier_of};
use crate::images::content_hash;
use crate::progress::Observer;
use crate::run::{RunDir, read_npy, write_npy};
use crate::train::{Distillation, Pupil, Targets, Teacher, codes_of_all, linear_map, remove_all};

/// Teacher and pupil, both ready.
pub(super) struct Lesson<'a> {
    teacher: Teacher,
    settings: &'a TeacherConfig,
    pupil: Encoder,
    classifier: Option<Linear>,
    /// Whether the pupil starts as its teacher, and its codes are to stay where they are.
    is_own_teacher: bool,
}

impl<'a> Lesson<'a> {
    /// Opens the weights of both.
    pub(super) fn open(config: &'a TrainEncoderConfig, settings: &'a TeacherConfig) -> Result<Self, StageError> {
        let plain = Device::flex();
        let teacher = match &settings.frozen {
            Some(frozen) => {
                let mut frozen = frozen.clone();
                let weights = settings.weights.file();
                frozen.bind(weights)?;
                // Those that learn from a folder's own pictures have nothing to teach: they are no file.
                let opened = frozen.open(weights, std::path::Path::new(""))?;
                Teacher::Frozen(opened, frozen.image_size(), frozen.cache().filter)
            }
            None => {
                let network = with_weights(&settings.encoder, &settings.weights, config.seed, &plain)?;
                let classifier = classifier(&settings.weights, network.dim(), &plain)?;
                Teacher::Network(Box::new(network.prepare()), classifier)
            }
        };
        let device = plain.autodiff();
        let pupil = with_weights(&config.encoder, &config.weights, config.seed, &device)?.without_head();
        let classifier = classifier(&config.weights, pupil.dim(), &device)?;
        let same_network =
            |a: &EncoderConfig, b: &EncoderConfig| (a.architecture, a.width) == (b.architecture, b.width);
        let is_own_teacher = settings.frozen.is_none()
            && settings.weights == config.weights
            && same_network(&settings.encoder, &config.encoder);
        Ok(Self { teacher, settings, pupil, classifier, is_own_teacher })
    }

    /// Trains the pupil and writes its weights.
    pub(super) fn teach(self, training: &Training<'_>, observer: &dyn Observer) -> Result<(), StageError> {
        let Training { config, images, dir, .. } = *training;
        let targets = self.targets(dir, training, observer)?;
        let device = Device::flex().autodiff();
        let pupil = if self.is_own_teacher {
            self.pupil
        } else {
            let codes = codes_of_all(&self.pupil, &images.cache, config.batch_size, observer);
            let (weight, bias) = linear_map(&codes, self.pupil.dim(), &targets.codes, targets.dim);
            self.pupil.with_head(weight, bias, &device)
        };
        let taught_classes = targets.scores.as_ref().map(|scores| scores.len() / images.len());
        let known_classes = self.classifier.as_ref().map(Linear::n_out);
        let with_scores = taught_classes.is_some() && taught_classes == known_classes;
        observer.note(&format!(
            "{} images, {} at {} px, taught {} numbers{}",
            images.len(),
            config.encoder.architecture,
            self.settings.sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            targets.dim,
            if with_scores { " and class scores" } else { "" }
        ));
        let targets = if with_scores { targets } else { Targets { scores: None, ..targets } };
        let epochs = training.epoch_loop(images.len())?;
        let pupil = Pupil { encoder: pupil, classifier: self.classifier };
        let mut learner = Distillation::new(pupil, (&images.cache, &targets), (config, self.settings), device);
        epochs.run(&mut learner, true, observer).map_err(|error| named(error, STAGE, "sgd.learning_rate", images))?;
        let Pupil { encoder, classifier } = learner.into_pupil();
        encoder.without_head().save_described(&dir.encoder(), classifier.as_ref())?;
        Ok(remove_all(&dir.checkpoints(), epochs.stage)?)
    }

    /// What the teacher says: asked for once, and kept for a training that is gone on with.
    fn targets(&self, dir: &RunDir, training: &Training<'_>, observer: &dyn Observer) -> Result<Targets, StageError> {
        let images = training.images;
        let settings = serde_json::to_string(self.settings).expect("settings are plain values");
        let made_of = format!("{} {settings}", images.cache.fingerprint());
        let path = dir.root().join(format!("teacher-{:016x}.npy", content_hash(made_of.as_bytes(), 0)));
        if path.is_file() {
            let codes = read_npy::<f32>(&path)?;
            return Ok(self.teacher.say(codes.data, images.len()));
        }
        let targets = self.teacher.targets(&images.cache, observer)?;
        write_npy(&path, &[images.len(), targets.dim], &targets.codes)?;
        Ok(targets)
    }
}

/// The classifier that comes with weights, if there is one for codes of this dimension.
fn classifier(weights: &WeightsSource, dim: usize, device: &Device) -> Result<Option<Linear>, StageError> {
    Ok(match weights {
        WeightsSource::None => None,
        WeightsSource::BuiltIn => built_in_classifier(dim, device)?,
        WeightsSource::File(path) => classifier_of(path, dim, device)?,
    })
}
