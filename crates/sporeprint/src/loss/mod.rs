//! Training objectives. Those over the memory bank work on plain rows and return the gradient on the codes, which
//! the training loop joins to the encoder's graph as `sum(codes * gradient)`.

mod cluster_hardness;
mod cross_entropy;
mod instance;
mod local_aggregation;
mod neighbor_consistency;
mod normalised;
mod product;
mod reconstruction;
mod teaching;

pub use cluster_hardness::{ClusterHardness, HardnessGradient, Target};
pub use cross_entropy::cross_entropy;
pub use instance::{DecorrelationLoss, NoiseContrast, decorrelation, instance_nce, instance_softmax};
pub use local_aggregation::{AggregationStep, local_aggregation};
pub use neighbor_consistency::{PairLoss, scan, temi};
pub use normalised::UnitCodes;
pub use reconstruction::reconstruction;
pub use teaching::{code_distance, score_divergence};

/// A loss over the codes of one batch with its gradient.
#[derive(Clone, Debug)]
pub struct CodeLoss {
    /// Mean over the batch.
    pub loss: f32,
    /// `d loss / d codes`, `[batch, dim]`, on the codes as the encoder gave them (not yet normalised).
    pub gradient: Vec<f32>,
}
