//! Chains of convolutions for evaluation, as mobile networks have them: dense, pointwise, depthwise, inverted residuals.
//!
//! An image goes through the whole chain on one thread. The wide maps inside an inverted residual are never whole in memory: on large
//! maps they live as a few rows (strips), on small ones as a few channels (slices) at a time, so that they stay in the second-level
//! cache. Maps are channels last, their channels rounded up to whole vectors; the vectors' last channels are zero throughout.
//!
//! A value's products are summed in one order whatever strips, slices, tiles, threads or batch there are, so results do not depend on
//! any of them.

mod depthwise;
mod geometry;
mod load;
mod plan;
mod product;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod weights;
mod work;

pub(crate) use geometry::Same;
pub(crate) use load::Images;
pub(crate) use run::Chain;
pub(crate) use weights::{Layer, Step};
