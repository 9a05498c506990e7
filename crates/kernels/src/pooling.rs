//! Max-pooling and its partial inverse on Burn tensors.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use crate::default_path;
use crate::extension::CpuKernels;
use crate::route::{takes_indices, takes_kernels};

/// 2x2 max-pool with stride 2 that also tells where each maximum was.
///
/// An index is `row * width + column` in the input plane; of equal values the first in scan order wins.
/// A last odd row or column is left out.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`; both outputs: `[batch, channels, height / 2, width / 2]`
pub fn max_pool2x2(x: Tensor<4>) -> (Tensor<4>, Tensor<4, Int>) {
    let [_, _, height, width] = x.dims();
    if height < 2 || width < 2 || !takes_kernels(&x) {
        return default_path::max_pool2x2(x);
    }
    let pooled = Dispatch::pool2x2(x.into_dispatch());
    (Tensor::from_dispatch(pooled.y), Tensor::from_dispatch(pooled.indices))
}

/// Writes each value to the place that [`max_pool2x2`] took it from, and zeros elsewhere.
///
/// # Shapes
/// - x, indices: `[batch, channels, height, width]`; output: `[batch, channels, 2 height, 2 width]`
///
/// # Panics
/// When the two shapes differ or an index lies outside the output plane.
pub fn max_unpool2x2(x: Tensor<4>, indices: Tensor<4, Int>) -> Tensor<4> {
    assert_eq!(x.dims(), indices.dims(), "there must be one index per value");
    if !takes_kernels(&x) || !takes_indices(&indices) {
        return default_path::max_unpool2x2(x, indices);
    }
    Tensor::from_dispatch(Dispatch::unpool2x2(x.into_dispatch(), indices.into_dispatch()))
}

/// 3x3 max-pool with stride 2 and padding 1: the second layer of a ResNet.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, (height + 1) / 2, (width + 1) / 2]`
pub fn max_pool3x3s2(x: Tensor<4>) -> Tensor<4> {
    match takes_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::pool3x3s2(x.into_dispatch())),
        false => default_path::max_pool3x3s2(x),
    }
}
