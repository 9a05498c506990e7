//! k-means: seeding, Lloyd's rounds and restarts.

mod balanced;
mod clusters;
mod empty;
mod init;
mod large;
mod lloyd;
mod update;

pub use balanced::BalancedKMeans;
pub use clusters::CentroidClusters;
pub use large::{HierarchicalKMeans, MiniBatchKMeans};

use crate::error::{Result, check_setting};
use crate::panels::Panels;
use crate::progress::Progress;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Where the centroids start.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Init {
    /// Different rows drawn uniformly: fastest, and the most varied between seeds.
    Random,
    /// Greedy k-means++ (Arthur and Vassilvitskii 2007): rows drawn by squared distance, the best of a few draws kept.
    /// Drawn from a sample of the rows when there are more than 16 per cluster and 8192 in all.
    #[default]
    PlusPlus,
    /// These centroids, `[n_clusters, dim]`; restarts would repeat themselves, so one run is made.
    Given(Codes),
}

/// Settings of k-means.
///
/// Minimises `inertia = sum_i |x_i - c(i)|^2` by Lloyd's rounds. With `spherical` the rows and centroids are scaled to unit
/// length, which is clustering by cosine similarity.
///
/// Clusters that lose all their rows take the row farthest from its centroid. When there are fewer distinct rows than
/// clusters the surplus clusters stay empty: [`Labels::n_clusters`](crate::Labels::n_clusters) tells. Not suited to clusters of very different size or
/// elongated shape; see Ward, average linkage and HDBSCAN in this crate.
///
/// # Reference
/// Lloyd 1982. The same rules for stopping as scikit-learn's `KMeans`: no row moved, or the centroids together moved by at
/// most `tol` times the mean variance of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Number of clusters, from 1 to the number of rows.
    pub n_clusters: usize,
    /// Where the centroids start.
    pub init: Init,
    /// Runs from different starts; the one with the smallest inertia is kept.
    pub n_init: usize,
    /// Rounds per run at most.
    pub max_iter: usize,
    /// Relative movement of the centroids at which a run ends.
    pub tol: f64,
    /// Seed of all random draws.
    pub seed: u64,
    /// Whether to compare directions only.
    pub spherical: bool,
}

impl KMeans {
    /// Settings for `n_clusters` with scikit-learn's defaults: k-means++, one run of at most 300 rounds, `tol` 1e-4.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { n_clusters, init: Init::PlusPlus, n_init: 1, max_iter: 300, tol: 1e-4, seed: 0, spherical: false }
    }

    /// Clusters `rows`. Reports after every round; the value is the fraction of rows that changed cluster.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, labels: `[n]`, centroids: `[n_clusters, dim]`
    /// # Errors
    /// - no rows, `n_clusters` outside `1..=n`, `n_init` or `max_iter` of 0, `tol` below 0, given centroids of another shape, or
    ///   `progress` asks to stop
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<CentroidClusters> {
        let n_init = if matches!(self.init, Init::Given(_)) { self.n_init.min(1) } else { self.n_init };
        check_setting(n_init > 0, "n_init", n_init, "at least 1")?;
        let runs = self.runs(rows, &(0..n_init as u64).map(|run| (self.seed, run)).collect::<Vec<_>>(), progress)?;
        // The first of equally good runs, so that the choice does not depend on which thread was faster.
        let best = runs.into_iter().reduce(|best, run| if run.inertia < best.inertia { run } else { best });
        best.ok_or(crate::Error::Empty { what: "runs" })
    }

    /// One clustering per seed, each as [`KMeans::fit`] with `n_init` of 1 would give it, sharing the work of preparation.
    ///
    /// # Errors
    /// - as [`KMeans::fit`]
    pub fn fit_each(
        &self,
        rows: RowsView<'_>,
        seeds: &[u64],
        progress: &dyn Progress,
    ) -> Result<Vec<CentroidClusters>> {
        self.runs(rows, &seeds.iter().map(|&seed| (seed, 0)).collect::<Vec<_>>(), progress)
    }

    fn runs(&self, rows: RowsView<'_>, seeds: &[(u64, u64)], progress: &dyn Progress) -> Result<Vec<CentroidClusters>> {
        self.check(rows)?;
        let unit = self.spherical.then(|| rows.normalized());
        let rows = unit.as_ref().map_or(rows, Codes::view);
        let panels = Panels::pack(rows);
        let job = lloyd::Job::new(self, rows, &panels, progress);
        seeds
            .par_iter()
            .map(|&(seed, run)| {
                let start = init::centroids(self, rows, &panels, seed, run);
                job.run(start)
            })
            .collect()
    }

    fn check(&self, rows: RowsView<'_>) -> Result<()> {
        rows.require_rows("rows to cluster")?;
        check_setting(
            (1..=rows.len()).contains(&self.n_clusters),
            "n_clusters",
            self.n_clusters,
            format!("1 to {} (the number of rows)", rows.len()),
        )?;
        check_setting(self.max_iter > 0, "max_iter", self.max_iter, "at least 1")?;
        check_setting(self.tol >= 0.0, "tol", self.tol, "0 or above")?;
        if let Init::Given(start) = &self.init {
            start.view().require_dim("given centroids", rows.dim())?;
            check_setting(start.len() == self.n_clusters, "given centroids", start.len(), self.n_clusters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
