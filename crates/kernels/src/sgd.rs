//! Stochastic gradient descent with momentum, one pass over memory.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::cpu::sgd::Rates;
use crate::default_path;
use crate::extension::CpuKernels;
use crate::route::takes_kernels;

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
    if !takes_kernels(&param) || !takes_kernels(&grad) {
        return default_path::sgd_step(param, grad, buf, lr, momentum, weight_decay);
    }
    let rates = Rates { lr: lr as f32, momentum: momentum as f32, weight_decay: weight_decay as f32 };
    let (param, grad) = (param.into_dispatch(), grad.into_dispatch());
    let stepped = match buf {
        Some(buf) => Dispatch::sgd(param, grad, buf.into_dispatch(), rates),
        None => Dispatch::sgd_first(param, grad, rates),
    };
    (Tensor::from_dispatch(stepped.param), Tensor::from_dispatch(stepped.buf))
}
