//! Kernels on plain slices of `f32`, channels last, knowing nothing of Burn.
#![allow(unsafe_code)]

pub(crate) mod activation;
pub(crate) mod batch_norm;
pub(crate) mod buffer;
pub(crate) mod chain;
pub(crate) mod conv3x3;
pub(crate) mod depthwise;
mod fetch;
mod gemm;
pub(crate) mod map;
pub(crate) mod matrix_convolution;
#[cfg(test)]
mod naive;
pub(crate) mod padding;
mod parallel;
pub(crate) mod plan;
pub(crate) mod pointwise;
#[cfg(test)]
mod pointwise_tests;
pub(crate) mod pool;
pub(crate) mod residual;
pub(crate) mod sgd;
pub(crate) mod simd;
#[cfg(test)]
mod tests;
pub(crate) mod transpose;
pub(crate) mod winograd;
