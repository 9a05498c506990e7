//! Training loops, optimiser, schedules and checkpoints.

mod schedule;
mod sgd;

pub use schedule::{LearningRate, Schedule};
pub use sgd::{Sgd, SgdConfig};
