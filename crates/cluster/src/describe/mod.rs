//! Figures per row and per cluster of a finished clustering, and where new rows belong.

mod assign;
mod clusters;
mod duplicates;
mod novelty;
mod rows;

pub use assign::{Assigned, Assigner};
pub use clusters::{ClusterFacts, centroids_of, describe_clusters};
pub use duplicates::{DuplicateRule, Hashes, near_duplicates};
pub use novelty::{NoveltyDetection, NoveltyDetector};
pub use rows::{RowFacts, describe_rows};

use crate::error::{Result, check_setting};
use crate::lanes;
use crate::neighbors::Metric;
use crate::rows::RowsView;
use rayon::prelude::*;

/// A distance, smaller is nearer: `|x - y|`, or `1 - cosine`.
#[inline(always)]
fn distance(a: &[f32], b: &[f32], metric: Metric) -> f32 {
    match metric {
        Metric::Cosine => (1.0 - lanes::dot(a, b) * lanes::inverse_length(a) * lanes::inverse_length(b)).max(0.0),
        _ => lanes::squared_distance(a, b).sqrt(),
    }
}

/// Distance of every row to the centroid of its label; 0 for noise.
fn own_distances(rows: RowsView<'_>, labels: &[i32], centroids: RowsView<'_>, metric: Metric) -> Vec<f32> {
    let dim = rows.dim();
    let mut out = vec![0.0; rows.len()];
    let tasks = out.par_chunks_mut(512).zip(labels.par_chunks(512)).zip(rows.data().par_chunks(512 * dim));
    tasks.for_each(|((out, labels), rows)| {
        lanes::dispatch(|| {
            for ((out, &label), row) in out.iter_mut().zip(labels).zip(rows.chunks_exact(dim)) {
                if label >= 0 {
                    *out = distance(row, centroids.row(label as usize), metric);
                }
            }
        });
    });
    out
}

/// Checks that labels and centroids describe the rows, and that the metric is a distance.
fn check(rows: RowsView<'_>, labels: &[i32], centroids: RowsView<'_>, metric: Metric) -> Result<()> {
    if labels.len() != rows.len() {
        return Err(crate::Error::Length { what: "labels", found: labels.len(), expected: rows.len() });
    }
    centroids.require_dim("centroids", rows.dim())?;
    let highest = labels.iter().copied().max().unwrap_or(-1);
    check_setting(
        highest < centroids.len() as i32,
        "label",
        highest,
        format!("below {} (the number of centroids)", centroids.len()),
    )?;
    check_setting(metric != Metric::Dot, "metric", "dot", "euclidean or cosine")
}

/// The value below which a fraction of the values lies; NaN-free input, 0 for none.
fn quantile(values: &mut [f32], fraction: f64) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f64 * fraction).round() as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
