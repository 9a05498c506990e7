//! What is known of each image and each cluster, from codes and one clustering.

use sporeprint_cluster::{
    DuplicateRule, Hashes, Metric, RowsView, centroids_of, describe_clusters, describe_rows, match_ids,
    near_duplicates, relabel_by_size,
};

use super::{Images, StageError};
use crate::run::tables::{Assignment, ClusterRow};

/// Near-duplicates: alike to the network and in at most this many of the perceptual hash's 256 bits.
const DUPLICATES: DuplicateRule = DuplicateRule { min_similarity: 0.9, max_bits: 20, n_neighbors: 10 };
/// Robust standard deviations over the cluster's median distance at which an image counts as odd (an outlier of 1).
const ODD_DEVIATIONS: f32 = 3.0;
/// Nearest clusters listed for each.
const NEAREST_CLUSTERS: usize = 5;

/// Rows of `assignments` and `clusters`, and the centroids, `[largest id + 1, dim]`; retired ids have zeros.
pub(super) struct Tables {
    pub(super) assignments: Vec<Assignment>,
    pub(super) clusters: Vec<ClusterRow>,
    pub(super) centroids: Vec<f32>,
    /// First id that was never used.
    pub(super) next_id: i32,
}

/// Ids of a clustering made before: its labels, and the first id never used.
pub(super) struct Before {
    pub(super) labels: Vec<i32>,
    pub(super) next_id: i32,
}

impl Tables {
    /// Ids go by falling size at first; clusters made again keep the ids of those they match, new ones append.
    pub(super) fn new(
        rows: RowsView<'_>,
        labels: &[i32],
        before: Option<&Before>,
        images: &Images,
    ) -> Result<Self, StageError> {
        let by_size = relabel_by_size(labels);
        let (labels, next_id) = match before {
            None => (by_size.clone(), by_size.iter().max().map_or(0, |&last| last + 1)),
            Some(before) => {
                let matched = match_ids(&before.labels, &by_size, before.next_id)?;
                (matched.labels, matched.next_id)
            }
        };
        let n_ids = labels.iter().max().map_or(0, |&last| (last + 1).max(0) as usize);
        let centroids = centroids_of(rows, &labels, n_ids, Metric::Euclidean)?;
        let facts = describe_rows(rows, &labels, centroids.view(), Metric::Euclidean)?;
        let bits: Vec<u64> = images.entries.iter().flat_map(|e| e.dhash.0).collect();
        let rule = DuplicateRule { n_neighbors: DUPLICATES.n_neighbors.min(rows.len() - 1), ..DUPLICATES };
        let duplicates = near_duplicates(rows, Some(Hashes::new(&bits, 4)?), rule)?;
        let assignments = (0..rows.len())
            .map(|image| Assignment {
                index: image as u32,
                path: images.entries[image].path.display().to_string(),
                cluster: labels[image],
                distance: facts.distance[image],
                margin: facts.margin[image],
                outlier: facts.outlier[image] / ODD_DEVIATIONS,
                duplicate_of: duplicates[image],
            })
            .collect();
        // Retired ids have centroids of zeros, which are nobody's neighbours; the list is cut after they are gone.
        let facts = describe_clusters(rows, &labels, centroids.view(), Metric::Euclidean, n_ids)?;
        let sizes: Vec<usize> = facts.iter().map(|f| f.size).collect();
        let clusters = facts
            .into_iter()
            .filter_map(|facts| {
                let near = facts.nearest.iter().filter(|(cluster, _)| sizes[*cluster as usize] > 0);
                Some(ClusterRow {
                    cluster: facts.cluster as i32,
                    size: facts.size as u32,
                    spread: facts.spread,
                    medoid: facts.medoid?,
                    nearest: near.take(NEAREST_CLUSTERS).map(|(cluster, _)| *cluster as i32).collect(),
                })
            })
            .collect();
        Ok(Self { assignments, clusters, centroids: centroids.into_data(), next_id })
    }
}
