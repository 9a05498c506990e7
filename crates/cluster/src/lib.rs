//! Neighbours, k-means, partitions and metrics on `f32` codes.
//!
//! Everything here takes row-major tables ([`RowsView`]), is deterministic for a seed whatever the number of threads,
//! uses the rayon pool that it is called from, reads no files and prints nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod best;
mod describe;
mod error;
mod kmeans;
mod labels;
mod lanes;
mod metrics;
mod neighbors;
mod panels;
mod products;
mod progress;
mod random;
mod rows;
mod top_k;

pub use describe::{
    Assigned, Assigner, ClusterFacts, DuplicateRule, Hashes, RowFacts, centroids_of, describe_clusters, describe_rows,
    near_duplicates,
};
pub use error::{Error, Result};
pub use kmeans::{Init, KMeans, Run};
pub use labels::{MatchedIds, match_ids, relabel_by_size};
pub use metrics::{Agreement, agreement, knn_accuracy, sampled_silhouette, silhouette, silhouettes, trustworthiness};
pub use neighbors::{Metric, Neighbors, nearest, nearest_others};
pub use progress::{Progress, Silent, Step};
pub use rows::{Codes, RowsView};
