//! Stochastic gradient descent with momentum, one pass over memory.

use burn::tensor::Tensor;

use crate::default_path;

/// One step of PyTorch's `SGD` for one parameter; returns the new parameter and momentum buffer.
///
/// `g = grad + weight_decay * p`; `buf = g` on the first step (`None`), else `momentum * buf + g`;
/// `p = p - lr * buf`. No dampening, no Nesterov. Tensors that nobody else holds are updated in place.
///
/// # Panics
/// When the three shapes differ.
pub fn sgd_step<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    buf: Option<Tensor<D>>,
    lr: f64,
    momentum: f64,
    weight_decay: f64,
) -> (Tensor<D>, Tensor<D>) {
    assert_eq!(param.dims(), grad.dims(), "a gradient has the shape of its parameter");
    if let Some(buf) = &buf {
        assert_eq!(param.dims(), buf.dims(), "a momentum buffer has the shape of its parameter");
    }
    default_path::sgd_step(param, grad, buf, lr, momentum, weight_decay)
}
