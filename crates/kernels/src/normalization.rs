//! Batch normalisation on Burn tensors, with the ReLU that nearly always follows it fused.

use burn::tensor::Tensor;

use crate::default_path;

/// Batch norm with the statistics of this very batch, as in training, with an optional fused ReLU.
///
/// `y = gamma * (x - mean) / sqrt(var + eps) + beta`, then `max(y, 0)` when `relu`.
/// Returns `(y, mean, var)`; `var` is the biased variance (divided by the count, not the count less one)
/// and neither statistic carries a gradient, though the gradient of `y` accounts for both.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`; gamma, beta, mean, var: `[channels]`
///
/// # Panics
/// When gamma or beta do not have one value per channel.
pub fn batch_norm_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f64,
    relu: bool,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let [_, channels, _, _] = x.dims();
    assert_eq!(gamma.dims(), [channels], "gamma must have one value per channel");
    assert_eq!(beta.dims(), [channels], "beta must have one value per channel");
    default_path::batch_norm_train(x, gamma, beta, eps, relu)
}

/// Batch norm with given (running) statistics, as in evaluation, with an optional fused ReLU.
///
/// `y = gamma * (x - mean) / sqrt(var + eps) + beta`, then `max(y, 0)` when `relu`. Differentiable in x,
/// gamma and beta.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`; gamma, beta, mean, var: `[channels]`
///
/// # Panics
/// When one of the parameters does not have one value per channel.
pub fn batch_norm_eval(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    var: Tensor<1>,
    eps: f64,
    relu: bool,
) -> Tensor<4> {
    let [_, channels, _, _] = x.dims();
    for (name, parameter) in [("gamma", &gamma), ("beta", &beta), ("mean", &mean), ("var", &var)] {
        assert_eq!(parameter.dims(), [channels], "{name} must have one value per channel");
    }
    default_path::batch_norm_eval(x, gamma, beta, mean, var, eps, relu)
}
