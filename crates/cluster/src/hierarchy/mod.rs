//! Clusters by merging: Ward and average linkage, HDBSCAN.

mod density;
mod linkage;
mod merges;

pub use density::{DensityClusters, Hdbscan};
pub use linkage::Linkage;
pub use merges::{Merge, MergeTree};
