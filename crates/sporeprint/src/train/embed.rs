//! Codes of all images, in index order, from an encoder in evaluation mode.

use burn::module::Module;

use crate::batch::{self, Source};
use crate::encoder::{Encoder, Mode};
use crate::images::ImageCache;
use crate::progress::Observer;

/// Codes as the encoder gives them (not normalised), `[n_images, dim]`, row `i` for image `i`.
pub fn codes_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    let encoder = encoder.valid();
    let device = burn::tensor::Device::flex();
    let images: Vec<u32> = (0..cache.n_images() as u32).collect();
    let mut codes = Vec::with_capacity(images.len() * encoder.dim());
    observer.begin("codes of all images", images.len() as u64);
    for batch in images.chunks(batch_size) {
        let encoded = encoder.forward(batch::load(cache, batch, Source::Whole, &device), Mode::Evaluate);
        codes.extend(encoded.codes.into_data().try_into_vec::<f32>().expect("codes are f32"));
        observer.advance((codes.len() / encoder.dim()) as u64, "");
    }
    observer.end();
    codes
}
