//! The best bank row of every query by 16-bit products, and exact all the same.
//!
//! With AVX2 a register takes sixteen 16-bit products where it takes eight of `f32`, and as many instructions start per cycle.
//! So queries and bank are rounded to 16 bits, the two best integer scores of every query are kept, and where they lie
//! closer together than rounding can explain, the query goes to [`best_rows`] in `f32`. The bound on the rounding is
//! rigorous, so indices and scores are those of [`best_rows`], bit for bit.
//!
//! With `X = s x + e` and `C = t c + f` in integers, `|X.C - s t x.c| <= |s x| |f| + |e| |C|` (Cauchy and Schwarz).

use crate::best::best_rows;
use crate::panels::Panels;
use crate::rows::RowsView;
use rayon::prelude::*;
use std::ops::Range;

/// Queries side by side: two registers.
const WIDTH: usize = 16;
/// Length of the longest rounded row: every entry of it fits 16 bits.
const LONGEST: f64 = 32_000.0;
/// Largest magnitude of a score, bias included: it fits 32 bits, and so does every part of the sum.
const LARGEST_SCORE: f64 = 2.0e9;
/// Bank rows read per pass over a group of panels: they stay in a second-level cache.
const BANK_BLOCK_BYTES: usize = 1 << 18;
/// Panels per task.
const PANELS_PER_TASK: usize = 4;
/// Below these there is nothing to win.
const FEWEST: (usize, usize) = (32, 16);

/// Queries rounded to 16 bits, two neighbouring columns in each word, transposed into panels of [`WIDTH`] rows.
///
/// # Shapes
/// - panel: `[pairs, WIDTH]` words; rows behind the last one are zeros
#[derive(Debug)]
pub(crate) struct CoarsePanels {
    words: Vec<u32>,
    pairs: usize,
    scale: f64,
    /// Of each row: its length times the scale, and the length of its rounding errors.
    measures: Vec<Measures>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measures {
    length: f64,
    error: f64,
}

/// Bank rows and biases on the scale of the products.
struct CoarseBank {
    words: Vec<u32>,
    bias: Vec<i32>,
    pairs: usize,
    longest: f64,
    error: f64,
    largest_bias: f64,
}

/// Whether 16-bit products are the faster ones here: with AVX2, not with AVX-512, whose registers hold sixteen `f32`.
pub(crate) fn pays(n_bank_rows: usize, dim: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    let fits = matches!(pulp::Arch::new(), pulp::Arch::V3(_));
    #[cfg(not(target_arch = "x86_64"))]
    let fits = false;
    fits && n_bank_rows >= FEWEST.0 && dim >= FEWEST.1
}

impl CoarsePanels {
    /// Rounds and packs `rows`; nothing where their lengths cannot be scaled (all zero, or beyond `f32`).
    pub(crate) fn pack(rows: RowsView<'_>) -> Option<Self> {
        let (dim, pairs) = (rows.dim(), rows.dim().div_ceil(2));
        let longest = rows.data().par_chunks(dim).map(length).reduce(|| 0.0, f64::max);
        let scale = scale(longest)?;
        let mut words = vec![0; rows.len().div_ceil(WIDTH) * WIDTH * pairs];
        let mut measures = vec![Measures::default(); rows.len()];
        words.par_chunks_mut(WIDTH * pairs).zip(measures.par_chunks_mut(WIDTH)).zip(rows.data().par_chunks(WIDTH * dim)).for_each(
            |((panel, measures), rows)| {
                for (lane, (row, measures)) in rows.chunks_exact(dim).zip(measures).enumerate() {
                    *measures = round(row, scale, |pair, word| panel[pair * WIDTH + lane] = word);
                }
            },
        );
        Some(Self { words, pairs, scale, measures })
    }

