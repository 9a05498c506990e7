//! Neighbours, k-means, partitions and metrics on `f32` codes.
//!
//! Everything here takes row-major tables ([`RowsView`]), is deterministic for a seed whatever the number of threads,
//! uses the rayon pool that it is called from, reads no files and prints nothing. Nothing is `n x n`.
//!
//! * search: [`nearest`], [`nearest_others`]; by cells, [`ApproximateSearch`]
//! * partitions: [`KMeans`] (and [`MiniBatchKMeans`], [`HierarchicalKMeans`], [`BalancedKMeans`]), [`Linkage`],
//!   [`Hdbscan`]; how many: [`ChooseK`]
//! * spaces to cluster in: [`Pca`], [`diffuse`] over a [`mutual_graph`], [`spectral_embedding`], [`Umap`]; several kinds of
//!   codes: [`fuse_graphs`]; several partitions: [`consensus_graph`]
//! * what came out: [`describe_rows`], [`describe_clusters`], [`near_duplicates`]; new rows: [`Assigner`]; ids:
//!   [`relabel_by_size`], [`match_ids`]
//! * how good it is: [`agreement`], [`silhouette`], [`knn_accuracy`], [`weighted_knn_accuracy`], [`LinearProbe`], [`trustworthiness`]
//!
//! Labels are [`Labels`], noise -1.
//!
//! ```
//! use sporeprint_cluster::{KMeans, Metric, RowsView, Silent, nearest};
//!
//! # fn main() -> sporeprint_cluster::Result<()> {
//! let codes = [0.0, 0.1, 0.1, 0.0, 9.0, 9.1, 9.1, 9.0];
//! let rows = RowsView::new(&codes, 2)?;
//! let run = KMeans { n_init: 3, ..KMeans::new(2) }.fit(rows, &Silent)?;
//! assert_eq!(run.sizes(), [2, 2]);
//! assert_eq!(run.labels[0], run.labels[1]);
//!
//! let found = nearest(rows, rows, 2, Metric::Euclidean)?;
//! assert_eq!(found.indices_of(3), [3, 2]);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod approximate;
mod best_rows;
mod choose_k;
mod coarse;
mod compare_codes;
mod describe;
mod error;
mod graph;
mod hierarchy;
mod kmeans;
mod labels;
#[doc(hidden)]
pub mod lanes;
mod neighbors;
mod panels;
mod products;
mod progress;
mod quality;
mod reduce;
mod rng;
mod rows;
mod top_k;

pub use approximate::ApproximateSearch;
pub use choose_k::{ChooseK, ChosenK, Evidence};
pub use compare_codes::{CodesScore, CompareCodes};
pub use describe::{
    Assigned, Assigner, ClusterFacts, DuplicateRule, Hashes, RowFacts, centroids_of, describe_clusters, describe_rows,
    near_duplicates,
};
pub use error::{Error, Result};
pub use graph::{Graph, consensus_graph, diffuse, fuse_graphs, local_scaling, mutual_graph};
pub use hierarchy::{DensityClusters, Hdbscan, Linkage, Merge, MergeTree};
pub use kmeans::{BalancedKMeans, CentroidClusters, HierarchicalKMeans, Init, KMeans, MiniBatchKMeans};
pub use labels::{Labels, MatchedIds, match_ids, relabel_by_size};
pub use neighbors::{Metric, Neighbors, nearest, nearest_others, nearest_others_of};
pub use progress::{Progress, Silent, Step};
pub use quality::{
    Agreement, LinearProbe, agreement, knn_accuracy, modularity, sampled_silhouette, sampled_trustworthiness,
    silhouette, silhouettes, trustworthiness, weighted_knn_accuracy,
};
pub use reduce::{Pca, PrincipalComponents, Umap, spectral_embedding};
pub use rng::Rng;
pub use rows::{Codes, RowsView};
