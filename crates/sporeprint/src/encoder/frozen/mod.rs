//! Encoders that are never trained: RGB8 pictures in, codes out, the same way in every run.
//!
//! A [`FrozenConfig`](crate::config::FrozenConfig) in the place of an [`EncoderConfig`](crate::config::EncoderConfig) says which one. What such an encoder
//! learns from the run's own pictures (a mean, a dictionary of patches) is fitted once by [`OpenFrozen::fit`] and kept
//! in the run directory; [`OpenFrozen::open`] is all that later commands need.

mod error;
mod onnx;
mod open;
mod pixels;
mod simple;

use std::fmt::Debug;

use crate::images::RgbView;

pub use error::FrozenError;
pub(crate) use error::check_value;
pub use onnx::onnx_runtime;
pub use open::OpenFrozen;
pub use pixels::Pixels;
pub use simple::Simple;

/// An encoder that is never trained.
///
/// It sees pixels, not normalised tensors: what to do with them is its own business. Codes depend on nothing but the
/// picture, the weights and the processor model, and not on which other pictures are in the batch or on the number of
/// threads.
pub trait FrozenEncoder: Debug + Send + Sync {
    /// Numbers per code.
    fn dim(&self) -> usize;

    /// Pictures per call that keep all threads busy at little memory.
    fn batch_size(&self) -> usize {
        32
    }

    /// Codes of some pictures, not normalised.
    ///
    /// # Shapes
    /// - images: `[image_size, image_size]` each, by [`FrozenConfig::image_size`](crate::config::FrozenConfig::image_size)
    /// - codes: `[images, dim]`
    /// # Errors
    /// - the model refuses to run (a model from a file of somebody else's)
    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError>;
}