    /// What [`best_rows`] writes for these `rows`, the ones that were packed. Returns how many had to be repeated in `f32`.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, bank: `[k, dim]`, bias: `[k]`, indices and scores: `[n]`
    pub(crate) fn best_rows(
        &self,
        rows: RowsView<'_>,
        bank: RowsView<'_>,
        bias: &[f32],
        indices: &mut [u32],
        scores: &mut [f32],
    ) -> usize {
        let doubtful: Vec<u32> = match self.round_bank(bank, bias) {
            Some(rounded) => self.settle(rows, bank, bias, &rounded, indices, scores),
            None => (0..rows.len() as u32).collect(),
        };
        let (mut again, mut again_scores) = (vec![0; doubtful.len()], vec![0.0; doubtful.len()]);
        best_rows(&Panels::gather(rows, &doubtful), bank, bias, &mut again, &mut again_scores);
        for ((&row, &index), &score) in doubtful.iter().zip(&again).zip(&again_scores) {
            (indices[row as usize], scores[row as usize]) = (index, score);
        }
        doubtful.len()
    }

    fn round_bank(&self, bank: RowsView<'_>, bias: &[f32]) -> Option<CoarseBank> {
        let longest = bank.iter().map(length).fold(0.0, f64::max);
        let largest = bias.iter().map(|&b| f64::from(b).abs()).fold(0.0, f64::max);
        let widest = scale(longest)?;
        // The sum of the largest product and the largest bias has to fit as well.
        let total = LONGEST * LONGEST + largest * self.scale * widest;
        let scale = if total.is_finite() { widest * (LARGEST_SCORE / total).min(1.0) } else { return None };
        let mut rounded = CoarseBank {
            words: vec![0; bank.len() * self.pairs],
            bias: bias.iter().map(|&b| (f64::from(b) * self.scale * scale).round() as i32).collect(),
            pairs: self.pairs,
            longest: 0.0,
            error: 0.0,
            largest_bias: largest * self.scale * scale,
        };
        for (row, words) in bank.iter().zip(rounded.words.chunks_exact_mut(self.pairs)) {
            let measures = round(row, scale, |pair, word| words[pair] = word);
            rounded.longest = rounded.longest.max(measures.length + measures.error);
            rounded.error = rounded.error.max(measures.error);
        }
        Some(rounded)
    }

