//! The nearest neighbours of every image, found once for the table, the copies, the graphs and the map.

use sporeprint_cluster::{ApproximateSearch, Neighbors, RowsView, nearest_others};

use super::StageError;
use super::prepare::metric;
use crate::progress::Observer;
use crate::run::Session;
use crate::run::tables::{Metric as Line, MetricsLog};

/// Neighbours of each image in the table.
pub(super) const LISTED: usize = 12;
/// Neighbours of each image that the map is drawn from.
pub(super) const MAPPED: usize = 15;
/// Rows from which on the exact search takes minutes.
const MANY: usize = 200_000;
/// Rows that are searched exactly as well, to measure how much an approximate search finds.
const MEASURED: usize = 1000;

/// The nearest other rows of every row, as many as any later step needs: exactly, or approximately where the settings
/// say so; what that finds of the exact neighbours is then measured, said and logged.
///
/// # Errors
/// When the search fails or the log cannot be written.
pub(super) fn neighbors(
    session: &Session,
    rows: RowsView<'_>,
    observer: &dyn Observer,
) -> Result<Neighbors, StageError> {
    let config = &session.config.cluster;
    let k = LISTED.max(MAPPED).max(config.graph_neighbors);
    let n = rows.len();
    if n > MANY && approximate(session, n).is_none() {
        observer.note(&format!(
            "comparing {n} images with each other takes the square of their number; `cluster.approximate_above = {MANY}` is \
             faster and says how many neighbours it finds"
        ));
    }
    let found = near(session, rows, k)?;
    let Some(search) = approximate(session, n) else { return Ok(found) };
    let recall = search.recall(rows, &found, metric(config), MEASURED)?;
    let k = found.k();
    observer.note(&format!("approximate neighbours: {:.1} % of the {k} nearest were found", 100.0 * recall));
    log(session, &[Line::new("neighbors", 0.0).number("recall", recall).number("k", k as f64)])?;
    Ok(found)
}

/// Up to `k` nearest other rows of every row, exactly or approximately as the settings say.
///
/// # Errors
/// When the search fails: a single row has no others.
pub(super) fn near(session: &Session, rows: RowsView<'_>, k: usize) -> Result<Neighbors, StageError> {
    let (k, metric) = (k.min(rows.len() - 1), metric(&session.config.cluster));
    Ok(match approximate(session, rows.len()) {
        Some(search) => search.nearest_others(rows, k, metric)?,
        None => nearest_others(rows, k, metric)?,
    })
}

/// The search that the settings ask for among so many rows; nothing for the exact one.
fn approximate(session: &Session, n: usize) -> Option<ApproximateSearch> {
    let most = session.config.cluster.approximate_above?;
    (n > most).then(|| ApproximateSearch { seed: session.config.seed, ..ApproximateSearch::default() })
}

/// Adds lines to the log of the run.
pub(super) fn log(session: &Session, lines: &[Line]) -> Result<(), StageError> {
    let path = session.dir.metrics();
    let n_bytes = if path.exists() { fs_err::metadata(&path)?.len() } else { 0 };
    let mut log = MetricsLog::open(&path, n_bytes)?;
    Ok(lines.iter().try_for_each(|line| log.append(line))?)
}
