//! Training loops, optimiser, schedules and checkpoints.

mod adapt;
mod aggregate;
mod average;
mod checkpoint;
mod classify;
mod close_space;
mod distill;
mod embed;
mod epochs;
mod heads;
mod monitor;
mod pretrain;
mod proportions;
mod sgd;

pub use adapt::{adapted, first_layer_shift};
pub use aggregate::{Aggregation, Setup, clusterings};
pub use average::WeightAverage;
pub use checkpoint::{Checkpoint, CheckpointError, Newest, remove_all};
pub use classify::{Classification, LabelledSet};
pub use distill::{Distillation, Pupil, Targets, Teacher, linear_map};
pub use embed::{codes_of_all, frozen_codes_of_all, frozen_unit_codes_of_all, merged_of_all, unit_codes_of_all};
pub use epochs::{EpochLoop, Learner, Position, TrainError};
pub use heads::CodesHead;
pub use monitor::{ControlSums, Controls, Trouble};
pub use pretrain::Pretraining;
pub use proportions::Proportions;
pub use sgd::{InTraining, Sgd};
