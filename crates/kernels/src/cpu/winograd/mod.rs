//! Winograd convolution: 3x3 filters, stride 1, padding 1, on channels-last maps.

mod forward;
mod tile;
mod transform;
mod weight_gradient;
mod weights;

pub(crate) use forward::{Prepared, convolve, convolve_prepared};
pub(crate) use weight_gradient::weight_gradient;
pub(crate) use weights::{Filters, planes};
