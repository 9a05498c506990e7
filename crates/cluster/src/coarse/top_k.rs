//! The best `k` bank rows of many queries.

use super::sweep::{CoarseSink, TILE, WIDTH, sweep};
use super::{CoarseBank, CoarsePanels, chains};
use crate::rows::RowsView;
use crate::top_k::{Key, key};

/// Bank rows read per pass over the panels of a group: they stay in a second-level cache.
const BANK_BLOCK_BYTES: usize = 1 << 17;
/// Rows scored together in `f32`.
const BATCH: usize = 16;
/// Lists that hold this many times `k` rows which rounding cannot tell apart are not worth their length.
const LONGEST_LIST: usize = 8;

/// What turns a product in `f32` into a score: `scale * product + bias`, and the scale of the query before it is packed.
pub(crate) struct Scoring<'a> {
    /// Of the queries of the group.
    pub(crate) queries: Option<&'a [f32]>,
    /// Of the bank's rows.
    pub(crate) scales: Option<&'a [f32]>,
    /// Of the bank's rows.
    pub(crate) biases: Option<&'a [f32]>,
}

/// For each query of a group the keys of the best `k` rows and of those that rounding cannot tell from them, scored in `f32`.
/// Nothing where these are too many: rows of the same place, or of very different length.
///
/// With `b` the bound on rounding and `I` the `k`-th integer score, `k` rows score at least `I - b`; so no row below
/// `I - 2 b` can be among the best.
///
/// # Shapes
/// - rows: `[n, dim]`, the queries; bank: `[m, dim]`, rounded in `coarse`; result: `[n]`
pub(super) fn search_group(
    rows: RowsView<'_>,
    panels: &CoarsePanels,
    bank: RowsView<'_>,
    coarse: &CoarseBank,
    k: usize,
    scoring: &Scoring<'_>,
) -> Option<Vec<Vec<Key>>> {
    let mut lists: Vec<Lists> = panels
        .measures
        .chunks(WIDTH)
        .map(|measures| Lists::new(k, measures.iter().map(|m| coarse.bound(*m))))
        .collect();
    let block = (BANK_BLOCK_BYTES / (4 * coarse.pairs)).max(TILE) / TILE * TILE;
    for row in (0..coarse.len()).step_by(block) {
        for (panel, lists) in panels.words.chunks_exact(WIDTH * coarse.pairs).zip(&mut lists) {
            sweep(panel, coarse, row..coarse.len().min(row + block), lists);
        }
        if lists.iter().any(|lists| lists.overfull) {
            return None;
        }
    }
    let found = lists.into_iter().flat_map(Lists::into_rows);
    Some(found.enumerate().map(|(q, near)| score(rows.row(q), q, &near, bank, scoring)).collect())
}

/// Keys of bank rows for one query, in `f32`.
fn score(query: &[f32], q: usize, near: &[u32], bank: RowsView<'_>, scoring: &Scoring<'_>) -> Vec<Key> {
    // The query as it is packed for products in f32.
    let scaled: Option<Vec<f32>> = scoring.queries.map(|scales| query.iter().map(|&x| x * scales[q]).collect());
    let query = scaled.as_deref().unwrap_or(query);
    let mut keys = Vec::with_capacity(near.len());
    for near in near.chunks(BATCH) {
        let rows: [&[f32]; BATCH] = std::array::from_fn(|at| bank.row(near[at.min(near.len() - 1)] as usize));
        for (&row, mut score) in near.iter().zip(chains([query; BATCH], rows)) {
            if let Some(scales) = scoring.scales {
                score *= scales[row as usize];
            }
            if let Some(biases) = scoring.biases {
                score += biases[row as usize];
            }
            keys.push(key(score, row));
        }
    }
    keys
}

/// The running lists of a panel's queries.
struct Lists {
    k: usize,
    bounds: Vec<f64>,
    /// An integer score below this cannot be among the best.
    thresholds: [i32; WIDTH],
    /// Integer scores with their rows, `[queries]`.
    found: Vec<Vec<(i32, u32)>>,
    /// Length at which a list is cut again, `[queries]`.
    cut_at: Vec<usize>,
    overfull: bool,
}

impl Lists {
    fn new(k: usize, bounds: impl Iterator<Item = f64>) -> Self {
        let bounds: Vec<f64> = bounds.collect();
        let n = bounds.len();
        let mut thresholds = [i32::MIN; WIDTH];
        // Lanes without a query never pass.
        thresholds[n..].fill(i32::MAX);
        let found = (0..n).map(|_| Vec::with_capacity(room(k))).collect();
        Self { k, bounds, thresholds, found, cut_at: vec![room(k); n], overfull: false }
    }

    #[inline(never)]
    fn look_closer(&mut self, first_row: usize, scores: &[[i32; WIDTH]], best: &[i32; WIDTH]) {
        for lane in 0..self.found.len() {
            if best[lane] < self.thresholds[lane] {
                continue;
            }
            for (r, scores) in scores.iter().enumerate() {
                if scores[lane] >= self.thresholds[lane] {
                    self.found[lane].push((scores[lane], (first_row + r) as u32));
                    if self.found[lane].len() == self.cut_at[lane] {
                        self.cut(lane);
                    }
                }
            }
        }
    }

    fn cut(&mut self, lane: usize) {
        let found = &mut self.found[lane];
        let (_, &mut (kth, _), _) = found.select_nth_unstable_by(self.k - 1, |a, b| b.0.cmp(&a.0));
        let lowest = (f64::from(kth) - 2.0 * self.bounds[lane]).floor() as i32;
        self.thresholds[lane] = lowest;
        found.retain(|&(score, _)| score >= lowest);
        self.cut_at[lane] = found.len() + room(self.k) - self.k;
        self.overfull |= found.len() > LONGEST_LIST * (self.k + 8);
    }

    fn into_rows(mut self) -> impl Iterator<Item = Vec<u32>> {
        for lane in 0..self.found.len() {
            if self.found[lane].len() > self.k {
                self.cut(lane);
            }
        }
        self.found.into_iter().map(|found| found.into_iter().map(|(_, row)| row).collect())
    }
}

impl CoarseSink for Lists {
    #[inline(always)]
    fn take(&mut self, first_row: usize, scores: &[[i32; WIDTH]]) {
        // One test for the whole tile: late in a search almost every tile fails it.
        let mut best = [i32::MIN; WIDTH];
        for scores in scores {
            for lane in 0..WIDTH {
                best[lane] = best[lane].max(scores[lane]);
            }
        }
        let passes = (0..WIDTH).fold(0, |any, lane| any | i32::from(best[lane] >= self.thresholds[lane]));
        if passes != 0 {
            self.look_closer(first_row, scores, &best);
        }
    }
}

/// Scores that a list takes before it is cut to those that can be among the best `k`: cutting more often keeps more out.
fn room(k: usize) -> usize {
    k + k / 2 + 32
}
