//! Beginning and end of a residual block against Burn's own operations.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use proptest::prelude::*;
use sporeprint_kernels::{add, add_relu, conv3x3, fork};

use crate::reference::{assert_close, device, numbers, tensor, values};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Output and gradients of `relu(conv(x) + x)` weighed by `g`, the residual sums by kernels or by Burn.
fn block(x: &Tensor<4>, weight: &Tensor<4>, g: &Tensor<4>, kernels: bool) -> [Vec<f32>; 3] {
    let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
    let y = if kernels {
        let (branch, shortcut) = fork(x.clone());
        add_relu(conv3x3(branch, weight.clone(), None), shortcut)
    } else {
        relu(conv3x3(x.clone(), weight.clone(), None) + x.clone())
    };
    let grads = (y.clone() * g.clone()).sum().backward();
    [values(y.inner()), values(x.grad(&grads).unwrap()), values(weight.grad(&grads).unwrap())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn a_residual_block_is_that_of_burns_own_sums(
        batch in 1usize..4, channels in 1usize..40, height in 1usize..9, width in 1usize..9,
    ) {
        let (device, shape) = (device(), [batch, channels, height, width]);
        let len = shape.iter().product();
        let x = tensor(&numbers(1, len), shape, &device);
        let weight = tensor(&numbers(2, channels * channels * 9), [channels, channels, 3, 3], &device);
        let g = tensor(&numbers(3, len), shape, &device);
        let (found, expected) = (block(&x, &weight, &g, true), block(&x, &weight, &g, false));
        for (name, (found, expected)) in ["output", "input", "weight"].iter().zip(found.iter().zip(&expected)) {
            assert_close(name, found, &wide(expected), 1e-6);
        }
    }
}

#[test]
fn a_sum_hands_its_gradient_to_both_summands() {
    let device = device();
    let shape = [2, 19, 3, 5];
    let of = |seed| tensor(&numbers(seed, 570), shape, &device);
    let (a, b, g) = (of(1).require_grad(), of(2).require_grad(), of(3));
    let y = add(a.clone(), b.clone());
    let grads = (y.clone() * g.clone()).sum().backward();
    assert_eq!(values(y.inner()), values((a.clone() + b.clone()).inner()));
    for summand in [a, b] {
        assert_eq!(values(summand.grad(&grads).unwrap()), values(g.clone().inner()));
    }
}

#[test]
fn summing_a_map_with_itself_leaves_it_as_it_was() {
    let x = tensor(&numbers(1, 160), [1, 10, 4, 4], &device());
    let before = values(x.clone());
    let twice: Vec<f32> = before.iter().map(|x| 2.0 * x).collect();
    assert_eq!(values(add(x.clone(), x.clone())), twice);
    assert_eq!(values(x), before);
}

#[test]
fn one_prong_alone_hands_its_gradient_on() {
    let device = device();
    for shortcut in [false, true] {
        let x = tensor(&numbers(1, 2 * 9 * 4), [2, 9, 2, 2], &device).require_grad();
        let prongs = fork(x.clone());
        let taken = if shortcut { prongs.1 } else { prongs.0 };
        let grads = (taken * 3.0).sum().backward();
        assert_eq!(values(x.grad(&grads).unwrap()), [3.0; 72]);
    }
}

#[test]
fn nan_passes_through_a_joint_both_ways() {
    let device = device();
    let a = tensor(&[f32::NAN, 1.0, -3.0, 0.0], [1, 1, 2, 2], &device).require_grad();
    let b = tensor(&[1.0, 1.0, 1.0, 0.0], [1, 1, 2, 2], &device).require_grad();
    let y = add_relu(a.clone(), b);
    let grads = y.clone().sum().backward();
    let y = values(y.inner());
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [2.0, 0.0, 0.0]);
    assert_eq!(values(a.grad(&grads).unwrap()), [1.0, 1.0, 0.0, 0.0]);
}
