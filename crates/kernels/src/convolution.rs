//! Convolutions on Burn tensors.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::cpu::activation::Activation;
use crate::cpu::padding::Padding;
use crate::default_path;
use crate::extension::CpuKernels;
use crate::flex::Kind;
use crate::route::takes_kernels;

/// 3x3 convolution with stride 1 and padding 1, the layer of which VGG and most of a ResNet consist.
///
/// `y[b,o,i,j] = bias[o] + sum over c,u,v of weight[o,c,u,v] * x[b,c,i+u-1,j+v-1]`, zeros outside.
///
/// # Shapes
/// - x: `[batch, cin, height, width]`, weight: `[cout, cin, 3, 3]`, bias: `[cout]`
/// - output: `[batch, cout, height, width]`
///
/// # Panics
/// When the channels of `x`, `weight` and `bias` disagree or the kernel is not 3x3.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [_, channels_in, _, _] = x.dims();
    let [channels_out, weight_in, kernel_h, kernel_w] = weight.dims();
    assert_eq!([kernel_h, kernel_w], [3, 3], "conv3x3 takes a 3x3 kernel");
    check_channels(channels_in, weight_in, channels_out, bias.as_ref());
    match takes_kernels(&x) && takes_kernels(&weight) {
        true => run(x, weight, bias, Kind::Plain3x3, Activation::None),
        false => default_path::conv2d(x, weight, bias, 1, 1),
    }
}

/// Transposed 3x3 convolution with stride 1 and padding 1 (PyTorch's `ConvTranspose2d`).
///
/// The adjoint of [`conv3x3`]: equal to it with the kernel flipped and its channels swapped.
///
/// # Shapes
/// - x: `[batch, cin, height, width]`, weight: `[cin, cout, 3, 3]`, bias: `[cout]`
/// - output: `[batch, cout, height, width]`
///
/// # Panics
/// When the channels of `x`, `weight` and `bias` disagree or the kernel is not 3x3.
pub fn conv_transpose3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [_, channels_in, _, _] = x.dims();
    let [weight_in, channels_out, kernel_h, kernel_w] = weight.dims();
    assert_eq!([kernel_h, kernel_w], [3, 3], "conv_transpose3x3 takes a 3x3 kernel");
    check_channels(channels_in, weight_in, channels_out, bias.as_ref());
    match takes_kernels(&x) && takes_kernels(&weight) {
        true => run(x, weight, bias, Kind::Transposed3x3, Activation::None),
        false => default_path::conv_transpose3x3(x, weight, bias),
    }
}

/// Convolution with any kernel, stride and padding (the 7x7, strided and 1x1 layers of a ResNet).
///
/// Calls [`conv3x3`] where that fits.
///
/// # Shapes
/// - x: `[batch, cin, height, width]`, weight: `[cout, cin, kh, kw]`, bias: `[cout]`
/// - output: `[batch, cout, (height + 2 padding - kh) / stride + 1, (width + 2 padding - kw) / stride + 1]`
///
/// # Panics
/// When the channels of `x`, `weight` and `bias` disagree or `stride` is zero.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: usize) -> Tensor<4> {
    let [_, channels_in, height, width] = x.dims();
    let [channels_out, weight_in, kernel_h, kernel_w] = weight.dims();
    if [kernel_h, kernel_w] == [3, 3] && stride == 1 && padding == 1 {
        return conv3x3(x, weight, bias);
    }
    check_channels(channels_in, weight_in, channels_out, bias.as_ref());
    let fits = height + 2 * padding >= kernel_h && width + 2 * padding >= kernel_w;
    match fits && takes_kernels(&x) && takes_kernels(&weight) {
        true => run(x, weight, bias, Kind::General { stride, padding: Padding::Even(padding) }, Activation::None),
        false => default_path::conv2d(x, weight, bias, stride, padding),
    }
}

