//! Whole networks of convolutions prepared for evaluation.

use burn::backend::Flex;
use burn::tensor::{DType, Tensor};

use crate::chain_conv::ChainConv;
use crate::cpu::activation::Activation;
use crate::flex::PackedChain;
use crate::prepared::NormToFold;
use crate::route::takes_kernels;

/// One convolution of a chain with the batch norm and the activation that follow it.
///
/// Padding is TensorFlow's SAME: `out = ceil(in / stride)`, and of the `max((out - 1) stride + kernel - in, 0)` zeros along a side the
/// smaller half comes before.
///
/// # Shapes
/// - weight: `[cout, cin, k, k]`, or `[channels, 1, k, k]` where it is depthwise
#[derive(Clone, Debug)]
pub struct ConvToFold {
    /// Filters without a bias.
    pub weight: Tensor<4>,
    /// The batch norm as it stands in evaluation.
    pub norm: NormToFold,
    /// Whether each channel has a filter of its own and sees no other.
    pub depthwise: bool,
    /// Pixels between two patches, at least 1.
    pub stride: usize,
    /// What follows the batch norm.
    pub activation: Activation,
}

/// One step of a [`PreparedChain`].
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them, made once")]
pub enum ChainStep {
    /// A convolution by itself.
    Conv(ConvToFold),
    /// The block of MobileNetV2 (Sandler et al. 2018): a pointwise convolution to many channels, a depthwise one, a pointwise one to few.
    InvertedResidual {
        /// To many channels; left out where the depthwise convolution has as many as the input.
        expand: Option<ConvToFold>,
        /// Has the block's kernel and stride.
        depthwise: ConvToFold,
        /// To few channels.
        project: ConvToFold,
        /// Whether the input is added to the output.
        residual: bool,
    },
}

/// A network of convolutions for evaluation, batch norms folded in, weights packed once.
///
/// With `s = gamma / sqrt(var + eps)`: `weight' = s weight`, `bias' = beta - s mean`. An image goes through all steps on one thread, and the
/// wide maps inside inverted residuals are never whole in memory. An image's result does not depend on the batch it is in, nor on the number of
/// threads. For encoding with fixed weights, not for training: gradients do not reach the parameters.
#[derive(Debug)]
pub struct PreparedChain {
    steps: Vec<Folded>,
    /// What the kernels need, where they take these weights.
    packed: Option<PackedChain>,
}

/// A step with its batch norms folded.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them, made once")]
enum Folded {
    Conv(ChainConv),
    InvertedResidual { expand: Option<ChainConv>, depthwise: ChainConv, project: ChainConv, residual: bool },
}

impl Folded {
    fn convs(&self) -> impl Iterator<Item = &ChainConv> {
        let [first, second, third] = match self {
            Self::Conv(conv) => [Some(conv), None, None],
            Self::InvertedResidual { expand, depthwise, project, .. } => {
                [expand.as_ref(), Some(depthwise), Some(project)]
            }
        };
        first.into_iter().chain(second).chain(third)
    }

    fn is_residual(&self) -> bool {
        matches!(self, Self::InvertedResidual { residual: true, .. })
    }
}

impl PreparedChain {
    /// Folds and packs.
    ///
    /// # Panics
    /// When there is no step, a kernel is not square, a stride is zero, a batch norm does not have one value per output channel, a convolution has
    /// other input channels than the one before it has outputs, a pointwise convolution of a block is not 1x1 of stride 1, or
    /// a residual changes the map's size or channels or has an activation after its last convolution.
    pub fn new(steps: Vec<ChainStep>) -> Self {
        assert!(!steps.is_empty(), "a chain has at least one step");
        let steps: Vec<Folded> = steps.into_iter().map(folded).collect();
        let mut channels = None;
        for conv in steps.iter().flat_map(Folded::convs) {
            let inputs = conv.inputs();
            let before = channels.replace(conv.outputs()).unwrap_or(inputs);
            assert_eq!(before, inputs, "a convolution must take the channels of the one before it");
        }
        let packed = steps.iter().flat_map(Folded::convs).all(|conv| takes_kernels(&conv.weight)).then(|| pack(&steps));
        Self { steps, packed: packed.flatten() }
    }

    /// The last map.
    ///
    /// # Shapes
    /// - images: `[batch, cin, height, width]`; output: `[batch, cout, height', width']`, sides divided by every stride and rounded up
    ///
    /// # Panics
    /// When `images` has another number of channels.
    pub fn map(&self, images: Tensor<4>) -> Tensor<4> {
        self.check(&images);
        if let Some(packed) = &self.packed
            && takes_kernels(&images)
            && let Ok(images) = images.clone().try_into_primitive::<Flex>()
        {
            return Tensor::from_primitive::<Flex>(packed.map(&images));
        }
        self.compose(images)
    }

