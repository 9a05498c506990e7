//! What each cluster is like.

use super::{check, own_distances};
use crate::error::{Result, check_setting};
use crate::lanes;
use crate::neighbors::{Metric, nearest_others};
use crate::rows::{Codes, RowsView};

/// Figures of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterFacts {
    /// Its label.
    pub cluster: u32,
    /// Number of rows.
    pub size: usize,
    /// Mean distance of its rows to the centroid; 0 when empty.
    pub spread: f32,
    /// The row nearest to the centroid, which is also the one with the smallest sum of squared distances to the others; none
    /// when empty.
    pub medoid: Option<u32>,
    /// Other clusters by the distance between centroids, nearest first.
    pub nearest: Vec<(u32, f32)>,
}

/// Describes every cluster, with its `n_nearest` nearest other clusters (fewer when there are fewer).
///
/// # Shapes
/// - rows: `[n, dim]`, labels: `[n]` with noise -1, centroids: `[k, dim]`, result: `[k]`
/// # Errors
/// - as [`describe_rows`](crate::describe_rows)
pub fn describe_clusters(
    rows: RowsView<'_>,
    labels: &[i32],
    centroids: RowsView<'_>,
    metric: Metric,
    n_nearest: usize,
) -> Result<Vec<ClusterFacts>> {
    check(rows, labels, centroids, metric)?;
    let k = centroids.len();
    let mut facts: Vec<ClusterFacts> = (0..k as u32)
        .map(|cluster| ClusterFacts { cluster, size: 0, spread: 0.0, medoid: None, nearest: Vec::new() })
        .collect();
    let distances = own_distances(rows, labels, centroids, metric);
    let mut sums = vec![0.0_f64; k];
    for (row, (&label, &distance)) in labels.iter().zip(&distances).enumerate().filter(|(_, (label, _))| **label >= 0) {
        let fact = &mut facts[label as usize];
        fact.size += 1;
        sums[label as usize] += f64::from(distance);
        if fact.medoid.is_none_or(|best| distance < distances[best as usize]) {
            fact.medoid = Some(row as u32);
        }
    }
    let n_nearest = n_nearest.min(k.saturating_sub(1));
    let near = if n_nearest > 0 { Some(nearest_others(centroids, n_nearest, metric)?) } else { None };
    for (cluster, (fact, sum)) in facts.iter_mut().zip(sums).enumerate() {
        fact.spread = (sum / fact.size.max(1) as f64) as f32;
        if let Some(near) = &near {
            let to_distance = |score: f32| if metric == Metric::Cosine { (1.0 - score).max(0.0) } else { score };
            let pairs = near.indices_of(cluster).iter().zip(near.scores_of(cluster));
            fact.nearest = pairs.map(|(&other, &score)| (other, to_distance(score))).collect();
        }
    }
    Ok(facts)
}

/// The mean of the rows of each label, scaled to unit length for [`Metric::Cosine`] (there the mean of the unit rows).
/// Labels without rows get zeros; noise (-1) belongs to none.
///
/// # Shapes
/// - rows: `[n, dim]`, labels: `[n]`, result: `[n_clusters, dim]`
/// # Errors
/// - another number of labels than rows, a label not below `n_clusters`, or no clusters
pub fn centroids_of(rows: RowsView<'_>, labels: &[i32], n_clusters: usize, metric: Metric) -> Result<Codes> {
    check_setting(n_clusters > 0, "n_clusters", n_clusters, "at least 1")?;
    let empty = Codes::trusted(vec![0.0; n_clusters * rows.dim()], rows.dim());
    check(rows, labels, empty.view(), Metric::Euclidean)?;
    let dim = rows.dim();
    let mut sums = vec![0.0_f64; n_clusters * dim];
    let mut sizes = vec![0_usize; n_clusters];
    lanes::dispatch(|| {
        for (row, &label) in rows.iter().zip(labels).filter(|&(_, &label)| label >= 0) {
            let cluster = label as usize;
            sizes[cluster] += 1;
            let scale = if metric == Metric::Cosine { f64::from(lanes::inverse_length(row)) } else { 1.0 };
            for (sum, &x) in sums[cluster * dim..(cluster + 1) * dim].iter_mut().zip(row) {
                *sum += scale * f64::from(x);
            }
        }
    });
    let mut data = Vec::with_capacity(sums.len());
    for (sums, &size) in sums.chunks_exact(dim).zip(&sizes) {
        let start = data.len();
        data.extend(sums.iter().map(|sum| (sum / size.max(1) as f64) as f32));
        if metric == Metric::Cosine {
            lanes::normalize(&mut data[start..]);
        }
    }
    Ok(Codes::trusted(data, dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_described_by_its_rows() {
        let rows = Codes::new(vec![0.0, 1.0, 5.0, 20.0, 22.0, 100.0], 1).unwrap();
        let labels = [0, 0, 0, 1, 1, -1];
        let centroids = centroids_of(rows.view(), &labels, 3, Metric::Euclidean).unwrap();
        assert_eq!(centroids.data(), [2.0, 21.0, 0.0]);
        let facts = describe_clusters(rows.view(), &labels, centroids.view(), Metric::Euclidean, 5).unwrap();
        assert_eq!((facts[0].size, facts[0].medoid, facts[0].spread), (3, Some(1), 2.0));
        assert_eq!((facts[1].size, facts[1].medoid, facts[1].spread), (2, Some(3), 1.0));
        assert_eq!((facts[2].size, facts[2].medoid, facts[2].spread), (0, None, 0.0));
        assert_eq!(facts[0].nearest, [(2, 2.0), (1, 19.0)]);
    }

    #[test]
    fn cosine_centroids_are_unit_means_of_unit_rows() {
        let rows = Codes::new(vec![10.0, 0.0, 0.0, 1.0], 2).unwrap();
        let centroids = centroids_of(rows.view(), &[0, 0], 1, Metric::Cosine).unwrap();
        let half = 0.5_f32.sqrt();
        assert!((centroids.row(0)[0] - half).abs() <= 1e-6 && (centroids.row(0)[1] - half).abs() <= 1e-6);
    }
}
