//! Which algorithm a 3x3 convolution runs, by an estimate of its cycles.

use super::map::Map;
use super::simd::Isa;
use super::winograd::planes;

/// How to compute a 3x3 convolution with stride 1 and padding 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Winograd with tiles of that many outputs along a side: 2 or 4.
    Winograd(usize),
    /// Patches times weights.
    Matrix,
}

/// The cheapest algorithm for maps of `map.channels` inputs and `outputs` outputs.
pub(crate) fn choose(isa: Isa, map: Map, outputs: usize) -> Algorithm {
    let candidates = [Algorithm::Winograd(4), Algorithm::Winograd(2), Algorithm::Matrix];
    let cost = |algorithm: &Algorithm| cycles(isa, *algorithm, map, outputs);
    candidates.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(Algorithm::Matrix)
}

/// Estimated cycles of one core, up to a factor common to all algorithms. The constants were measured with
/// AVX-512; other sets differ by nearly the same factor everywhere.
fn cycles(isa: Isa, algorithm: Algorithm, map: Map, outputs: usize) -> f64 {
    let lanes = isa.lanes() as f64;
    let vectors = |channels: usize| (channels.div_ceil(isa.lanes())) as f64;
    let inputs = map.channels as f64;
    // Two products a cycle, less what loads and edges cost.
    let product = |rows: f64, depth: f64| rows * depth * vectors(outputs) / 1.7;
    match algorithm {
        Algorithm::Winograd(out) => {
            let tiles = map.tiles(out) as f64;
            let area = planes(out) as f64;
            let transforms = tiles * area * 3.0 * (vectors(map.channels) + vectors(outputs));
            let weights = area * 2.0 * inputs * vectors(outputs);
            product(tiles * area, inputs) + transforms + weights
        }
        Algorithm::Matrix => {
            let pixels = (map.batch * map.pixels()) as f64;
            let patches = pixels * 9.0 * (2.0 + 2.0 * inputs / lanes);
            let weights = 9.0 * inputs * outputs as f64 * 2.0;
            product(pixels, 9.0 * inputs) + patches + weights + pixels * 2.0 * vectors(outputs)
        }
    }
}
