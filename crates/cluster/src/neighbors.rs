//! Exact nearest neighbours of queries in a bank of codes.

use crate::coarse::{CoarseSearch, Scoring};
use crate::error::{Result, check_setting};
use crate::lanes;
use crate::panels::{Panels, sweep};
use crate::rows::RowsView;
use crate::top_k::{Key, TopK, best_sorted, key, key_index, key_score};
use rayon::prelude::*;

/// What "near" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `q . b`, larger is nearer.
    Dot,
    /// `q . b / (|q| |b|)`, larger is nearer; a row of zeros scores 0 against everything.
    Cosine,
    /// `|q - b|`, smaller is nearer.
    Euclidean,
}

/// The `k` nearest bank rows of each query, nearest first, ties to the lower row.
///
/// # Shapes
/// - indices, scores: `[n, k]`
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    k: usize,
    indices: Vec<u32>,
    scores: Vec<f32>,
}

impl Neighbors {
    /// Takes a table that this crate has built.
    pub(crate) fn new(k: usize, indices: Vec<u32>, scores: Vec<f32>) -> Self {
        assert_eq!(indices.len(), scores.len(), "one score per index");
        Self { k, indices, scores }
    }

    /// Neighbours per query.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The same table with at most the `k` nearest of each query.
    #[must_use]
    pub fn first(&self, k: usize) -> Self {
        if k >= self.k {
            return self.clone();
        }
        let rows = self.indices.chunks_exact(self.k.max(1)).zip(self.scores.chunks_exact(self.k.max(1)));
        let (mut indices, mut scores) = (Vec::new(), Vec::new());
        for (row, row_scores) in rows {
            indices.extend_from_slice(&row[..k]);
            scores.extend_from_slice(&row_scores[..k]);
        }
        Self { k, indices, scores }
    }

    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len().checked_div(self.k).unwrap_or(0)
    }

    /// Whether there are no queries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Bank rows, `[n, k]`.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Similarities or distances in the units of the [`Metric`], `[n, k]`.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Bank rows nearest to query `query`.
    #[must_use]
    pub fn indices_of(&self, query: usize) -> &[u32] {
        &self.indices[query * self.k..(query + 1) * self.k]
    }

    /// Scores of [`Neighbors::indices_of`].
    #[must_use]
    pub fn scores_of(&self, query: usize) -> &[f32] {
        &self.scores[query * self.k..(query + 1) * self.k]
    }
}

/// Queries searched together: their running lists and panels stay in a second-level cache.
const QUERIES_PER_TASK: usize = 512;
/// Bank values read per pass over the queries of a task.
const BANK_BLOCK_BYTES: usize = 1 << 18;

/// Finds the `k` nearest rows of `bank` for every query, exactly. A row that is in both is its own nearest neighbour.
///
/// Blocked products with a running top-k: memory is `O(n k)`. The same bits come back for any number of threads.
/// Euclidean candidates are chosen by `|q|^2 - 2 q.b + |b|^2` in `f32` and then measured by direct difference, so
/// distances are accurate, and two rows whose distances agree to about `1e-6 |q|^2` may change places at rank `k`.
///
/// # Shapes
/// - queries: `[n, dim]`, bank: `[m, dim]`, result: `[n, k]`
/// # Errors
/// - rows of different width, an empty bank, or `k` outside `1..=m`
pub fn nearest(queries: RowsView<'_>, bank: RowsView<'_>, k: usize, metric: Metric) -> Result<Neighbors> {
    queries.require_dim("queries against the bank", bank.dim())?;
    bank.require_rows("bank")?;
    check_setting((1..=bank.len()).contains(&k), "k", k, format!("1 to {} (the rows of the bank)", bank.len()))?;
    Ok(search(queries, bank, k, metric))
}