    /// Writes the results that are certain and returns the other rows, in order.
    fn settle(
        &self,
        rows: RowsView<'_>,
        bank: RowsView<'_>,
        bias: &[f32],
        rounded: &CoarseBank,
        indices: &mut [u32],
        scores: &mut [f32],
    ) -> Vec<u32> {
        const TASK: usize = WIDTH * PANELS_PER_TASK;
        let panels = self.words.par_chunks(TASK * self.pairs).zip(self.measures.par_chunks(TASK));
        let outputs = indices.par_chunks_mut(TASK).zip(scores.par_chunks_mut(TASK));
        let doubtful = panels.zip(outputs).enumerate().map(|(task, ((panels, measures), (indices, scores)))| {
            let found = two_best_of_each(panels, rounded);
            let mut doubtful = Vec::new();
            for (at, measures) in measures.iter().enumerate() {
                let (found, lane) = (&found[at / WIDTH], at % WIDTH);
                indices[at] = found.index[lane] as u32;
                let apart = i64::from(found.best[lane]) - i64::from(found.second[lane]);
                if (apart as f64) <= 2.0 * rounded.bound(*measures, rows.dim()) {
                    doubtful.push((task * TASK + at) as u32);
                }
            }
            for (group, (indices, scores)) in indices.chunks(WIDTH).zip(scores.chunks_mut(WIDTH)).enumerate() {
                let first = task * TASK + group * WIDTH;
                let lanes: [usize; WIDTH] = std::array::from_fn(|lane| lane.min(indices.len() - 1));
                let queries = lanes.map(|lane| rows.row(first + lane));
                let winners = lanes.map(|lane| bank.row(indices[lane] as usize));
                let products = crate::lanes::dispatch(|| chains(&queries, &winners));
                for ((score, &index), product) in scores.iter_mut().zip(indices).zip(products) {
                    *score = product + bias[index as usize];
                }
            }
            doubtful
        });
        doubtful.collect::<Vec<_>>().concat()
    }
}

impl CoarseBank {
    /// How far an integer score may be from the scaled score in `f32`, whose own rounding is counted too.
    fn bound(&self, query: Measures, dim: usize) -> f64 {
        let products = query.length * self.error + query.error * self.longest;
        let single = (dim + 2) as f64 * 2.0_f64.powi(-24) * (query.length * self.longest + self.largest_bias);
        products + 1.01 * single + 1.0
    }
}

/// The two best scores of each query of a panel, and whose the best one is; among equals the two are equal.
struct TwoBest {
    best: [i32; WIDTH],
    second: [i32; WIDTH],
    index: [i32; WIDTH],
}

impl TwoBest {
    const NONE: Self = Self { best: [i32::MIN; WIDTH], second: [i32::MIN; WIDTH], index: [0; WIDTH] };
}

/// The results of each of at most [`PANELS_PER_TASK`] panels.
fn two_best_of_each(panels: &[u32], bank: &CoarseBank) -> [TwoBest; PANELS_PER_TASK] {
    let mut found = [const { TwoBest::NONE }; PANELS_PER_TASK];
    let n_rows = bank.bias.len();
    let block = (BANK_BLOCK_BYTES / (4 * bank.pairs)).max(6) / 6 * 6;
    for first in (0..n_rows).step_by(block) {
        for (panel, found) in panels.chunks_exact(WIDTH * bank.pairs).zip(&mut found) {
            two_best(panel, bank, first..n_rows.min(first + block), found);
        }
    }
    found
}

/// Lets the bank rows of a range compete with what was found before.
fn two_best(panel: &[u32], bank: &CoarseBank, range: Range<usize>, found: &mut TwoBest) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(avx2::TwoBestOf { simd, panel, bank, range, found });
    }
    plain_two_best(panel, bank, range, found);
}

