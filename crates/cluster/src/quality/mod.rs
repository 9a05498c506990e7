//! How good a clustering is, with and without known classes.

mod contingency;
mod hungarian;
mod information;
mod knn;
mod linear_probe;
mod modularity;
mod partition;
mod silhouette;
mod weighted_knn;

pub(crate) use contingency::dense;
pub(crate) use hungarian::best_matching;
pub use knn::{knn_accuracy, sampled_trustworthiness, trustworthiness};
pub use linear_probe::LinearProbe;
pub use modularity::modularity;
pub use partition::{Agreement, agreement};
pub use silhouette::{sampled_silhouette, silhouette, silhouettes};
pub use weighted_knn::weighted_knn_accuracy;

#[cfg(test)]
mod tests;
