//! Training an encoder with labels, to be taken along to other people's photographs.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sporeprint_cluster::Rng;

use super::average::WeightAverage;
use super::checkpoint::Checkpoint;
use super::epochs::{Learner, Position, TrainError};
use super::sgd::{InTraining, Sgd};
use crate::bank::MemoryBank;
use crate::batch::{self, Source};
use crate::config::TrainEncoderConfig;
use crate::encoder::{Encoder, MOMENTUM, Mode, NamedTensor, export, import, values};
use crate::images::{CodeView, ImageCache};
use crate::loss::{CodeLoss, UnitCodes, cross_entropy, instance_softmax};
use crate::run::tables::LogLine;

/// An encoder whose head gives class scores, in training.
#[derive(Debug)]
pub struct Classification<'a> {
    network: InTraining<Encoder>,
    sgd: Sgd,
    average: WeightAverage,
    bank: Option<MemoryBank>,
    state: State,
    set: LabelledSet<'a>,
    config: &'a TrainEncoderConfig,
    device: Device,
}

/// Images with the number of their class.
#[derive(Clone, Debug)]
pub struct LabelledSet<'a> {
    /// Decoded pixels.
    pub cache: &'a ImageCache,
    /// Class of each image of the cache.
    pub labels: Vec<u32>,
    /// How many classes there are.
    pub n_classes: usize,
    /// Images to train on.
    pub train: Vec<u32>,
    /// Images kept apart to see how well others are recognised.
    pub held_out: Vec<u32>,
}

/// Counts of the epoch so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    n_right: usize,
    n_seen: usize,
    averaged: u64,
}

impl<'a> LabelledSet<'a> {
    /// Keeps a share of the images apart, drawn from `seed`.
    pub fn split(cache: &'a ImageCache, labels: Vec<u32>, n_classes: usize, held_out: f64, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        Rng::for_stage(seed, "held out", 0).shuffle(&mut order);
        let n_held = (held_out * labels.len() as f64).round() as usize;
        let mut train = order.split_off(n_held);
        train.sort_unstable();
        Self { cache, labels, n_classes, train, held_out: order }
    }

    fn labels_of(&self, images: &[u32]) -> Vec<u32> {
        images.iter().map(|&image| self.labels[image as usize]).collect()
    }
}

impl<'a> Classification<'a> {
    /// Prepares training of `network`, whose head has one output per class; `device` records gradients.
    pub fn new(network: Encoder, set: LabelledSet<'a>, config: &'a TrainEncoderConfig, device: Device) -> Self {
        let average = WeightAverage::new(&network, config.average);
        let bank = (config.instance_weight > 0.0)
            .then(|| MemoryBank::random(set.train.len(), network.config().merged_dim(), config.seed));
        let sgd = Sgd::new(config.sgd.optimiser());
        let network = InTraining::new(network);
        Self { network, sgd, average, bank, state: State::default(), set, config, device }
    }

    /// The network with the averaged weights.
    pub fn into_network(self) -> Encoder {
        self.average.applied(self.network.into_inner())
    }

    /// Share of the held-out images whose class the averaged network names.
    fn accuracy(&self) -> f64 {
        let network = self.average.applied(self.network.valid());
        let device = Device::flex();
        let right: usize = (self.set.held_out)
            .chunks(self.config.batch_size)
            .map(|images| {
                let normalization = network.config().normalization();
                let pixels =
                    batch::load(self.set.cache, images, Source::Fixed(CodeView::WHOLE), normalization, &device);
                let scores = values(network.forward(pixels, Mode::Evaluate).codes);
                n_right(&scores, &self.set.labels_of(images))
            })
            .sum();
        right as f64 / self.set.held_out.len() as f64
    }
}

/// Rows whose largest score is that of their label; ties count for the first class.
fn n_right(scores: &[f32], labels: &[u32]) -> usize {
    let n_classes = scores.len() / labels.len().max(1);
    let best = |row: &[f32]| {
        row.iter().enumerate().fold(0, |best, (class, &score)| if score > row[best] { class } else { best })
    };
    scores.chunks_exact(n_classes.max(1)).zip(labels).filter(|(row, label)| best(row) == **label as usize).count()
}

