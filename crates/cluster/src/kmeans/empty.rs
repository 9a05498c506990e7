//! Clusters without rows.

use crate::lanes;
use crate::rows::RowsView;

/// Gives every empty cluster the row that lies farthest from its centroid. Returns the clusters that changed.
///
/// A row is taken only from a cluster that keeps at least one other, never when it lies on its centroid, and never twice the
/// same values: copies of one row cannot fill two clusters.
pub(super) fn refill(rows: RowsView<'_>, centroids: &[f32], assignments: &mut [u32], sizes: &mut [usize]) -> Vec<u32> {
    let empty: Vec<u32> = (0..sizes.len() as u32).filter(|&cluster| sizes[cluster as usize] == 0).collect();
    if empty.is_empty() {
        return Vec::new();
    }
    let dim = rows.dim();
    let mut farthest: Vec<(f32, u32)> = lanes::dispatch(|| {
        let distance = |(row, &cluster): (&[f32], &u32)| {
            lanes::squared_distance(row, &centroids[cluster as usize * dim..(cluster as usize + 1) * dim])
        };
        rows.iter().zip(assignments.iter()).map(distance).zip(0..).collect()
    });
    farthest.retain(|&(distance, _)| distance > 0.0);
    farthest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut changed = Vec::new();
    let mut taken: Vec<&[f32]> = Vec::new();
    let mut candidates = farthest.into_iter().map(|(_, row)| row as usize);
    for cluster in empty {
        let row = candidates
            .find(|&row| sizes[assignments[row] as usize] > 1 && taken.iter().all(|&other| other != rows.row(row)));
        let Some(row) = row else { break };
        taken.push(rows.row(row));
        let donor = assignments[row];
        sizes[donor as usize] -= 1;
        sizes[cluster as usize] = 1;
        assignments[row] = cluster;
        changed.extend([donor, cluster]);
    }
    changed
}
