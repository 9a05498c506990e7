//! The tables of a run: typed rows, written atomically, read back whole.
//!
//! Every table joins on the image's index. Parquet files carry the version of their layout; CSV files are for
//! people and spreadsheets, so cells that a spreadsheet would run as a formula are neutralised (see
//! [`neutralise`](crate::text::neutralise)) and restored when read.

mod assignments;
mod cells;
mod classes;
mod clusters;
mod columns;
mod embeddings;
mod error;
mod images;
mod metrics;
mod names;
mod neighbors;
mod quality;
mod rows;

pub use assignments::{Assignment, read_assignments, write_assignments};
pub use classes::write_classes;
pub use clusters::{ClusterRow, read_clusters, write_clusters};
pub use embeddings::write_embeddings;
pub use error::TableError;
pub use images::{ImageRow, ImageStatus, SkippedRow, read_images, read_skipped, write_images, write_skipped};
pub use metrics::{LogLine, MetricsLog, read_metrics};
pub use names::{NameOrigin, NameRow, read_names, write_names};
pub use neighbors::{NeighborTable, read_neighbors, write_neighbors};
pub use quality::{
    Choice, KCurve, KPoint, Quality, read_choice, read_k_curve, read_quality, write_choice, write_k_curve,
    write_quality,
};

/// Version of the tables' layout; a table of a later one is refused.
pub const TABLES_VERSION: u32 = 1;