impl Learner for Classification<'_> {
    fn begin_epoch(&mut self, _epoch: usize) -> Result<(), TrainError> {
        (self.state.n_right, self.state.n_seen) = (0, 0);
        Ok(())
    }

    fn step(&mut self, numbers: &[u32], at: Position, learning_rate: f64) -> Result<f64, TrainError> {
        let config = self.config;
        let images: Vec<u32> = numbers.iter().map(|&number| self.set.train[number as usize]).collect();
        let size = config.size_in(at.epoch);
        let draw = [config.seed, at.epoch as u64, 0];
        let normalization = self.network.config().normalization();
        let pixels = batch::load_views(self.set.cache, &images, size, &config.views, draw, normalization, &self.device);
        let encoded = self.network.forward(pixels, Mode::Train);
        let labels = self.set.labels_of(&images);
        let scores = values(encoded.codes.clone().inner());
        let CodeLoss { mut loss, gradient } =
            cross_entropy(&scores, &labels, self.set.n_classes, config.smoothing_in(at.epoch));
        let constant = |gradient: Vec<f32>, dim: usize| {
            Tensor::<2>::from_data(TensorData::new(gradient, [images.len(), dim]), &self.device)
        };
        let mut joined = (encoded.codes * constant(gradient, self.set.n_classes)).sum();
        if let Some(bank) = &mut self.bank {
            let codes = UnitCodes::new(&values(encoded.merged.clone().inner()), bank.dim());
            let instance = instance_softmax(&codes, numbers, bank, config.temperature);
            bank.update(numbers, codes.rows(), config.mixing_rate);
            loss += config.instance_weight * instance.loss;
            let gradient = instance.gradient.iter().map(|g| config.instance_weight * g).collect();
            joined = joined + (encoded.merged * constant(gradient, bank.dim())).sum();
        }
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { images, at });
        }
        self.state.n_right += n_right(&scores, &labels);
        self.state.n_seen += labels.len();
        self.sgd.step_in_place(&mut self.network, &mut joined.backward(), learning_rate);
        self.network.absorb(&encoded.statistics, MOMENTUM);
        self.average.update(&*self.network);
        Ok(f64::from(loss))
    }

    fn end_epoch(&mut self, epoch: usize, metric: LogLine) -> (LogLine, Vec<String>) {
        let training = self.state.n_right as f64 / self.state.n_seen.max(1) as f64;
        let metric = metric.number("accuracy_views", training).number("image_size", self.config.size_in(epoch) as f64);
        if self.set.held_out.is_empty() {
            let words = format!("epoch {}: {:.1} % of the views named", epoch + 1, 100.0 * training);
            return (metric, vec![words]);
        }
        let held_out = self.accuracy();
        let words = format!(
            "epoch {}: {:.1} % of the views named, {:.1} % of the {} images kept apart",
            epoch + 1,
            100.0 * training,
            100.0 * held_out,
            self.set.held_out.len()
        );
        (metric.number("accuracy_held_out", held_out), vec![words])
    }

    fn save(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.put_prefixed("network.", export(&*self.network));
        checkpoint.put_prefixed("momentum.", self.sgd.state());
        let (averaged, tensors) = self.average.state();
        checkpoint.put_prefixed("average.", tensors.to_vec());
        if let Some(bank) = &self.bank {
            let shape = vec![bank.n_images(), bank.dim()];
            checkpoint.tensors.push(NamedTensor { name: "bank".to_owned(), shape, data: bank.rows().to_vec() });
        }
        checkpoint.set_state(&State { averaged, ..self.state.clone() });
        checkpoint
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), String> {
        self.state = checkpoint.state().map_err(|e| e.to_string())?;
        let weights = checkpoint.take_prefixed("network.");
        self.network = InTraining::new(import(self.network.clone(), &weights).map_err(|e| e.to_string())?);
        self.sgd = Sgd::from_state(self.config.sgd.optimiser(), &checkpoint.take_prefixed("momentum."), &self.device);
        let fresh = WeightAverage::new(&*self.network, self.config.average);
        self.average = fresh.resumed(self.state.averaged, checkpoint.take_prefixed("average."))?;
        if let Some(bank) = &mut self.bank {
            let rows = checkpoint.take("bank").ok_or("found no memory bank")?;
            let expected = [bank.n_images(), bank.dim()];
            if rows.shape != expected {
                return Err(format!("the memory bank has shape {:?}, expected {expected:?}", rows.shape));
            }
            *bank = MemoryBank::from_rows(rows.data, expected[1]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::n_right;

    #[test]
    fn a_row_is_right_when_its_label_scores_highest() {
        let scores = [0.1, 0.9, 0.5, 0.5, f32::NAN, 1.0];
        assert_eq!(n_right(&scores, &[1, 0, 0]), 3);
        assert_eq!(n_right(&scores, &[0, 1, 0]), 1);
    }
}