/// [`conv2d`] with TensorFlow's "SAME" padding: as few zeros as give `ceil(side / stride)` outputs along each side, the
/// odd one behind.
///
/// # Shapes
/// - x: `[batch, cin, height, width]`, weight: `[cout, cin, kh, kw]`
/// - output: `[batch, cout, ceil(height / stride), ceil(width / stride)]`
///
/// # Panics
/// When the channels of `x` and `weight` disagree or `stride` is zero.
pub fn conv2d_same(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    same(x, weight, None, stride, Activation::None)
}

/// [`conv2d_same`] with a bias, then the activation, in one pass over the output.
///
/// With the batch norm of fixed statistics folded into weight and bias (see [`fold_batch_norm`](crate::fold_batch_norm))
/// this is a layer of a network that is trained further, forward and backward, and no map is read or written for the
/// normalisation.
///
/// # Shapes
/// - bias: `[cout]`; the rest as in [`conv2d_same`]
///
/// # Panics
/// When the channels of `x`, `weight` and `bias` disagree or `stride` is zero.
pub fn conv2d_same_activated(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    activation: Activation,
) -> Tensor<4> {
    same(x, weight, Some(bias), stride, activation)
}

fn same(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, activation: Activation) -> Tensor<4> {
    assert!(stride > 0, "a convolution moves by at least one pixel");
    let ([_, channels_in, _, _], [channels_out, weight_in, ..]) = (x.dims(), weight.dims());
    check_channels(channels_in, weight_in, channels_out, bias.as_ref());
    match takes_kernels(&x) && takes_kernels(&weight) {
        true => run(x, weight, bias, Kind::General { stride, padding: Padding::Same }, activation),
        false => default_path::activate(default_path::conv2d_same(x, weight, bias, stride, 1), activation),
    }
}

/// Depthwise convolution with TensorFlow's "SAME" padding: every channel has a kernel of its own.
///
/// `y[b,c,i,j] = sum over u,v of weight[c,0,u,v] * x[b, c, i stride + u - top, j stride + v - left]`, zeros outside;
/// `top = floor(max((ceil(height / stride) - 1) stride + k - height, 0) / 2)`, `left` likewise.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`, weight: `[channels, 1, k, k]`
/// - output: `[batch, channels, ceil(height / stride), ceil(width / stride)]`
///
/// # Panics
/// When `weight` is not a square kernel for each channel of `x` or `stride` is zero.
pub fn depthwise(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    depthwise_of(x, weight, None, stride, Activation::None)
}

/// [`depthwise`] with a bias, then the activation, in one pass over the output; compare [`conv2d_same_activated`].
///
/// # Shapes
/// - bias: `[channels]`; the rest as in [`depthwise`]
///
/// # Panics
/// As [`depthwise`], or when `bias` does not have one value per channel.
pub fn depthwise_activated(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    activation: Activation,
) -> Tensor<4> {
    depthwise_of(x, weight, Some(bias), stride, activation)
}

fn depthwise_of(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    activation: Activation,
) -> Tensor<4> {
    assert!(stride > 0, "a convolution moves by at least one pixel");
    let ([_, channels, _, _], [_, _, kernel, _]) = (x.dims(), weight.dims());
    assert_eq!(weight.dims(), [channels, 1, kernel, kernel], "a square kernel for each channel of x");
    check_channels(channels, channels, channels, bias.as_ref());
    match takes_kernels(&x) && takes_kernels(&weight) {
        true => run(x, weight, bias, Kind::Depthwise { stride }, activation),
        false => default_path::activate(default_path::conv2d_same(x, weight, bias, stride, channels), activation),
    }
}

/// Only a convolution with a bias takes an activation.
fn run(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, kind: Kind, activation: Activation) -> Tensor<4> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::convolution_with_bias(x, weight, bias.into_dispatch(), kind, activation),
        None => Dispatch::convolution(x, weight, kind),
    })
}

fn check_channels(of_input: usize, of_weight: usize, channels_out: usize, bias: Option<&Tensor<1>>) {
    assert_eq!(of_input, of_weight, "the weight's input channels must be those of x");
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), [channels_out], "the bias must have one value per output channel");
    }
}
