//! Comparisons of many rows with many rows by 16-bit products, and exact all the same.
//!
//! With AVX2 a register takes sixteen 16-bit products where it takes eight of `f32`, and as many instructions start per cycle.
//! So both sides are rounded to 16 bits, integer scores pick the few pairs that can matter, and those are scored in `f32`,
//! by the chain of multiply-adds of [`crate::panels`]. The bound on the rounding is rigorous: what comes out is what `f32`
//! alone would give, bit for bit.
//!
//! With `X = s x + e` and `C = t c + f` in integers, `|X.C - s t x.c| <= |s x| |f| + |e| |C|` (Cauchy and Schwarz).

mod best_rows;
mod search;
mod sweep;
mod top_k;

pub(crate) use search::CoarseSearch;
pub(crate) use top_k::Scoring;

use crate::rows::RowsView;
use rayon::prelude::*;
use sweep::WIDTH;

/// Length of the longest rounded row: every entry of it fits 16 bits.
const LONGEST: f64 = 32_000.0;
/// Largest magnitude of a score, bias included: it fits 32 bits, and so does every part of the sum.
const LARGEST_SCORE: f64 = 2.0e9;
/// Below these there is nothing to win.
const FEWEST: (usize, usize) = (32, 16);

/// Whether 16-bit products are the faster ones here: with AVX2, not with AVX-512, whose registers hold sixteen `f32`.
pub(crate) fn pays(n_bank_rows: usize, dim: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    let fits = matches!(pulp::Arch::new(), pulp::Arch::V3(_));
    #[cfg(not(target_arch = "x86_64"))]
    let fits = false;
    fits && n_bank_rows >= FEWEST.0 && dim >= FEWEST.1
}

/// Queries rounded to 16 bits, two neighbouring columns in each word, transposed into panels of [`WIDTH`] rows.
///
/// # Shapes
/// - panel: `[pairs, WIDTH]` words; rows behind the last one are zeros
#[derive(Debug)]
pub(crate) struct CoarsePanels {
    words: Vec<u32>,
    pairs: usize,
    scale: f64,
    measures: Vec<Measures>,
}

/// Of a rounded row: the length of the scaled row before rounding, and that of what rounding changed.
#[derive(Debug, Clone, Copy, Default)]
struct Measures {
    length: f64,
    error: f64,
}

/// Bank rows and biases on the scale of the products.
#[derive(Debug)]
pub(crate) struct CoarseBank {
    words: Vec<u32>,
    /// `[n]`, zeros where there are none.
    biases: Vec<i32>,
    pairs: usize,
    longest: f64,
    error: f64,
    largest_bias: f64,
}

impl CoarsePanels {
    /// Rounds and packs `rows`; nothing where their lengths cannot be scaled (all zero, or beyond `f32`).
    pub(crate) fn pack(rows: RowsView<'_>) -> Option<Self> {
        Some(Self::pack_scaled(rows, None, unit(rows, None)?))
    }

    /// Rounds and packs `rows`, each times its entry of `scales` and over `unit`.
    pub(crate) fn pack_scaled(rows: RowsView<'_>, scales: Option<&[f32]>, unit: f64) -> Self {
        let pairs = rows.dim().div_ceil(2);
        let scale = 1.0 / unit;
        let mut words = vec![0; rows.len().div_ceil(WIDTH) * WIDTH * pairs];
        let mut measures = vec![Measures::default(); rows.len()];
        let panels = words.par_chunks_mut(WIDTH * pairs).zip(measures.par_chunks_mut(WIDTH)).enumerate();
        panels.for_each(|(p, (panel, measures))| {
            for (lane, measures) in measures.iter_mut().enumerate() {
                let row = p * WIDTH + lane;
                let scale = scale * scales.map_or(1.0, |scales| f64::from(scales[row]));
                *measures = round(rows.row(row), scale, |pair, word| panel[pair * WIDTH + lane] = word);
            }
        });
        Self { words, pairs, scale, measures }
    }
}

