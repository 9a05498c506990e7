//! What k-means and its kin find.

use super::lloyd::nearest_centroids;
use crate::error::Result;
use crate::labels::Labels;
use crate::rows::{Codes, RowsView};

/// Clusters around centroids. All parts belong together: every row has the nearest of these centroids (but see
/// [`BalancedKMeans`](crate::BalancedKMeans)), and the inertia is that of these centroids.
#[derive(Debug, Clone, PartialEq)]
pub struct CentroidClusters {
    /// `[n_clusters, dim]`; unit rows when spherical.
    pub centroids: Codes,
    /// The cluster of every row, `[n]`. Ids are the rows of `centroids`; there is no noise.
    pub labels: Labels,
    /// `sum_i |x_i - c(i)|^2`, over unit rows when spherical (there `2 (1 - cosine)` each).
    pub inertia: f64,
    /// Rounds made.
    pub n_iter: usize,
    /// Whether directions were compared, as [`KMeans::spherical`](crate::KMeans::spherical) asked.
    pub spherical: bool,
}

impl CentroidClusters {
    /// Rows per cluster, `[n_clusters]`, empty clusters included.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = self.labels.sizes();
        sizes.resize(self.centroids.len(), 0);
        sizes
    }

    /// The cluster of new rows: their nearest centroid, by direction when spherical. The result for a row does not depend on
    /// the others. What is unlike all of them, [`NoveltyDetector`](crate::NoveltyDetector) tells.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, result: `[n]`
    /// # Errors
    /// - rows of another width than the centroids
    pub fn predict(&self, rows: RowsView<'_>) -> Result<Labels> {
        rows.require_dim("rows to predict", self.centroids.dim())?;
        if rows.is_empty() {
            return Ok(Labels::default());
        }
        let unit = self.spherical.then(|| rows.normalized());
        let rows = unit.as_ref().map_or(rows, Codes::view);
        Ok(Labels::of_clusters(nearest_centroids(rows, self.centroids.data(), self.spherical)))
    }
}
