//! What is known of each image and each cluster, from codes and one clustering.

use std::collections::BTreeMap;

use sporeprint_cluster::{
    Codes, DuplicateRule, Hashes, Metric, Neighbors, RowsView, centroids_of, describe_clusters, describe_rows,
    match_ids, near_duplicates, relabel_by_size,
};

use super::search::LISTED;
use super::{Images, StageError};
use crate::run::tables::{Assignment, ClusterRow, NeighborTable};

/// Near-duplicates: alike to the network and in at most this many of the perceptual hash's 256 bits.
const DUPLICATES: DuplicateRule = DuplicateRule { min_similarity: 0.8, max_bits: 20 };
/// Least cosine of codes whose images nobody has.
const SAME_CODE: f32 = 0.99;
/// Robust standard deviations over the cluster's median distance at which an image counts as odd (an outlier of 1).
const ODD_DEVIATIONS: f32 = 3.0;
/// Nearest clusters listed for each.
const NEAREST_CLUSTERS: usize = 5;

/// Rows of `assignments` and `clusters`, and the centroids, `[largest id + 1, dim]`; retired ids have zeros.
pub(super) struct Tables {
    pub(super) assignments: Vec<Assignment>,
    pub(super) clusters: Vec<ClusterRow>,
    pub(super) centroids: Vec<f32>,
    pub(super) neighbors: NeighborTable,
}

/// Ids of a clustering made before: its labels, and the first id never used.
pub(super) struct Before {
    pub(super) labels: Vec<i32>,
    pub(super) next_id: i32,
}

/// Ids by falling size at first; clusters made again keep the ids of those they match, new ones append. With the first id
/// that was never used.
pub(super) fn ids(labels: &[i32], before: Option<&Before>) -> Result<(Vec<i32>, i32), StageError> {
    let by_size = relabel_by_size(labels);
    match before {
        None => {
            let next_id = by_size.iter().max().map_or(0, |&last| last + 1);
            Ok((by_size.into_vec(), next_id))
        }
        Some(before) => {
            let matched = match_ids(&before.labels, &by_size, before.next_id)?;
            Ok((matched.labels.into_vec(), matched.next_id))
        }
    }
}

impl Tables {
    /// Describes a clustering with final ids; noise is -1 and at least one row is not noise.
    pub(super) fn new(
        rows: RowsView<'_>,
        labels: &[i32],
        neighbors: &Neighbors,
        metric: Metric,
        images: &Images,
    ) -> Result<Self, StageError> {
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
                path: images.entries[image].path.display().to_string(),
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
            neighbors: neighbor_table(&listed, metric),
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
fn duplicates(rows: RowsView<'_>, neighbors: &Neighbors, images: &Images) -> Result<Vec<Option<u32>>, StageError> {
    if (0..images.len()).all(|image| images.place(image).is_none()) {
        let rule = DuplicateRule { min_similarity: SAME_CODE, ..DUPLICATES };
        return Ok(near_duplicates(rows, neighbors, None, rule)?);
    }
    let bits: Vec<u64> = (0..images.len()).flat_map(|image| hash(images, image)).collect();
    Ok(near_duplicates(rows, neighbors, Some(Hashes::new(&bits, 4)?), DUPLICATES)?)
}

/// The perceptual hash of an image. Flat pictures resemble each other in it whatever their colour, so they get a hash of
/// their bytes instead, which only copies of the file share; images without a picture get one that nobody shares.
fn hash(images: &Images, image: usize) -> [u64; 4] {
    let entry = &images.entries[image];
    match images.place(image) {
        Some(_) if !entry.dhash.is_flat() => entry.dhash.0,
        Some(_) => scattered(entry.content),
        None => scattered(!(image as u64)),
    }
}

fn scattered(number: u64) -> [u64; 4] {
    std::array::from_fn(|word| crate::images::content_hash(&number.to_le_bytes(), word as u64))
}

/// Places on the map for rows that were not there when it was drawn: the mean of their nearest neighbours that were.
pub(super) fn place_on_map(map: &mut Vec<f32>, n_rows: usize, neighbors: &Neighbors) {
    let n_before = map.len() / 2;
    for row in n_before..n_rows {
        let near: Vec<usize> =
            neighbors.indices_of(row).iter().map(|&other| other as usize).filter(|&other| other < n_before).collect();
        let near = if near.is_empty() { vec![0] } else { near };
        let mean = |axis: usize| {
            let nearest = near.iter().take(3);
            nearest.clone().map(|&other| map[2 * other + axis]).sum::<f32>() / nearest.len() as f32
        };
        let place = [mean(0), mean(1)];
        map.extend(place);
    }
}

/// Images of each cluster, noise left out.
pub(super) fn sizes(assignments: &[Assignment]) -> BTreeMap<i32, usize> {
    let mut sizes = BTreeMap::new();
    assignments.iter().filter(|a| a.cluster >= 0).for_each(|a| *sizes.entry(a.cluster).or_insert(0) += 1);
    sizes
}