/// Finds the `k` nearest other rows of every row: [`nearest`] of a table in itself, without the row itself.
///
/// # Shapes
/// - rows: `[n, dim]`, result: `[n, k]`
/// # Errors
/// - `k` outside `1..n`
pub fn nearest_others(rows: RowsView<'_>, k: usize, metric: Metric) -> Result<Neighbors> {
    check_others(rows, k)?;
    Ok(without_self(&search(rows, rows, k + 1, metric), |query| query))
}

/// [`nearest_others`] of some rows only: the `k` nearest of all other rows for each of `ids`.
///
/// # Shapes
/// - rows: `[n, dim]`, ids: `[m]`, result: `[m, k]`
/// # Errors
/// - `k` outside `1..n`, or an id outside the rows
pub fn nearest_others_of(rows: RowsView<'_>, ids: &[u32], k: usize, metric: Metric) -> Result<Neighbors> {
    check_others(rows, k)?;
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= rows.len()) {
        check_setting(false, "ids", id, format!("rows below {}", rows.len()))?;
    }
    let queries = rows.gather(ids);
    Ok(without_self(&search(queries.view(), rows, k + 1, metric), |query| ids[query] as usize))
}

fn check_others(rows: RowsView<'_>, k: usize) -> Result<()> {
    rows.require_rows("rows")?;
    check_setting(k >= 1 && k < rows.len(), "k", k, format!("1 to {} (one less than the rows)", rows.len() - 1))
}

/// Lists of which the row that asked, `own(query)`, is struck out.
fn without_self(with_self: &Neighbors, own: impl Fn(usize) -> usize) -> Neighbors {
    let k = with_self.k() - 1;
    let mut indices = Vec::with_capacity(with_self.len() * k);
    let mut scores = Vec::with_capacity(with_self.len() * k);
    for query in 0..with_self.len() {
        let found = with_self.indices_of(query);
        // Equal rows or, for the dot product, longer ones can push the row itself off its own list.
        let at = found.iter().position(|&index| index as usize == own(query)).unwrap_or(k);
        for rank in (0..=k).filter(|&rank| rank != at) {
            indices.push(found[rank]);
            scores.push(with_self.scores_of(query)[rank]);
        }
    }
    Neighbors::new(k, indices, scores)
}

/// Per-row terms that turn a product into a score that grows with nearness.
struct Terms {
    queries: Option<Vec<f32>>,
    scales: Option<Vec<f32>>,
    biases: Option<Vec<f32>>,
}

impl Terms {
    fn scoring(&self) -> Scoring<'_> {
        let (queries, scales, biases) = (self.queries.as_deref(), self.scales.as_deref(), self.biases.as_deref());
        Scoring { queries, scales, biases }
    }

    fn new(queries: RowsView<'_>, bank: RowsView<'_>, metric: Metric) -> Self {
        match metric {
            Metric::Dot => Self { queries: None, scales: None, biases: None },
            Metric::Cosine => Self {
                queries: Some(per_row(queries, lanes::inverse_length)),
                scales: Some(per_row(bank, lanes::inverse_length)),
                biases: None,
            },
            Metric::Euclidean => {
                Self { queries: None, scales: None, biases: Some(per_row(bank, |row| -0.5 * lanes::dot(row, row))) }
            }
        }
    }
}

/// One number per row.
pub(crate) fn per_row(rows: RowsView<'_>, value: impl Fn(&[f32]) -> f32 + Sync) -> Vec<f32> {
    let dim = rows.dim();
    let mut out = vec![0.0; rows.len()];
    out.par_chunks_mut(1024).zip(rows.data().par_chunks(1024 * dim)).for_each(|(out, rows)| {
        lanes::dispatch(|| out.iter_mut().zip(rows.chunks_exact(dim)).for_each(|(out, row)| *out = value(row)));
    });
    out
}

