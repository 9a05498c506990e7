//! The stages of a run.

use serde::{Deserialize, Serialize};

/// The stages of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Images found and decoded.
    Images,
    /// Auto-encoder trained.
    Pretrain,
    /// Encoder trained over the memory bank.
    Aggregate,
    /// Codes of all images written.
    Embed,
    /// Images assigned to clusters.
    Cluster,
    /// Labels compared, baselines computed.
    Evaluate,
}
