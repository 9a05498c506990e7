//! The mirror of a VGG: un-pooling at the encoder's own maxima, and transposed convolutions.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

use super::init::Generator;
use super::layers::{BatchNorm, BatchStatistics, Conv, Mode, Pass};
use crate::config::{VggStage, scaled};

/// Transposed convolution, then batch norm and ReLU except in the last layer.
#[derive(Module, Debug)]
pub(crate) struct Deconv {
    pub(crate) conv: Conv,
    pub(crate) norm: Option<BatchNorm>,
}

/// Feature maps back to images, by way of the encoder's pooling indices.
///
/// Every convolution of the encoder returns transposed with its channels swapped; the last one has neither batch
/// norm nor ReLU, since normalised images have both signs.
///
/// # Reference
/// SegNet, Badrinarayanan et al. 2015, arXiv:1511.00561; the article.
#[derive(Module, Debug)]
pub struct Decoder {
    /// In the order of the forward pass.
    pub(crate) layers: Vec<Deconv>,
    #[module(skip)]
    pub(crate) stages: &'static [VggStage],
}

/// What the decoder drew.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// `[batch, 3, height, width]`, normalised as the input images were.
    pub images: Tensor<4>,
    /// Of the decoder's batch norms, empty in evaluation.
    pub statistics: Vec<BatchStatistics>,
}

impl Decoder {
    pub(crate) fn init(stages: &'static [VggStage], width: f64, device: &Device, seed: u64) -> Self {
        let mut generator = Generator::new(seed, "decoder");
        let mut channels = vec![3];
        for stage in stages {
            channels.extend(std::iter::repeat_n(scaled(stage.channels, width), stage.depth));
        }
        let layers = channels
            .windows(2)
            .enumerate()
            .rev()
            .map(|(depth, pair)| Deconv {
                conv: Conv::init_transposed(pair[1], pair[0], &mut generator, device),
                norm: (depth > 0).then(|| BatchNorm::init(pair[0], device)),
            })
            .collect();
        Self { layers, stages }
    }

    /// # Shapes
    /// - map: `[batch, channels, height / 32, width / 32]`; indices: one tensor per stage, the encoder's order
    /// - images: `[batch, 3, height, width]`
    pub fn forward(&self, map: Tensor<4>, indices: &[Tensor<4, Int>], mode: Mode) -> Decoded {
        assert_eq!(indices.len(), self.stages.len(), "one tensor of pooling indices per stage");
        let mut pass = Pass::new(mode);
        let mut layers = self.layers.iter();
        let mut x = map;
        for (stage, positions) in self.stages.iter().zip(indices).rev() {
            x = kernels::max_unpool2x2(x, positions.clone());
            for layer in layers.by_ref().take(stage.depth) {
                x = layer.conv.forward_transposed(x);
                if let Some(norm) = &layer.norm {
                    x = norm.forward(x, Activation::Relu, &mut pass);
                }
            }
        }
        Decoded { images: x, statistics: pass.statistics }
    }

    /// The batch norms in the order in which a forward pass meets them.
    pub(crate) fn norms_mut(&mut self) -> Vec<&mut BatchNorm> {
        self.layers.iter_mut().filter_map(|layer| layer.norm.as_mut()).collect()
    }
}
