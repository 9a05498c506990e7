//! One walk over a network's layers, for all who only need to know what follows what: preparing, counting, estimating.

use sporeprint_kernels::Activation;

use super::efficientnet::{self, EfficientNet, NormedConv};
use super::layers::{BatchNorm, Conv};
use super::resnet::{Block, ResNet};
use super::vgg::Vgg;
use super::{Backbone, Encoder};

/// A step of the forward pass; the output of one is the input of the next.
pub(super) enum Step<'a> {
    Conv(ConvStep<'a>),
    /// Halves the sides.
    Pool2x2,
    /// Halves the sides, rounded up.
    Pool3x3,
    /// `relu(branch(x) + projection(x))`, or `x` itself where nothing projects it.
    Residual {
        branch: Vec<ConvStep<'a>>,
        projection: Option<ConvStep<'a>>,
    },
    /// `project(depthwise(expand(x)))`, and `x` added if it `is_residual`.
    InvertedResidual {
        expand: Option<ConvStep<'a>>,
        depthwise: ConvStep<'a>,
        project: ConvStep<'a>,
        is_residual: bool,
    },
}

/// Convolution, batch norm and activation.
pub(super) struct ConvStep<'a> {
    pub(super) conv: &'a Conv,
    pub(super) norm: &'a BatchNorm,
    pub(super) activation: Activation,
    pub(super) stride: usize,
    pub(super) padding: Padding,
    /// Whether each channel has a filter of its own and is seen by no other.
    pub(super) is_depthwise: bool,
}

/// Zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// So many on each side.
    Each(usize),
    /// TensorFlow's `SAME`: the output has the input's side over the stride, rounded up.
    Same,
}

/// What one convolution with its batch norm costs for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConvCost {
    /// Weights of convolution and batch norm, running statistics among them.
    pub(crate) n_parameters: usize,
    /// Values that go in.
    pub(crate) n_in: usize,
    /// Values that come out.
    pub(crate) n_out: usize,
    /// Values that wait meanwhile to be added to what comes out of a residual branch.
    pub(crate) n_waiting: usize,
    /// `2 k k c_in` for each value that comes out, as the definition counts, however it is computed.
    pub(crate) flops: f64,
    /// Whether the convolution is computed from transformed weights, four times as many: 3x3 of stride 1.
    pub(crate) is_transformed: bool,
}

impl Encoder {
    /// The steps from images to the feature map.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        match &self.backbone {
            Backbone::Vgg(vgg) => vgg_steps(vgg),
            Backbone::ResNet(resnet) => resnet_steps(resnet),
            Backbone::EfficientNet(network) => efficientnet_steps(network),
        }
    }

    /// What each convolution costs, in the order of the forward pass.
    pub(crate) fn costs(&self) -> Vec<ConvCost> {
        let mut costs = Vec::new();
        let mut side = self.config.image_size;
        for step in self.steps() {
            match step {
                Step::Conv(conv) => side = conv.cost(side, 0, &mut costs),
                Step::Pool2x2 => side /= 2,
                Step::Pool3x3 => side = side.div_ceil(2),
                Step::Residual { branch, projection } => {
                    let mut n_waiting = branch.first().map_or(0, |first| first.n_in(side));
                    if let Some(projection) = projection {
                        projection.cost(side, n_waiting, &mut costs);
                        n_waiting += costs.last().map_or(0, |cost| cost.n_out);
                    }
                    side = branch.iter().fold(side, |side, conv| conv.cost(side, n_waiting, &mut costs));
                }
                Step::InvertedResidual { expand, depthwise, project, is_residual } => {
                    let first = expand.as_ref().unwrap_or(&depthwise);
                    let n_waiting = if is_residual { first.n_in(side) } else { 0 };
                    let convs = expand.iter().chain([&depthwise, &project]);
                    side = convs.fold(side, |side, conv| conv.cost(side, n_waiting, &mut costs));
                }
            }
        }
        costs
    }

    /// Floating-point operations of one image's forward pass: `2 k k c_in c_out height width` summed over the
    /// convolutions, as the definition counts them, however they are computed.
    ///
    /// A training step takes three times as many: the backward pass has two convolutions for each of the forward's.
    /// A decoder that mirrors the encoder takes as many again.
    pub fn flops(&self) -> f64 {
        self.costs().iter().map(|cost| cost.flops).sum()
    }
}