/// The definition, for processors without AVX2 and for tests.
fn plain_two_best(panel: &[u32], bank: &CoarseBank, range: Range<usize>, found: &mut TwoBest) {
    for row in range {
        let (words, bias) = (&bank.words[row * bank.pairs..][..bank.pairs], bank.bias[row]);
        for lane in 0..WIDTH {
            let pair = |(at, &word): (usize, &u32)| {
                let other = panel[at * WIDTH + lane];
                let product = |shift: u32| i32::from((word >> shift) as i16) * i32::from((other >> shift) as i16);
                product(0) + product(16)
            };
            let score = words.iter().enumerate().map(pair).sum::<i32>() + bias;
            found.second[lane] = found.second[lane].max(found.best[lane].min(score));
            if score > found.best[lane] {
                (found.best[lane], found.index[lane]) = (score, row as i32);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CoarseBank, TwoBest, WIDTH};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, Simd, cast, i32x8};
    use std::ops::Range;

    /// Bank rows per tile: with two registers of queries twelve sums, and what they are made of, fill the sixteen registers.
    const TILE: usize = 6;
    const VECTORS: usize = WIDTH / 8;

    pub(super) struct TwoBestOf<'a> {
        pub(super) simd: V3,
        pub(super) panel: &'a [u32],
        pub(super) bank: &'a CoarseBank,
        pub(super) range: Range<usize>,
        pub(super) found: &'a mut TwoBest,
    }

    impl NullaryFnOnce for TwoBestOf<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, panel, bank, range, found } = self;
            let (columns, _) = V3::as_simd_u32s(panel);
            let (columns, _) = columns.as_chunks::<VECTORS>();
            let mut best: [i32x8; VECTORS] = cast(found.best);
            let mut second: [i32x8; VECTORS] = cast(found.second);
            let mut index: [i32x8; VECTORS] = cast(found.index);
            let mut first = range.start;
            while first < range.end {
                let n_valid = TILE.min(range.end - first);
                // Tiles behind the end repeat the last row, and nobody looks at its sums.
                let rows: [&[u32]; TILE] = std::array::from_fn(|r| {
                    let at = (first + r.min(n_valid - 1)) * bank.pairs;
                    &bank.words[at..at + columns.len()]
                });
                let mut sums = [[simd.splat_i32x8(0); VECTORS]; TILE];
                for (c, column) in columns.iter().enumerate() {
                    for r in 0..TILE {
                        let pair = cast(simd.splat_u32x8(rows[r][c]));
                        for v in 0..VECTORS {
                            let product = simd.multiply_wrapping_add_adjacent_i16x16(cast(column[v]), pair);
                            sums[r][v] = add(simd, sums[r][v], product);
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate().take(n_valid) {
                    let (bias, row) = (simd.splat_i32x8(bank.bias[first + r]), simd.splat_i32x8((first + r) as i32));
                    for v in 0..VECTORS {
                        let score = add(simd, sums[v], bias);
                        second[v] = max(simd, second[v], min(simd, best[v], score));
                        index[v] = simd.select_i32x8(simd.cmp_lt_i32x8(best[v], score), row, index[v]);
                        best[v] = max(simd, best[v], score);
                    }
                }
                first += TILE;
            }
            *found = TwoBest { best: cast(best), second: cast(second), index: cast(index) };
        }
    }

    #[inline(always)]
    fn add(simd: V3, a: i32x8, b: i32x8) -> i32x8 {
        cast(simd.avx2._mm256_add_epi32(cast(a), cast(b)))
    }

    #[inline(always)]
    fn max(simd: V3, a: i32x8, b: i32x8) -> i32x8 {
        cast(simd.avx2._mm256_max_epi32(cast(a), cast(b)))
    }

    #[inline(always)]
    fn min(simd: V3, a: i32x8, b: i32x8) -> i32x8 {
        cast(simd.avx2._mm256_min_epi32(cast(a), cast(b)))
    }
}

/// Each query times its winner as [`best_rows`] sums it: one chain of fused multiply-adds over the columns in order.
#[inline(always)]
fn chains(queries: &[&[f32]; WIDTH], winners: &[&[f32]; WIDTH]) -> [f32; WIDTH] {
    let dim = queries[0].len();
    let (queries, winners) = (queries.map(|row| &row[..dim]), winners.map(|row| &row[..dim]));
    let mut sums = [0.0_f32; WIDTH];
    for c in 0..dim {
        for lane in 0..WIDTH {
            sums[lane] = queries[lane][c].mul_add(winners[lane][c], sums[lane]);
        }
    }
    sums
}

fn scale(longest: f64) -> Option<f64> {
    (longest > 1e-30 && longest.is_finite()).then(|| LONGEST / longest)
}

