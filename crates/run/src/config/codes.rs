//! Which of a run's codes are clustered.

use serde::{Deserialize, Serialize};

/// One kind of codes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum CodeKind {
    /// The network's before it was trained on the folder.
    Untouched,
    /// The same with batch-norm statistics of the folder.
    Adapted,
    /// The trained network's.
    Backbone,
    /// Those before training and after it beside each other, of equal weight: they err differently.
    Ensemble,
    /// Those of the linear layer that it was trained with.
    Head,
    /// The trained network's beside edges, colours and patches.
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