impl ConvStep<'_> {
    /// Channels that go in.
    fn channels_in(&self) -> usize {
        let [n_out, n_in, ..] = self.conv.weight.dims();
        if self.is_depthwise { n_out } else { n_in }
    }

    /// Values that an image of this side has for it.
    fn n_in(&self, side: usize) -> usize {
        self.channels_in() * side * side
    }

    /// Adds the cost for images of this side, and gives the side of the output.
    fn cost(&self, side: usize, n_waiting: usize, costs: &mut Vec<ConvCost>) -> usize {
        let [n_out, n_in, kernel, _] = self.conv.weight.dims();
        let after = match self.padding {
            Padding::Each(padding) => (side + 2 * padding - kernel) / self.stride + 1,
            Padding::Same => side.div_ceil(self.stride),
        };
        let bias = if self.conv.bias.is_some() { n_out } else { 0 };
        costs.push(ConvCost {
            n_parameters: n_out * n_in * kernel * kernel + bias + 4 * n_out,
            n_in: self.n_in(side),
            n_out: n_out * after * after,
            n_waiting,
            flops: 2.0 * (kernel * kernel * n_in * n_out * after * after) as f64,
            is_transformed: kernel == 3 && self.stride == 1 && !self.is_depthwise,
        });
        after
    }
}

fn vgg_steps(vgg: &Vgg) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut layers = vgg.layers.iter();
    for stage in vgg.stages {
        let layers = layers.by_ref().take(stage.depth);
        steps.extend(layers.map(|layer| Step::Conv(step(&layer.conv, &layer.norm, Activation::Relu, 1, 1))));
        steps.push(Step::Pool2x2);
    }
    steps
}

fn resnet_steps(resnet: &ResNet) -> Vec<Step<'_>> {
    let [stride, padding] = resnet.stem_geometry();
    let mut steps = vec![Step::Conv(step(&resnet.conv1, &resnet.bn1, Activation::Relu, stride, padding))];
    if resnet.stem_pools() {
        steps.push(Step::Pool3x3);
    }
    steps.extend(resnet.layers.iter().flatten().map(residual));
    steps
}

fn residual(block: &Block) -> Step<'_> {
    use Activation::{None as Linear, Relu};
    let stride = block.stride;
    let branch = match (&block.conv3, &block.bn3) {
        (Some(conv3), Some(bn3)) => vec![
            step(&block.conv1, &block.bn1, Relu, 1, 0),
            step(&block.conv2, &block.bn2, Relu, stride, 1),
            step(conv3, bn3, Linear, 1, 0),
        ],
        _ => vec![step(&block.conv1, &block.bn1, Relu, stride, 1), step(&block.conv2, &block.bn2, Linear, 1, 1)],
    };
    let projection = block.downsample.as_ref().map(|to| step(&to.conv, &to.norm, Linear, stride, 0));
    Step::Residual { branch, projection }
}

fn step<'a>(
    conv: &'a Conv,
    norm: &'a BatchNorm,
    activation: Activation,
    stride: usize,
    padding: usize,
) -> ConvStep<'a> {
    ConvStep { conv, norm, activation, stride, padding: Padding::Each(padding), is_depthwise: false }
}

fn efficientnet_steps(network: &EfficientNet) -> Vec<Step<'_>> {
    let relu6 = |layer, stride| same(layer, Activation::Relu6, stride);
    let mut steps = vec![Step::Conv(relu6(&network.stem, EfficientNet::STEM_STRIDE))];
    steps.extend(network.stages.iter().flatten().map(inverted_residual));
    steps.push(Step::Conv(relu6(&network.last, 1)));
    steps
}

fn inverted_residual(block: &efficientnet::Block) -> Step<'_> {
    let relu6 = |layer, stride| same(layer, Activation::Relu6, stride);
    Step::InvertedResidual {
        expand: block.expand.as_ref().map(|expand| relu6(expand, 1)),
        depthwise: ConvStep { is_depthwise: true, ..relu6(&block.depthwise, block.stride) },
        project: same(&block.project, Activation::None, 1),
        is_residual: block.is_residual,
    }
}

fn same(layer: &NormedConv, activation: Activation, stride: usize) -> ConvStep<'_> {
    ConvStep { conv: &layer.conv, norm: &layer.norm, activation, stride, padding: Padding::Same, is_depthwise: false }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;

    use crate::config::{Architecture, EncoderConfig};
    use crate::encoder::BuildEncoder;

    #[test]
    fn networks_cost_what_is_published() {
        // Multiply-adds at 224 pixels as fvcore counts them, without the classifiers.
        for (architecture, published) in [
            (Architecture::Vgg16Bn, 15.35e9),
            (Architecture::ResNet18, 1.814e9),
            (Architecture::ResNet50, 4.09e9),
            (Architecture::EfficientNetLite0, 0.384e9),
        ] {
            let config = EncoderConfig { architecture, image_size: 224, ..EncoderConfig::default() };
            let found = config.init(&Device::flex(), 0).expect("these can be built").flops() / 2.0;
            assert!((found / published - 1.0).abs() <= 0.01, "{architecture}: {found}, not {published}");
        }
    }

    #[test]
    fn the_walk_meets_every_parameter_of_every_network_once() {
        for (name, architecture) in Architecture::ALL {
            let config = EncoderConfig { architecture, width: 0.125, ..EncoderConfig::default() };
            let encoder = config.init(&Device::flex(), 0).expect("these can be built");
            let counted: usize = encoder.costs().iter().map(|cost| cost.n_parameters).sum();
            assert_eq!(counted, encoder.num_params(), "{name}");
        }
    }
}
