//! When a search goes by 16-bit products, and when it gives them up.

use super::top_k::{Scoring, search_group};
use super::{CoarseBank, CoarsePanels, pays, unit};
use crate::rows::RowsView;
use crate::top_k::Key;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Queries from which on the bank is worth rounding.
const FEWEST_QUERIES: usize = 2048;
/// Groups of queries that may fail before coarse products are given up.
const MOST_FAILED: usize = 4;
/// Above this share of the bank, lists leave nothing to sort out.
const LONGEST_SHARE: usize = 64;

/// A bank rounded to 16 bits for the queries of one search.
pub(crate) struct CoarseSearch {
    bank: CoarseBank,
    /// What queries are divided by.
    unit: f64,
    /// Groups in which too many rows could not be told apart.
    n_failed: AtomicUsize,
}

impl CoarseSearch {
    /// Rounds the bank, where a search for the `k` nearest of these queries is faster so.
    pub(crate) fn new(queries: RowsView<'_>, bank: RowsView<'_>, k: usize, scoring: &Scoring<'_>) -> Option<Self> {
        let worth = queries.len() >= FEWEST_QUERIES && k <= bank.len() / LONGEST_SHARE;
        if worth && pays(bank.len(), bank.dim()) { Self::round(queries, bank, scoring) } else { None }
    }

    /// Rounds the bank; nothing where lengths cannot be scaled.
    pub(crate) fn round(queries: RowsView<'_>, bank: RowsView<'_>, scoring: &Scoring<'_>) -> Option<Self> {
        let unit = unit(queries, scoring.queries)?;
        let bank = CoarseBank::round(bank, scoring.scales, scoring.biases, 1.0 / unit)?;
        Some(Self { bank, unit, n_failed: AtomicUsize::new(0) })
    }

    /// The candidates of a group of queries, unless they are too many to be worth while. The search in `f32` finds the same.
    pub(crate) fn search(
        &self,
        rows: RowsView<'_>,
        bank: RowsView<'_>,
        k: usize,
        scoring: &Scoring<'_>,
    ) -> Option<Vec<Vec<Key>>> {
        if self.n_failed.load(Ordering::Relaxed) >= MOST_FAILED {
            return None;
        }
        let panels = CoarsePanels::pack_scaled(rows, scoring.queries, self.unit);
        let found = search_group(rows, &panels, bank, &self.bank, k, scoring);
        self.n_failed.fetch_add(usize::from(found.is_none()), Ordering::Relaxed);
        found
    }
}
