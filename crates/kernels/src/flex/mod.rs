//! The kernels on Flex's tensors: layouts in, layouts out.
//!
//! Feature maps leave these functions as ordinary NCHW tensors whose strides are channels last, so that one
//! kernel after another finds the order it works in; Burn's own operations take any strides.

mod bytes;
mod chain;
mod convolution;
mod fold;
mod layout;
mod normalization;
mod pooling;
mod residual;
mod sgd;

pub(crate) use chain::{PackedChain, Step, layer};
pub(crate) use convolution::{
    FoldedFilters, Kind, bias_gradient, forward, input_gradient, pointwise_gradients, weight_gradient,
};
pub(crate) use fold::{scale_gradient, scale_outputs};
pub(crate) use layout::{channels_last, map_of};
pub(crate) use normalization::{
    Statistics, batch_norm_backward, batch_norm_eval, batch_norm_train, vector, vector_tensor,
};
pub(crate) use pooling::{
    max_pool2x2, max_pool2x2_backward, max_pool3x3s2, max_pool3x3s2_backward, max_unpool2x2, max_unpool2x2_backward,
};
pub(crate) use residual::{activation_backward, add, add_relu, add_relu_backward};
pub(crate) use sgd::sgd_step;
