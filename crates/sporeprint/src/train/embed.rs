//! Codes of all images, in index order, from an encoder in evaluation mode or a frozen one.

use crate::batch::{self, Source};
use crate::encoder::{Encoder, FrozenEncoder, FrozenError, PreparedEncoder};
use crate::images::{ImageCache, RgbView};
use crate::progress::Observer;

/// Codes as the encoder gives them (not normalised), `[n_images, dim]`, row `i` for image `i`.
pub fn codes_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    of_all(&encoder.prepare(), cache, batch_size, observer)
}

/// Merged feature maps before any head (not normalised), `[n_images, merged_dim]`, row `i` for image `i`.
pub fn merged_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    of_all(&encoder.clone().without_head().prepare(), cache, batch_size, observer)
}

fn of_all(encoder: &PreparedEncoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    let device = burn::tensor::Device::flex();
    let images: Vec<u32> = (0..cache.n_images() as u32).collect();
    let mut codes = Vec::with_capacity(images.len() * encoder.dim());
    observer.begin("codes of all images", images.len() as u64);
    for batch in images.chunks(batch_size) {
        let encoded = encoder.codes(batch::load(cache, batch, Source::Whole, &device));
        codes.extend(encoded.into_data().try_into_vec::<f32>().expect("codes are f32"));
        observer.advance((codes.len() / encoder.dim()) as u64, "");
    }
    observer.end();
    codes
}

/// As [`codes_of_all`], from an encoder that is never trained.
///
/// # Errors
/// - as [`FrozenEncoder::codes`]
pub fn frozen_codes_of_all(
    encoder: &dyn FrozenEncoder,
    cache: &ImageCache,
    observer: &dyn Observer,
) -> Result<Vec<f32>, FrozenError> {
    let (dim, size) = (encoder.dim(), cache.image_size());
    let images: Vec<usize> = (0..cache.n_images()).collect();
    let mut codes = Vec::with_capacity(images.len() * dim);
    observer.begin("codes of all images", images.len() as u64);
    for batch in images.chunks(encoder.batch_size().max(1)) {
        let pictures: Vec<_> = batch.iter().map(|&image| RgbView::new(size, size, cache.eval(image))).collect();
        codes.extend(encoder.codes(&pictures)?);
        observer.advance((codes.len() / dim) as u64, "");
    }
    observer.end();
    Ok(codes)
}