    /// The mean of the last map over height and width. A pointwise last convolution is only summed: its map is not written.
    ///
    /// # Shapes
    /// - images: `[batch, cin, height, width]`, output: `[batch, cout]`
    ///
    /// # Panics
    /// When `images` has another number of channels.
    pub fn mean(&self, images: Tensor<4>) -> Tensor<2> {
        self.check(&images);
        if let Some(packed) = &self.packed
            && takes_kernels(&images)
            && let Ok(images) = images.clone().try_into_primitive::<Flex>()
        {
            return Tensor::from_primitive::<Flex>(packed.mean(&images));
        }
        let y = self.compose(images);
        let [batch, channels, height, width] = y.dims();
        y.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
    }

    fn check(&self, images: &Tensor<4>) {
        let expected = self.steps[0].convs().next().map_or(0, ChainConv::inputs);
        assert_eq!(images.dims()[1], expected, "the images' channels must be those that the chain begins with");
    }

    /// The same out of Burn's own operations.
    fn compose(&self, images: Tensor<4>) -> Tensor<4> {
        self.steps.iter().fold(images, |x, step| {
            let y = step.convs().fold(x.clone(), |x, conv| conv.compose(x));
            if step.is_residual() { y + x } else { y }
        })
    }
}

fn folded(step: ChainStep) -> Folded {
    let (expand, depthwise, project, residual) = match step {
        ChainStep::Conv(conv) => return Folded::Conv(fold(conv)),
        ChainStep::InvertedResidual { expand, depthwise, project, residual } => {
            (expand.map(fold), fold(depthwise), fold(project), residual)
        }
    };
    assert!(depthwise.depthwise, "the middle convolution of an inverted residual is depthwise");
    for conv in expand.iter().chain([&project]) {
        let pointwise = !conv.depthwise && conv.kernel() == 1 && conv.stride == 1;
        assert!(pointwise, "the outer convolutions of an inverted residual are 1x1 of stride 1");
    }
    if residual {
        let inputs = expand.as_ref().unwrap_or(&depthwise).inputs();
        assert_eq!(
            (inputs, depthwise.stride),
            (project.outputs(), 1),
            "a residual leaves channels and size as they are"
        );
        assert_eq!(project.activation, Activation::None, "a residual is added to a convolution without activation");
    }
    Folded::InvertedResidual { expand, depthwise, project, residual }
}

fn fold(conv: ConvToFold) -> ChainConv {
    let ConvToFold { weight, norm, depthwise, stride, activation } = conv;
    let [outputs, inputs, height, width] = weight.dims();
    assert_eq!(height, width, "the kernels of a chain are square");
    assert!(stride > 0, "a convolution moves by at least one pixel");
    assert!(!depthwise || inputs == 1, "a depthwise convolution has one filter per channel");
    for (name, parameter) in [("gamma", &norm.gamma), ("beta", &norm.beta), ("mean", &norm.mean), ("var", &norm.var)] {
        assert_eq!(parameter.dims(), [outputs], "{name} must have one value per output channel");
    }
    let scale = norm.gamma / (norm.var + norm.eps).sqrt();
    let bias = (norm.beta - norm.mean * scale.clone()).detach();
    let weight = (weight * scale.reshape([outputs, 1, 1, 1])).detach();
    ChainConv { weight, bias, depthwise, stride, activation }
}

/// Packs the weights, which are on Flex in `f32`.
fn pack(steps: &[Folded]) -> Option<PackedChain> {
    let layer = |conv: &ChainConv| {
        let weight = conv.weight.clone().try_into_primitive::<Flex>().ok()?;
        let bias = conv.bias.clone().cast(DType::F32).try_into_primitive::<Flex>().ok()?;
        Some(crate::flex::layer(&weight, &bias, conv.depthwise, conv.stride, conv.activation))
    };
    let steps: Option<Vec<_>> = steps
        .iter()
        .map(|step| {
            Some(match step {
                Folded::Conv(conv) => crate::flex::Step::Conv(layer(conv)?),
                Folded::InvertedResidual { expand, depthwise, project, residual } => {
                    crate::flex::Step::InvertedResidual {
                        expand: match expand {
                            Some(expand) => Some(layer(expand)?),
                            None => None,
                        },
                        depthwise: layer(depthwise)?,
                        project: layer(project)?,
                        residual: *residual,
                    }
                }
            })
        })
        .collect();
    Some(PackedChain::new(&steps?))
}
