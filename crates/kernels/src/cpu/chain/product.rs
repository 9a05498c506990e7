//! Pointwise and dense convolutions: pixels times panels of weights, several pixels of several vectors in registers.

use super::weights::Panel;
use crate::cpu::simd::{Simd, simd_dispatch};

/// What a product starts from.
#[derive(Clone, Copy)]
pub(super) enum Initial {
    /// The bias.
    Bias,
    /// The bias and the value of another map, whose pixels lie as the output's.
    BiasAnd(*const f32),
    /// What the output holds: the product over earlier channels.
    Output,
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub(super) enum Output<'a> {
    /// A map: where each pixel lies, in floats from the start.
    Map(*mut f32, &'a [usize]),
    /// Its sum over the pixels is added here, and the map is not written.
    Sum(*mut f32),
}

/// `y = clamp(initial + x W)`
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) pixels: usize,
    pub(super) x: *const f32,
    /// Floats between the patches of two pixels.
    pub(super) x_pixel: usize,
    /// A patch is this many runs of `run` floats, `run_stride` apart: one for a pointwise convolution.
    pub(super) runs: usize,
    pub(super) run: usize,
    pub(super) run_stride: usize,
    /// Panels of adjacent columns; the first column of the first goes to column 0 of the output.
    pub(super) panels: &'a [Panel],
    /// The weights that the panels' offsets are in.
    pub(super) weights: *const f32,
    /// Rows of the panels that are left out at the front.
    pub(super) first_row: usize,
    /// Bias of the first panel's first column.
    pub(super) bias: *const f32,
    pub(super) initial: Initial,
    pub(super) output: Output<'a>,
    /// Bounds of the result.
    pub(super) clamp: [f32; 2],
}

simd_dispatch! {
    /// Computes one product.
    ///
    /// # Safety
    /// The pointers must be valid for what the product says: `x` for its patches, `weights` for all panels, bias, other map and
    /// output for the panels' whole vectors; the output lies apart from the rest.
    pub(super) unsafe fn product = product_body(task: &Product<'_>)
}

/// Weights of at most so many floats stay in the first-level cache: all of them meet a few pixels before the next ones come.
const FEW_WEIGHTS: usize = 4096;
/// Pixels that few weights meet together.
const BLOCK: usize = 24;

#[inline(always)]
unsafe fn product_body<S: Simd>(task: &Product<'_>) {
    if let Output::Map(_, offsets) = task.output {
        assert!(offsets.len() >= task.pixels, "a place for every pixel");
    }
    let vectors: usize = task.panels.iter().map(|panel| panel.vectors).sum();
    let few = task.runs * task.run * vectors * S::LANES <= FEW_WEIGHTS;
    let block = if few { BLOCK } else { task.pixels.max(1) };
    for first in (0..task.pixels).step_by(block) {
        let pixels = block.min(task.pixels - first);
        for panel in task.panels {
            // As many pixels as leave registers for the panel's vectors and one broadcast.
            // SAFETY: the caller's promises are handed on.
            unsafe {
                match (panel.vectors, S::MANY_REGISTERS) {
                    (4, true) => tiles::<S, 4>(task, panel, first, pixels, 6),
                    (3, true) => tiles::<S, 3>(task, panel, first, pixels, 8),
                    (3, false) => tiles::<S, 3>(task, panel, first, pixels, 3),
                    (2, true) => tiles::<S, 2>(task, panel, first, pixels, 8),
                    (2, false) => tiles::<S, 2>(task, panel, first, pixels, 6),
                    (1, _) => tiles::<S, 1>(task, panel, first, pixels, 6),
                    (vectors, _) => unreachable!("no panel has {vectors} vectors"),
                }
            }
        }
    }
}

/// Some pixels through one panel, in tiles of nearly equal height: a tile of one or two would wait for its own sums.
#[inline(always)]
unsafe fn tiles<S: Simd, const V: usize>(task: &Product<'_>, panel: &Panel, first: usize, pixels: usize, most: usize) {
    let count = pixels.div_ceil(most);
    let (height, higher) = (pixels / count, pixels % count);
    // SAFETY: the heights add up to the pixels.
    unsafe {
        if higher > 0 {
            equal_tiles::<S, V>(task, panel, first, higher, height + 1, most);
        }
        equal_tiles::<S, V>(task, panel, first + higher * (height + 1), count - higher, height, most);
    }
}

/// Tiles of one height.
#[inline(always)]
unsafe fn equal_tiles<S: Simd, const V: usize>(
    task: &Product<'_>,
    panel: &Panel,
    first: usize,
    count: usize,
    height: usize,
    most: usize,
) {
    macro_rules! repeat {
        ($height:literal) => {
            for tile in 0..count {
                self::tile::<S, V, $height>(task, panel, first + $height * tile);
            }
        };
    }
    // Heights beyond `most` never come, and cost no code where `most` is a constant.
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match height {
            8 if most >= 8 => repeat!(8),
            7 if most >= 8 => repeat!(7),
            6 if most >= 6 => repeat!(6),
            5 if most >= 6 => repeat!(5),
            4 if most >= 4 => repeat!(4),
            3 => repeat!(3),
            2 => repeat!(2),
            _ => repeat!(1),
        }
    }
}

