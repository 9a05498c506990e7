//! An encoder made ready to encode many batches with weights that no longer change.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use sporeprint_kernels::{
    ChainStep, ConvToFold, NormToFold, PreparedChain, PreparedConv2d, add_relu, max_pool2x2, max_pool3x3s2,
};

use super::layers::{BatchNorm, Linear};
use super::walk::{ConvStep, Padding, Step};
use super::{Encoder, merge};
use crate::config::{EncoderConfig, Merge};

/// An [`Encoder`] in evaluation: batch norms folded into the convolutions before them, weights transformed once.
///
/// Its codes are those of `encoder.forward(images, Mode::Evaluate)` up to rounding. It holds a second copy of the
/// weights, does not follow later changes of the encoder, and records no gradients.
#[derive(Debug)]
pub struct PreparedEncoder {
    body: Body,
    head: Option<Linear>,
    config: EncoderConfig,
}

/// From images to the merged feature map.
#[derive(Debug)]
enum Body {
    /// One batch through one layer after another.
    Layers(Vec<Layer>),
    /// One image through all blocks, kept in the processor's cache.
    Chain(PreparedChain),
}

#[derive(Debug)]
enum Layer {
    Conv(PreparedConv2d),
    Pool2x2,
    Pool3x3,
    Residual { branch: Vec<PreparedConv2d>, projection: Option<PreparedConv2d> },
}

impl Encoder {
    /// The encoder as it stands, prepared to encode many batches in evaluation.
    pub fn prepare(&self) -> PreparedEncoder {
        let encoder = self.valid();
        let steps = encoder.steps();
        let chain: Option<Vec<ChainStep>> = steps.iter().map(chained).collect();
        let body = match chain {
            Some(chain) => Body::Chain(PreparedChain::new(chain)),
            None => Body::Layers(steps.iter().filter_map(layer).collect()),
        };
        drop(steps);
        PreparedEncoder { body, head: encoder.head, config: encoder.config }
    }
}

impl PreparedEncoder {
    /// What the encoder was built from.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Dimension of a code.
    pub fn dim(&self) -> usize {
        self.config.dim()
    }

    /// The codes of a batch of images.
    ///
    /// # Shapes
    /// - images: `[batch, 3, image_size, image_size]`, RGB, normalised
    /// - codes: `[batch, dim]`, not normalised
    pub fn codes(&self, images: Tensor<4>) -> Tensor<2> {
        let merged = match (&self.body, self.config.merge) {
            (Body::Chain(chain), Merge::Mean) => chain.mean(images),
            (Body::Chain(chain), Merge::Flatten) => merge(chain.map(images), Merge::Flatten),
            (Body::Layers(layers), how) => merge(layers.iter().fold(images, |map, layer| layer.forward(map)), how),
        };
        match &self.head {
            Some(head) => head.forward(merged),
            None => merged,
        }
    }
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Pool2x2 => max_pool2x2(x).0,
            Self::Pool3x3 => max_pool3x3s2(x),
            Self::Residual { branch, projection } => {
                let shortcut = projection.as_ref().map_or_else(|| x.clone(), |conv| conv.forward(x.clone()));
                add_relu(branch.iter().fold(x, |x, conv| conv.forward(x)), shortcut)
            }
        }
    }
}

/// A step as a layer of its own; nothing for those that only a chain takes.
fn layer(step: &Step<'_>) -> Option<Layer> {
    Some(match step {
        Step::Conv(conv) => Layer::Conv(folded(conv)?),
        Step::Pool2x2 => Layer::Pool2x2,
        Step::Pool3x3 => Layer::Pool3x3,
        Step::Residual { branch, projection } => Layer::Residual {
            branch: branch.iter().filter_map(folded).collect(),
            projection: projection.as_ref().and_then(folded),
        },
        Step::InvertedResidual { .. } => return None,
    })
}

fn folded(step: &ConvStep<'_>) -> Option<PreparedConv2d> {
    let ConvStep { conv, norm, activation, stride, padding: Padding::Each(padding), .. } = *step else { return None };
    let bias = conv.bias.as_ref().map(Param::val);
    Some(PreparedConv2d::new(conv.weight.val(), bias, Some(to_fold(norm)), activation, stride, padding))
}

/// A step of a chain, whose convolutions all pad as `SAME`; nothing for others.
fn chained(step: &Step<'_>) -> Option<ChainStep> {
    let conv = |step: &ConvStep<'_>| {
        let ConvStep { conv, norm, activation, stride, padding: Padding::Same, is_depthwise } = *step else {
            return None;
        };
        Some(ConvToFold { weight: conv.weight.val(), norm: to_fold(norm), depthwise: is_depthwise, stride, activation })
    };
    match step {
        Step::Conv(step) => Some(ChainStep::Conv(conv(step)?)),
        Step::InvertedResidual { expand, depthwise, project, is_residual } => Some(ChainStep::InvertedResidual {
            expand: expand.as_ref().and_then(conv),
            depthwise: conv(depthwise)?,
            project: conv(project)?,
            residual: *is_residual,
        }),
        Step::Pool2x2 | Step::Pool3x3 | Step::Residual { .. } => None,
    }
}

fn to_fold(norm: &BatchNorm) -> NormToFold {
    NormToFold {
        gamma: norm.weight.val(),
        beta: norm.bias.val(),
        mean: norm.running_mean.val(),
        var: norm.running_var.val(),
        eps: norm.epsilon,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use crate::config::{Architecture, EncoderConfig};
    use crate::encoder::BuildEncoder;
    use crate::encoder::{MOMENTUM, Mode, values};

    #[test]
    fn a_prepared_encoder_gives_the_codes_of_evaluation() {
        let device = Device::flex().autodiff();
        for (name, architecture) in Architecture::ALL {
            let config =
                EncoderConfig { architecture, width: 0.125, image_size: 64, head_dim: Some(7), ..Default::default() };
            let mut encoder = config.init(&device, 3).expect("these can be built");
            // Statistics and maps that are not those of an untrained network.
            let batch = || Tensor::random([3, 3, 64, 64], Distribution::Normal(0.3, 1.5), &device);
            for _ in 0..3 {
                let encoded = encoder.forward(batch(), Mode::Train);
                encoder.absorb(&encoded.statistics, 5.0 * MOMENTUM);
            }
            let images = batch();
            let expected = values(encoder.forward(images.clone(), Mode::Evaluate).codes.without_autodiff());
            let prepared = encoder.prepare();
            let found = values(prepared.codes(images.without_autodiff()));
            assert_eq!(found.len(), 3 * prepared.dim(), "{name}");
            let norm = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
            let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
            assert!(difference <= 1e-3 * norm, "{name}: off by {difference} of {norm}");
        }
    }
}
