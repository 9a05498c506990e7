//! The best bank row of every query: the inner loop of k-means.

use super::sweep::{CoarseSink, TILE, WIDTH, sweep};
use super::{CoarseBank, CoarsePanels, chains};
use crate::best_rows::best_rows;
use crate::panels::Panels;
use crate::rows::RowsView;
use rayon::prelude::*;

/// Bank rows read per pass over the panels of a task: they stay in a second-level cache.
const BANK_BLOCK_BYTES: usize = 1 << 18;
/// Panels per task.
const PANELS_PER_TASK: usize = 4;
const TASK: usize = WIDTH * PANELS_PER_TASK;

/// The two best scores of each query of a panel, and whose the best one is; between equal rows the two are equal.
struct TwoBest {
    best: [i32; WIDTH],
    second: [i32; WIDTH],
    index: [u32; WIDTH],
}

impl TwoBest {
    const NONE: Self = Self { best: [i32::MIN; WIDTH], second: [i32::MIN; WIDTH], index: [0; WIDTH] };
}

impl CoarseSink for TwoBest {
    #[inline(always)]
    fn take(&mut self, first_row: usize, scores: &[[i32; WIDTH]]) {
        for (r, scores) in scores.iter().enumerate() {
            for (lane, &score) in scores.iter().enumerate() {
                let (best, row) = (self.best[lane], (first_row + r) as u32);
                self.second[lane] = self.second[lane].max(best.min(score));
                self.index[lane] = if score > best { row } else { self.index[lane] };
                self.best[lane] = best.max(score);
            }
        }
    }
}

impl CoarsePanels {
    /// What [`best_rows`] writes for these `rows`, the ones that were packed. Returns how many had to be repeated in `f32`:
    /// those whose two best scores lie closer together than rounding can explain.
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
        let doubtful: Vec<u32> = match CoarseBank::round(bank, None, Some(bias), self.scale) {
            Some(rounded) => {
                let panels = self.words.par_chunks(TASK * self.pairs);
                let outputs = indices.par_chunks_mut(TASK).zip(scores.par_chunks_mut(TASK));
                let doubtful = panels.zip(outputs).enumerate().map(|(task, (panels, (indices, scores)))| {
                    let doubtful = self.settle(task * TASK, panels, &rounded, indices);
                    for (group, (indices, scores)) in indices.chunks(WIDTH).zip(scores.chunks_mut(WIDTH)).enumerate() {
                        let first = task * TASK + group * WIDTH;
                        let lanes: [usize; WIDTH] = std::array::from_fn(|lane| lane.min(indices.len() - 1));
                        let queries = lanes.map(|lane| rows.row(first + lane));
                        let winners = lanes.map(|lane| bank.row(indices[lane] as usize));
                        let products = chains(queries, winners);
                        for ((score, &index), product) in scores.iter_mut().zip(indices).zip(products) {
                            *score = product + bias[index as usize];
                        }
                    }
                    doubtful
                });
                doubtful.collect::<Vec<_>>().concat()
            }
            None => (0..rows.len() as u32).collect(),
        };
        let (mut again, mut again_scores) = (vec![0; doubtful.len()], vec![0.0; doubtful.len()]);
        best_rows(&Panels::gather(rows, &doubtful), bank, bias, &mut again, &mut again_scores);
        for ((&row, &index), &score) in doubtful.iter().zip(&again).zip(&again_scores) {
            (indices[row as usize], scores[row as usize]) = (index, score);
        }
        doubtful.len()
    }

    /// Writes the best row of each query of a task and returns the queries of which that is not certain, in order.
    fn settle(&self, first: usize, panels: &[u32], bank: &CoarseBank, indices: &mut [u32]) -> Vec<u32> {
        let mut found = [const { TwoBest::NONE }; PANELS_PER_TASK];
        let block = (BANK_BLOCK_BYTES / (4 * bank.pairs)).max(TILE) / TILE * TILE;
        for row in (0..bank.len()).step_by(block) {
            for (panel, found) in panels.chunks_exact(WIDTH * bank.pairs).zip(&mut found) {
                sweep(panel, bank, row..bank.len().min(row + block), found);
            }
        }
        let mut doubtful = Vec::new();
        for (at, index) in indices.iter_mut().enumerate() {
            let (found, lane) = (&found[at / WIDTH], at % WIDTH);
            *index = found.index[lane];
            let apart = i64::from(found.best[lane]) - i64::from(found.second[lane]);
            if (apart as f64) <= 2.0 * bank.bound(self.measures[first + at]) {
                doubtful.push((first + at) as u32);
            }
        }
        doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::plain;
    use super::*;
    use crate::rng::Rng;

    fn table(rng: &mut Rng, n: usize, dim: usize, spread: impl Fn(usize) -> f64) -> Vec<f32> {
        (0..n * dim).map(|at| (rng.normal() * spread(at / dim)) as f32).collect()
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
        let mut rng = Rng::seed_from_u64(5);
        for (n, k, dim) in [(1, 1, 1), (17, 3, 5), (64, 6, 16), (65, 7, 33), (130, 40, 128), (200, 3000, 64)] {
            let (queries, bank) = (table(&mut rng, n, dim, |_| 1.0), table(&mut rng, k, dim, |_| 0.3));
            let bias: Vec<f32> = bank.chunks(dim).map(|row| -0.5 * row.iter().map(|x| x * x).sum::<f32>()).collect();
            both(&queries, &bank, &bias, dim);
            let repeated = both(&queries, &bank, &vec![0.0; k], dim);
            assert!(repeated * 4 <= n.max(16), "{repeated} of {n} rows repeated at {k} x {dim}");
        }
    }

    #[test]
    fn rows_of_very_different_length_and_large_biases_cost_time_only() {
        let mut rng = Rng::seed_from_u64(6);
        let queries = table(&mut rng, 100, 32, |row| 10.0_f64.powi(row as i32 % 9 - 4));
        let bank = table(&mut rng, 50, 32, |row| 10.0_f64.powi(row as i32 % 5 - 2));
        for scale in [0.0, 1.0, 1e6, 1e30] {
            let bias: Vec<f32> = (0..50).map(|_| (rng.normal() * scale) as f32).collect();
            both(&queries, &bank, &bias, 32);
        }
    }

    #[test]
    fn equal_rows_tie_to_the_lower_index() {
        let mut rng = Rng::seed_from_u64(7);
        let row = table(&mut rng, 1, 37, |_| 1.0);
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
        let mut rng = Rng::seed_from_u64(8);
        for (k, dim) in [(1, 2), (5, 7), (6, 32), (100, 65)] {
            let (queries, bank) = (table(&mut rng, WIDTH, dim, |_| 1.0), table(&mut rng, k, dim, |_| 1.0));
            let packed = CoarsePanels::pack(RowsView::trusted(&queries, dim)).unwrap();
            let bias = vec![0.1; k];
            let rounded = CoarseBank::round(RowsView::trusted(&bank, dim), None, Some(&bias), packed.scale).unwrap();
            let (mut fast, mut slow) = (TwoBest::NONE, TwoBest::NONE);
            sweep(&packed.words, &rounded, 0..k, &mut fast);
            plain(&packed.words, &rounded, 0..k, &mut slow);
            assert_eq!((fast.best, fast.second, fast.index), (slow.best, slow.second, slow.index));
        }
    }
}
