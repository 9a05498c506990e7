//! `-k auto`: the number of clusters, with its evidence.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sporeprint_cluster::{ChooseK, Step};

use super::{Grouper, GroupingError, Prepared};
use crate::run::tables::{KCurve, KPoint, LogLine};

/// Rows below which there is nothing to choose from.
const FEWEST: usize = 4;

/// A number of clusters, and why.
#[derive(Clone, Debug, Default)]
pub struct ChosenNumber {
    /// The number.
    pub n_clusters: usize,
    /// Figures for every number that was tried; none where the number was given.
    pub curve: Option<KCurve>,
    /// The same as lines of the log.
    pub log: Vec<LogLine>,
}

impl Grouper<'_> {
    /// The number of clusters that keeps neighbours together best, seen in codes rather than in UMAP, which draws groups
    /// apart that the codes have together and would have too many counted.
    ///
    /// # Errors
    /// When the codes cannot be clustered, or the person asks to stop.
    pub fn choose_number(&self, prepared: &Prepared) -> Result<ChosenNumber, GroupingError> {
        let rows = prepared.view()?;
        if rows.len() < FEWEST {
            return Ok(ChosenNumber { n_clusters: 1, ..ChosenNumber::default() });
        }
        self.observer.begin("number of clusters", 0);
        let watch = |step: Step| {
            self.observer.advance(step.done as u64, &format!("modularity of a trial {:.3}", step.value));
            if self.observer.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let choice = ChooseK { seed: self.seed, ..ChooseK::default() }.fit(rows, &watch)?;
        self.observer.end();
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
        let line = |evidence: &sporeprint_cluster::Evidence| {
            let line = LogLine::new("choose-k", evidence.k as f64);
            figures(evidence).into_iter().fold(line, |line, (name, figure)| line.number(name, figure))
        };
        let lines: Vec<LogLine> = choice.curve.iter().map(line).collect();
        lines.iter().for_each(|line| self.observer.measured(line));
        let others = alternatives.iter().map(|k| format!("-k {k}")).collect::<Vec<_>>().join(" and ");
        let others = if others.is_empty() { String::new() } else { format!("; also worth a look: {others}") };
        self.observer.note(&format!("{} clusters keep neighbours together best{others}", choice.k));
        Ok(ChosenNumber { n_clusters: choice.k, curve: Some(curve), log: lines })
    }
}
