//! The same operations composed of Burn's own: what every backend without kernels of its own runs, and
//! what serves the shapes and number types that the kernels do not take.

use burn::tensor::activation::relu;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, MaxPoolOptions, PadMode};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use crate::cpu::activation::Activation;
use crate::cpu::padding::Padding;

pub(crate) fn activate(y: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::None => y,
        Activation::Relu => relu(y),
        Activation::Relu6 => relu(y).clamp_max(6.0),
    }
}

pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    module::conv2d(x, weight, bias, ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1))
}

/// With "SAME" padding; `groups` is the number of channels for a depthwise convolution, else one.
pub(crate) fn conv2d_same(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    groups: usize,
) -> Tensor<4> {
    let ([_, _, height, width], [_, _, down, across]) = (x.dims(), weight.dims());
    let [top, bottom] = Padding::Same.zeros(height, down, stride);
    let [left, right] = Padding::Same.zeros(width, across, stride);
    let padded = x.pad((left, right, top, bottom), PadMode::Constant(0.0));
    module::conv2d(padded, weight, bias, ConvOptions::new([stride; 2], [0; 2], [1; 2], groups))
}

pub(crate) fn conv_transpose3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    module::conv_transpose2d(x, weight, bias, ConvTransposeOptions::new([1; 2], [1; 2], [0; 2], [1; 2], 1))
}

pub(crate) fn batch_norm_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f64,
    activation: Activation,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let normed = module::batch_norm_train(x, gamma, beta, eps);
    (activate(normed.output, activation), normed.mean, normed.variance)
}

pub(crate) fn batch_norm_eval(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    var: Tensor<1>,
    eps: f64,
    activation: Activation,
) -> Tensor<4> {
    activate(module::batch_norm(x, gamma, beta, mean, var, eps), activation)
}

pub(crate) fn max_pool2x2(x: Tensor<4>) -> (Tensor<4>, Tensor<4, Int>) {
    let options = MaxPoolOptions { stride: [2; 2], ..MaxPoolOptions::new([2; 2]) };
    module::max_pool2d_with_indices(x, options)
}

pub(crate) fn max_unpool2x2(x: Tensor<4>, indices: Tensor<4, Int>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let plane = Tensor::<3>::zeros([batch, channels, 4 * height * width], (&x.device(), x.dtype()));
    let values = x.reshape([batch, channels, height * width]);
    let indices = indices.reshape([batch, channels, height * width]);
    plane.scatter(2, indices, values, IndexingUpdateOp::Add).reshape([batch, channels, 2 * height, 2 * width])
}

pub(crate) fn max_pool3x3s2(x: Tensor<4>) -> Tensor<4> {
    let options = MaxPoolOptions { stride: [2; 2], padding: [(1, 1); 2], ..MaxPoolOptions::new([3; 2]) };
    module::max_pool2d(x, options)
}

pub(crate) fn sgd_step<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    buf: Option<Tensor<D>>,
    lr: f64,
    momentum: f64,
    weight_decay: f64,
) -> (Tensor<D>, Tensor<D>) {
    let grad = if weight_decay == 0.0 { grad } else { grad + param.clone() * weight_decay };
    let buf = match buf {
        Some(buf) => buf * momentum + grad,
        None => grad,
    };
    (param - buf.clone() * lr, buf)
}
