//! k-means with clusters of bounded size.

use super::lloyd::inertia;
use super::update::{Members, means};
use super::{CentroidClusters, KMeans};
use crate::error::{Result, check_setting};
use crate::labels::Labels;
use crate::neighbors::{Metric, nearest};
use crate::progress::{Progress, Step, report};
use crate::rows::{Codes, RowsView};

/// Centroids looked at per row before the search for room widens to all.
const N_CANDIDATES: usize = 8;

/// k-means in which no cluster holds more than `ceil((1 + slack) n / k)` rows.
///
/// Starts from an ordinary run. In every round the rows that would lose most by going elsewhere choose first, each the
/// nearest centroid with room. For contact sheets and batches of equal work; groups in photographs are seldom equal.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancedKMeans {
    /// Settings of the ordinary run that it starts from.
    pub start: KMeans,
    /// Room above an even share, 0 for clusters as equal as can be.
    pub slack: f64,
    /// Rounds at most.
    pub max_iter: usize,
}

impl BalancedKMeans {
    /// `n_clusters` clusters with a tenth of room.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { start: KMeans::new(n_clusters), slack: 0.1, max_iter: 30 }
    }

    /// Clusters `rows`. Rows belong to the centroids of the result but, for want of room, not always to the nearest.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - as [`KMeans::fit`], `slack` below 0, or `max_iter` of 0
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<CentroidClusters> {
        check_setting(self.slack >= 0.0, "slack", self.slack, "0 or above")?;
        check_setting(self.max_iter > 0, "max_iter", self.max_iter, "at least 1")?;
        let unit = self.start.spherical.then(|| rows.normalized());
        let rows = unit.as_ref().map_or(rows, Codes::view);
        let start = self.start.fit(rows, progress)?;
        let (n, k) = (rows.len(), self.start.n_clusters);
        let room = ((1.0 + self.slack) * n as f64 / k as f64).ceil() as usize;
        let mut centroids = start.centroids.into_data();
        let mut assignments = vec![u32::MAX; n];
        let mut n_iter = 0;
        while n_iter < self.max_iter {
            let next = place(rows, RowsView::trusted(&centroids, rows.dim()), room)?;
            let n_changed = next.iter().zip(&assignments).filter(|(a, b)| a != b).count();
            n_iter += 1;
            let value = n_changed as f64 / n as f64;
            report(progress, Step { stage: "balanced k-means", done: n_iter, total: self.max_iter, value })?;
            assignments = next;
            let members = Members::new(&assignments, k);
            means(rows, &members, &vec![true; k], self.start.spherical, &mut centroids);
            if n_changed == 0 {
                break;
            }
        }
        let centroids = Codes::trusted(centroids, rows.dim());
        let inertia = inertia(rows, centroids.view(), &assignments);
        let labels = Labels::of_clusters(assignments);
        Ok(CentroidClusters { centroids, labels, inertia, n_iter, spherical: self.start.spherical })
    }
}

/// Gives every row the nearest centroid with room, rows with most to lose first.
fn place(rows: RowsView<'_>, centroids: RowsView<'_>, room: usize) -> Result<Vec<u32>> {
    let (n, k) = (rows.len(), centroids.len());
    let near = nearest(rows, centroids, k.min(N_CANDIDATES), Metric::Euclidean)?;
    let loss = |row: usize| {
        let scores = near.scores_of(row);
        scores[scores.len() - 1].min(scores[1.min(scores.len() - 1)]) - scores[0]
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| loss(b).total_cmp(&loss(a)).then(a.cmp(&b)));
    let mut sizes = vec![0; k];
    let mut assignments = vec![0; n];
    for row in order {
        let open = near.indices_of(row).iter().copied().find(|&cluster| sizes[cluster as usize] < room);
        let cluster = match open {
            Some(cluster) => cluster,
            None => {
                let all = nearest(rows.gather(&[row as u32]).view(), centroids, k, Metric::Euclidean)?;
                // All clusters together have room for all rows, so one is open.
                let found = all.indices().iter().copied().find(|&cluster| sizes[cluster as usize] < room);
                found.unwrap_or(all.indices()[0])
            }
        };
        sizes[cluster as usize] += 1;
        assignments[row] = cluster;
    }
    Ok(assignments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::rng::Rng;

    #[test]
    fn no_cluster_outgrows_its_room() {
        let mut rng = Rng::seed_from_u64(3);
        // Nine tenths of the rows in one place.
        let far = |row: usize| if row.is_multiple_of(10) { 30.0 } else { 0.0 };
        let data = (0..500 * 6).map(|at| (rng.normal() + far(at / 6)) as f32).collect();
        let rows = Codes::new(data, 6).unwrap();
        for (slack, room) in [(0.0, 50), (0.1, 55), (0.5, 75)] {
            let run = BalancedKMeans { slack, ..BalancedKMeans::new(10) }.fit(rows.view(), &Silent).unwrap();
            assert!(run.sizes().iter().all(|&size| size <= room), "{:?}", run.sizes());
            assert_eq!(run.sizes().iter().sum::<usize>(), 500);
        }
        assert!(BalancedKMeans { slack: -1.0, ..BalancedKMeans::new(10) }.fit(rows.view(), &Silent).is_err());
    }

    #[test]
    fn groups_that_are_equal_already_are_kept() {
        let mut rng = Rng::seed_from_u64(5);
        let data = (0..90 * 2).map(|at| (0.1 * rng.normal() + 10.0 * (at / 2 % 3) as f64) as f32).collect();
        let rows = Codes::new(data, 2).unwrap();
        let run = BalancedKMeans::new(3).fit(rows.view(), &Silent).unwrap();
        assert_eq!(run.sizes(), [30, 30, 30]);
    }
}