/// `R` pixels of `V` vectors over the whole depth.
#[inline(always)]
unsafe fn tile<S: Simd, const V: usize, const R: usize>(task: &Product<'_>, panel: &Panel, first: usize) {
    // SAFETY: pixels, columns and depth are those that the caller vouches for; there is an offset for every pixel.
    unsafe {
        let column = panel.first - task.panels[0].first;
        let mut sums = [[S::splat(0.0); V]; R];
        match (task.initial, task.output) {
            (Initial::Output, Output::Map(y, offsets)) => {
                for (i, row) in sums.iter_mut().enumerate() {
                    let y = y.add(*offsets.get_unchecked(first + i) + column);
                    for (j, sum) in row.iter_mut().enumerate() {
                        *sum = S::load(y.add(j * S::LANES));
                    }
                }
            }
            _ => {
                for j in 0..V {
                    let bias = S::load(task.bias.add(column + j * S::LANES));
                    for row in &mut sums {
                        row[j] = bias;
                    }
                }
            }
        }
        if let (Initial::BiasAnd(other), Output::Map(_, offsets)) = (task.initial, task.output) {
            for (i, row) in sums.iter_mut().enumerate() {
                let other = other.add(*offsets.get_unchecked(first + i) + column);
                for (j, sum) in row.iter_mut().enumerate() {
                    *sum = S::add(*sum, S::load(other.add(j * S::LANES)));
                }
            }
        }
        let mut b = task.weights.add(panel.at + task.first_row * V * S::LANES);
        let start = task.x.add(first * task.x_pixel);
        let mut x: [*const f32; R] = std::array::from_fn(|i| start.wrapping_add(i * task.x_pixel));
        for _ in 0..task.runs {
            let mut k = 0;
            while k + 4 <= task.run {
                for u in 0..4 {
                    step::<S, V, R>(&mut sums, &x, k + u, b.add(u * V * S::LANES));
                }
                b = b.add(4 * V * S::LANES);
                k += 4;
            }
            while k < task.run {
                step::<S, V, R>(&mut sums, &x, k, b);
                b = b.add(V * S::LANES);
                k += 1;
            }
            x = x.map(|x| x.wrapping_add(task.run_stride));
        }
        let [low, high] = task.clamp.map(|bound| S::splat(bound));
        for row in &mut sums {
            for sum in row {
                *sum = S::at_most(S::at_least(*sum, low), high);
            }
        }
        match task.output {
            Output::Map(y, offsets) => {
                for (i, row) in sums.iter().enumerate() {
                    let y = y.add(*offsets.get_unchecked(first + i) + column);
                    for (j, &sum) in row.iter().enumerate() {
                        S::store(y.add(j * S::LANES), sum);
                    }
                }
            }
            Output::Sum(total) => {
                for j in 0..V {
                    let to = total.add(column + j * S::LANES);
                    let mut sum = S::load(to);
                    for row in &sums {
                        sum = S::add(sum, row[j]);
                    }
                    S::store(to, sum);
                }
            }
        }
    }
}

/// One row of the panel times one value of each pixel.
#[inline(always)]
unsafe fn step<S: Simd, const V: usize, const R: usize>(
    sums: &mut [[S::V; V]; R],
    x: &[*const f32; R],
    k: usize,
    b: *const f32,
) {
    // SAFETY: within the patch and the panel, as the caller vouches.
    unsafe {
        let mut columns = [S::splat(0.0); V];
        for (j, column) in columns.iter_mut().enumerate() {
            *column = S::load(b.add(j * S::LANES));
        }
        for (row, x) in sums.iter_mut().zip(x) {
            let factor = S::splat(*x.add(k));
            for (sum, &column) in row.iter_mut().zip(&columns) {
                *sum = S::fma(factor, column, *sum);
            }
        }
    }
}
