//! `-k auto`: the number of clusters, with its evidence.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sporeprint_cluster::{ChooseK, RowsView, Step};

use super::StageError;
use super::search::log;
use crate::progress::Observer;
use crate::run::Session;
use crate::run::tables::{KCurve, KPoint, Metric, write_k_curve};

/// Rows below which there is nothing to choose from.
const FEWEST: usize = 4;

/// The number of clusters that keeps neighbours together best, seen in codes rather than in UMAP, which draws groups apart that
/// the codes have together and would have too many counted; the curve goes to `k_curve.json` and
/// `metrics.jsonl`.
///
/// # Errors
/// When the codes cannot be clustered, or the curve not be written.
pub(super) fn choose_k(session: &Session, rows: RowsView<'_>, observer: &dyn Observer) -> Result<usize, StageError> {
    if rows.len() < FEWEST {
        return Ok(1);
    }
    observer.begin("number of clusters", 0);
    let watch = |step: Step| {
        observer.advance(step.done as u64, &format!("modularity of a trial {:.3}", step.value));
        if observer.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let choice = ChooseK { seed: session.config.seed, ..ChooseK::default() }.run(rows, &watch)?;
    observer.end();
    let figures = |e: &sporeprint_cluster::Evidence| {
        [("trial_modularity", e.modularity), ("silhouette", e.silhouette), ("stability", e.stability)]
    };
    let points = choice.curve.iter().map(|e| KPoint {
        k: e.k as u32,
        figures: figures(e).map(|(name, figure)| (name.to_owned(), figure)).into_iter().collect::<BTreeMap<_, _>>(),
    });
    let alternatives: Vec<usize> = [choice.coarser, choice.finer].into_iter().flatten().collect();
    let curve = KCurve {
        chosen: choice.k as u32,
        alternatives: alternatives.iter().map(|&k| k as u32).collect(),
        points: points.collect(),
    };
    write_k_curve(&session.dir.k_curve(), &curve)?;
    let line = |evidence: &sporeprint_cluster::Evidence| {
        let line = Metric::new("choose-k", evidence.k as f64);
        figures(evidence).into_iter().fold(line, |line, (name, figure)| line.number(name, figure))
    };
    let lines: Vec<Metric> = choice.curve.iter().map(line).collect();
    log(session, &lines)?;
    lines.iter().for_each(|line| observer.measured(line));
    let others = alternatives.iter().map(|k| format!("-k {k}")).collect::<Vec<_>>().join(" and ");
    let others = if others.is_empty() { String::new() } else { format!("; also worth a look: {others}") };
    observer.note(&format!("{} clusters keep neighbours together best{others}", choice.k));
    Ok(choice.k)
}
