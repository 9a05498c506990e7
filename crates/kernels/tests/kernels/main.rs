//! The public functions against their definitions, values and gradients, over random shapes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod chains;
mod convolutions;
mod determinism;
mod norm;
mod optimizer;
mod pools;
mod reference;
mod residual;
mod same;
