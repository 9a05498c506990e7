//! Vision transformers and CLIP's two towers, as frozen encoders: read from other people's files, never trained.
//!
//! Every picture (or text) is one thread's work from pixels to code, so codes depend neither on the batch nor on the
//! number of threads.

mod arithmetic;
mod block;
mod clip;
mod names;
mod positions;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod tokenizer;
mod vision;

pub use clip::TextEncoder;
pub(crate) use clip::open_pictures;
pub use vision::VisionTransformer;