impl CoarseBank {
    /// Rounds `bank`, each row times its entry of `scales`, for queries that are times `query_scale`; nothing where lengths
    /// cannot be scaled.
    pub(crate) fn round(
        bank: RowsView<'_>,
        scales: Option<&[f32]>,
        biases: Option<&[f32]>,
        query_scale: f64,
    ) -> Option<Self> {
        let pairs = bank.dim().div_ceil(2);
        let largest = biases.unwrap_or(&[]).iter().map(|&b| f64::from(b).abs()).fold(0.0, f64::max);
        let widest = 1.0 / unit(bank, scales)?;
        // The sum of the largest product and the largest bias has to fit as well.
        let total = LONGEST * LONGEST + largest * query_scale * widest;
        let scale = if total.is_finite() { widest * (LARGEST_SCORE / total).min(1.0) } else { return None };
        let both = query_scale * scale;
        let mut words = vec![0; bank.len() * pairs];
        let measures: Vec<Measures> = words
            .par_chunks_mut(pairs)
            .enumerate()
            .map(|(row, words)| {
                let scale = scale * scales.map_or(1.0, |scales| f64::from(scales[row]));
                round(bank.row(row), scale, |pair, word| words[pair] = word)
            })
            .collect();
        let biases = match biases {
            Some(biases) => biases.iter().map(|&b| (f64::from(b) * both).round() as i32).collect(),
            None => vec![0; bank.len()],
        };
        Some(Self {
            words,
            biases,
            pairs,
            longest: measures.iter().map(|m| m.length + m.error).fold(0.0, f64::max),
            error: measures.iter().map(|m| m.error).fold(0.0, f64::max),
            largest_bias: largest * both,
        })
    }

    fn len(&self) -> usize {
        self.biases.len()
    }

    /// How far an integer score may be from the scaled score in `f32`, whose own rounding is counted too.
    fn bound(&self, query: Measures) -> f64 {
        let products = query.length * self.error + query.error * self.longest;
        let single =
            (2 * self.pairs + 4) as f64 * 2.0_f64.powi(-24) * (query.length * self.longest + self.largest_bias);
        products + 1.01 * single + 1.0
    }
}

/// Each query times its row as [`crate::panels`] sums it: one chain of fused multiply-adds over the columns in order.
fn chains<const N: usize>(queries: [&[f32]; N], rows: [&[f32]; N]) -> [f32; N] {
    pulp::Arch::new().dispatch(Chains { queries, rows })
}

/// No closure, whose body would be compiled without the processor's instructions.
struct Chains<'a, const N: usize> {
    queries: [&'a [f32]; N],
    rows: [&'a [f32]; N],
}

impl<const N: usize> pulp::WithSimd for Chains<'_, N> {
    type Output = [f32; N];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> [f32; N] {
        let dim = self.queries[0].len();
        let (queries, rows) = (self.queries.map(|row| &row[..dim]), self.rows.map(|row| &row[..dim]));
        let mut sums = [0.0_f32; N];
        for c in 0..dim {
            for lane in 0..N {
                sums[lane] = queries[lane][c].mul_add(rows[lane][c], sums[lane]);
            }
        }
        sums
    }
}

/// What rows are divided by so that the longest, each times its entry of `scales`, gets [`LONGEST`].
pub(crate) fn unit(rows: RowsView<'_>, scales: Option<&[f32]>) -> Option<f64> {
    let of = |(row, values): (usize, &[f32])| {
        let squares = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        squares.sqrt() * scales.map_or(1.0, |scales| f64::from(scales[row]))
    };
    let longest = rows.data().par_chunks(rows.dim()).enumerate().map(of).reduce(|| 0.0, f64::max);
    (longest > 1e-30 && longest.is_finite()).then(|| longest / LONGEST)
}

/// Rounds a row times `scale`, hands out its words, and measures it.
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
