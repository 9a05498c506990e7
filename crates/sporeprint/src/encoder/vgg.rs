//! VGG with batch norm: 3x3 convolutions in stages, each stage closed by a pooling that remembers its maxima.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

use super::Features;
use super::init::Generator;
use super::layers::{BatchNorm, Conv, Mode, Pass};
use crate::config::{VggStage, scaled};

/// Convolution, batch norm, ReLU: three entries of torchvision's `features`.
#[derive(Module, Debug)]
pub(crate) struct ConvNorm {
    pub(crate) conv: Conv,
    pub(crate) norm: BatchNorm,
}

/// The feature layers of a VGG.
///
/// # Reference
/// Simonyan and Zisserman 2014, arXiv:1409.1556; batch norm and layout as in torchvision.
#[derive(Module, Debug)]
pub struct Vgg {
    pub(crate) layers: Vec<ConvNorm>,
    #[module(skip)]
    pub(crate) stages: &'static [VggStage],
}

impl Vgg {
    pub(crate) fn init(stages: &'static [VggStage], width: f64, generator: &mut Generator, device: &Device) -> Self {
        let mut n_in = 3;
        let mut layers = Vec::new();
        for stage in stages {
            let n_out = scaled(stage.channels, width);
            for _ in 0..stage.depth {
                layers.push(ConvNorm {
                    conv: Conv::init([n_out, n_in, 3, 3], true, generator, device),
                    norm: BatchNorm::init(n_out, device),
                });
                n_in = n_out;
            }
        }
        Self { layers, stages }
    }

    /// # Shapes
    /// - images: `[batch, 3, height, width]`, both divisible by 32 if a decoder is to follow
    /// - map: `[batch, channels, height / 32, width / 32]`; indices: one tensor per stage, in order
    pub(crate) fn forward_features(&self, images: Tensor<4>, mode: Mode) -> Features {
        let mut pass = Pass::new(mode);
        let mut indices = Vec::with_capacity(self.stages.len());
        let mut layers = self.layers.iter();
        let mut map = images;
        for stage in self.stages {
            for layer in layers.by_ref().take(stage.depth) {
                map = layer.norm.forward(layer.conv.forward(map, 1, 1), Activation::Relu, &mut pass);
            }
            let (pooled, positions) = kernels::max_pool2x2(map);
            map = pooled;
            indices.push(positions);
        }
        Features { map, indices, statistics: pass.statistics }
    }

    /// The batch norms in the order in which a forward pass meets them.
    pub(crate) fn norms_mut(&mut self) -> Vec<&mut BatchNorm> {
        self.layers.iter_mut().map(|layer| &mut layer.norm).collect()
    }
}
