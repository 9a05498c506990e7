//! The three products of a 3x3 convolution, each by the algorithm that [`choose`] picks.

use super::activation::Activation;
use super::map::Map;
use super::matrix_convolution::{self, Geometry};
use super::padding::Padding;
use super::plan::{Algorithm, choose};
use super::simd::Isa;
use super::winograd::{self, Filters};

/// A 3x3 convolution or its adjoint, `y = filters x`, with optional bias, then the activation.
pub(crate) fn convolve(
    isa: Isa,
    map: Map,
    x: &[f32],
    filters: Filters<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    convolve_by(isa, choose(isa, map, filters.outputs()), map, x, filters, bias, activation, y);
}

/// As [`convolve`], by a given algorithm.
#[expect(clippy::too_many_arguments, reason = "the inputs of a convolution")]
pub(crate) fn convolve_by(
    isa: Isa,
    algorithm: Algorithm,
    map: Map,
    x: &[f32],
    filters: Filters<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    match algorithm {
        Algorithm::Winograd(out) => winograd::convolve(isa, out, map, x, filters, bias, activation, y),
        Algorithm::Matrix => {
            let plain = filters.plain_taps();
            matrix_convolution::convolve(isa, geometry(map, filters.outputs()), x, &plain, bias, activation, y);
        }
    }
}

/// The gradient of the filters `[outputs][inputs][3][3]` of a convolution from `map.channels` to `outputs`.
pub(crate) fn weight_gradient(isa: Isa, map: Map, x: &[f32], g: &[f32], outputs: usize, dw: &mut [f32]) {
    weight_gradient_by(isa, choose(isa, map, outputs), map, x, g, outputs, dw);
}

/// As [`weight_gradient`], by a given algorithm.
pub(crate) fn weight_gradient_by(
    isa: Isa,
    algorithm: Algorithm,
    map: Map,
    x: &[f32],
    g: &[f32],
    outputs: usize,
    dw: &mut [f32],
) {
    match algorithm {
        Algorithm::Winograd(out) => winograd::weight_gradient(isa, out, map, x, g, outputs, dw),
        Algorithm::Matrix => matrix_convolution::weight_gradient(isa, geometry(map, outputs), x, g, dw),
    }
}

fn geometry(map: Map, outputs: usize) -> Geometry {
    Geometry { map, outputs, kernel: [3, 3], stride: 1, padding: Padding::Even(1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu::naive::{numbers, products3x3, relative_error};

    fn check(isa: Isa, algorithm: Algorithm, map: Map, outputs: usize) {
        let tolerance = if algorithm == Algorithm::Matrix { 1e-4 } else { 1e-3 };
        let y_map = map.with_channels(outputs);
        let (x, g) = (numbers(1, map.len()), numbers(2, y_map.len()));
        let (taps, bias) = (numbers(3, outputs * map.channels * 9), numbers(4, outputs));
        let mut y_expected: Vec<f64> = (0..y_map.len()).map(|i| f64::from(bias[i % outputs])).collect();
        let (mut dx_expected, mut dw_expected) = (vec![0.0; x.len()], vec![0.0; taps.len()]);
        products3x3(map, outputs, |to, from, tap| {
            y_expected[to] += f64::from(x[from]) * f64::from(taps[tap]);
            dx_expected[from] += f64::from(g[to]) * f64::from(taps[tap]);
            dw_expected[tap] += f64::from(g[to]) * f64::from(x[from]);
        });
        let filters = Filters { taps: &taps, first: outputs, second: map.channels, adjoint: false };
        // Results must not depend on what the memory held before.
        let (mut y, mut dx, mut dw) = (vec![7.0; g.len()], vec![7.0; x.len()], vec![7.0; taps.len()]);
        convolve_by(isa, algorithm, map, &x, filters, Some(&bias), Activation::None, &mut y);
        let adjoint = Filters { adjoint: true, ..filters };
        convolve_by(isa, algorithm, y_map, &g, adjoint, None, Activation::None, &mut dx);
        weight_gradient_by(isa, algorithm, map, &x, &g, outputs, &mut dw);
        for (name, actual, expected) in
            [("output", y, y_expected), ("input gradient", dx, dx_expected), ("weight gradient", dw, dw_expected)]
        {
            let error = relative_error(&actual, &expected);
            assert!(error <= tolerance, "{name} of {map:?} to {outputs} by {algorithm:?} on {isa:?}: {error:e}");
        }
    }

    fn check_all(map: Map, outputs: usize) {
        for isa in Isa::supported() {
            for algorithm in [Algorithm::Winograd(4), Algorithm::Winograd(2), Algorithm::Matrix] {
                check(isa, algorithm, map, outputs);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_path_agrees_with_the_definition(
            batch in 1usize..4,
            height in 1usize..12,
            width in 1usize..12,
            channels in 1usize..40,
            outputs in 1usize..40,
        ) {
            check_all(Map { batch, height, width, channels }, outputs);
        }
    }

    #[test]
    fn layers_of_real_networks_agree_with_the_definition() {
        check_all(Map { batch: 2, height: 17, width: 20, channels: 3 }, 64);
        check_all(Map { batch: 2, height: 16, width: 18, channels: 64 }, 3);
        check_all(Map { batch: 5, height: 20, width: 20, channels: 64 }, 64);
        check_all(Map { batch: 1, height: 4, width: 4, channels: 256 }, 130);
        check_all(Map { batch: 3, height: 2, width: 2, channels: 144 }, 80);
    }
}
