//! Every kernel on every instruction set of this processor against its definition in `f64`.

use proptest::prelude::*;

use super::activation::Activation;
use super::batch_norm::{self, Affine};
use super::map::Map;
use super::matrix_convolution::{self, Geometry};
use super::naive::{numbers, relative_error};
use super::padding::Padding;
use super::simd::Isa;
use super::{pool, residual, sgd, transpose};

const EPS: f64 = 1e-5;

fn close(what: &str, isa: Isa, found: &[f32], expected: &[f64], tolerance: f64) {
    let error = relative_error(found, expected);
    assert!(error <= tolerance, "{what} on {isa:?}: {error:e} above {tolerance:e}");
}

/// Calls `visit(output, input, weight)` for every product of a convolution on channels-last maps.
fn products(geometry: Geometry, output: Map, mut visit: impl FnMut(usize, usize, usize)) {
    let (map, [down, across]) = (geometry.map, geometry.kernel);
    let zeros = |length, kernel| geometry.padding.zeros(length, kernel, geometry.stride)[0];
    let (top, left) = (zeros(map.height, down), zeros(map.width, across));
    for pixel in 0..output.batch * output.pixels() {
        let (image, rest) = (pixel / output.pixels(), pixel % output.pixels());
        for (u, v) in (0..down).flat_map(|u| (0..across).map(move |v| (u, v))) {
            let (i, j) = (rest / output.width * geometry.stride + u, rest % output.width * geometry.stride + v);
            if !(top..map.height + top).contains(&i) || !(left..map.width + left).contains(&j) {
                continue;
            }
            let from = (image * map.height + i - top) * map.width + j - left;
            for (o, c) in (0..geometry.outputs).flat_map(|o| (0..map.channels).map(move |c| (o, c))) {
                let weight = ((o * map.channels + c) * down + u) * across + v;
                visit(pixel * geometry.outputs + o, from * map.channels + c, weight);
            }
        }
    }
}

fn check_convolution(geometry: Geometry) {
    let Some(output) = geometry.output() else { return };
    let (x, g) = (numbers(1, geometry.map.len()), numbers(2, output.len()));
    let (weight, bias) = (numbers(3, geometry.outputs * geometry.depth()), numbers(4, geometry.outputs));
    let mut y: Vec<f64> = (0..g.len()).map(|i| f64::from(bias[i % geometry.outputs])).collect();
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    products(geometry, output, |to, from, tap| {
        y[to] += f64::from(x[from]) * f64::from(weight[tap]);
        dx[from] += f64::from(g[to]) * f64::from(weight[tap]);
        dw[tap] += f64::from(g[to]) * f64::from(x[from]);
    });
    y.iter_mut().for_each(|y| *y = y.max(0.0));
    for isa in Isa::supported() {
        let (mut found_y, mut found_dx, mut found_dw) = (vec![7.0; y.len()], vec![7.0; dx.len()], vec![7.0; dw.len()]);
        matrix_convolution::convolve(isa, geometry, &x, &weight, Some(&bias), Activation::Relu, &mut found_y);
        matrix_convolution::input_gradient(isa, geometry, &g, &weight, &mut found_dx);
        matrix_convolution::weight_gradient(isa, geometry, &x, &g, &mut found_dw);
        close(&format!("output of {geometry:?}"), isa, &found_y, &y, 1e-4);
        close(&format!("input gradient of {geometry:?}"), isa, &found_dx, &dx, 1e-4);
        close(&format!("weight gradient of {geometry:?}"), isa, &found_dw, &dw, 1e-4);
    }
}

fn any_activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)]
}