fn search(queries: RowsView<'_>, bank: RowsView<'_>, k: usize, metric: Metric) -> Neighbors {
    let terms = Terms::new(queries, bank, metric);
    let coarse = CoarseSearch::new(queries, bank, k, &terms.scoring());
    let n_groups = queries.len().div_ceil(QUERIES_PER_TASK);
    // Few queries leave threads idle unless the bank is cut too. The cut does not change the result.
    let threads = rayon::current_num_threads();
    let n_parts = if n_groups >= 2 * threads { 1 } else { threads.min(bank.len().div_ceil(1024)) };
    let rows_per_part = bank.len().div_ceil(n_parts);

    let mut indices = vec![0; queries.len() * k];
    let mut scores = vec![0.0; queries.len() * k];
    let outputs = indices.par_chunks_mut(QUERIES_PER_TASK * k).zip(scores.par_chunks_mut(QUERIES_PER_TASK * k));
    outputs.enumerate().for_each(|(group, (indices, scores))| {
        let first = group * QUERIES_PER_TASK;
        let n = QUERIES_PER_TASK.min(queries.len() - first);
        let rows =
            RowsView::trusted(&queries.data()[first * queries.dim()..(first + n) * queries.dim()], queries.dim());
        let scales = terms.queries.as_ref().map(|scales| &scales[first..first + n]);
        let scoring = Scoring { queries: scales, ..terms.scoring() };
        let found = coarse.as_ref().and_then(|coarse| coarse.search(rows, bank, k, &scoring));
        let mut lists = found.unwrap_or_else(|| {
            let panels = Panels::pack_scaled(rows, scales);
            let part = |start: usize, end: usize| search_part(&panels, bank, start, end, k, &terms);
            if n_parts == 1 {
                return part(0, bank.len());
            }
            let starts = (0..n_parts).into_par_iter().map(|part| part * rows_per_part);
            merge(starts.map(|start| part(start, bank.len().min(start + rows_per_part))).collect())
        });
        lists.par_iter_mut().enumerate().for_each(|(q, keys)| finish(keys, rows.row(q), bank, k, metric));
        let outputs = indices.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
        for (keys, (indices, scores)) in lists.iter().zip(outputs) {
            for (slot, &key) in keys.iter().enumerate() {
                indices[slot] = key_index(key);
                scores[slot] = if metric == Metric::Euclidean { -key_score(key) } else { key_score(key) };
            }
        }
    });
    Neighbors::new(k, indices, scores)
}

fn search_part(
    panels: &Panels,
    bank: RowsView<'_>,
    start: usize,
    end: usize,
    k: usize,
    terms: &Terms,
) -> Vec<Vec<Key>> {
    let width = panels.width();
    let mut sinks: Vec<TopK<'_>> = (0..panels.n_panels())
        .map(|p| {
            let n = width.min(panels.n_rows() - p * width);
            TopK::new(k, width, n, terms.scales.as_deref(), terms.biases.as_deref())
        })
        .collect();
    let block = (BANK_BLOCK_BYTES / (4 * bank.dim())).max(6);
    let mut row = start;
    while row < end {
        let stop = end.min(row + block);
        let rows = &bank.data()[row * bank.dim()..stop * bank.dim()];
        for (p, sink) in sinks.iter_mut().enumerate() {
            sweep(panels, p, rows, row, sink);
        }
        row = stop;
    }
    sinks.into_iter().flat_map(TopK::into_candidates).collect()
}

fn merge(parts: Vec<Vec<Vec<Key>>>) -> Vec<Vec<Key>> {
    let mut parts = parts.into_iter();
    let mut merged = parts.next().unwrap_or_default();
    for part in parts {
        for (all, more) in merged.iter_mut().zip(part) {
            all.extend(more);
        }
    }
    merged
}

/// Orders the candidates of one query; Euclidean ones are measured again, directly.
fn finish(keys: &mut Vec<Key>, query: &[f32], bank: RowsView<'_>, k: usize, metric: Metric) {
    best_sorted(keys, k);
    if metric == Metric::Euclidean {
        lanes::dispatch(|| {
            for entry in keys.iter_mut() {
                let index = key_index(*entry);
                *entry = key(-lanes::squared_distance(query, bank.row(index as usize)).sqrt(), index);
            }
        });
        keys.sort_unstable();
    }
}

#[cfg(test)]
mod tests;
