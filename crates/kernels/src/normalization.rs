//! Batch normalisation on Burn tensors, with the activation that nearly always follows it fused.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::cpu::activation::Activation;
use crate::default_path;
use crate::extension::CpuKernels;
use crate::route::takes_kernels;

/// Batch norm with the statistics of this very batch, as in training, with the activation fused.
///
/// `y = gamma * (x - mean) / sqrt(var + eps) + beta`, then the activation.
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
    activation: Activation,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let [_, channels, _, _] = x.dims();
    assert_eq!(gamma.dims(), [channels], "gamma must have one value per channel");
    assert_eq!(beta.dims(), [channels], "beta must have one value per channel");
    if !takes_kernels(&x) || !takes_kernels(&gamma) {
        return default_path::batch_norm_train(x, gamma, beta, eps, activation);
    }
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    let normed = Dispatch::norm_train(x.into_dispatch(), gamma, beta, eps, activation);
    (Tensor::from_dispatch(normed.y), Tensor::from_dispatch(normed.mean), Tensor::from_dispatch(normed.var))
}

/// The weight and bias of a convolution without bias that a batch norm of fixed statistics follows, in one:
/// `s = gamma / sqrt(var + eps)`, `weight' = s weight`, `bias' = beta - s mean`.
///
/// `conv(x, weight') + bias'` is `batch_norm(conv(x, weight))`, and its gradients with respect to x, weight, gamma and
/// beta are the same, through these few numbers instead of a pass over the maps: the sum of `g conv(x, weight)` over
/// pixels, which gamma's gradient needs, is that of `weight` times the gradient of `weight'`.
///
/// # Shapes
/// - weight: `[cout, cin, kh, kw]` or, depthwise, `[channels, 1, k, k]`; gamma, beta, mean, var: `[cout]`
///
/// # Panics
/// When one of the parameters does not have one value per output channel.
pub fn fold_batch_norm(
    weight: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    mean: Tensor<1>,
    var: Tensor<1>,
    eps: f64,
) -> (Tensor<4>, Tensor<1>) {
    let [channels, ..] = weight.dims();
    for (name, parameter) in [("gamma", &gamma), ("beta", &beta), ("mean", &mean), ("var", &var)] {
        assert_eq!(parameter.dims(), [channels], "{name} must have one value per output channel");
    }
    let scale = gamma / (var + eps).sqrt();
    let bias = beta - mean * scale.clone();
    let weight = match takes_kernels(&weight) && takes_kernels(&scale) {
        true => Tensor::from_dispatch(Dispatch::scale_outputs(weight.into_dispatch(), scale.into_dispatch())),
        false => weight * scale.reshape([channels, 1, 1, 1]),
    };
    (weight, bias)
}

/// Batch norm with given (running) statistics, as in evaluation, with the activation fused.
///
/// `y = gamma * (x - mean) / sqrt(var + eps) + beta`, then the activation. Differentiable in x,
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
    activation: Activation,
) -> Tensor<4> {
    let [_, channels, _, _] = x.dims();
    for (name, parameter) in [("gamma", &gamma), ("beta", &beta), ("mean", &mean), ("var", &var)] {
        assert_eq!(parameter.dims(), [channels], "{name} must have one value per channel");
    }
    if !takes_kernels(&x) || !takes_kernels(&gamma) {
        return default_path::batch_norm_eval(x, gamma, beta, mean, var, eps, activation);
    }
    let [gamma, beta, mean, var] = [gamma, beta, mean, var].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::norm_eval(x.into_dispatch(), gamma, beta, mean, var, eps, activation))
}
