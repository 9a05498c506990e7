//! Batch normalisation on Burn tensors, with the ReLU that nearly always follows it fused.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::default_path;
use crate::extension::CpuKernels;
use crate::route::takes_kernels;

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
    if !takes_kernels(&x) || !takes_kernels(&gamma) {
        return default_path::batch_norm_train(x, gamma, beta, eps, relu);
    }
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    let normed = Dispatch::norm_train(x.into_dispatch(), gamma, beta, eps, relu);
    (Tensor::from_dispatch(normed.y), Tensor::from_dispatch(normed.mean), Tensor::from_dispatch(normed.var))
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
    if !takes_kernels(&x) || !takes_kernels(&gamma) {
        return default_path::batch_norm_eval(x, gamma, beta, mean, var, eps, relu);
    }
    let [gamma, beta, mean, var] = [gamma, beta, mean, var].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::norm_eval(x.into_dispatch(), gamma, beta, mean, var, eps, relu))
}
