//! Codes of all images, in index order, from an encoder in evaluation mode or a frozen one.

use burn::tensor::Device;
use rayon::prelude::*;

use crate::batch::{self, Source};
use crate::encoder::{Encoder, FrozenEncoder, FrozenError, PreparedEncoder, values};
use crate::images::{CodeView, ImageCache, RgbView};
use crate::progress::Observer;
use crate::rows::normalize;

/// Codes of the centre squares as the encoder gives them (not normalised), `[n_images, dim]`, row `i` for image `i`.
pub fn codes_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    observer.begin("codes of all images", cache.n_images() as u64);
    let codes = of_all(&encoder.prepare(), cache, batch_size, observer);
    observer.end();
    codes
}

/// Merged feature maps before any head (not normalised), `[n_images, merged_dim]`, row `i` for image `i`.
pub fn merged_of_all(encoder: &Encoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    codes_of_all(&encoder.clone().without_head(), cache, batch_size, observer)
}

/// Unit codes: the direction of the mean of the unit codes of these views, `[n_images, dim]`.
pub fn unit_codes_of_all(
    encoder: &Encoder,
    cache: &ImageCache,
    batch_size: usize,
    views: &[CodeView],
    observer: &dyn Observer,
) -> Vec<f32> {
    let encoder = encoder.prepare();
    begin_views(cache, views.len(), observer);
    let (size, normalization) = (cache.image_size(), encoder.config().normalization());
    let images: Vec<u32> = (0..cache.n_images() as u32).collect();
    let mut codes = vec![Vec::with_capacity(images.len() * encoder.dim()); views.len()];
    let mut done = 0;
    for batch in images.chunks(batch_size) {
        // Each picture is decoded once, whatever the number of its views.
        let pixels: Vec<_> = batch.par_iter().map(|&image| CodeView::all_of(views, cache, image as usize)).collect();
        let places: Vec<u32> = (0..batch.len() as u32).collect();
        for (at, codes) in codes.iter_mut().enumerate() {
            let of_view = |place: usize| pixels[place][at].as_slice();
            let pixels = batch::of_pictures(&places, size, normalization, &Device::flex(), of_view);
            codes.extend(values(encoder.codes(pixels)));
            done += batch.len();
            observer.advance(done as u64, "");
        }
    }
    let mean = mean_direction(codes.into_iter(), encoder.dim());
    observer.end();
    mean
}

fn begin_views(cache: &ImageCache, n_views: usize, observer: &dyn Observer) {
    let what =
        if n_views > 1 { format!("codes of {n_views} views of each image") } else { "codes of all images".into() };
    observer.begin(&what, (cache.n_images() * n_views) as u64);
}

/// The direction of the mean of unit rows; rows of zeros stay.
fn mean_direction(views: impl Iterator<Item = Vec<f32>>, dim: usize) -> Vec<f32> {
    let units = views.map(|mut codes| {
        codes.chunks_exact_mut(dim).for_each(|row| {
            normalize(row);
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
        normalize(row);
    });
    mean
}

/// Codes of the centre squares.
fn of_all(encoder: &PreparedEncoder, cache: &ImageCache, batch_size: usize, observer: &dyn Observer) -> Vec<f32> {
    let images: Vec<u32> = (0..cache.n_images() as u32).collect();
    let (whole, normalization) = (Source::Fixed(CodeView::WHOLE), encoder.config().normalization());
    let mut codes = Vec::with_capacity(images.len() * encoder.dim());
    for batch in images.chunks(batch_size) {
        codes.extend(values(encoder.codes(batch::load(cache, batch, whole, normalization, &Device::flex()))));
        observer.advance((codes.len() / encoder.dim()) as u64, "");
    }
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
    frozen_views(encoder, cache, &[CodeView::WHOLE], observer).map(|mut views| views.swap_remove(0))
}

/// As [`unit_codes_of_all`], from an encoder that is never trained.
///
/// # Errors
/// - as [`FrozenEncoder::codes`]
pub fn frozen_unit_codes_of_all(
    encoder: &dyn FrozenEncoder,
    cache: &ImageCache,
    views: &[CodeView],
    observer: &dyn Observer,
) -> Result<Vec<f32>, FrozenError> {
    let views = frozen_views(encoder, cache, views, observer)?;
    Ok(mean_direction(views.into_iter(), encoder.dim()))
}

/// Codes of each view.
fn frozen_views(
    encoder: &dyn FrozenEncoder,
    cache: &ImageCache,
    views: &[CodeView],
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, FrozenError> {
    begin_views(cache, views.len(), observer);
    let (dim, size) = (encoder.dim(), cache.image_size());
    let images: Vec<usize> = (0..cache.n_images()).collect();
    let mut codes = vec![Vec::with_capacity(images.len() * dim); views.len()];
    let mut done = 0;
    for batch in images.chunks(encoder.batch_size().max(1)) {
        // Each picture is decoded once, whatever the number of its views.
        let pixels: Vec<_> = batch.par_iter().map(|&image| CodeView::all_of(views, cache, image)).collect();
        for (at, codes) in codes.iter_mut().enumerate() {
            let pictures: Vec<_> = pixels.iter().map(|views| RgbView::new(size, size, &views[at])).collect();
            codes.extend(encoder.codes(&pictures)?);
            done += batch.len();
            observer.advance(done as u64, "");
        }
    }
    observer.end();
    Ok(codes)
}