/// Whether an activation that gave `y` hands no gradient on there.
fn is_flat(activation: Activation, y: f32) -> bool {
    activation != Activation::None && y <= 0.0 || activation == Activation::Relu6 && y >= 6.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn strided_and_wide_convolutions_follow_their_definition(
        batch in 1usize..4, height in 1usize..10, width in 1usize..10, channels in 1usize..30, outputs in 1usize..40,
        kernel in 1usize..5, stride in 1usize..4,
        padding in prop_oneof![Just(Padding::Same), (0usize..3).prop_map(Padding::Even)],
    ) {
        let map = Map { batch, height, width, channels };
        check_convolution(Geometry { map, outputs, kernel: [kernel, kernel], stride, padding });
    }

    #[test]
    fn batch_norm_follows_its_definition(
        pixels in 2usize..300, channels in 1usize..50, activation in any_activation(), training in any::<bool>(),
        apart in any::<bool>(),
    ) {
        let (x, g) = (numbers(1, pixels * channels), numbers(2, pixels * channels));
        // Wide enough for ReLU6 to cut.
        let (gamma, beta) = (numbers(3, channels), numbers(4, channels).iter().map(|b| 3.0 + 4.0 * b).collect::<Vec<_>>());
        let n = pixels as f64;
        let (mut mean, mut var) = (vec![0.0f64; channels], vec![0.0f64; channels]);
        x.iter().enumerate().for_each(|(i, &x)| mean[i % channels] += f64::from(x) / n);
        x.iter().enumerate().for_each(|(i, &x)| var[i % channels] += (f64::from(x) - mean[i % channels]).powi(2) / n);
        for isa in Isa::supported() {
            let (found_mean, found_var) = batch_norm::statistics(isa, &x, channels);
            close("variance", isa, &found_var, &var, 1e-4);
            let affine = Affine::new(&gamma, &beta, &found_mean, &found_var, EPS);
            let mut y = vec![7.0; x.len()];
            batch_norm::apply(isa, &x, &affine, activation, &mut y);
            let hat = |i: usize| (f64::from(x[i]) - mean[i % channels]) / (var[i % channels] + EPS).sqrt();
            let plain = |i: usize| f64::from(gamma[i % channels]) * hat(i) + f64::from(beta[i % channels]);
            let expected: Vec<f64> = (0..x.len()).map(|i| f64::from(activation.of(plain(i) as f32))).collect();
            close("normalised", isa, &y, &expected, 1e-4);
            // The kernel's own output says on which side of a corner a value fell.
            let passed = |i: usize| if is_flat(activation, y[i]) { 0.0 } else { f64::from(g[i]) };
            let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
            (0..x.len()).for_each(|i| { dbeta[i % channels] += passed(i); dgamma[i % channels] += passed(i) * hat(i) });
            let through = |i: usize| if training { (dbeta[i % channels] + hat(i) * dgamma[i % channels]) / n } else { 0.0 };
            let slope = |i: usize| f64::from(gamma[i % channels]) / (var[i % channels] + EPS).sqrt();
            let dx: Vec<f64> = (0..x.len()).map(|i| slope(i) * (passed(i) - through(i))).collect();
            let mut found = g.clone();
            let given = apart.then(|| g.clone());
            if apart {
                found.fill(7.0);
            }
            let grads = batch_norm::backward(
                isa, &x, &gamma, &affine, &found_mean, &found_var, EPS, activation, training, given.as_deref(), &mut found);
            close("gamma gradient", isa, &grads.gamma, &dgamma, 1e-3);
            close("beta gradient", isa, &grads.beta, &dbeta, 1e-3);
            // Two pixels leave nothing of the gradient but rounding.
            if pixels > 2 {
                close("input gradient", isa, &found, &dx, 1e-3);
            }
        }
    }

    #[test]
    fn pooling_moves_maxima_and_their_gradients(
        batch in 1usize..3, height in 2usize..9, width in 2usize..9, channels in 1usize..40,
    ) {
        let map = Map { batch, height, width, channels };
        let small = Map { height: height / 2, width: width / 2, ..map };
        let x = numbers(1, map.len());
        for isa in Isa::supported() {
            let (mut y, mut places, mut dx) = (vec![7.0; small.len()], vec![7; small.len()], vec![7.0; map.len()]);
            pool::max_pool2x2(isa, map, &x, &mut y, &mut places);
            pool::scatter2x2(isa, map, &y, &places, &mut dx);
            let mut expected = vec![0.0; map.len()];
            for (at, &found) in y.iter().enumerate() {
                let (pixel, c) = (at / channels, at % channels);
                let (image, i, j) = (pixel / small.pixels(), pixel % small.pixels() / small.width, pixel % small.width);
                let place = |u: usize, v: usize| {
                    ((image * height + 2 * i + u) * width + 2 * j + v) * channels + c
                };
                let best = [place(0, 0), place(0, 1), place(1, 0), place(1, 1)]
                    .into_iter().reduce(|best, at| if x[at] > x[best] { at } else { best }).expect("four of them");
                prop_assert_eq!(found, x[best]);
                expected[best] = x[best];
            }
            prop_assert_eq!(&dx, &expected);
        }
    }

    #[test]
    fn sums_of_residuals_and_steps_follow_their_definition(len in 1usize..200, first in any::<bool>()) {
        let (a, b, g) = (numbers(1, len), numbers(2, len), numbers(3, len));
        let rates = sgd::Rates { lr: 0.1, momentum: 0.9, weight_decay: 0.01 };
        for isa in Isa::supported() {
            let (mut y, mut dx, mut sum) = (vec![7.0; len], vec![7.0; len], a.clone());
            residual::add_relu(isa, &a, &b, &mut y);
            residual::relu_gradient(isa, &y, &g, &mut dx);
            residual::add_to(isa, &mut sum, &b);
            let mut total = vec![7.0; len];
            residual::add(isa, &a, &b, &mut total);
            prop_assert_eq!(&total, &sum);
            let (six, mut passed) = (a.iter().map(|a| Activation::Relu6.of(8.0 * a)).collect::<Vec<_>>(), g.clone());
            residual::activation_gradient(isa, Activation::Relu6, &six, &mut passed);
            let (mut param, mut buf) = (a.clone(), b.clone());
            sgd::step(isa, rates, &mut param, &g, &mut buf, first);
            for i in 0..len {
                prop_assert_eq!(y[i], (a[i] + b[i]).max(0.0));
                prop_assert_eq!(dx[i], if y[i] > 0.0 { g[i] } else { 0.0 });
                prop_assert_eq!(sum[i], a[i] + b[i]);
                prop_assert_eq!(passed[i], if is_flat(Activation::Relu6, six[i]) { 0.0 } else { g[i] });
                let step = f64::from(g[i]) + 0.01 * f64::from(a[i]);
                let step = if first { step } else { 0.9 * f64::from(b[i]) + step };
                prop_assert!((f64::from(buf[i]) - step).abs() <= 1e-6);
                prop_assert!((f64::from(param[i]) - (f64::from(a[i]) - 0.1 * step)).abs() <= 1e-6);
            }
        }
    }

    #[test]
    fn a_transposition_moves_every_value_and_nothing_else(
        rows in 1usize..40, columns in 1usize..40, wider in 0usize..5, higher in 0usize..5,
    ) {
        let (from_row, to_row) = (columns + wider, rows + higher);
        let from = numbers(1, rows * from_row);
        for isa in Isa::supported() {
            let mut to = vec![7.0; columns * to_row];
            transpose::transpose(isa, &from, from_row, rows, columns, &mut to, to_row);
            for (at, &found) in to.iter().enumerate() {
                let (column, row) = (at / to_row, at % to_row);
                prop_assert_eq!(found, if row < rows { from[row * from_row + column] } else { 7.0 });
            }
        }
    }
}

#[test]
fn layers_of_real_networks_follow_their_definition() {
    let layer = |side, channels, outputs, kernel: usize, stride| Geometry {
        map: Map { batch: 3, height: side, width: side, channels },
        outputs,
        kernel: [kernel; 2],
        stride,
        padding: Padding::Even(kernel / 2),
    };
    [
        layer(20, 3, 64, 7, 2),
        layer(17, 3, 40, 3, 2),
        layer(8, 128, 160, 3, 2),
        layer(6, 80, 33, 1, 2),
        layer(5, 70, 96, 1, 1),
        Geometry { padding: Padding::Same, ..layer(30, 3, 32, 3, 2) },
        Geometry { padding: Padding::Same, ..layer(6, 24, 144, 1, 1) },
    ]
    .into_iter()
    .for_each(check_convolution);
}
