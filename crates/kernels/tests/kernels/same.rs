//! Convolutions with "SAME" padding against Burn's own on padded maps, values and gradients.

use burn::tensor::activation::relu;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use sporeprint_kernels::{
    Activation, batch_norm_eval, conv2d_same, conv2d_same_activated, depthwise, depthwise_activated, fold_batch_norm,
};

use crate::reference::{assert_close, device, numbers, tensor, values};

const EPS: f64 = 1e-3;

/// Burn's convolution of a map padded as TensorFlow does.
fn burns(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize, groups: usize) -> Tensor<4> {
    let ([_, _, height, width], [_, _, kernel, _]) = (x.dims(), weight.dims());
    let zeros = |length: usize| {
        let total = ((length.div_ceil(stride) - 1) * stride + kernel).saturating_sub(length);
        (total / 2, total - total / 2)
    };
    let ((top, bottom), (left, right)) = (zeros(height), zeros(width));
    let x = x.pad((left, right, top, bottom), PadMode::Constant(0.0));
    module::conv2d(x, weight, Some(bias), ConvOptions::new([stride; 2], [0; 2], [1; 2], groups))
}

fn activate(y: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::None => y,
        Activation::Relu => relu(y),
        Activation::Relu6 => relu(y).clamp_max(6.0),
    }
}

fn any_activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)]
}

/// Random parameters and an output weighed by random numbers.
struct Case {
    x: Tensor<4>,
    weight: Tensor<4>,
    vectors: [Tensor<1>; 4],
    device: Device,
}

impl Case {
    fn new(x: [usize; 4], weight: [usize; 4]) -> Self {
        let device = device();
        let random = |seed, shape: [usize; 4], factor: f32| {
            let numbers: Vec<f32> = numbers(seed, shape.iter().product()).iter().map(|x| factor * x).collect();
            tensor(&numbers, shape, &device)
        };
        let vectors = [3, 4, 5, 6].map(|seed| tensor(&numbers(seed, weight[0]), [weight[0]], &device) + 1.5);
        Self { x: random(1, x, 1.0), weight: random(2, weight, 4.0), vectors, device }
    }

    /// Output of `layer(x, weight, vectors)` and the gradients of x, weight and the first two vectors.
    fn run(&self, layer: impl Fn(Tensor<4>, Tensor<4>, [Tensor<1>; 4]) -> Tensor<4>) -> [Vec<f32>; 5] {
        let (x, weight) = (self.x.clone().require_grad(), self.weight.clone().require_grad());
        let [a, b, c, d] = self.vectors.clone();
        let (a, b) = (a.require_grad(), b.require_grad());
        let y = layer(x.clone(), weight.clone(), [a.clone(), b.clone(), c, d]);
        let shape = y.dims();
        let grads = (y.clone() * tensor(&numbers(9, shape.iter().product()), shape, &self.device)).sum().backward();
        let of = |vector: Tensor<1>| vector.grad(&grads).map(values).unwrap_or_default();
        [values(y.inner()), values(x.grad(&grads).unwrap()), values(weight.grad(&grads).unwrap()), of(a), of(b)]
    }
}

fn assert_same(found: &[Vec<f32>; 5], expected: &[Vec<f32>; 5], tolerance: f64) {
    for (name, (found, expected)) in
        ["output", "input", "weight", "first vector", "second vector"].iter().zip(found.iter().zip(expected))
    {
        let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
        assert_close(name, found, &expected, tolerance);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn depthwise_convolutions_are_those_of_burn_on_padded_maps(
        batch in 1usize..3, channels in 1usize..40, height in 1usize..13, width in 1usize..13,
        kernel in prop_oneof![Just(1usize), Just(3), Just(5), Just(7)], stride in 1usize..3,
        activation in any_activation(),
    ) {
        let case = Case::new([batch, channels, height, width], [channels, 1, kernel, kernel]);
        let found = case.run(|x, w, [bias, ..]| depthwise_activated(x, w, bias, stride, activation));
        let expected = case.run(|x, w, [bias, ..]| activate(burns(x, w, bias, stride, channels), activation));
        assert_same(&found, &expected, 1e-4);
        let plain = case.run(|x, w, _| depthwise(x, w, stride));
        let expected = case.run(|x, w, [bias, ..]| burns(x, w, bias.zeros_like(), stride, channels));
        assert_same(&plain, &expected, 1e-4);
    }

    #[test]
    fn same_padded_convolutions_are_those_of_burn_on_padded_maps(
        batch in 1usize..3, channels in 1usize..20, outputs in 1usize..40, height in 1usize..13, width in 1usize..13,
        kernel in prop_oneof![Just(1usize), Just(2), Just(3), Just(5)], stride in 1usize..3,
        activation in any_activation(),
    ) {
        let case = Case::new([batch, channels, height, width], [outputs, channels, kernel, kernel]);
        let found = case.run(|x, w, [bias, ..]| conv2d_same_activated(x, w, bias, stride, activation));
        let expected = case.run(|x, w, [bias, ..]| activate(burns(x, w, bias, stride, 1), activation));
        assert_same(&found, &expected, 1e-4);
        let plain = case.run(|x, w, _| conv2d_same(x, w, stride));
        let expected = case.run(|x, w, [bias, ..]| burns(x, w, bias.zeros_like(), stride, 1));
        assert_same(&plain, &expected, 1e-4);
    }

    #[test]
    fn a_folded_batch_norm_has_the_gradients_of_the_batch_norm_itself(
        channels in 1usize..20, outputs in 1usize..40, height in 2usize..10, width in 2usize..10,
        kernel in prop_oneof![Just(1usize), Just(3)], activation in any_activation(),
    ) {
        let case = Case::new([2, channels, height, width], [outputs, channels, kernel, kernel]);
        let found = case.run(|x, w, [gamma, beta, mean, var]| {
            let (weight, bias) = fold_batch_norm(w, gamma, beta, mean, var, EPS);
            conv2d_same_activated(x, weight, bias, 1, activation)
        });
        let expected = case.run(|x, w, [gamma, beta, mean, var]| {
            batch_norm_eval(conv2d_same(x, w, 1), gamma, beta, mean, var, EPS, activation)
        });
        // A value within rounding of a corner may fall on either side of it.
        assert_same(&found, &expected, 2e-3);
    }
}
