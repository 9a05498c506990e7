//! Rows of pixels, each the sum of weighted pixels.

use crate::cpu::activation::Activation;
use crate::cpu::simd::{Simd, simd_dispatch};

/// A grid of taps that a row of pixels is summed over.
#[derive(Clone, Copy)]
pub(super) struct Line {
    /// Rows and columns of the grid.
    pub(super) taps: [usize; 2],
    /// The number of the first tap's weight, and how far that of the next row and column lies.
    pub(super) weight: usize,
    pub(super) weight_steps: [usize; 2],
    /// The table's entry for the pixel that the first tap of the first pixel sees, and how far the entry for the next row,
    /// column and pixel lies.
    pub(super) pixel: *const *const f32,
    pub(super) tap_steps: [isize; 2],
    pub(super) step: usize,
    /// Pixels to write, where, and the floats from one to the next.
    pub(super) count: usize,
    pub(super) to: *mut f32,
    pub(super) to_step: usize,
}

/// What every line of a convolution shares.
#[derive(Clone, Copy)]
pub(super) struct Channels<'a> {
    pub(super) channels: usize,
    /// Weights `[vectors of channels][n_weights][lanes]`.
    pub(super) weights: &'a [f32],
    pub(super) n_weights: usize,
    /// One per channel.
    pub(super) bias: Option<&'a [f32]>,
    pub(super) activation: Activation,
}

simd_dispatch! {
    /// Writes lines of pixels, one pair of vectors of channels after another, so that what one touches stays in the
    /// first-level cache from row to row.
    ///
    /// # Safety
    /// The table must have an entry, of all channels, for every tap of every pixel; `to` must hold the pixels.
    pub(super) unsafe fn convolve_lines = lines_body(shared: Channels<'_>, lines: &[Line])
}

// SAFETY (all bodies): the caller vouches for table and target, and for `S`.

#[inline(always)]
unsafe fn lines_body<S: Simd>(shared: Channels<'_>, lines: &[Line]) {
    let mut channel = 0;
    while channel < shared.channels {
        let rest = shared.channels - channel;
        // SAFETY: see above.
        unsafe {
            channel += match rest / S::LANES {
                2.. => vectors::<S, 2, true>(shared, lines, channel, S::LANES),
                1 => vectors::<S, 1, true>(shared, lines, channel, S::LANES),
                _ => vectors::<S, 1, false>(shared, lines, channel, rest),
            };
        }
    }
}

/// `V` vectors of channels of every line, only the first `n` channels of each unless `WHOLE`; gives their number back.
#[inline(always)]
unsafe fn vectors<S: Simd, const V: usize, const WHOLE: bool>(
    shared: Channels<'_>,
    lines: &[Line],
    channel: usize,
    n: usize,
) -> usize {
    // SAFETY: see above.
    unsafe {
        let mut bias = [S::splat(0.0); V];
        if let Some(from) = shared.bias {
            for (v, bias) in bias.iter_mut().enumerate() {
                *bias = load::<S, WHOLE>(from.as_ptr().add(channel + v * S::LANES), n);
            }
        }
        for line in lines {
            let mut pixel = 0;
            // Maps of 224 pixels come down to rows of 7, so blocks of 7 cover every row that they pass through.
            while pixel < line.count {
                pixel += match line.count - pixel {
                    7.. => block::<S, V, WHOLE, 7>(shared, line, pixel, channel, n, bias),
                    4..=6 => block::<S, V, WHOLE, 4>(shared, line, pixel, channel, n, bias),
                    2..=3 => block::<S, V, WHOLE, 2>(shared, line, pixel, channel, n, bias),
                    _ => block::<S, V, WHOLE, 1>(shared, line, pixel, channel, n, bias),
                };
            }
        }
    }
    V * S::LANES
}

/// The vectors of `P` pixels; gives `P` back.
#[inline(always)]
unsafe fn block<S: Simd, const V: usize, const WHOLE: bool, const P: usize>(
    shared: Channels<'_>,
    line: &Line,
    first: usize,
    channel: usize,
    n: usize,
    bias: [S::V; V],
) -> usize {
    let between = shared.n_weights * S::LANES;
    // SAFETY: see above.
    unsafe {
        let mut sums = [bias; P];
        let mut weights = shared.weights.as_ptr().add(channel * shared.n_weights + line.weight * S::LANES);
        let mut row = line.pixel.add(first * line.step);
        for _ in 0..line.taps[0] {
            let (mut weight, mut entry) = (weights, row);
            for _ in 0..line.taps[1] {
                let mut factors = [bias[0]; V];
                for (v, factor) in factors.iter_mut().enumerate() {
                    *factor = S::load(weight.add(v * between));
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    let pixel = (*entry.add(p * line.step)).add(channel);
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(load::<S, WHOLE>(pixel.add(v * S::LANES), n), factors[v], *sum);
                    }
                }
                weight = weight.add(line.weight_steps[1] * S::LANES);
                entry = entry.wrapping_offset(line.tap_steps[1]);
            }
            weights = weights.wrapping_add(line.weight_steps[0] * S::LANES);
            row = row.wrapping_offset(line.tap_steps[0]);
        }
        for (p, sums) in sums.iter().enumerate() {
            let to = line.to.add((first + p) * line.to_step + channel);
            for (v, &sum) in sums.iter().enumerate() {
                let value = shared.activation.of_vector::<S>(sum);
                match WHOLE {
                    true => S::store(to.add(v * S::LANES), value),
                    false => S::store_first(to.add(v * S::LANES), value, n),
                }
            }
        }
    }
    P
}

#[inline(always)]
pub(super) unsafe fn load<S: Simd, const WHOLE: bool>(from: *const f32, n: usize) -> S::V {
    // SAFETY: see above.
    unsafe { if WHOLE { S::load(from) } else { S::load_first(from, n) } }
}
