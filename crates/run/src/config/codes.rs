//! Which of a run's codes are clustered.

use serde::{Deserialize, Serialize};

/// One kind of codes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeKind {
    /// The merged feature map of the encoder before it was trained on the folder.
    Untouched,
    /// The same with batch-norm statistics of the folder.
    Adapted,
    /// The merged feature map of the trained encoder.
    Backbone,
    /// The encoder's before Local Aggregation beside the trained one's, of equal weight: they err differently.
    Ensemble,
    /// The linear head's output.
    Head,
    /// The backbone's beside edges, colours and patches.
    Fused,
}

impl CodeKind {
    /// Every kind, in the order in which they are compared and listed.
    pub const ALL: [Self; 6] =
        [Self::Untouched, Self::Adapted, Self::Backbone, Self::Ensemble, Self::Head, Self::Fused];

    /// Its name in tables and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Adapted => "adapted",
            Self::Backbone => "backbone",
            Self::Ensemble => "ensemble",
            Self::Head => "head",
            Self::Fused => "fused",
        }
    }
}
