//! Fast CPU kernels for convolutional networks, as a Burn backend extension.
//!
//! The functions take and return ordinary Burn tensors in NCHW order. On the Flex (CPU) backend in `f32`
//! they run kernels of this crate, forward and backward; on every other backend and number type they are
//! composed of Burn's own operations, so the same model code serves all.

mod autodiff;
mod chain_conv;
mod convolution;
mod cpu;
mod default_path;
mod extension;
mod flex;
mod matrix;
mod normalization;
mod pooling;
mod prepared;
mod prepared_chain;
mod residual;
mod route;
mod sgd;

pub use convolution::{
    conv_transpose3x3, conv2d, conv2d_same, conv2d_same_activated, conv3x3, depthwise, depthwise_activated,
};
pub use cpu::activation::Activation;
pub use matrix::{Matrix, matrix_product};
pub use normalization::{batch_norm_eval, batch_norm_train, fold_batch_norm};
pub use pooling::{max_pool2x2, max_pool3x3s2, max_unpool2x2};
pub use prepared::{NormToFold, PreparedConv2d, PreparedConv3x3};
pub use prepared_chain::{ChainStep, ConvToFold, PreparedChain};
pub use residual::{add, add_relu, fork};
pub use sgd::sgd_step;
