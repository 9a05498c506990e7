//! Batch norm and the activation after it, against `f64`.

use proptest::prelude::*;
use sporeprint_kernels::{Activation, batch_norm_eval, batch_norm_train};

use crate::reference::{assert_close, device, numbers, tensor, values};

const EPS: f64 = 1e-5;

fn check(shape: [usize; 4], activation: Activation, training: bool) {
    let device = device();
    let [batch, channels, height, width] = shape;
    let pixels = height * width;
    let len = batch * channels * pixels;
    let channel = |i: usize| i / pixels % channels;
    let (x, g) = (numbers(1, len), numbers(2, len));
    // Wide enough for ReLU6 to cut at either end.
    let gamma: Vec<f32> = numbers(3, channels).iter().map(|gamma| 4.0 * gamma).collect();
    let beta: Vec<f32> = numbers(4, channels).iter().map(|beta| 3.0 + 3.0 * beta).collect();
    let (mut mean, mut var) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    let n = (batch * pixels) as f64;
    if training {
        x.iter().enumerate().for_each(|(i, &x)| mean[channel(i)] += f64::from(x) / n);
        x.iter().enumerate().for_each(|(i, &x)| var[channel(i)] += (f64::from(x) - mean[channel(i)]).powi(2) / n);
    } else {
        mean = numbers(5, channels).iter().map(|&m| f64::from(m)).collect();
        var = numbers(6, channels).iter().map(|&v| f64::from(v.abs() + 0.1)).collect();
    }
    let hat = |i: usize| (f64::from(x[i]) - mean[channel(i)]) / (var[channel(i)] + EPS).sqrt();
    let y = |i: usize| f64::from(gamma[channel(i)]) * hat(i) + f64::from(beta[channel(i)]);
    let (low, high) = match activation {
        Activation::None => (f64::NEG_INFINITY, f64::INFINITY),
        Activation::Relu => (0.0, f64::INFINITY),
        Activation::Relu6 => (0.0, 6.0),
    };
    let masked = |i: usize| if low < y(i) && y(i) < high { f64::from(g[i]) } else { 0.0 };
    let expected: Vec<f64> = (0..len).map(|i| y(i).clamp(low, high)).collect();
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for i in 0..len {
        dbeta[channel(i)] += masked(i);
        dgamma[channel(i)] += masked(i) * hat(i);
    }
    let dx: Vec<f64> = (0..len)
        .map(|i| {
            let c = channel(i);
            let through_statistics = if training { (dbeta[c] + hat(i) * dgamma[c]) / n } else { 0.0 };
            f64::from(gamma[c]) / (var[c] + EPS).sqrt() * (masked(i) - through_statistics)
        })
        .collect();
    let x = tensor(&x, shape, &device).require_grad();
    let gamma = tensor(&gamma, [channels], &device).require_grad();
    let beta = tensor(&beta, [channels], &device).require_grad();
    let to_tensor = |v: &[f64]| tensor(&v.iter().map(|&v| v as f32).collect::<Vec<_>>(), [channels], &device);
    let y = if training {
        let (y, batch_mean, batch_var) = batch_norm_train(x.clone(), gamma.clone(), beta.clone(), EPS, activation);
        assert_close("mean", &values(batch_mean), &mean, 1e-4);
        assert_close("variance", &values(batch_var), &var, 1e-4);
        y
    } else {
        batch_norm_eval(x.clone(), gamma.clone(), beta.clone(), to_tensor(&mean), to_tensor(&var), EPS, activation)
    };
    let grads = (y.clone() * tensor(&g, shape, &device)).sum().backward();
    assert_close("output", &values(y.inner()), &expected, 1e-4);
    assert_close("gamma gradient", &values(gamma.grad(&grads).unwrap()), &dgamma, 1e-3);
    assert_close("beta gradient", &values(beta.grad(&grads).unwrap()), &dbeta, 1e-3);
    // A value within rounding of a corner may fall on either side of it.
    assert_close("input gradient", &values(x.grad(&grads).unwrap()), &dx, 2e-3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn batch_norm_follows_its_definition(
        batch in 2usize..5, channels in 1usize..90, height in 2usize..9, width in 2usize..9,
        activation in prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)],
        training in any::<bool>(),
    ) {
        check([batch, channels, height, width], activation, training);
    }
}

#[test]
fn a_large_offset_costs_the_variance_no_digits() {
    let x: Vec<f32> = numbers(1, 4 * 2 * 64 * 64).iter().map(|x| 1000.0 + x).collect();
    let device = device();
    let ones = tensor(&[1.0, 1.0], [2], &device);
    let var =
        values(batch_norm_train(tensor(&x, [4, 2, 64, 64], &device), ones.clone(), ones, EPS, Activation::None).2);
    for var in var {
        assert!((f64::from(var) - 1.0 / 3.0).abs() <= 0.01, "variance of uniform numbers: {var}");
    }
}
