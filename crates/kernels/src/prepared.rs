//! Convolutions prepared for evaluation.

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::convolution::conv3x3;
use crate::flex::{FoldedFilters, channels_last};
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

/// A [`conv3x3`] for evaluation, its batch norm folded into the weights, its ReLU fused and its weights
/// transformed once.
///
/// With `s = gamma / sqrt(var + eps)`: `weight' = s weight`, `bias' = s (bias - mean) + beta`. Use it to encode
/// many batches with fixed weights; it is not for training, because gradients do not reach the parameters.
#[derive(Debug)]
pub struct PreparedConv3x3 {
    weight: Tensor<4>,
    bias: Tensor<1>,
    relu: bool,
    /// What the kernels need, where they take these weights.
    filters: Option<FoldedFilters>,
}

impl PreparedConv3x3 {
    /// Folds and transforms.
    ///
    /// # Shapes
    /// - weight: `[cout, cin, 3, 3]`, bias: `[cout]`
    ///
    /// # Panics
    /// When the kernel is not 3x3 or a parameter does not have one value per output channel.
    pub fn new(weight: Tensor<4>, bias: Option<Tensor<1>>, norm: Option<NormToFold>, relu: bool) -> Self {
        let [channels, _, kernel_h, kernel_w] = weight.dims();
        assert_eq!([kernel_h, kernel_w], [3, 3], "a prepared 3x3 convolution takes a 3x3 kernel");
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels], &weight.device()));
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
        let filters = match takes_kernels(&weight) {
            true => weight.clone().try_into_primitive::<Flex>().ok().map(|weight| {
                let bias = bias.clone().try_into_primitive::<Flex>().ok();
                FoldedFilters::new(weight, bias)
            }),
            false => None,
        };
        Self { weight, bias, relu, filters }
    }

    /// Convolves a batch.
    ///
    /// # Shapes
    /// - x: `[batch, cin, height, width]`, output: `[batch, cout, height, width]`
    ///
    /// # Panics
    /// When `x` has another number of channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        assert_eq!(x.dims()[1], self.weight.dims()[1], "the weight's input channels must be those of x");
        if let Some(filters) = &self.filters
            && takes_kernels(&x)
            && let Ok(x) = x.clone().try_into_primitive::<Flex>()
        {
            return Tensor::from_primitive::<Flex>(filters.convolve(&channels_last(x), self.relu));
        }
        let y = conv3x3(x, self.weight.clone(), Some(self.bias.clone()));
        if self.relu { relu(y) } else { y }
    }
}
