//! Images to feature maps to codes.
//!
//! An [`EncoderConfig`] says which network; [`BuildEncoder::init`] builds an [`Encoder`], or an [`AutoEncoder`] around one.
//! A forward pass changes nothing: in training it returns the batch's statistics, and the loop that wants them
//! kept calls `absorb`.

mod build;
mod data;
mod decoder;
mod efficientnet;
mod frozen;
mod init;
mod layers;
mod merge;
mod prepared;
mod resnet;
pub mod simple;
mod transformer;
mod vgg;
mod walk;
mod weights;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::config::{EncoderConfig, Family};

pub use build::BuildEncoder;
pub use data::{ImportError, NamedTensor, export, import};
pub(crate) use data::{Path, values};
pub use decoder::{Decoded, Decoder};
pub use efficientnet::EfficientNet;
pub use frozen::{FrozenEncoder, FrozenError, OpenFrozen, Pixels, Simple, onnx_runtime};
pub(crate) use init::Generator;
pub(crate) use layers::trained;
pub use layers::{BatchNorm, BatchStatistics, Conv, EPSILON, Linear, MOMENTUM, Mode};
pub use merge::{merge, normalize};
pub use prepared::PreparedEncoder;
pub use resnet::ResNet;
pub(crate) use transformer::open_pictures;
pub use transformer::{TextEncoder, VisionTransformer};
pub use vgg::Vgg;
pub use weights::{
    LoadReport, Weights, WeightsError, built_in_classifier, classifier_of, described_encoder, read_tensors,
    save_tensors,
};

/// The convolutional part of an encoder.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one value per run; a box would show in every match")]
pub enum Backbone {
    /// Convolutions and pooling with indices.
    Vgg(Vgg),
    /// Residual blocks.
    ResNet(ResNet),
    /// Inverted residual blocks around depthwise convolutions.
    EfficientNet(EfficientNet),
}

/// What the convolutional part made of a batch.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[batch, channels, height, width]`
    pub map: Tensor<4>,
    /// Where each pooling found its maxima (`row * width + column` of its input), per stage; only a VGG has any.
    pub indices: Vec<Tensor<4, Int>>,
    /// Of every batch norm in the order of the forward pass; empty in evaluation.
    pub statistics: Vec<BatchStatistics>,
}

/// The codes of a batch.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The encoder's output, not normalised: `[batch, dim]`.
    pub codes: Tensor<2>,
    /// The merged feature map before any head, `[batch, merged_dim]`; the same tensor as `codes` without a head.
    pub merged: Tensor<2>,
    /// As in [`Features`].
    pub statistics: Vec<BatchStatistics>,
}

/// A network that turns images into codes.
#[derive(Module, Debug)]
pub struct Encoder {
    backbone: Backbone,
    head: Option<Linear>,
    #[module(skip)]
    config: EncoderConfig,
}

impl Encoder {
    fn init(config: &EncoderConfig, device: &Device, seed: u64) -> Self {
        let mut generator = Generator::new(seed, "encoder");
        let backbone = match config.architecture.family() {
            Family::Vgg(stages) => Backbone::Vgg(Vgg::init(stages, config.width, &mut generator, device)),
            Family::ResNet(plan) => {
                Backbone::ResNet(ResNet::init(plan, config.width, config.stem, &mut generator, device))
            }
            Family::EfficientNet(plan) => {
                Backbone::EfficientNet(EfficientNet::init(plan, config.width, &mut generator, device))
            }
        };
        let head = config
            .head_dim
            .map(|dim| Linear::init(config.merged_dim(), dim, &mut Generator::new(seed, "head"), device));
        Self { backbone, head, config: config.clone() }
    }

    /// What the encoder was built from.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Dimension of a code.
    pub fn dim(&self) -> usize {
        self.config.dim()
    }

    /// The last feature map, with what a decoder and the running statistics need.
    ///
    /// # Shapes
    /// - images: `[batch, 3, height, width]`, RGB, normalised
    /// # Panics
    /// - in training, if a batch norm sees a single value per channel
    pub fn forward_features(&self, images: Tensor<4>, mode: Mode) -> Features {
        match &self.backbone {
            Backbone::Vgg(vgg) => vgg.forward_features(images, mode),
            Backbone::ResNet(resnet) => resnet.forward_features(images, mode),
            Backbone::EfficientNet(network) => network.forward_features(images, mode),
        }
    }

    /// The codes of a batch of images.
    ///
    /// # Shapes
    /// - images: `[batch, 3, image_size, image_size]`, RGB, normalised as [`EncoderConfig::normalization`] says
    /// - codes: `[batch, dim]`, not normalised
    /// # Panics
    /// - as [`forward_features`](Self::forward_features)
    pub fn forward(&self, images: Tensor<4>, mode: Mode) -> Encoded {
        let Features { map, statistics, .. } = self.forward_features(images, mode);
        let merged = merge(map, self.config.merge);
        let codes = match &self.head {
            Some(head) => head.forward(merged.clone()),
            None => merged.clone(),
        };
        Encoded { codes, merged, statistics }
    }

