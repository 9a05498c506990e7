//! Convolutions: values, gradients of input, weights and bias, and what special numbers do.

use burn::tensor::Tensor;
use proptest::prelude::*;
use sporeprint_kernels::{Activation, NormToFold, PreparedConv3x3, conv_transpose3x3, conv2d, conv3x3};

use crate::reference::{Conv, assert_close, device, numbers, tensor, values};

/// Checks a convolution, or its adjoint when `transposed`, which runs from `y` to `x`.
fn check(conv: Conv, transposed: bool, tolerance: f64) {
    let device = device();
    let (x_shape, y_shape) = (conv.x, conv.y());
    let weight_shape = [conv.outputs, conv.x[1], conv.kernel, conv.kernel];
    let len = |shape: [usize; 4]| shape.iter().product::<usize>();
    let (from, to) = if transposed { (y_shape, x_shape) } else { (x_shape, y_shape) };
    let (input, g) = (numbers(1, len(from)), numbers(2, len(to)));
    let (weight, bias) = (numbers(3, len(weight_shape)), numbers(4, to[1]));
    let mut expected: Vec<f64> = (0..len(to)).map(|i| f64::from(bias[i / (to[2] * to[3]) % to[1]])).collect();
    let (mut dx, mut dw) = (vec![0.0; input.len()], vec![0.0; weight.len()]);
    conv.products(|y, x, w| {
        let (to, from) = if transposed { (x, y) } else { (y, x) };
        expected[to] += f64::from(input[from]) * f64::from(weight[w]);
        dx[from] += f64::from(g[to]) * f64::from(weight[w]);
        dw[w] += f64::from(g[to]) * f64::from(input[from]);
    });
    let mut db = vec![0.0; to[1]];
    g.iter().enumerate().for_each(|(i, &g)| db[i / (to[2] * to[3]) % to[1]] += f64::from(g));
    let input = tensor(&input, from, &device).require_grad();
    let weight = tensor(&weight, weight_shape, &device).require_grad();
    let bias = tensor(&bias, [to[1]], &device).require_grad();
    let (x, w, b) = (input.clone(), weight.clone(), Some(bias.clone()));
    let y = if transposed { conv_transpose3x3(x, w, b) } else { conv2d(x, w, b, conv.stride, conv.padding) };
    assert_eq!(y.dims(), to);
    let grads = (y.clone() * tensor(&g, to, &device)).sum().backward();
    assert_close("output", &values(y.inner()), &expected, tolerance);
    assert_close("input gradient", &values(input.grad(&grads).unwrap()), &dx, tolerance);
    assert_close("weight gradient", &values(weight.grad(&grads).unwrap()), &dw, tolerance);
    assert_close("bias gradient", &values(bias.grad(&grads).unwrap()), &db, 1e-4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_3x3_convolution_follows_its_definition(
        batch in 1usize..4, height in 1usize..14, width in 1usize..14,
        channels in prop_oneof![Just(3usize), 1usize..70], outputs in prop_oneof![Just(3usize), 1usize..70],
        transposed in any::<bool>(),
    ) {
        let x = [batch, channels, height, width];
        check(Conv { x, outputs, kernel: 3, stride: 1, padding: 1 }, transposed, 1e-3);
    }

    #[test]
    fn any_convolution_follows_its_definition(
        batch in 1usize..4, height in 4usize..16, width in 4usize..16, channels in 1usize..20,
        outputs in 1usize..40, kernel in prop_oneof![Just(1usize), Just(2), Just(3), Just(5), Just(7)],
        stride in 1usize..4, padding in 0usize..4,
    ) {
        prop_assume!(height.min(width) + 2 * padding >= kernel);
        check(Conv { x: [batch, channels, height, width], outputs, kernel, stride, padding }, false, 1e-3);
    }
}

#[test]
fn wide_layers_follow_the_definition() {
    let conv = |x, outputs| Conv { x, outputs, kernel: 3, stride: 1, padding: 1 };
    check(conv([2, 64, 24, 24], 64), false, 1e-3);
    check(conv([3, 160, 4, 4], 192), false, 1e-3);
    check(conv([2, 256, 7, 7], 128), true, 1e-3);
}

#[test]
fn a_prepared_convolution_equals_convolution_norm_and_relu() {
    for (shape, outputs) in [([2, 24, 9, 8], 40), ([1, 3, 12, 12], 16), ([2, 300, 4, 4], 320)] {
        let device = device();
        let x = tensor(&numbers(1, shape.iter().product()), shape, &device);
        let weight = tensor(&numbers(2, outputs * shape[1] * 9), [outputs, shape[1], 3, 3], &device);
        let vector = |seed| tensor(&numbers(seed, outputs), [outputs], &device);
        let (bias, gamma, beta, mean, var) = (vector(3), vector(4), vector(5), vector(6), vector(7).abs() + 0.5);
        let y = conv3x3(x.clone(), weight.clone(), Some(bias.clone()));
        let channel = |t: Tensor<1>| t.reshape([1, outputs, 1, 1]);
        let factor = channel(gamma.clone() / (var.clone() + 1e-5).sqrt());
        let y = (y - channel(mean.clone())) * factor + channel(beta.clone());
        let expected: Vec<f64> = values(y).iter().map(|&y| f64::from(y.max(0.0))).collect();
        let norm = NormToFold { gamma, beta, mean, var, eps: 1e-5 };
        let prepared = PreparedConv3x3::new(weight.inner(), Some(bias.inner()), Some(folded(norm)), Activation::Relu);
        assert_close("prepared", &values(prepared.forward(x.inner())), &expected, 1e-3);
    }
}

fn folded(norm: NormToFold) -> NormToFold {
    let NormToFold { gamma, beta, mean, var, eps } = norm;
    NormToFold { gamma: gamma.inner(), beta: beta.inner(), mean: mean.inner(), var: var.inner(), eps }
}

#[test]
fn an_infinite_or_missing_number_reaches_the_output() {
    for special in [f32::NAN, f32::INFINITY] {
        let device = device();
        let mut x = numbers(1, 2 * 32 * 16 * 16);
        x[5000] = special;
        let x = tensor(&x, [2, 32, 16, 16], &device);
        let weight = tensor(&numbers(2, 32 * 32 * 9), [32, 32, 3, 3], &device);
        let y = values(conv3x3(x, weight, None));
        assert!(y[..32 * 256].iter().any(|y| !y.is_finite()), "{special} must not vanish");
        assert!(y[32 * 256..].iter().all(|y| y.is_finite()), "{special} must stay in its image");
    }
}
