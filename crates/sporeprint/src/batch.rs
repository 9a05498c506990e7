//! Images of the cache to tensors: the order in which they are visited, and their pixels normalised.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use sporeprint_cluster::Rng;

use crate::config::Normalization;
use crate::images::{CodeView, ImageCache, ViewConfig, render};

/// The batches of one epoch: every image once, in an order of the epoch's own.
///
/// A trailing batch of one image joins the batch before, because batch norm cannot take statistics over one.
pub fn shuffled(n_images: usize, batch_size: usize, seed: u64, stage: &str, epoch: usize) -> Vec<Vec<u32>> {
    let mut images: Vec<u32> = (0..n_images as u32).collect();
    let mut rng = Rng::for_stage(seed, stage, epoch as u64);
    rng.shuffle(&mut images);
    in_batches(&images, batch_size)
}

/// Consecutive batches, a trailing one of one image joined to the one before.
pub fn in_batches(images: &[u32], batch_size: usize) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = images.chunks(batch_size).map(<[u32]>::to_vec).collect();
    if batches.len() > 1 && batches.last().is_some_and(|last| last.len() == 1) {
        let last = batches.pop().unwrap_or_default();
        batches.last_mut().into_iter().for_each(|batch| batch.extend(&last));
    }
    batches
}

/// Where the pixels of a batch come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The same view of every image, as for evaluation.
    Fixed(CodeView),
    /// A random view of it.
    Views {
        /// What a view may change.
        config: &'a ViewConfig,
        /// Seed of the run.
        seed: u64,
        /// Epoch: the same image has another view in each.
        epoch: usize,
    },
}

/// The batch as a tensor `[batch, 3, size, size]`: RGB scaled to 0..1, mean subtracted, divided by the deviation.
pub fn load(
    cache: &ImageCache,
    images: &[u32],
    source: Source<'_>,
    normalization: Normalization,
    device: &Device,
) -> Tensor<4> {
    let size = cache.image_size();
    match source {
        Source::Fixed(view) => of_pictures(images, size, normalization, device, |image| view.of(cache, image)),
        Source::Views { config, seed, epoch } => {
            load_views(cache, images, size, config, [seed, epoch as u64, 0], normalization, device)
        }
    }
}

/// View number `view` of each image of the batch in an epoch, as a tensor `[batch, 3, size, size]`.
pub fn load_views(
    cache: &ImageCache,
    images: &[u32],
    size: usize,
    config: &ViewConfig,
    [seed, epoch, view]: [u64; 3],
    normalization: Normalization,
    device: &Device,
) -> Tensor<4> {
    of_pictures(images, size, normalization, device, |image| {
        let mut rng = Rng::for_view(seed, epoch, image, view as usize);
        render(cache.picture(image).view(), size, config, &mut rng).data
    })
}

/// Pixels that a function gives for each image, made on all threads, as a tensor `[batch, 3, size, size]`.
///
/// # Shapes
/// - the function's pixels: `size * size * 3` bytes
pub(crate) fn of_pictures<P: AsRef<[u8]>>(
    images: &[u32],
    size: usize,
    normalization: Normalization,
    device: &Device,
    pixels: impl Fn(usize) -> P + Sync,
) -> Tensor<4> {
    let mut values = vec![0.0; images.len() * 3 * size * size];
    let outs = values.par_chunks_exact_mut(3 * size * size).zip(images);
    outs.for_each(|(out, &image)| normalize(pixels(image as usize).as_ref(), normalization, out));
    Tensor::from_data(TensorData::new(values, [images.len(), 3, size, size]), device)
}

/// RGB8 pixels, interleaved, to normalised planes.
fn normalize(pixels: &[u8], Normalization { mean, deviation }: Normalization, out: &mut [f32]) {
    let plane = out.len() / 3;
    for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
        let (scale, shift) = (1.0 / (255.0 * deviation[channel]), mean[channel] / deviation[channel]);
        for (out, pixel) in out.iter_mut().zip(pixels.chunks_exact(3)) {
            *out = f32::from(pixel[channel]) * scale - shift;
        }
    }
}

/// The inverse of the normalisation: planes of one image back to RGB8, interleaved, to look at.
pub fn denormalize(values: &[f32], Normalization { mean, deviation }: Normalization) -> Vec<u8> {
    let plane = values.len() / 3;
    let mut pixels = vec![0; values.len()];
    for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        for channel in 0..3 {
            let value = values[channel * plane + at] * deviation[channel] + mean[channel];
            pixel[channel] = (255.0 * value).round().clamp(0.0, 255.0) as u8;
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_visited_once_per_epoch() {
        for n in [2, 3, 5, 16, 17, 33] {
            let batches = shuffled(n, 4, 1, "pretrain", 0);
            let mut visited: Vec<u32> = batches.concat();
            visited.sort_unstable();
            assert_eq!(visited, (0..n as u32).collect::<Vec<_>>());
            assert!(batches.iter().all(|b| b.len() >= 2), "{n} images: {batches:?}");
        }
    }

    #[test]
    fn epochs_and_stages_have_orders_of_their_own() {
        let order = |stage, epoch| shuffled(50, 50, 1, stage, epoch).concat();
        assert_eq!(order("pretrain", 3), order("pretrain", 3));
        assert_ne!(order("pretrain", 3), order("pretrain", 4));
        assert_ne!(order("pretrain", 3), order("aggregate", 3));
    }

    #[test]
    fn pixels_survive_normalisation_and_back() {
        let pixels: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2]).collect();
        let mut values = vec![0.0; pixels.len()];
        for normalization in [Normalization::SYMMETRIC, Normalization::IMAGENET] {
            normalize(&pixels, normalization, &mut values);
            assert_eq!(denormalize(&values, normalization), pixels);
        }
        assert!((values[0] - (0.0 - 0.485) / 0.229).abs() <= 1e-6);
    }
}
