//! What is known of each image and each cluster, from codes and one k-means run.

use sporeprint_cluster::{Metric, RowsView, Run, nearest};

use super::{Images, StageError};
use crate::images::near_duplicates;
use crate::run::tables::{Assignment, ClusterRow};

/// Bits of 256 in which the perceptual hashes of near-duplicates may differ.
const DUPLICATE_BITS: u32 = 20;
/// Nearest clusters listed for each.
const NEAREST_CLUSTERS: usize = 5;

/// Rows of `assignments` and `clusters`, and the centroids in the order of the ids.
pub(super) struct Tables {
    pub(super) assignments: Vec<Assignment>,
    pub(super) clusters: Vec<ClusterRow>,
    pub(super) centroids: Vec<f32>,
}

impl Tables {
    /// Ids by falling size, ties by first member; clusters that no image is in are left out.
    ///
    /// `distance` is Euclidean to the centroid, `margin` what the second nearest is farther away, `outlier` the
    /// distance over the median distance of the cluster's images (1 is usual, 2 is odd).
    pub(super) fn new(rows: RowsView<'_>, run: &Run, images: &Images) -> Result<Self, StageError> {
        let order = by_size(&run.assignments, run.centroids.len());
        let dim = rows.dim();
        let centroids: Vec<f32> = order.iter().flat_map(|&old| run.centroids.row(old).to_vec()).collect();
        let view = RowsView::new(&centroids, dim)?;
        let mut new_id = vec![0u32; run.centroids.len()];
        order.iter().zip(0..).for_each(|(&old, id)| new_id[old] = id);
        let two = nearest(rows, view, order.len().min(2), Metric::Euclidean)?;
        let distance = |image: usize, cluster: u32| {
            let centroid = view.row(cluster as usize);
            rows.row(image).iter().zip(centroid).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
        };
        let mut members = vec![Vec::new(); order.len()];
        for (image, &old) in run.assignments.iter().enumerate() {
            members[new_id[old as usize] as usize].push((image, distance(image, new_id[old as usize])));
        }
        let medians: Vec<f32> = members.iter().map(|m| median(m.iter().map(|(_, d)| *d).collect())).collect();
        let hashes: Vec<_> = images.entries.iter().map(|e| e.dhash).collect();
        let contents: Vec<_> = images.entries.iter().map(|e| e.content).collect();
        let first_of_group = near_duplicates(&hashes, &contents, DUPLICATE_BITS);
        let assignments = (0..rows.len())
            .map(|image| {
                let cluster = new_id[run.assignments[image] as usize];
                let own = distance(image, cluster);
                let second = two.indices_of(image).iter().zip(two.scores_of(image)).find(|(c, _)| **c != cluster);
                let median = medians[cluster as usize];
                Assignment {
                    index: image as u32,
                    path: images.entries[image].path.display().to_string(),
                    cluster: cluster as i32,
                    distance: own,
                    margin: second.map_or(0.0, |(_, d)| d - own),
                    outlier: if median > 0.0 { own / median } else { 1.0 },
                    duplicate_of: (first_of_group[image] != image).then_some(first_of_group[image] as u32),
                }
            })
            .collect();
        let near = nearest(view, view, order.len().min(NEAREST_CLUSTERS + 1), Metric::Euclidean)?;
        let clusters = members
            .iter()
            .enumerate()
            .map(|(id, members)| {
                let squares: f64 = members.iter().map(|(_, d)| f64::from(*d) * f64::from(*d)).sum();
                let medoid = members.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(image, _)| *image);
                ClusterRow {
                    cluster: id as i32,
                    size: members.len() as u32,
                    spread: (squares / members.len() as f64).sqrt() as f32,
                    medoid: medoid as u32,
                    nearest: near.indices_of(id).iter().filter(|&&c| c as usize != id).map(|&c| c as i32).collect(),
                }
            })
            .collect();
        Ok(Self { assignments, clusters, centroids })
    }
}

/// Clusters in use, largest first, ties by their first member.
fn by_size(assignments: &[u32], n_clusters: usize) -> Vec<usize> {
    let mut sizes = vec![(0usize, usize::MAX); n_clusters];
    for (image, &cluster) in assignments.iter().enumerate() {
        let (size, first) = &mut sizes[cluster as usize];
        *size += 1;
        *first = (*first).min(image);
    }
    let mut order: Vec<usize> = (0..n_clusters).filter(|&c| sizes[c].0 > 0).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c].0), sizes[c].1));
    order
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
