//! Convolutions prepared for evaluation.

use burn::backend::Flex;
use burn::tensor::Tensor;

use crate::convolution::conv2d;
use crate::cpu::activation::Activation;
use crate::cpu::padding::Padding;
use crate::default_path;
use crate::flex::{FoldedFilters, Kind, channels_last};
use crate::route::takes_kernels;

/// The batch norm that follows a convolution, as it stands in evaluation.
///
/// # Shapes
/// - every tensor: `[channels]`
#[derive(Clone, Debug)]
pub struct NormToFold {
    /// Learnt scale.
    pub gamma: Tensor<1>,
    /// Learnt shift.
    pub beta: Tensor<1>,
    /// Running mean.
    pub mean: Tensor<1>,
    /// Running variance.
    pub var: Tensor<1>,
    /// Added to the variance.
    pub eps: f64,
}

/// A [`conv2d`] for evaluation, its batch norm folded into the weights, its activation fused and its weights
/// transformed or packed once.
///
/// With `s = gamma / sqrt(var + eps)`: `weight' = s weight`, `bias' = s (bias - mean) + beta`. Use it to encode
/// many batches with fixed weights; it is not for training, because gradients do not reach the parameters.
#[derive(Debug)]
pub struct PreparedConv2d {
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: usize,
    activation: Activation,
    /// What the kernels need, where they take these weights.
    filters: Option<FoldedFilters>,
}

impl PreparedConv2d {
    /// Folds and transforms.
    ///
    /// # Shapes
    /// - weight: `[cout, cin, kh, kw]`, bias: `[cout]`
    ///
    /// # Panics
    /// When a parameter does not have one value per output channel or the stride is zero.
    pub fn new(
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        norm: Option<NormToFold>,
        activation: Activation,
        stride: usize,
        padding: usize,
    ) -> Self {
        assert!(stride > 0, "a convolution moves by at least one pixel");
        let [channels, _, kernel_h, kernel_w] = weight.dims();
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels], (&weight.device(), weight.dtype())));
        assert_eq!(bias.dims(), [channels], "the bias must have one value per output channel");
        let (weight, bias) = match norm {
            Some(norm) => {
                assert_eq!(norm.gamma.dims(), [channels], "gamma must have one value per output channel");
                let scale = norm.gamma / (norm.var + norm.eps).sqrt();
                let bias = (bias - norm.mean) * scale.clone() + norm.beta;
                (weight * scale.reshape([channels, 1, 1, 1]), bias)
            }
            None => (weight, bias),
        };
        let (weight, bias) = (weight.detach(), bias.detach());
        let plain = [kernel_h, kernel_w, stride, padding] == [3, 3, 1, 1];
        let kind = if plain { Kind::Plain3x3 } else { Kind::General { stride, padding: Padding::Even(padding) } };
        let filters = match takes_kernels(&weight) {
            true => weight.clone().try_into_primitive::<Flex>().ok().map(|weight| {
                let bias = bias.clone().try_into_primitive::<Flex>().ok();
                FoldedFilters::new(kind, weight, bias)
            }),
            false => None,
        };
        Self { weight, bias, stride, padding, activation, filters }
    }

    /// Convolves a batch.
    ///
    /// # Shapes
    /// - x: `[batch, cin, height, width]`
    /// - output: `[batch, cout, (height + 2 padding - kh) / stride + 1, (width + 2 padding - kw) / stride + 1]`
    ///
    /// # Panics
    /// When `x` has another number of channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let ([_, channels, height, width], [_, expected, kernel_h, kernel_w]) = (x.dims(), self.weight.dims());
        assert_eq!(channels, expected, "the weight's input channels must be those of x");
        let fits = height + 2 * self.padding >= kernel_h && width + 2 * self.padding >= kernel_w;
        if let Some(filters) = &self.filters
            && fits
            && takes_kernels(&x)
            && let Ok(x) = x.clone().try_into_primitive::<Flex>()
        {
            return Tensor::from_primitive::<Flex>(filters.convolve(&channels_last(x), self.activation));
        }
        let y = conv2d(x, self.weight.clone(), Some(self.bias.clone()), self.stride, self.padding);
        default_path::activate(y, self.activation)
    }
}

/// A [`PreparedConv2d`] of 3x3 filters, stride 1 and padding 1.
#[derive(Debug)]
pub struct PreparedConv3x3(PreparedConv2d);

impl PreparedConv3x3 {
    /// Folds and transforms.
    ///
    /// # Shapes
    /// - weight: `[cout, cin, 3, 3]`, bias: `[cout]`
    ///
    /// # Panics
    /// When the kernel is not 3x3 or a parameter does not have one value per output channel.
    pub fn new(weight: Tensor<4>, bias: Option<Tensor<1>>, norm: Option<NormToFold>, activation: Activation) -> Self {
        let [_, _, kernel_h, kernel_w] = weight.dims();
        assert_eq!([kernel_h, kernel_w], [3, 3], "a prepared 3x3 convolution takes a 3x3 kernel");
        Self(PreparedConv2d::new(weight, bias, norm, activation, 1, 1))
    }

    /// Convolves a batch.
    ///
    /// # Shapes
    /// - x: `[batch, cin, height, width]`, output: `[batch, cout, height, width]`
    ///
    /// # Panics
    /// When `x` has another number of channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.0.forward(x)
    }
}
