//! Beginning and end of a residual block on Burn tensors.

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::extension::CpuKernels;
use crate::route::takes_kernels;

/// `max(a + b, 0)`: the shortcut joined to the block, as every block of a ResNet ends.
///
/// # Shapes
/// - a, b and the output: `[batch, channels, height, width]`
///
/// # Panics
/// When the two shapes differ.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    assert_eq!(a.dims(), b.dims(), "a shortcut has the shape of its block");
    match takes_kernels(&a) && takes_kernels(&b) {
        true => Tensor::from_dispatch(Dispatch::join(a.into_dispatch(), b.into_dispatch())),
        false => relu(a + b),
    }
}

/// `a + b` in the order of memory: the shortcut joined to a block that ends without ReLU, as those of a MobileNetV2.
///
/// # Shapes
/// - a, b and the output: `[batch, channels, height, width]`
///
/// # Panics
/// When the two shapes differ.
pub fn add(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    assert_eq!(a.dims(), b.dims(), "a shortcut has the shape of its block");
    match takes_kernels(&a) && takes_kernels(&b) {
        true => Tensor::from_dispatch(Dispatch::sum_maps(a.into_dispatch(), b.into_dispatch())),
        false => a + b,
    }
}

/// `(x, x)`, for the branch and the shortcut of a block: the gradients that come back from the two are summed
/// by a kernel in the order of memory, where Burn's own sum would walk it across.
///
/// # Shapes
/// - x and both outputs: `[batch, channels, height, width]`
pub fn fork(x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    if !takes_kernels(&x) {
        return (x.clone(), x);
    }
    let forked = Dispatch::fork(x.into_dispatch());
    (Tensor::from_dispatch(forked.branch), Tensor::from_dispatch(forked.shortcut))
}
