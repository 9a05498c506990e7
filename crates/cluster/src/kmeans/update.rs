//! Centroids from assignments.

use crate::lanes;
use crate::rows::RowsView;
use rayon::prelude::*;

/// Rows sorted by cluster.
pub(super) struct Members {
    /// `rows[starts[c]..starts[c + 1]]` are the rows of cluster `c` in rising order.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Members {
    /// Sorts rows by their cluster, in linear time.
    pub(super) fn new(assignments: &[u32], n_clusters: usize) -> Self {
        let mut starts = vec![0; n_clusters + 1];
        assignments.iter().for_each(|&cluster| starts[cluster as usize + 1] += 1);
        for cluster in 0..n_clusters {
            starts[cluster + 1] += starts[cluster];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; assignments.len()];
        for (row, &cluster) in assignments.iter().enumerate() {
            rows[next[cluster as usize]] = row as u32;
            next[cluster as usize] += 1;
        }
        Self { starts, rows }
    }

    /// The rows of a cluster.
    pub(super) fn of(&self, cluster: usize) -> &[u32] {
        &self.rows[self.starts[cluster]..self.starts[cluster + 1]]
    }
}

/// Sets the centroids of clusters marked in `stale` to the mean of their rows, scaled to unit length when `spherical`.
/// Empty clusters keep theirs. Returns the squared movement of every centroid.
///
/// A cluster's rows are added in order on one thread, so the sum has the same bits whatever the threads.
pub(super) fn means(
    rows: RowsView<'_>,
    members: &Members,
    stale: &[bool],
    spherical: bool,
    centroids: &mut [f32],
) -> Vec<f32> {
    let dim = rows.dim();
    let one = |cluster: usize, centroid: &mut [f32]| {
        let members = members.of(cluster);
        if !stale[cluster] || members.is_empty() {
            return 0.0;
        }
        lanes::dispatch(|| {
            let mut sums = vec![0.0_f64; dim];
            members.iter().for_each(|&row| lanes::add_into(&mut sums, rows.row(row as usize)));
            let mut mean: Vec<f32> = sums.iter().map(|&sum| (sum / members.len() as f64) as f32).collect();
            if spherical {
                lanes::normalize(&mut mean);
            }
            let moved = lanes::squared_distance(&mean, centroid);
            centroid.copy_from_slice(&mean);
            moved
        })
    };
    centroids.par_chunks_exact_mut(dim).enumerate().with_min_len(8).map(|(cluster, c)| one(cluster, c)).collect()
}
