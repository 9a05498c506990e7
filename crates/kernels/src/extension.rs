//! The operations that Flex runs with kernels of this crate, routed through Burn's dispatch.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, ExtensionType, Flex, backend_extension};

use crate::cpu::activation::Activation;
use crate::cpu::sgd::Rates;
use crate::flex::{self, Kind, Statistics, channels_last, vector};

/// A normalised batch and its statistics.
#[derive(ExtensionType)]
pub(crate) struct Normed<B: Backend> {
    pub(crate) y: FloatTensor<B>,
    pub(crate) mean: FloatTensor<B>,
    pub(crate) var: FloatTensor<B>,
}

/// Maxima and where they were.
#[derive(ExtensionType)]
pub(crate) struct Pooled<B: Backend> {
    pub(crate) y: FloatTensor<B>,
    pub(crate) indices: IntTensor<B>,
}

/// One map twice, for two consumers.
#[derive(ExtensionType)]
pub(crate) struct Forked<B: Backend> {
    pub(crate) branch: FloatTensor<B>,
    pub(crate) shortcut: FloatTensor<B>,
}

/// A parameter and its momentum buffer.
#[derive(ExtensionType)]
pub(crate) struct Stepped<B: Backend> {
    pub(crate) param: FloatTensor<B>,
    pub(crate) buf: FloatTensor<B>,
}

/// The kernels as operations on a backend's tensors; arguments as in the public functions of this crate.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait CpuKernels: Backend {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, kind: Kind) -> FloatTensor<Self>;

    fn convolution_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kind: Kind,
        activation: Activation,
    ) -> FloatTensor<Self>;

    fn norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> Normed<Self>;

    fn norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> FloatTensor<Self>;

    fn scale_outputs(weight: FloatTensor<Self>, scale: FloatTensor<Self>) -> FloatTensor<Self>;

    fn pool2x2(x: FloatTensor<Self>) -> Pooled<Self>;

    fn unpool2x2(x: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self>;

    fn pool3x3s2(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    fn sum_maps(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fork(x: FloatTensor<Self>) -> Forked<Self>;

    fn sgd_first(param: FloatTensor<Self>, grad: FloatTensor<Self>, rates: Rates) -> Stepped<Self>;

    fn sgd(param: FloatTensor<Self>, grad: FloatTensor<Self>, buf: FloatTensor<Self>, rates: Rates) -> Stepped<Self>;
}

impl CpuKernels for Flex {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, kind: Kind) -> FloatTensor<Self> {
        flex::forward(kind, &channels_last(x), &weight.to_contiguous(), None, Activation::None)
    }

    fn convolution_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kind: Kind,
        activation: Activation,
    ) -> FloatTensor<Self> {
        flex::forward(kind, &channels_last(x), &weight.to_contiguous(), Some(&bias), activation)
    }

    fn norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> Normed<Self> {
        let (y, statistics) = flex::batch_norm_train(&channels_last(x), vector(&gamma), vector(&beta), eps, activation);
        Normed { y, mean: flex::vector_tensor(&statistics.mean), var: flex::vector_tensor(&statistics.var) }
    }

    fn norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let [gamma, beta, mean, var] = [gamma, beta, mean, var].map(|parameter| vector(&parameter));
        let statistics = Statistics { gamma, beta, mean, var, eps, activation, training: false };
        flex::batch_norm_eval(&channels_last(x), &statistics)
    }

    fn scale_outputs(weight: FloatTensor<Self>, scale: FloatTensor<Self>) -> FloatTensor<Self> {
        flex::scale_outputs(&weight.to_contiguous(), &scale.to_contiguous())
    }

    fn pool2x2(x: FloatTensor<Self>) -> Pooled<Self> {
        let (y, indices) = flex::max_pool2x2(x);
        Pooled { y, indices }
    }

    fn unpool2x2(x: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self> {
        flex::max_unpool2x2(x, indices).0
    }

    fn pool3x3s2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        flex::max_pool3x3s2(x).0
    }

    fn join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        flex::add_relu(a, b)
    }

    fn sum_maps(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        flex::add(a, b)
    }

    fn fork(x: FloatTensor<Self>) -> Forked<Self> {
        let x = channels_last(x);
        Forked { branch: x.clone(), shortcut: x }
    }

    fn sgd_first(param: FloatTensor<Self>, grad: FloatTensor<Self>, rates: Rates) -> Stepped<Self> {
        let (param, buf) = flex::sgd_step(param, grad, None, rates);
        Stepped { param, buf }
    }

    fn sgd(param: FloatTensor<Self>, grad: FloatTensor<Self>, buf: FloatTensor<Self>, rates: Rates) -> Stepped<Self> {
        let (param, buf) = flex::sgd_step(param, grad, Some(buf), rates);
        Stepped { param, buf }
    }
}
