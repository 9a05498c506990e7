#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! Everything takes row-major tables ([`RowsView`]), uses the rayon pool that it is called from, reads no files and prints nothing.
//!
//! * search: [`nearest`], [`nearest_others`]; by cells, [`ApproximateSearch`]
//! * clusters: [`KMeans`] (and [`MiniBatchKMeans`], [`HierarchicalKMeans`], [`BalancedKMeans`]), [`Linkage`], [`Hdbscan`]; how many:
//!   [`ChooseK`]
//! * spaces to cluster in: [`Pca`], [`Umap`], [`diffuse`] over a [`mutual_graph`], [`spectral_embedding`]; several kinds of codes:
//!   [`fuse_graphs`], [`CompareCodes`]; several partitions: [`consensus_graph`]
//! * what came out: [`describe_rows`], [`describe_clusters`], [`near_duplicates`]; new rows: [`CentroidClusters::predict`],
//!   [`Assigner`], and whether they are like any: [`NoveltyDetection`]; ids: [`Labels`], [`relabel_by_size`], [`match_ids`]
//! * how good it is: [`agreement`], [`silhouette`], [`modularity`], [`knn_accuracy`], [`weighted_knn_accuracy`], [`LinearProbe`],
//!   [`trustworthiness`]
//! * draws: [`Rng`]

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod approximate;
// Tests have it always, so that plain `cargo test` covers it.
#[cfg(any(feature = "ndarray", test))]
mod arrays;
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
    Assigned, Assigner, ClusterFacts, DuplicateRule, Hashes, NoveltyDetection, NoveltyDetector, RowFacts, centroids_of,
    describe_clusters, describe_rows, near_duplicates,
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
