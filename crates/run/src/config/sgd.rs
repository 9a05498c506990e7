//! Settings of stochastic gradient descent.

use serde::{Deserialize, Serialize};

use super::schedule::{LearningRate, Schedule};

/// Momentum and weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Share of the last step that goes on; the paper's 0.9.
    pub momentum: f64,
    /// Pull towards zero, on everything but batch-norm parameters; the paper's 1e-4.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { momentum: 0.9, weight_decay: 1e-4 }
    }
}

/// Settings of stochastic gradient descent, PyTorch's meaning of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdSettings {
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Momentum, without dampening.
    pub momentum: f64,
    /// Weight decay, not on batch-norm parameters.
    pub weight_decay: f64,
    /// Epochs of linear rise at the start.
    pub warm_up: f64,
    /// How the learning rate falls.
    pub decay: Decay,
}

/// How the learning rate falls over a stage, counted in epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Along half a cosine to zero at the stage's last epoch.
    #[default]
    Cosine,
    /// By a factor after every so many epochs.
    Step {
        /// Epochs between two falls.
        every: f64,
        /// What each fall multiplies by.
        factor: f64,
    },
}

impl SgdSettings {
    pub(super) fn new(learning_rate: f64) -> Self {
        Self { learning_rate, momentum: 0.9, weight_decay: 1e-4, warm_up: 0.0, decay: Decay::default() }
    }

    /// The optimiser's part.
    pub fn optimiser(&self) -> SgdConfig {
        SgdConfig { momentum: self.momentum, weight_decay: self.weight_decay }
    }

    /// The learning rate over a stage of `epochs`.
    pub fn learning_rate(&self, epochs: usize) -> LearningRate {
        let schedule = match self.decay {
            Decay::Constant => Schedule::Constant,
            Decay::Cosine => Schedule::Cosine { epochs: epochs as f64, floor: 0.0 },
            Decay::Step { every, factor } => Schedule::Step { every, factor },
        };
        LearningRate { base: self.learning_rate, warm_up: self.warm_up, schedule }
    }
}
