//! EfficientNet-Lite: inverted residual blocks around depthwise convolutions.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

use super::Features;
use super::init::Generator;
use super::layers::{BatchNorm, Conv, Mode, Pass};
use crate::config::{EfficientNetPlan, MobileStage, scaled};

/// TensorFlow's addition to the variance, with which these networks were trained.
const EPSILON: f64 = 1e-3;

/// A convolution without a bias and the batch norm behind it.
#[derive(Module, Debug)]
pub(crate) struct NormedConv {
    pub(crate) conv: Conv,
    pub(crate) norm: BatchNorm,
}

impl NormedConv {
    fn init(conv: Conv, device: &Device) -> Self {
        let [n_out, ..] = conv.weight.dims();
        Self { conv, norm: BatchNorm::with_epsilon(n_out, EPSILON, device) }
    }

    /// One that looks at single pixels.
    fn pointwise(n_in: usize, n_out: usize, generator: &mut Generator, device: &Device) -> Self {
        Self::init(Conv::init([n_out, n_in, 1, 1], false, generator, device), device)
    }

    /// Convolution, batch norm and activation.
    fn forward(&self, x: Tensor<4>, stride: usize, activation: Activation, pass: &mut Pass) -> Tensor<4> {
        let weight = self.conv.weight.val();
        if pass.mode == Mode::Evaluate {
            let (weight, bias) = self.norm.folded_into(weight);
            return kernels::conv2d_same_activated(x, weight, bias, stride, activation);
        }
        self.norm.forward(kernels::conv2d_same(x, weight, stride), activation, pass)
    }

    /// The same where each channel has a filter of its own.
    fn forward_depthwise(&self, x: Tensor<4>, stride: usize, pass: &mut Pass) -> Tensor<4> {
        let weight = self.conv.weight.val();
        if pass.mode == Mode::Evaluate {
            let (weight, bias) = self.norm.folded_into(weight);
            return kernels::depthwise_activated(x, weight, bias, stride, Activation::Relu6);
        }
        self.norm.forward(kernels::depthwise(x, weight, stride), Activation::Relu6, pass)
    }
}

/// One inverted residual block: `project(depthwise(expand(x)))`, and `x` added where the shapes agree.
#[derive(Module, Debug)]
pub(crate) struct Block {
    /// 1x1 to the inner channels; missing where these are those that enter.
    pub(crate) expand: Option<NormedConv>,
    pub(crate) depthwise: NormedConv,
    /// 1x1 to the outer channels, without an activation.
    pub(crate) project: NormedConv,
    #[module(skip)]
    pub(crate) stride: usize,
    #[module(skip)]
    pub(crate) is_residual: bool,
}

impl Block {
    fn init(n_in: usize, stage: MobileStage, stride: usize, generator: &mut Generator, device: &Device) -> Self {
        let inner = n_in * stage.expansion;
        let depthwise = |generator: &mut Generator| Conv::init_depthwise(inner, stage.kernel, generator, device);
        Self {
            expand: (stage.expansion > 1).then(|| NormedConv::pointwise(n_in, inner, generator, device)),
            depthwise: NormedConv::init(depthwise(generator), device),
            project: NormedConv::pointwise(inner, stage.channels, generator, device),
            stride,
            is_residual: stride == 1 && n_in == stage.channels,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let (x, shortcut) = if self.is_residual {
            let (x, shortcut) = kernels::fork(x);
            (x, Some(shortcut))
        } else {
            (x, None)
        };
        let x = match &self.expand {
            Some(expand) => expand.forward(x, 1, Activation::Relu6, pass),
            None => x,
        };
        let x = self.depthwise.forward_depthwise(x, self.stride, pass);
        let x = self.project.forward(x, 1, Activation::None, pass);
        match shortcut {
            Some(shortcut) => kernels::add(x, shortcut),
            None => x,
        }
    }

    fn norms_mut(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        let expand = self.expand.as_mut().map(|expand| &mut expand.norm);
        expand.into_iter().chain([&mut self.depthwise.norm, &mut self.project.norm])
    }
}

/// The feature layers of an EfficientNet-Lite. Every convolution pads as TensorFlow's `SAME`: for a stride of 2 one pixel less
/// before than behind where the side is even.
///
/// # Reference
/// Tan & Le 2019, arXiv:1905.11946; Lite: <https://github.com/tensorflow/tpu> (`models/official/efficientnet/lite`). The depths
/// of blocks are not dropped at random in training, as the authors do: a short training needs no such brake.
#[derive(Module, Debug)]
pub struct EfficientNet {
    /// 3x3 of stride 2.
    pub(crate) stem: NormedConv,
    /// Seven stages.
    pub(crate) stages: Vec<Vec<Block>>,
    /// 1x1 to the channels of the code.
    pub(crate) last: NormedConv,
}

impl EfficientNet {
    /// Stride of the first convolution.
    pub(crate) const STEM_STRIDE: usize = 2;

    pub(crate) fn init(plan: &EfficientNetPlan, width: f64, generator: &mut Generator, device: &Device) -> Self {
        let mut n_in = scaled(EfficientNetPlan::STEM, width);
        let stem = NormedConv::init(Conv::init([n_in, 3, 3, 3], false, generator, device), device);
        let mut stages = Vec::new();
        for stage in plan.stages() {
            let stage = MobileStage { channels: scaled(stage.channels, width), ..stage };
            let mut blocks = Vec::with_capacity(stage.depth);
            for position in 0..stage.depth {
                let stride = if position == 0 { stage.stride } else { 1 };
                blocks.push(Block::init(n_in, stage, stride, generator, device));
                n_in = stage.channels;
            }
            stages.push(blocks);
        }
        let last = NormedConv::pointwise(n_in, scaled(EfficientNetPlan::LAST, width), generator, device);
        Self { stem, stages, last }
    }

    /// # Shapes
    /// - images: `[batch, 3, height, width]`
    /// - map: `[batch, channels, height / 32, width / 32]`, rounded up; no indices
    pub(crate) fn forward_features(&self, images: Tensor<4>, mode: Mode) -> Features {
        let mut pass = Pass::new(mode);
        let mut map = self.stem.forward(images, Self::STEM_STRIDE, Activation::Relu6, &mut pass);
        for block in self.stages.iter().flatten() {
            map = block.forward(map, &mut pass);
        }
        let map = self.last.forward(map, 1, Activation::Relu6, &mut pass);
        Features { map, indices: Vec::new(), statistics: pass.statistics }
    }

    pub(crate) fn norms_mut(&mut self) -> Vec<&mut BatchNorm> {
        let blocks = self.stages.iter_mut().flatten().flat_map(Block::norms_mut);
        [&mut self.stem.norm].into_iter().chain(blocks).chain([&mut self.last.norm]).collect()
    }
}
