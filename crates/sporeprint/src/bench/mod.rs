//! How fast this machine does each kind of work, and how long a run would take on it.

mod estimate;
mod memory;
mod pictures;
mod works;

use std::path::Path;

use serde::Serialize;

pub use estimate::{Estimate, PlannedRun};
pub use works::{BenchError, measure};

use crate::config::RunConfig;

/// One kind of work that a run consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Photographs on disk to the cache: decode, orient, resize.
    Decode,
    /// Images to codes, in evaluation.
    Encode,
    /// One step of the auto-encoder stage.
    AutoEncoder,
    /// One step over the memory bank, neighbours and loss included.
    Aggregate,
    /// Codes to clusters: one round of k-means.
    KMeans,
    /// The nearest codes of each code of a batch among all codes.
    Neighbors,
}

impl Work {
    /// All of them in the order of a run.
    pub const ALL: [Self; 6] =
        [Self::Decode, Self::Encode, Self::AutoEncoder, Self::Aggregate, Self::KMeans, Self::Neighbors];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Encode => "encode",
            Self::AutoEncoder => "auto-encoder",
            Self::Aggregate => "aggregate",
            Self::KMeans => "k-means",
            Self::Neighbors => "neighbors",
        }
    }
}

/// What to measure.
#[derive(Debug)]
pub struct BenchConfig<'a> {
    /// Network, batch sizes and settings of the stages.
    pub run: &'a RunConfig,
    /// Codes to cluster and to search in; images of the run in the estimate.
    pub n_images: usize,
    /// Seconds to spend on each kind of work, beside a first untimed go.
    pub seconds: f64,
    /// An empty directory for the photographs that are drawn, and their cache.
    pub scratch: &'a Path,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Which work.
    pub work: Work,
    /// Images (or codes) of one go: a batch, or all codes.
    pub items: usize,
    /// Median time of a go.
    pub seconds: f64,
    /// Items in a second.
    pub per_second: f64,
    /// Billions of floating-point operations in a second as the definitions count them; none for decoding.
    pub gflops: Option<f64>,
    /// Most memory that the process held meanwhile, where the system tells.
    pub peak_bytes: Option<u64>,
}
