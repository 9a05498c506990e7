//! Training an encoder towards the codes of another one, without labels.

mod ridge;
mod targets;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sporeprint_cluster::Rng;

use super::average::WeightAverage;
use super::checkpoint::Checkpoint;
use super::epochs::{Learner, Position, TrainError};
use super::sgd::{InTraining, Sgd};
use crate::batch;
use crate::config::{TeacherConfig, TrainEncoderConfig};
use crate::encoder::{Encoder, Linear, Mode, NamedTensor, export, import, values};
use crate::images::{Filter, ImageCache, RgbImage, render, resize};
use crate::loss::{CodeLoss, code_distance, score_divergence};
use crate::run::tables::LogLine;

pub use self::ridge::linear_map;
pub use self::targets::{Targets, Teacher};

/// The encoder that learns, with the classifier that is kept beside it.
#[derive(Module, Debug)]
pub struct Pupil {
    /// Its head, if it has one, maps its codes to those of the teacher; only the code before it is kept.
    pub encoder: Encoder,
    /// From its codes to class scores.
    pub classifier: Option<Linear>,
}

/// A pupil in training. Its batch norms keep their statistics: views of several sizes in turn have none in common.
#[derive(Debug)]
pub struct Distillation<'a> {
    pupil: InTraining<Pupil>,
    sgd: Sgd,
    average: WeightAverage,
    state: State,
    cache: &'a ImageCache,
    targets: &'a Targets,
    config: &'a TrainEncoderConfig,
    teacher: &'a TeacherConfig,
    device: Device,
}

/// Sums over the epoch so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    distance: f64,
    divergence: f64,
    n_steps: usize,
    averaged: u64,
}

impl<'a> Distillation<'a> {
    /// Prepares training; `device` records gradients.
    ///
    /// # Panics
    /// - if there is not a target for each image
    pub fn new(
        pupil: Pupil,
        (cache, targets): (&'a ImageCache, &'a Targets),
        (config, teacher): (&'a TrainEncoderConfig, &'a TeacherConfig),
        device: Device,
    ) -> Self {
        assert_eq!(targets.codes.len(), cache.n_images() * targets.dim, "a target for each image");
        let average = WeightAverage::new(&pupil, config.average);
        let sgd = Sgd::new(config.sgd.optimiser());
        let state = State::default();
        Self { pupil: InTraining::new(pupil), sgd, average, state, cache, targets, config, teacher, device }
    }

    /// The pupil with the averaged weights.
    pub fn into_pupil(self) -> Pupil {
        self.average.applied(self.pupil.into_inner())
    }

    /// One view of each image: all of one size, some of them as through a smaller picture.
    fn views(&self, images: &[u32], at: Position) -> Tensor<4> {
        let TeacherConfig { sizes, coarse, coarsest, .. } = self.teacher;
        let size = sizes[at.step as usize % sizes.len()];
        let normalization = self.pupil.encoder.config().normalization();
        batch::of_pictures(images, size, normalization, &self.device, |image| {
            let mut rng = Rng::for_view(self.config.seed, at.epoch as u64, image, 0);
            let is_coarse = rng.unit_f64() < f64::from(*coarse);
            let room = size.saturating_sub(*coarsest);
            let side = if is_coarse && room > 0 { coarsest + rng.below(room) } else { size };
            let picture: RgbImage = self.cache.picture(image);
            let view = render(picture.view(), side, &self.config.views, &mut rng);
            if side == size { view.data } else { resize(view.view(), size, size, Filter::Bilinear).data }
        })
    }
}

impl Learner for Distillation<'_> {
    fn begin_epoch(&mut self, _epoch: usize) -> Result<(), TrainError> {
        self.state = State { averaged: self.state.averaged, ..State::default() };
        Ok(())
    }

    fn step(&mut self, images: &[u32], at: Position, learning_rate: f64) -> Result<f64, TrainError> {
        let encoded = self.pupil.encoder.forward(self.views(images, at), Mode::Evaluate);
        let constant = |gradient: Vec<f32>, dim: usize| {
            Tensor::<2>::from_data(TensorData::new(gradient, [images.len(), dim]), &self.device)
        };
        let Targets { dim, spread, scores, .. } = self.targets;
        let codes = values(encoded.codes.clone().inner());
        let CodeLoss { mut loss, gradient } = code_distance(&codes, &self.targets.codes_of(images), *dim, *spread);
        self.state.distance += f64::from(loss);
        let mut joined = (encoded.codes * constant(gradient, *dim)).sum();
        if let (Some(classifier), Some(taught)) = (&self.pupil.classifier, scores)
            && self.teacher.scores > 0.0
        {
            let found = classifier.forward(encoded.merged);
            let n_classes = taught.len() / self.cache.n_images();
            let targets: Vec<f32> =
                images.iter().flat_map(|&i| &taught[i as usize * n_classes..][..n_classes]).copied().collect();
            let divergence = score_divergence(&values(found.clone().inner()), &targets, n_classes);
            self.state.divergence += f64::from(divergence.loss);
            loss += self.teacher.scores * divergence.loss;
            let gradient = divergence.gradient.iter().map(|g| self.teacher.scores * g).collect();
            joined = joined + (found * constant(gradient, n_classes)).sum();
        }
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { images: images.to_vec(), at });
        }
        self.state.n_steps += 1;
        self.sgd.step_in_place(&mut self.pupil, &mut joined.backward(), learning_rate);
        self.average.update(&*self.pupil);
        Ok(f64::from(loss))
    }

    fn end_epoch(&mut self, epoch: usize, metric: LogLine) -> (LogLine, Vec<String>) {
        let mean = |sum: f64| sum / self.state.n_steps.max(1) as f64;
        let (distance, divergence) = (mean(self.state.distance), mean(self.state.divergence));
        let words = format!(
            "epoch {}: {:.1} % of the teacher's spread are missed, classes differ by {divergence:.3}",
            epoch + 1,
            100.0 * distance
        );
        (metric.number("code_distance", distance).number("score_divergence", divergence), vec![words])
    }

    fn save(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.put_prefixed("network.", export(&*self.pupil));
        checkpoint.put_prefixed("momentum.", self.sgd.state());
        let (averaged, tensors) = self.average.state();
        checkpoint.put_prefixed("average.", tensors.to_vec());
        checkpoint.set_state(&State { averaged, ..self.state.clone() });
        checkpoint
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), String> {
        self.state = checkpoint.state().map_err(|e| e.to_string())?;
        let weights: Vec<NamedTensor> = checkpoint.take_prefixed("network.");
        self.pupil = InTraining::new(import(self.pupil.clone(), &weights).map_err(|e| e.to_string())?);
        self.sgd = Sgd::from_state(self.config.sgd.optimiser(), &checkpoint.take_prefixed("momentum."), &self.device);
        let fresh = WeightAverage::new(&*self.pupil, self.config.average);
        self.average = fresh.resumed(self.state.averaged, checkpoint.take_prefixed("average."))?;
        Ok(())
    }
}
