//! Depthwise convolutions: vectors over channels, several output pixels for each load of a tap.

use crate::cpu::simd::{Simd, simd_dispatch};

/// `y = clamp(bias + taps * x)` for some rows of a map.
///
/// There are no borders: rows above and below the map point to zeros, and every row has zeros left and right of it.
#[derive(Clone, Copy)]
pub(super) struct Depthwise<'a> {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// For each output row the `kernel` input rows under it, from the leftmost column that its first pixel sees.
    pub(super) rows: &'a [*const f32],
    /// Output pixels of a row.
    pub(super) width: usize,
    /// Channels, whole vectors; also the floats between two input pixels.
    pub(super) channels: usize,
    /// For each vector of channels `kernel * kernel` vectors.
    pub(super) taps: *const f32,
    pub(super) bias: *const f32,
    pub(super) y: *mut f32,
    /// Floats between two output pixels; rows follow each other.
    pub(super) y_pixel: usize,
    pub(super) clamp: [f32; 2],
}

simd_dispatch! {
    /// Computes some rows.
    ///
    /// # Safety
    /// The pointers must be valid for what the task says: each row for `(width - 1) * stride + kernel` pixels.
    pub(super) unsafe fn depthwise = depthwise_body(task: &Depthwise<'_>)
}

#[inline(always)]
unsafe fn depthwise_body<S: Simd>(task: &Depthwise<'_>) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (task.kernel, task.stride) {
            (3, 1) => columns::<S, 3, 1>(task),
            (3, 2) => columns::<S, 3, 2>(task),
            (5, 1) => columns::<S, 5, 1>(task),
            (5, 2) => columns::<S, 5, 2>(task),
            _ => any::<S>(task),
        }
    }
}

/// All rows, some columns at a time: input rows are in the first-level cache when the next output row needs them.
#[inline(always)]
unsafe fn columns<S: Simd, const K: usize, const STRIDE: usize>(task: &Depthwise<'_>) {
    let mut first = 0;
    while first < task.width {
        // The last tile may repeat some pixels of the one before.
        let left = task.width - first;
        // SAFETY: the columns lie within the row.
        unsafe {
            if task.width >= 7 && left > 4 {
                rows::<S, K, STRIDE, 7>(task, first.min(task.width - 7));
                first += 7;
            } else if task.width >= 4 {
                rows::<S, K, STRIDE, 4>(task, first.min(task.width - 4));
                first += 4;
            } else {
                rows::<S, K, STRIDE, 1>(task, first);
                first += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn rows<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(task: &Depthwise<'_>, first: usize) {
    for (i, rows) in task.rows.chunks_exact(K).enumerate() {
        // SAFETY: the tile lies within the rows and the vectors within the channels.
        unsafe {
            let x: [*const f32; K] = std::array::from_fn(|u| rows[u].add(first * STRIDE * task.channels));
            let y = task.y.add((i * task.width + first) * task.y_pixel);
            for c in (0..task.channels).step_by(S::LANES) {
                let taps = task.taps.add(c * K * K);
                let x = x.map(|x| x.add(c));
                tile::<S, K, STRIDE, T>(task, x, taps, S::load(task.bias.add(c)), y.add(c));
            }
        }
    }
}

/// Repeats a body for every number: a loop this long would keep its sums in memory.
macro_rules! unrolled {
    ($j:ident in $($number:literal)* => $body:expr) => {
        $({
            let $j: usize = $number;
            $body
        })*
    };
}

/// `T` adjacent pixels of one vector of channels.
#[inline(always)]
unsafe fn tile<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(
    task: &Depthwise<'_>,
    x: [*const f32; K],
    mut taps: *const f32,
    bias: S::V,
    y: *mut f32,
) {
    // SAFETY: the caller vouches for pixels, taps and output.
    unsafe {
        let mut sums = [bias; T];
        for x in x {
            let mut row = [bias; K];
            for tap in &mut row {
                *tap = S::load(taps);
                taps = taps.add(S::LANES);
            }
            // Each input is loaded once and meets every output that it belongs to.
            unrolled!(j in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 => if j < (T - 1) * STRIDE + K {
                let value = S::load(x.wrapping_add(j * task.channels));
                for (t, sum) in sums.iter_mut().enumerate() {
                    if j >= t * STRIDE && j < t * STRIDE + K {
                        *sum = S::fma(row[j - t * STRIDE], value, *sum);
                    }
                }
            });
        }
        let [low, high] = task.clamp.map(|bound| S::splat(bound));
        for (t, &sum) in sums.iter().enumerate() {
            S::store(y.add(t * task.y_pixel), S::at_most(S::at_least(sum, low), high));
        }
    }
}

/// Any kernel and stride, one pixel at a time.
#[inline(always)]
unsafe fn any<S: Simd>(task: &Depthwise<'_>) {
    let k = task.kernel;
    // SAFETY: pixels, taps and output are those that the caller vouches for.
    unsafe {
        let [low, high] = task.clamp.map(|bound| S::splat(bound));
        for (i, rows) in task.rows.chunks_exact(k).enumerate() {
            for j in 0..task.width {
                for c in (0..task.channels).step_by(S::LANES) {
                    let mut taps = task.taps.add(c * k * k);
                    let mut sum = S::load(task.bias.add(c));
                    for row in rows {
                        for v in 0..k {
                            let value = S::load(row.add((j * task.stride + v) * task.channels + c));
                            sum = S::fma(S::load(taps), value, sum);
                            taps = taps.add(S::LANES);
                        }
                    }
                    let y = task.y.add((i * task.width + j) * task.y_pixel + c);
                    S::store(y, S::at_most(S::at_least(sum, low), high));
                }
            }
        }
    }
}