    /// Moves the running statistics towards a batch's: `running = (1 - momentum) * running + momentum * batch`.
    ///
    /// [`MOMENTUM`] is PyTorch's; `1 / t` at the t-th batch gives the plain average over batches.
    ///
    /// # Panics
    /// - if the statistics are not those of a training pass of this encoder
    pub fn absorb(&mut self, statistics: &[BatchStatistics], momentum: f64) {
        absorb(self.norms_mut(), statistics, momentum);
    }

    /// The encoder with another linear head, for instance the leading principal components of its codes.
    ///
    /// # Shapes
    /// - weight: `dim` rows of `merged_dim` values; bias: `[dim]`
    /// # Panics
    /// - if the weight does not hold `bias.len()` rows of `merged_dim` values
    #[must_use]
    pub fn with_head(mut self, weight: Vec<f32>, bias: Vec<f32>, device: &Device) -> Self {
        let (dim, merged_dim) = (bias.len(), self.config.merged_dim());
        assert_eq!(weight.len(), dim * merged_dim, "a head's weight has dim x merged_dim values");
        self.head = Some(Linear {
            weight: layers::trained(weight, [dim, merged_dim], device),
            bias: layers::trained(bias, [dim], device),
        });
        self.config.head_dim = Some(dim);
        self
    }

    /// The encoder without its head.
    #[must_use]
    pub fn without_head(mut self) -> Self {
        self.head = None;
        self.config.head_dim = None;
        self
    }

    fn norms_mut(&mut self) -> Vec<&mut BatchNorm> {
        match &mut self.backbone {
            Backbone::Vgg(vgg) => vgg.norms_mut(),
            Backbone::ResNet(resnet) => resnet.norms_mut(),
            Backbone::EfficientNet(network) => network.norms_mut(),
        }
    }
}

/// An encoder and its mirror.
#[derive(Module, Debug)]
pub struct AutoEncoder {
    /// A VGG: it alone has the pooling indices that the decoder needs.
    pub encoder: Encoder,
    /// Its mirror.
    pub decoder: Decoder,
}

/// What the auto-encoder made of a batch.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    /// `[batch, 3, height, width]`, normalised as the input was.
    pub images: Tensor<4>,
    /// The encoder's last feature map, `[batch, channels, height / 32, width / 32]`.
    pub map: Tensor<4>,
    /// Of the encoder's batch norms, then of the decoder's.
    pub statistics: Vec<BatchStatistics>,
}

impl AutoEncoder {
    /// Draws each image from its own code and pooling indices.
    ///
    /// # Shapes
    /// - images: `[batch, 3, height, width]`, both divisible by 32
    /// # Panics
    /// - as [`Encoder::forward_features`]
    pub fn forward(&self, images: Tensor<4>, mode: Mode) -> Reconstruction {
        let features = self.encoder.forward_features(images, mode);
        self.decode(features, mode)
    }

    /// The forward pass of a frozen encoder: it runs in evaluation and outside the graph, only the decoder trains.
    ///
    /// # Panics
    /// - as [`Encoder::forward_features`]
    pub fn forward_frozen_encoder(&self, images: Tensor<4>, mode: Mode) -> Reconstruction {
        let features = self.encoder.valid().forward_features(images.clone().without_autodiff(), Mode::Evaluate);
        if !images.is_autodiff() {
            return self.decode(features, mode);
        }
        let indices = features.indices.into_iter().map(Tensor::autodiff).collect();
        self.decode(Features { map: features.map.autodiff(), indices, statistics: features.statistics }, mode)
    }

    fn decode(&self, features: Features, mode: Mode) -> Reconstruction {
        let Features { map, indices, mut statistics } = features;
        let decoded = self.decoder.forward(map.clone(), &indices, mode);
        statistics.extend(decoded.statistics);
        Reconstruction { images: decoded.images, map, statistics }
    }

    /// As [`Encoder::absorb`], for both halves; also takes the decoder's statistics alone (frozen encoder).
    ///
    /// # Panics
    /// - if the statistics are not those of a training pass of this network
    pub fn absorb(&mut self, statistics: &[BatchStatistics], momentum: f64) {
        let mut norms = self.encoder.norms_mut();
        norms.extend(self.decoder.norms_mut());
        let frozen = norms.len().saturating_sub(statistics.len());
        if frozen > 0 {
            norms = self.decoder.norms_mut();
        }
        absorb(norms, statistics, momentum);
    }
}

fn absorb(norms: Vec<&mut BatchNorm>, statistics: &[BatchStatistics], momentum: f64) {
    assert_eq!(norms.len(), statistics.len(), "one entry of statistics per batch norm");
    for (norm, batch) in norms.into_iter().zip(statistics) {
        norm.absorb(batch, momentum);
    }
}

#[cfg(test)]
mod tests;
