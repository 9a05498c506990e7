//! The end of a residual block on Burn tensors.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

/// `max(a + b, 0)`: the shortcut joined to the block, as every block of a ResNet ends.
///
/// # Shapes
/// - a, b and the output: `[batch, channels, height, width]`
///
/// # Panics
/// When the two shapes differ.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    assert_eq!(a.dims(), b.dims(), "a shortcut has the shape of its block");
    relu(a + b)
}
