//! The kernels under automatic differentiation: each operation registers a backward step of its own.

mod convolution;
mod normalization;
mod pooling;
mod residual;

use burn::backend::Autodiff;
use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;

use crate::cpu::activation::Activation;
use crate::cpu::sgd::Rates;
use crate::extension::{CpuKernels, Forked, Normed, Pooled, Stepped};
use crate::flex::{self, Kind};

impl<C: CheckpointStrategy> CpuKernels for Autodiff<Flex, C> {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, kind: Kind) -> FloatTensor<Self> {
        convolution::convolution::<C>(x, weight, None, kind, Activation::None)
    }

    fn convolution_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        kind: Kind,
        activation: Activation,
    ) -> FloatTensor<Self> {
        convolution::convolution::<C>(x, weight, Some(bias), kind, activation)
    }

    fn norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
        activation: Activation,
    ) -> Normed<Self> {
        normalization::train::<C>(x, gamma, beta, eps, activation)
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
        normalization::eval::<C>(x, gamma, beta, (mean.primitive(), var.primitive()), eps, activation)
    }

    fn scale_outputs(weight: FloatTensor<Self>, scale: FloatTensor<Self>) -> FloatTensor<Self> {
        normalization::scale_outputs::<C>(weight, scale)
    }

    fn pool2x2(x: FloatTensor<Self>) -> Pooled<Self> {
        pooling::pool2x2::<C>(x)
    }

    fn unpool2x2(x: FloatTensor<Self>, indices: IntTensor<Self>) -> FloatTensor<Self> {
        pooling::unpool2x2::<C>(x, indices)
    }

    fn pool3x3s2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        pooling::pool3x3s2::<C>(x)
    }

    fn join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        residual::join::<C>(a, b)
    }

    fn sum_maps(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        residual::sum::<C>(a, b)
    }

    fn fork(x: FloatTensor<Self>) -> Forked<Self> {
        residual::fork::<C>(x)
    }

    // An optimiser's step is not part of the graph: its results are new leaves.
    fn sgd_first(param: FloatTensor<Self>, grad: FloatTensor<Self>, rates: Rates) -> Stepped<Self> {
        let (param, buf) = flex::sgd_step(param.into_primitive(), grad.into_primitive(), None, rates);
        Stepped { param: <FloatTensor<Self>>::new(param), buf: <FloatTensor<Self>>::new(buf) }
    }

    fn sgd(param: FloatTensor<Self>, grad: FloatTensor<Self>, buf: FloatTensor<Self>, rates: Rates) -> Stepped<Self> {
        let buf = Some(buf.into_primitive());
        let (param, buf) = flex::sgd_step(param.into_primitive(), grad.into_primitive(), buf, rates);
        Stepped { param: <FloatTensor<Self>>::new(param), buf: <FloatTensor<Self>>::new(buf) }
    }
}
