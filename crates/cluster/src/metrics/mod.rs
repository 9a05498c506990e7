//! How good a clustering is, with and without known classes.

mod contingency;
mod hungarian;
mod information;
mod knn;
mod partition;
mod silhouette;

pub(crate) use contingency::dense;
pub(crate) use hungarian::best_matching;
pub use knn::{knn_accuracy, trustworthiness};
pub use partition::{Agreement, agreement};
pub use silhouette::{sampled_silhouette, silhouette, silhouettes};

#[cfg(test)]
mod tests;
