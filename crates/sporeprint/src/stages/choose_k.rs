//! `-k auto`: the number of clusters, with its evidence.

use std::collections::BTreeMap;

use sporeprint_cluster::{Metric, RowsView, sampled_silhouette};

use super::StageError;
use super::cluster::k_means;
use crate::progress::Observer;
use crate::run::Session;
use crate::run::tables::{KCurve, KPoint, write_k_curve};

/// Largest number of clusters that is tried.
const MOST: usize = 60;
/// Images of each cluster that the silhouette is measured on.
const PER_CLUSTER: usize = 50;

/// Clusters the codes into 2, 3, 4, 5, 6, 8, 10, .. and takes the number whose silhouette is largest.
///
/// The curve goes to `k_curve.json`, and is printed with the best coarser and finer number: the silhouette is known to
/// favour few clusters.
///
/// # Errors
/// When the codes cannot be clustered, or the curve not be written.
pub(super) fn choose_k(session: &Session, rows: RowsView<'_>, observer: &dyn Observer) -> Result<usize, StageError> {
    let most = MOST.min(rows.len() / 3).max(1);
    let candidates: Vec<usize> = (2..=6).chain((8..=20).step_by(2)).chain((25..=60).step_by(5)).collect();
    let candidates: Vec<usize> = candidates.into_iter().filter(|&k| k <= most && k < rows.len()).collect();
    let mut points = Vec::new();
    observer.begin("number of clusters", candidates.len() as u64);
    for &k in &candidates {
        let run = k_means(session, k).fit(rows)?;
        let labels: Vec<i32> = run.assignments.iter().map(|&a| a as i32).collect();
        // Fewer distinct images than clusters: there is nothing to be said for this k.
        let silhouette =
            sampled_silhouette(rows, &labels, Metric::Cosine, PER_CLUSTER, session.config.seed).unwrap_or(-1.0);
        points.push((k, silhouette, run.inertia));
        observer.advance(points.len() as u64, &format!("k {k}: silhouette {silhouette:.3}"));
    }
    observer.end();
    let best = |among: &dyn Fn(usize) -> bool| {
        let candidates = points.iter().filter(|(k, ..)| among(*k));
        candidates.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(k, ..)| *k)
    };
    let chosen = best(&|_| true).unwrap_or(1);
    let alternatives: Vec<usize> = [best(&|k| k < chosen), best(&|k| k > chosen)].into_iter().flatten().collect();
    let curve = KCurve {
        chosen: chosen as u32,
        alternatives: alternatives.iter().map(|&k| k as u32).collect(),
        points: points
            .iter()
            .map(|(k, silhouette, inertia)| KPoint {
                k: *k as u32,
                figures: BTreeMap::from([("silhouette".into(), *silhouette), ("inertia".into(), *inertia)]),
            })
            .collect(),
    };
    write_k_curve(&session.dir.k_curve(), &curve)?;
    let others: Vec<String> = alternatives.iter().map(|k| format!("-k {k}")).collect();
    observer.note(&format!("{chosen} clusters have the best silhouette; also worth a look: {}", others.join(", ")));
    Ok(chosen)
}