fn length(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// Rounds a row times `scale`, hands out its words, and says how long it is and how far the rounded one is from it.
fn round(row: &[f32], scale: f64, mut put: impl FnMut(usize, u32)) -> Measures {
    let (mut squares, mut errors) = (0.0, 0.0);
    let mut entry = |x: f32| {
        let exact = f64::from(x) * scale;
        let rounded = exact.round();
        squares += exact * exact;
        errors += (exact - rounded) * (exact - rounded);
        u32::from(rounded as i16 as u16)
    };
    for (pair, columns) in row.chunks(2).enumerate() {
        let low = entry(columns[0]);
        let high = columns.get(1).map_or(0, |&x| entry(x));
        put(pair, low | high << 16);
    }
    Measures { length: squares.sqrt(), error: errors.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn table(random: &mut Random, n: usize, dim: usize, spread: impl Fn(usize) -> f64) -> Vec<f32> {
        (0..n * dim).map(|at| (random.normal() * spread(at / dim)) as f32).collect()
    }

    fn both(queries: &[f32], bank: &[f32], bias: &[f32], dim: usize) -> usize {
        let (queries, bank) = (RowsView::trusted(queries, dim), RowsView::trusted(bank, dim));
        let n = queries.len();
        let (mut indices, mut scores) = (vec![0; n], vec![0.0; n]);
        best_rows(&Panels::pack(queries), bank, bias, &mut indices, &mut scores);
        let (mut coarse, mut coarse_scores) = (vec![9; n], vec![9.0; n]);
        let packed = CoarsePanels::pack(queries).unwrap();
        let repeated = packed.best_rows(queries, bank, bias, &mut coarse, &mut coarse_scores);
        assert_eq!(coarse, indices);
        let bits = |scores: &[f32]| scores.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&coarse_scores), bits(&scores));
        repeated
    }

    #[test]
    fn indices_and_scores_are_those_of_single_precision() {
        let mut random = Random::new(5);
        for (n, k, dim) in [(1, 1, 1), (17, 3, 5), (64, 6, 16), (65, 7, 33), (130, 40, 128), (200, 3000, 64)] {
            let (queries, bank) = (table(&mut random, n, dim, |_| 1.0), table(&mut random, k, dim, |_| 0.3));
            let bias: Vec<f32> = bank.chunks(dim).map(|row| -0.5 * row.iter().map(|x| x * x).sum::<f32>()).collect();
            both(&queries, &bank, &bias, dim);
            let repeated = both(&queries, &bank, &vec![0.0; k], dim);
            assert!(repeated * 4 <= n.max(16), "{repeated} of {n} rows repeated at {k} x {dim}");
        }
    }

    #[test]
    fn rows_of_very_different_length_and_large_biases_cost_time_only() {
        let mut random = Random::new(6);
        let queries = table(&mut random, 100, 32, |row| 10.0_f64.powi(row as i32 % 9 - 4));
        let bank = table(&mut random, 50, 32, |row| 10.0_f64.powi(row as i32 % 5 - 2));
        for scale in [0.0, 1.0, 1e6, 1e30] {
            let bias: Vec<f32> = (0..50).map(|_| (random.normal() * scale) as f32).collect();
            both(&queries, &bank, &bias, 32);
        }
    }

    #[test]
    fn equal_rows_tie_to_the_lower_index() {
        let mut random = Random::new(7);
        let row = table(&mut random, 1, 37, |_| 1.0);
        let bank: Vec<f32> = row.iter().copied().cycle().take(37 * 50).collect();
        assert_eq!(both(&row, &bank, &[0.0; 50], 37), 1);
    }

    #[test]
    fn zeros_are_not_packed_and_a_bank_of_zeros_goes_to_single_precision() {
        assert!(CoarsePanels::pack(RowsView::trusted(&[0.0; 64], 32)).is_none());
        assert_eq!(both(&[1.0; 64], &[0.0; 96], &[0.0, 2.0, 2.0], 32), 2);
    }

    #[test]
    fn vectors_find_what_the_definition_finds() {
        let mut random = Random::new(8);
        for (k, dim) in [(1, 2), (5, 7), (6, 32), (100, 65)] {
            let (queries, bank) = (table(&mut random, WIDTH, dim, |_| 1.0), table(&mut random, k, dim, |_| 1.0));
            let packed = CoarsePanels::pack(RowsView::trusted(&queries, dim)).unwrap();
            let rounded = packed.round_bank(RowsView::trusted(&bank, dim), &vec![0.1; k]).unwrap();
            let (mut fast, mut plain) = (TwoBest::NONE, TwoBest::NONE);
            two_best(&packed.words, &rounded, 0..k, &mut fast);
            plain_two_best(&packed.words, &rounded, 0..k, &mut plain);
            assert_eq!((fast.best, fast.second, fast.index), (plain.best, plain.second, plain.index));
        }
    }
}
