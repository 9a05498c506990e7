//! One convolution of a chain, out of Burn's own operations: what serves the tensors that the kernels do not take.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, PadMode};

use crate::cpu::activation::Activation;
use crate::cpu::chain::Same;

/// A convolution with its batch norm folded.
#[derive(Clone, Debug)]
pub(crate) struct ChainConv {
    /// `[cout, cin, k, k]`, or `[channels, 1, k, k]` where it is depthwise.
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Tensor<1>,
    pub(crate) depthwise: bool,
    pub(crate) stride: usize,
    pub(crate) activation: Activation,
}

impl ChainConv {
    pub(crate) fn inputs(&self) -> usize {
        let [outputs, inputs, _, _] = self.weight.dims();
        if self.depthwise { outputs } else { inputs }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.dims()[0]
    }

    pub(crate) fn kernel(&self) -> usize {
        self.weight.dims()[2]
    }

    /// Zeros, convolution, activation.
    pub(crate) fn compose(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, channels, height, width] = x.dims();
        let [down, across] = [height, width].map(|length| Same::new(length, self.kernel(), self.stride));
        let x = x.pad((across.before, across.after, down.before, down.after), PadMode::Constant(0.0));
        let groups = if self.depthwise { channels } else { 1 };
        let options = ConvOptions::new([self.stride; 2], [0; 2], [1; 2], groups);
        let y = module::conv2d(x, self.weight.clone(), Some(self.bias.clone()), options);
        match self.activation {
            Activation::None => y,
            Activation::Relu => relu(y),
            Activation::Relu6 => relu(y).clamp_max(6.0),
        }
    }
}
