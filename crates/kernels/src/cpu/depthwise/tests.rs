//! Depthwise convolutions on every instruction set of this processor against their definition in `f64`.

use proptest::prelude::*;

use super::{Geometry, convolve, input_gradient, weight_gradient};
use crate::cpu::activation::Activation;
use crate::cpu::map::Map;
use crate::cpu::naive::{numbers, relative_error};
use crate::cpu::simd::Isa;

/// Calls `visit(output, input, weight)` for every product, from the definition of "SAME" padding.
fn products(geometry: Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let Geometry { map, kernel, stride } = geometry;
    let side = |length: usize| {
        let outputs = length.div_ceil(stride);
        (outputs as isize, (((outputs - 1) * stride + kernel).saturating_sub(length) / 2) as isize)
    };
    let ((down, top), (across, left)) = (side(map.height), side(map.width));
    let (height, width) = (map.height as isize, map.width as isize);
    for (image, i, j) in
        (0..map.batch as isize).flat_map(|image| (0..down).flat_map(move |i| (0..across).map(move |j| (image, i, j))))
    {
        for tap in 0..(kernel * kernel) as isize {
            let (u, v) = (tap / kernel as isize, tap % kernel as isize);
            let (row, column) = (i * stride as isize + u - top, j * stride as isize + v - left);
            if row < 0 || row >= height || column < 0 || column >= width {
                continue;
            }
            let to = ((image * down + i) * across + j) as usize * map.channels;
            let from = ((image * height + row) * width + column) as usize * map.channels;
            for c in 0..map.channels {
                visit(to + c, from + c, c * kernel * kernel + tap as usize);
            }
        }
    }
}

fn check(geometry: Geometry, activation: Activation) {
    let (x, g) = (numbers(1, geometry.map.len()), numbers(2, geometry.output().len()));
    let (weight, bias) = (numbers(3, geometry.map.channels * geometry.taps()), numbers(4, geometry.map.channels));
    let weight: Vec<f32> = weight.iter().map(|w| 8.0 * w).collect();
    let mut y: Vec<f64> = (0..g.len()).map(|i| f64::from(bias[i % bias.len()])).collect();
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    products(geometry, |to, from, tap| {
        y[to] += f64::from(x[from]) * f64::from(weight[tap]);
        dx[from] += f64::from(g[to]) * f64::from(weight[tap]);
        dw[tap] += f64::from(g[to]) * f64::from(x[from]);
    });
    y.iter_mut().for_each(|y| *y = f64::from(activation.of(*y as f32)));
    for isa in Isa::supported() {
        // Results must not depend on what the memory held before.
        let (mut found_y, mut found_dx, mut found_dw) = (vec![7.0; y.len()], vec![7.0; x.len()], vec![7.0; dw.len()]);
        convolve(isa, geometry, &x, &weight, Some(&bias), activation, &mut found_y);
        input_gradient(isa, geometry, &g, &weight, &mut found_dx);
        weight_gradient(isa, geometry, &x, &g, &mut found_dw);
        for (name, found, expected) in
            [("output", found_y, &y), ("input gradient", found_dx, &dx), ("weight gradient", found_dw, &dw)]
        {
            let error = relative_error(&found, expected);
            assert!(error <= 1e-5, "{name} of {geometry:?} on {isa:?}: {error:e}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn depthwise_convolutions_follow_their_definition(
        batch in 1usize..4, height in 1usize..20, width in 1usize..20, channels in 1usize..45,
        kernel in prop_oneof![Just(1usize), Just(3), Just(5), Just(7)], stride in 1usize..4,
        activation in prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)],
    ) {
        check(Geometry { map: Map { batch, height, width, channels }, kernel, stride }, activation);
    }
}

#[test]
fn layers_of_real_networks_follow_their_definition() {
    for (side, channels, kernel, stride) in [
        (112, 32, 3, 1),
        (112, 96, 3, 2),
        (56, 144, 5, 2),
        (28, 240, 3, 2),
        (14, 480, 5, 1),
        (7, 1152, 5, 1),
        (1, 24, 5, 2),
    ] {
        check(
            Geometry { map: Map { batch: 1, height: side, width: side, channels }, kernel, stride },
            Activation::Relu6,
        );
    }
}

#[test]
fn results_are_the_same_bytes_for_one_and_three_threads() {
    let geometry = Geometry { map: Map { batch: 3, height: 41, width: 37, channels: 67 }, kernel: 5, stride: 2 };
    let (x, g) = (numbers(1, geometry.map.len()), numbers(2, geometry.output().len()));
    let weight = numbers(3, geometry.map.channels * geometry.taps());
    let run = || {
        let isa = Isa::best();
        let (mut y, mut dx, mut dw) = (vec![0.0; g.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
        convolve(isa, geometry, &x, &weight, None, Activation::None, &mut y);
        input_gradient(isa, geometry, &g, &weight, &mut dx);
        weight_gradient(isa, geometry, &x, &g, &mut dw);
        [y, dx, dw].map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(run);
    assert!(on(1) == on(3), "results depend on the number of threads");
}
