//! Neighbours, k-means, partitions and metrics on `f32` codes.
//!
//! Everything here takes row-major tables ([`RowsView`]), is deterministic for a seed whatever the number of threads,
//! uses the rayon pool that it is called from, reads no files and prints nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod best;
mod error;
mod kmeans;
mod lanes;
mod neighbors;
mod panels;
mod products;
mod progress;
mod random;
mod rows;
mod top_k;

pub use error::{Error, Result};
pub use kmeans::{Init, KMeans, Run};
pub use neighbors::{Metric, Neighbors, nearest, nearest_others};
pub use progress::{Progress, Silent, Step};
pub use rows::{Codes, RowsView};
