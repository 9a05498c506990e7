//! The learning rate over a training, counted in epochs.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Share of the learning rate at which a warm-up starts.
const WARM_UP_START: f64 = 0.1;

/// How the learning rate falls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// It does not.
    #[default]
    Constant,
    /// By a factor after every so many epochs: PyTorch's `StepLR`.
    Step {
        /// Epochs between two falls.
        every: f64,
        /// What each fall multiplies by.
        factor: f64,
    },
    /// By a factor at given epochs: PyTorch's `MultiStepLR`, the paper's way.
    Milestones {
        /// Epochs of the falls.
        at: Vec<f64>,
        /// What each fall multiplies by.
        factor: f64,
    },
    /// Along half a cosine, from the end of the warm-up to the last epoch.
    Cosine {
        /// Last epoch.
        epochs: f64,
        /// Share of the learning rate that is left there.
        floor: f64,
    },
}

/// A learning rate, its warm-up and its fall.
///
/// Everything is counted in epochs, parts of epochs included: counted in batches, the same numbers end all
/// learning within the first epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// The learning rate before any fall.
    pub base: f64,
    /// Epochs of linear rise from a tenth of `base`; 0 for none.
    #[serde(default)]
    pub warm_up: f64,
    /// How it falls.
    #[serde(default)]
    pub schedule: Schedule,
}

impl LearningRate {
    /// The same learning rate throughout.
    pub fn constant(base: f64) -> Self {
        Self { base, warm_up: 0.0, schedule: Schedule::Constant }
    }

    /// The learning rate at an epoch: batch `i` of `n` in epoch `e` stands at `e + i / n`.
    pub fn at(&self, epoch: f64) -> f64 {
        let rise =
            if epoch < self.warm_up { WARM_UP_START + (1.0 - WARM_UP_START) * epoch / self.warm_up } else { 1.0 };
        let fall = match &self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => factor.powf((epoch / every).floor()),
            Schedule::Milestones { at, factor } => {
                factor.powi(at.iter().filter(|milestone| **milestone <= epoch).count() as i32)
            }
            Schedule::Cosine { epochs, floor } => {
                let progress =
                    ((epoch - self.warm_up) / (epochs - self.warm_up).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
                floor + (1.0 - floor) * (1.0 + (PI * progress).cos()) / 2.0
            }
        };
        self.base * rise * fall
    }
}

#[cfg(test)]
mod tests {
    use super::{LearningRate, Schedule};

    fn check(rate: &LearningRate, expected: &[(f64, f64)]) {
        for &(epoch, value) in expected {
            let found = rate.at(epoch);
            assert!((found - value).abs() <= 1e-12, "epoch {epoch}: {found}, expected {value}");
        }
    }

    #[test]
    fn steps_fall_after_whole_epochs_and_not_within() {
        let schedule = Schedule::Step { every: 2.0, factor: 0.5 };
        let rate = LearningRate { base: 0.8, warm_up: 0.0, schedule };
        check(&rate, &[(0.0, 0.8), (1.999, 0.8), (2.0, 0.4), (4.0, 0.2)]);
    }

    #[test]
    fn milestones_fall_where_they_stand() {
        let schedule = Schedule::Milestones { at: vec![3.0, 5.0], factor: 0.1 };
        let rate = LearningRate { base: 1.0, warm_up: 0.0, schedule };
        check(&rate, &[(2.9, 1.0), (3.0, 0.1), (5.5, 0.01)]);
    }

    #[test]
    fn a_cosine_starts_after_the_warm_up_and_ends_at_its_floor() {
        let schedule = Schedule::Cosine { epochs: 10.0, floor: 0.02 };
        let rate = LearningRate { base: 1.0, warm_up: 2.0, schedule };
        check(&rate, &[(0.0, 0.1), (1.0, 0.55), (2.0, 1.0), (6.0, 0.51), (10.0, 0.02), (99.0, 0.02)]);
    }

    #[test]
    fn a_schedule_survives_toml() {
        let rate =
            LearningRate { base: 0.03, warm_up: 1.0, schedule: Schedule::Milestones { at: vec![8.0], factor: 0.1 } };
        let text = toml::to_string(&rate).expect("plain values");
        assert_eq!(toml::from_str::<LearningRate>(&text).expect("just written"), rate);
    }
}
