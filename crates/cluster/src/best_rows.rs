//! The best bank row of every query: the inner loop of k-means.

use crate::panels::{Panels, Sink, sweep};
use crate::rows::RowsView;
use pulp::Simd;
use rayon::prelude::*;

/// No processor that is supported has panels wider than this.
const MAX_WIDTH: usize = 64;
/// Bank rows read per pass over a group of panels: they stay in a second-level cache.
const BANK_BLOCK_BYTES: usize = 1 << 20;
/// Panels per task: enough to hide the cost of a task, few enough to share small inputs between threads.
const PANELS_PER_TASK: usize = 2;

/// Writes for every packed query the bank row with the largest `query . row + bias[row]`, and that score.
/// Ties go to the lower row.
///
/// # Shapes
/// - bank: `[k, dim]`, bias: `[k]`, indices and scores: `[n]`
pub(crate) fn best_rows(panels: &Panels, bank: RowsView<'_>, bias: &[f32], indices: &mut [u32], scores: &mut [f32]) {
    assert_eq!(bank.len(), bias.len(), "one bias per bank row");
    assert_eq!((indices.len(), scores.len()), (panels.n_rows(), panels.n_rows()), "one result per query");
    let per_task = panels.width() * PANELS_PER_TASK;
    let block = (BANK_BLOCK_BYTES / (4 * bank.dim())).clamp(6, bank.len().max(6));
    indices.par_chunks_mut(per_task).zip(scores.par_chunks_mut(per_task)).enumerate().for_each(
        |(task, (indices, scores))| {
            let mut sinks: [BestSink<'_>; PANELS_PER_TASK] = std::array::from_fn(|_| BestSink::new(bias));
            let used = indices.len().div_ceil(panels.width());
            for (b, rows) in bank.data().chunks(block * bank.dim()).enumerate() {
                for (p, sink) in sinks.iter_mut().take(used).enumerate() {
                    sweep(panels, task * PANELS_PER_TASK + p, rows, b * block, sink);
                }
            }
            let outputs = indices.chunks_mut(panels.width()).zip(scores.chunks_mut(panels.width()));
            for (sink, (indices, scores)) in sinks.iter().zip(outputs) {
                indices.copy_from_slice(&sink.indices[..indices.len()]);
                scores.copy_from_slice(&sink.scores[..scores.len()]);
            }
        },
    );
}

struct BestSink<'a> {
    bias: &'a [f32],
    scores: [f32; MAX_WIDTH],
    indices: [u32; MAX_WIDTH],
}

impl<'a> BestSink<'a> {
    fn new(bias: &'a [f32]) -> Self {
        Self { bias, scores: [f32::NEG_INFINITY; MAX_WIDTH], indices: [0; MAX_WIDTH] }
    }
}

impl Sink for BestSink<'_> {
    #[inline(always)]
    fn take<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first_row: usize,
        n_valid: usize,
        sums: &[[S::f32s; V]; R],
    ) {
        let scores = &mut S::as_mut_simd_f32s(&mut self.scores).0[..V];
        let indices = &mut S::as_mut_simd_u32s(&mut self.indices).0[..V];
        for (r, sums) in sums.iter().enumerate() {
            if r >= n_valid {
                break;
            }
            let bias = simd.splat_f32s(self.bias[first_row + r]);
            let index = simd.splat_u32s((first_row + r) as u32);
            for v in 0..V {
                let score = simd.add_f32s(sums[v], bias);
                // Strictly better only, so the lower row keeps a tie.
                let better = simd.less_than_f32s(scores[v], score);
                scores[v] = simd.select_f32s(better, score, scores[v]);
                indices[v] = simd.select_u32s(better, index, indices[v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn naive(queries: RowsView<'_>, bank: RowsView<'_>, bias: &[f32]) -> Vec<u32> {
        let best = |query: &[f32]| {
            let score = |j: usize| -> f64 {
                query.iter().zip(bank.row(j)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
                    + f64::from(bias[j])
            };
            (0..bank.len()).fold(0, |best, j| if score(j) > score(best) { j } else { best }) as u32
        };
        queries.iter().map(best).collect()
    }

    #[test]
    fn the_best_row_is_that_of_the_plain_loop_for_every_shape() {
        let mut rng = Rng::seed_from_u64(3);
        for (n, k, dim) in [(1, 1, 1), (7, 3, 5), (64, 6, 16), (65, 7, 33), (130, 40, 128), (300, 5000, 64)] {
            let mut table = |rows: usize| (0..rows * dim).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
            let (queries, bank, bias) = (table(n), table(k), table(k));
            let (queries, bank) = (RowsView::trusted(&queries, dim), RowsView::trusted(&bank, dim));
            let (mut indices, mut scores) = (vec![0; n], vec![0.0; n]);
            best_rows(&Panels::pack(queries), bank, &bias[..k], &mut indices, &mut scores);
            assert_eq!(indices, naive(queries, bank, &bias), "{n} x {k} x {dim}");
        }
    }

    #[test]
    fn equal_rows_tie_to_the_lower_index_wherever_they_lie() {
        let mut rng = Rng::seed_from_u64(4);
        let row: Vec<f32> = (0..37).map(|_| rng.normal() as f32).collect();
        let bank: Vec<f32> = row.iter().copied().cycle().take(37 * 50).collect();
        let (mut indices, mut scores) = ([9; 1], [0.0; 1]);
        let queries = Panels::pack(RowsView::trusted(&row, 37));
        best_rows(&queries, RowsView::trusted(&bank, 37), &[0.0; 50], &mut indices, &mut scores);
        assert_eq!(indices, [0]);
    }
}
