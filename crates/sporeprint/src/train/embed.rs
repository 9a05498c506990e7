//! Codes of all images, in index order, from an encoder in evaluation mode or a frozen one.

use crate::bank::normalise;
use crate::batch::{self, Source};
use crate::encoder::{Encoder, FrozenEncoder, FrozenError, PreparedEncoder};
use crate::images::{CodeView, ImageCache, RgbView};
use crate::progress::Observer;

/// Codes of the centre squares as the encoder gives them (not normalised), `[n_images, dim]`, row `i` for image `i`.
pub fn codes_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    of_all(&encoder.prepare(), cache, batch_size, CodeView::Whole, observer)
}

/// Merged feature maps before any head (not normalised), `[n_images, merged_dim]`, row `i` for image `i`.
pub fn merged_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    codes_of_all(&encoder.clone().without_head(), cache, batch_size, observer)
}

/// Unit codes: the direction of the mean of the unit codes of the first `n_views` of [`CodeView::ALL`], `[n_images, dim]`.
pub fn unit_codes_of_all(
    encoder: &Encoder,
    cache: &ImageCache,
    batch_size: usize,
    n_views: usize,
    observer: &dyn Observer,
) -> Vec<f32> {
    let encoder = encoder.prepare();
    let views = CodeView::ALL.into_iter().take(n_views);
    mean_direction(views.map(|view| of_all(&encoder, cache, batch_size, view, observer)), encoder.dim())
}

/// The direction of the mean of unit rows; rows of zeros stay.
fn mean_direction(views: impl Iterator<Item = Vec<f32>>, dim: usize) -> Vec<f32> {
    let units = views.map(|mut codes| {
        codes.chunks_exact_mut(dim).for_each(|row| {
            normalise(row);
        });
        codes
    });
    let mut mean = units
        .reduce(|mut sum, codes| {
            sum.iter_mut().zip(&codes).for_each(|(sum, &x)| *sum += x);
            sum
        })
        .unwrap_or_default();
    mean.chunks_exact_mut(dim).for_each(|row| {
        normalise(row);
    });
    mean
}

fn of_all(
    encoder: &PreparedEncoder,
    cache: &ImageCache,
    batch_size: usize,
    view: CodeView,
    observer: &dyn Observer,
) -> Vec<f32> {
    let device = burn::tensor::Device::flex();
    let images: Vec<u32> = (0..cache.n_images() as u32).collect();
    let mut codes = Vec::with_capacity(images.len() * encoder.dim());
    observer.begin(&format!("codes of {}", view.of_all()), images.len() as u64);
    for batch in images.chunks(batch_size) {
        let encoded = encoder.codes(batch::load(cache, batch, Source::Fixed(view), &device));
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
    frozen_of_all(encoder, cache, CodeView::Whole, observer)
}

/// As [`unit_codes_of_all`], from an encoder that is never trained.
///
/// # Errors
/// - as [`FrozenEncoder::codes`]
pub fn frozen_unit_codes_of_all(
    encoder: &dyn FrozenEncoder,
    cache: &ImageCache,
    n_views: usize,
    observer: &dyn Observer,
) -> Result<Vec<f32>, FrozenError> {
    let views = CodeView::ALL.into_iter().take(n_views);
    let codes = views.map(|view| frozen_of_all(encoder, cache, view, observer)).collect::<Result<Vec<_>, _>>()?;
    Ok(mean_direction(codes.into_iter(), encoder.dim()))
}

fn frozen_of_all(
    encoder: &dyn FrozenEncoder,
    cache: &ImageCache,
    view: CodeView,
    observer: &dyn Observer,
) -> Result<Vec<f32>, FrozenError> {
    let (dim, size) = (encoder.dim(), cache.image_size());
    let images: Vec<usize> = (0..cache.n_images()).collect();
    let mut codes = Vec::with_capacity(images.len() * dim);
    observer.begin(&format!("codes of {}", view.of_all()), images.len() as u64);
    for batch in images.chunks(encoder.batch_size().max(1)) {
        let pixels: Vec<_> = batch.iter().map(|&image| view.of(cache, image)).collect();
        let pictures: Vec<_> = pixels.iter().map(|pixels| RgbView::new(size, size, pixels)).collect();
        codes.extend(encoder.codes(&pictures)?);
        observer.advance((codes.len() / dim) as u64, "");
    }
    observer.end();
    Ok(codes)
}
