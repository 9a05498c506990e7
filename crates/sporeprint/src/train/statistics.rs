//! Batch-norm statistics of a folder in place of those that an encoder was trained with.

use burn::module::Module;
use burn::tensor::Device;

use crate::batch::{self, Source, shuffled};
use crate::encoder::{Encoder, Mode};
use crate::images::ImageCache;
use crate::progress::Observer;

/// The encoder with the running statistics of these images: the plain average over the batches of one shuffled pass.
///
/// Photographs that differ from those an encoder was trained on (scans, microscopes) shift every channel; their own
/// statistics put the channels back where the weights expect them. Nothing is learnt.
///
/// # Reference
/// Li et al. 2016, "Revisiting Batch Normalization For Practical Domain Adaptation", arXiv:1603.04779.
pub fn with_statistics_of(
    encoder: &Encoder,
    cache: &ImageCache,
    (batch_size, seed): (usize, u64),
    observer: &dyn Observer,
) -> Encoder {
    let mut encoder = encoder.valid();
    let device = Device::flex();
    let n_images = cache.n_images();
    observer.begin("statistics of the images", n_images as u64);
    let mut done = 0;
    for (number, images) in shuffled(n_images, batch_size, seed, "statistics", 0).iter().enumerate() {
        let pass = encoder.forward(batch::load(cache, images, Source::Whole, &device), Mode::Train);
        // Weights 1, 1/2, 1/3, .. give the plain average, and forget the statistics of before at once.
        encoder.absorb(&pass.statistics, 1.0 / (number + 1) as f64);
        done += images.len();
        observer.advance(done as u64, "");
    }
    observer.end();
    encoder
}
