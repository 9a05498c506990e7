//! The nearest neighbours of every image, found once for the table, the copies, the graphs and the map.

use sporeprint_cluster::{ApproximateSearch, Neighbors, RowsView, nearest_others};

use super::{Grouper, GroupingError, Prepared};
use crate::run::tables::LogLine;

/// Neighbours of each image in the table.
pub(crate) const LISTED: usize = 12;
/// Neighbours of each image that the map is drawn from.
pub(crate) const MAPPED: usize = 15;
/// Rows from which on the exact search takes minutes.
const MANY: usize = 200_000;
/// Rows that are searched exactly as well, to measure how much an approximate search finds.
const MEASURED: usize = 1000;

impl Grouper<'_> {
    /// The nearest other rows of every row, as many as any later step needs: exactly, or approximately where the settings
    /// say so; what that finds of the exact neighbours is then measured, said, and given as a line for the log.
    ///
    /// # Errors
    /// When the search fails: a single row has no others.
    pub fn neighbors(&self, prepared: &Prepared) -> Result<(Neighbors, Option<LogLine>), GroupingError> {
        let rows = prepared.view()?;
        let n = rows.len();
        if n > MANY && self.approximate(n).is_none() {
            self.observer.note(&format!(
                "comparing {n} images with each other takes the square of their number; `cluster.approximate_above = {MANY}` is \
                 faster and says how many neighbours it finds"
            ));
        }
        let found = self.nearest(prepared, LISTED.max(MAPPED).max(self.config.graph_neighbors))?;
        let Some(search) = self.approximate(n) else { return Ok((found, None)) };
        let recall = search.recall(rows, &found, prepared.metric(), MEASURED)?;
        let k = found.k();
        self.observer.note(&format!("approximate neighbours: {:.1} % of the {k} nearest were found", 100.0 * recall));
        Ok((found, Some(LogLine::new("neighbors", 0.0).number("recall", recall).number("k", k as f64))))
    }

    /// Up to `k` nearest other rows of every row, exactly or approximately as the settings say.
    ///
    /// # Errors
    /// When the search fails: a single row has no others.
    pub fn nearest(&self, prepared: &Prepared, k: usize) -> Result<Neighbors, GroupingError> {
        let rows: RowsView<'_> = prepared.view()?;
        let k = k.min(rows.len() - 1);
        Ok(match self.approximate(rows.len()) {
            Some(search) => search.nearest_others(rows, k, prepared.metric())?,
            None => nearest_others(rows, k, prepared.metric())?,
        })
    }

    /// The search that the settings ask for among so many rows; nothing for the exact one.
    fn approximate(&self, n: usize) -> Option<ApproximateSearch> {
        let most = self.config.approximate_above?;
        (n > most).then(|| ApproximateSearch { seed: self.seed, ..ApproximateSearch::default() })
    }
}
