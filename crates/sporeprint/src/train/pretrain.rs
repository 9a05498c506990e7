//! The auto-encoder stage: reconstruct the pixels of every image.

use burn::tensor::Device;

use super::checkpoint::Checkpoint;
use super::epochs::{Learner, Position, TrainError};
use super::sgd::{InTraining, Sgd};
use crate::batch::{self, Source};
use crate::config::SgdConfig;
use crate::encoder::{AutoEncoder, MOMENTUM, Mode, export, import};
use crate::images::{CodeView, ImageCache, ViewConfig};
use crate::loss::reconstruction;
use crate::run::tables::LogLine;

/// An auto-encoder in training.
#[derive(Debug)]
pub struct Pretraining<'a> {
    network: InTraining<AutoEncoder>,
    optimiser: SgdConfig,
    sgd: Sgd,
    cache: &'a ImageCache,
    views: Option<&'a ViewConfig>,
    freeze_encoder: bool,
    seed: u64,
    device: Device,
}

impl<'a> Pretraining<'a> {
    /// Prepares training; `device` is one that records gradients.
    pub fn new(
        network: AutoEncoder,
        optimiser: SgdConfig,
        cache: &'a ImageCache,
        views: Option<&'a ViewConfig>,
        freeze_encoder: bool,
        seed: u64,
        device: Device,
    ) -> Self {
        let network = InTraining::new(network);
        Self { network, optimiser, sgd: Sgd::new(optimiser), cache, views, freeze_encoder, seed, device }
    }

    /// The network as it stands.
    pub fn into_network(self) -> AutoEncoder {
        self.network.into_inner()
    }
}

impl Learner for Pretraining<'_> {
    fn begin_epoch(&mut self, _epoch: usize) -> Result<(), TrainError> {
        Ok(())
    }

    fn step(&mut self, images: &[u32], at: Position, learning_rate: f64) -> Result<f64, TrainError> {
        let source = match self.views {
            Some(config) => Source::Views { config, seed: self.seed, epoch: at.epoch },
            None => Source::Fixed(CodeView::WHOLE),
        };
        let normalization = self.network.encoder.config().normalization();
        let originals = batch::load(self.cache, images, source, normalization, &self.device);
        let drawn = if self.freeze_encoder {
            self.network.forward_frozen_encoder(originals.clone(), Mode::Train)
        } else {
            self.network.forward(originals.clone(), Mode::Train)
        };
        let loss = reconstruction(drawn.images, originals);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(TrainError::NotFinite { images: images.to_vec(), at });
        }
        self.sgd.step_in_place(&mut self.network, &mut loss.backward(), learning_rate);
        self.network.absorb(&drawn.statistics, MOMENTUM);
        Ok(value)
    }

    fn end_epoch(&mut self, _epoch: usize, metric: LogLine) -> (LogLine, Vec<String>) {
        (metric, Vec::new())
    }

    fn save(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.put_prefixed("network.", export(&*self.network));
        checkpoint.put_prefixed("momentum.", self.sgd.state());
        checkpoint
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), String> {
        let weights = checkpoint.take_prefixed("network.");
        self.network = InTraining::new(import(self.network.clone(), &weights).map_err(|e| e.to_string())?);
        self.sgd = Sgd::from_state(self.optimiser, &checkpoint.take_prefixed("momentum."), &self.device);
        Ok(())
    }
}
