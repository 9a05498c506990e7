//! Whether new rows are like any row of a finished clustering.

use crate::error::{Error, Result, check_setting};
use crate::neighbors::{Metric, Neighbors, nearest, nearest_others_of};
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// Novelty detection by the nearest neighbours, in the measure that the rows set themselves.
///
/// A row's distance is `d(x)`, the mean distance to its `n_neighbors` nearest known rows (`1 - cosine`, or `|x - y|`). How far is
/// far, the known rows tell, each measured against the others: `d_i = d(x_i)` without `x_i` among the known. A new row gets
///
/// `p(x) = (1 + #{i : d_i >= d(x)}) / (n + 1)`,
///
/// so marking the rows with `p <= a` marks at most about a share `a` of new rows that are of the same kind as the known ones,
/// whatever the shape of the distances; with fewer than `1 / a - 1` known rows it marks none.
///
/// # Reference
/// Angiulli and Pizzuti 2002 (the distance); Vovk, Gammerman and Shafer 2005 (conformal p-values), with the row itself left out of
/// the known ones instead of the known ones added to: a row then has one neighbour fewer to choose from than a new one, so `p` errs
/// upwards. Sun et al. 2022 take the distance to the k-th neighbour, which does the same on codes of photographs.
#[derive(Debug, Clone, PartialEq)]
pub struct NoveltyDetection {
    /// Neighbours whose distances are averaged; all others where there are fewer.
    pub n_neighbors: usize,
    /// How distances are measured.
    pub metric: Metric,
    /// Known rows, drawn at random, whose own distances are measured; with 2000 of them a share of 0.05 is off by 0.005.
    pub max_measured: usize,
    /// Seed of that draw.
    pub seed: u64,
}

impl NoveltyDetection {
    /// Five neighbours, and the distances of up to 2000 known rows.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self { n_neighbors: 5, metric, max_measured: 2000, seed: 0 }
    }

    /// Measures the known rows: those that are in a cluster, copies counted once.
    ///
    /// A copy would be the nearest neighbour of the row that it repeats, at no distance, and new photographs, of which there are
    /// no copies, would all look far.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, labels: `[n]` with noise -1, duplicate_of: `[n]`, as [`near_duplicates`](crate::near_duplicates) gives it
    /// # Errors
    /// - other numbers of labels or copies than rows, a copy of a row that is not there, a setting of 0, or [`Metric::Dot`]
    pub fn fit(&self, rows: RowsView<'_>, labels: &[i32], duplicate_of: &[Option<u32>]) -> Result<NoveltyDetector> {
        let Self { n_neighbors, metric, max_measured, seed } = *self;
        for (what, found) in [("labels", labels.len()), ("copies", duplicate_of.len())] {
            if found != rows.len() {
                return Err(Error::Length { what, found, expected: rows.len() });
            }
        }
        if let Some(first) = duplicate_of.iter().flatten().find(|&&first| first as usize >= rows.len()) {
            check_setting(false, "duplicate_of", first, format!("rows below {}", rows.len()))?;
        }
        check_setting(n_neighbors > 0, "n_neighbors", n_neighbors, "at least 1")?;
        check_setting(max_measured > 0, "max_measured", max_measured, "at least 1")?;
        check_setting(metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
        // A copy of a row that is noise stands for itself.
        let counts = |row: &u32| {
            let at = *row as usize;
            labels[at] >= 0 && duplicate_of[at].is_none_or(|first| labels[first as usize] < 0)
        };
        let counted: Vec<u32> = (0..rows.len() as u32).filter(counts).collect();
        let known = rows.gather(&counted);
        let k = n_neighbors.min(known.len().saturating_sub(1));
        let mut distances = Vec::new();
        if k > 0 {
            let measured = Rng::stream(seed, 43).sample(known.len(), max_measured);
            distances = mean_distances(&nearest_others_of(known.view(), &measured, k, metric)?, metric);
            distances.sort_unstable_by(f32::total_cmp);
        }
        Ok(NoveltyDetector { known, k, metric, distances })
    }
}

/// Known rows, and how far they lie from each other.
#[derive(Debug, Clone, PartialEq)]
pub struct NoveltyDetector {
    known: Codes,
    k: usize,
    metric: Metric,
    /// Of measured rows, rising.
    distances: Vec<f32>,
}

impl NoveltyDetector {
    /// The smallest value that any row can get: below it nothing can be marked. 1 where fewer than two rows are known.
    #[must_use]
    pub fn least(&self) -> f64 {
        1.0 / (self.distances.len() as f64 + 1.0)
    }

    /// The p-value of every row, in `(0, 1]`: small where it is farther from its nearest known rows than known rows are from
    /// theirs. The result for a row does not depend on the others, nor on the number of threads.
    ///
    /// # Shapes
    /// - rows: `[m, dim]`, result: `[m]`
    /// # Errors
    /// - rows of another width than the known ones
    pub fn p_values(&self, rows: RowsView<'_>) -> Result<Vec<f64>> {
        rows.require_dim("rows against the known ones", self.known.dim())?;
        if self.distances.is_empty() {
            return Ok(vec![1.0; rows.len()]);
        }
        let near = nearest(rows, self.known.view(), self.k, self.metric)?;
        let n = self.distances.len();
        let p = |distance: f32| {
            let farther = n - self.distances.partition_point(|&own| own < distance);
            (farther + 1) as f64 / (n + 1) as f64
        };
        Ok(mean_distances(&near, self.metric).into_iter().map(p).collect())
    }
}

/// Mean distance of every query to its neighbours.
fn mean_distances(near: &Neighbors, metric: Metric) -> Vec<f32> {
    let mean = |query: usize| {
        let scores = near.scores_of(query);
        let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64;
        (if metric == Metric::Cosine { 1.0 - mean } else { mean }) as f32
    };
    (0..near.len()).map(mean).collect()
}

#[cfg(test)]
mod tests;
