//! What is known of each image and each cluster, from codes and one clustering.

use std::collections::BTreeMap;

use sporeprint_cluster::{
    Codes, DuplicateRule, Hashes, Metric, Neighbors, RowsView, centroids_of, describe_clusters, describe_rows,
    match_ids, near_duplicates, relabel_by_size,
};

use super::neighbors::LISTED;
use super::{GroupingError, Prepared};
use crate::run::tables::{Assignment, ClusterRow, NeighborTable};

/// Near-duplicates: alike to the network and in at most this many of the perceptual hash's 256 bits.
const DUPLICATES: DuplicateRule = DuplicateRule { min_similarity: 0.8, max_bits: 20 };
/// Least cosine of codes whose images nobody has.
const SAME_CODE: f32 = 0.99;
/// Robust standard deviations over the cluster's median distance at which an image counts as odd (an outlier of 1).
const ODD_DEVIATIONS: f32 = 3.0;
/// Nearest clusters listed for each.
const NEAREST_CLUSTERS: usize = 5;

/// What is known of each image and each cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// One row per image, in index order.
    pub assignments: Vec<Assignment>,
    /// One row per cluster in use.
    pub clusters: Vec<ClusterRow>,
    /// `[largest id + 1, dim]`; retired ids have zeros.
    pub centroids: Vec<f32>,
    /// The nearest images of each image.
    pub neighbors: NeighborTable,
}

/// An image as far as tables need to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its file, or its name where there is none.
    pub path: String,
    /// Perceptual hash of its picture, 256 bits; nothing where there is no picture.
    pub hash: Option<[u64; 4]>,
}

/// Ids of a clustering made before: its labels, and the first id never used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Cluster of each image, noise -1; images added since were in none.
    pub labels: Vec<i32>,
    /// First id never used.
    pub next_id: i32,
}

/// Ids by falling size at first; clusters made again keep the ids of those they match, new ones append. With the first id
/// that was never used.
pub(super) fn assign_ids(labels: &[i32], former: Option<&Former>) -> Result<(Vec<i32>, i32), GroupingError> {
    let by_size = relabel_by_size(labels);
    match former {
        None => {
            let next_id = by_size.iter().max().map_or(0, |&last| last + 1);
            Ok((by_size.into_vec(), next_id))
        }
        Some(former) => {
            let matched = match_ids(&former.labels, &by_size, former.next_id)?;
            Ok((matched.labels.into_vec(), matched.next_id))
        }
    }
}

impl Tables {
    /// Describes a clustering with final ids; noise is -1 and at least one row is not noise.
    ///
    /// # Errors
    /// When there is not one label and one image for each row.
    pub fn new(
        prepared: &Prepared,
        labels: &[i32],
        neighbors: &Neighbors,
        images: &[Described],
    ) -> Result<Self, GroupingError> {
        let rows = prepared.view()?;
        // Ids in use, which retired ones leave gaps between: the figures are taken of those alone.
        let mut used: Vec<i32> = labels.iter().copied().filter(|&label| label >= 0).collect();
        used.sort_unstable();
        used.dedup();
        let place = |id: i32| used.binary_search(&id).map_or(-1, |at| at as i32);
        let dense: Vec<i32> = labels.iter().map(|&label| place(label)).collect();
        let centroids = centroids_of(rows, &dense, used.len(), Metric::Euclidean)?;
        let facts = describe_rows(rows, &dense, centroids.view(), Metric::Euclidean)?;
        let duplicates = duplicates(rows, neighbors, images)?;
        let listed = neighbors.first(LISTED);
        let assignments = (0..rows.len())
            .map(|image| Assignment {
                index: image as u32,
                path: images[image].path.clone(),
                cluster: labels[image],
                distance: facts.distance[image],
                second: usize::try_from(facts.second[image]).map_or(-1, |at| used[at]),
                margin: facts.margin[image],
                outlier: facts.outlier[image] / ODD_DEVIATIONS,
                duplicate_of: duplicates[image],
                neighbors: listed.indices_of(image).to_vec(),
            })
            .collect();
        let facts = describe_clusters(rows, &dense, centroids.view(), Metric::Euclidean, NEAREST_CLUSTERS)?;
        let clusters = facts.into_iter().filter_map(|facts| {
            Some(ClusterRow {
                cluster: used[facts.cluster as usize],
                size: facts.size as u32,
                spread: facts.spread,
                medoid: facts.medoid?,
                nearest: facts.nearest.iter().map(|&(cluster, _)| used[cluster as usize]).collect(),
            })
        });
        Ok(Self {
            assignments,
            clusters: clusters.collect(),
            centroids: by_id(&centroids, &used),
            neighbors: neighbor_table(&listed, prepared.metric()),
        })
    }
}

/// Centroids in the rows of their ids; retired ids have zeros.
fn by_id(centroids: &Codes, used: &[i32]) -> Vec<f32> {
    let dim = centroids.dim();
    let n_ids = used.last().map_or(0, |&last| last as usize + 1);
    let mut all = vec![0.0; n_ids * dim];
    for (&id, centroid) in used.iter().zip(centroids.view().iter()) {
        all[id as usize * dim..(id as usize + 1) * dim].copy_from_slice(centroid);
    }
    all
}

/// Neighbours with similarities that grow with nearness: cosines, or `1 / (1 + distance)`.
fn neighbor_table(listed: &Neighbors, metric: Metric) -> NeighborTable {
    let similarity = |&score: &f32| if metric == Metric::Euclidean { 1.0 / (1.0 + score) } else { score };
    NeighborTable {
        k: listed.k(),
        indices: listed.indices().to_vec(),
        similarities: listed.scores().iter().map(similarity).collect(),
    }
}

/// Images that repeat another one. Where none has a picture the codes alone decide, and must then be all but equal.
fn duplicates(
    rows: RowsView<'_>,
    neighbors: &Neighbors,
    images: &[Described],
) -> Result<Vec<Option<u32>>, GroupingError> {
    if images.iter().all(|image| image.hash.is_none()) {
        let rule = DuplicateRule { min_similarity: SAME_CODE, ..DUPLICATES };
        return Ok(near_duplicates(rows, neighbors, None, rule)?);
    }
    // Images without a picture get a hash that nobody shares.
    let hash = |(index, image): (usize, &Described)| image.hash.unwrap_or_else(|| scattered(!(index as u64)));
    let bits: Vec<u64> = images.iter().enumerate().flat_map(hash).collect();
    Ok(near_duplicates(rows, neighbors, Some(Hashes::new(&bits, 4)?), DUPLICATES)?)
}

/// A hash of 256 bits from a number, far from that of any other.
pub(crate) fn scattered(number: u64) -> [u64; 4] {
    std::array::from_fn(|word| crate::images::content_hash(&number.to_le_bytes(), word as u64))
}

/// Images of each cluster, noise left out.
pub(crate) fn sizes(labels: &[i32]) -> BTreeMap<i32, usize> {
    let mut sizes = BTreeMap::new();
    labels.iter().filter(|&&label| label >= 0).for_each(|&label| *sizes.entry(label).or_insert(0) += 1);
    sizes
}
