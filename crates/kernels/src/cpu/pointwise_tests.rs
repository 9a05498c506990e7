//! The backward pass of pointwise convolutions on every instruction set of this processor against its definition in `f64`.

use proptest::prelude::*;

use super::activation::Activation;
use super::map::Map;
use super::matrix_convolution::{Geometry, convolve};
use super::naive::{numbers, relative_error};
use super::padding::Padding;
use super::pointwise::{Gradients, backward};
use super::simd::Isa;

fn check(pixels: usize, channels: usize, outputs: usize, activation: Activation) {
    let map = Map { batch: 1, height: 1, width: pixels, channels };
    let geometry = Geometry { map, outputs, kernel: [1, 1], stride: 1, padding: Padding::Same };
    let (x, g) = (numbers(1, pixels * channels), numbers(2, pixels * outputs));
    let weight: Vec<f32> = numbers(3, outputs * channels).iter().map(|weight| 4.0 * weight).collect();
    let bias = numbers(4, outputs);
    for isa in Isa::supported() {
        let mut y = vec![7.0; g.len()];
        convolve(isa, geometry, &x, &weight, Some(&bias), activation, &mut y);
        let mut expected_y: Vec<f64> = (0..g.len()).map(|at| f64::from(bias[at % outputs])).collect();
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; outputs]);
        for (at, &y) in y.iter().enumerate() {
            let (pixel, o) = (at / outputs, at % outputs);
            let flat = activation != Activation::None && y <= 0.0 || activation == Activation::Relu6 && y >= 6.0;
            let g = if flat { 0.0 } else { f64::from(g[at]) };
            db[o] += g;
            for c in 0..channels {
                expected_y[at] += f64::from(x[pixel * channels + c]) * f64::from(weight[o * channels + c]);
                dx[pixel * channels + c] += g * f64::from(weight[o * channels + c]);
                dw[o * channels + c] += g * f64::from(x[pixel * channels + c]);
            }
        }
        expected_y.iter_mut().for_each(|y| *y = f64::from(activation.of(*y as f32)));
        let (mut found_dx, mut found_dw, mut found_db) = (vec![7.0; x.len()], vec![7.0; dw.len()], vec![7.0; outputs]);
        let to =
            Gradients { input: Some((&weight, &mut found_dx)), weight: Some(&mut found_dw), bias: Some(&mut found_db) };
        backward(isa, geometry, &x, &g, Some((activation, &y)), to);
        for (name, found, expected) in [
            ("output", &y, &expected_y),
            ("input", &found_dx, &dx),
            ("weight", &found_dw, &dw),
            ("bias", &found_db, &db),
        ] {
            let error = relative_error(found, expected);
            assert!(error <= 1e-4, "{name} of {pixels} pixels, {channels} to {outputs} on {isa:?}: {error:e}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_backward_pass_follows_its_definition(
        pixels in 1usize..400, channels in 1usize..70, outputs in 1usize..70,
        activation in prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)],
    ) {
        check(pixels, channels, outputs, activation);
    }
}

#[test]
fn layers_of_real_networks_follow_their_definition() {
    for (pixels, channels, outputs) in [(3136, 24, 144), (196, 672, 112), (98, 192, 1152), (98, 1152, 320)] {
        check(pixels, channels, outputs, Activation::Relu6);
    }
}
