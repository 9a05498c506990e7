//! Images of the cache to tensors: the order in which they are visited, and their pixels normalised.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use sporeprint_cluster::Rng;

use crate::images::{CodeView, ImageCache, ViewConfig, render};

/// Mean of red, green and blue over ImageNet, which every published encoder expects to be subtracted.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation, likewise.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

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
pub fn load(cache: &ImageCache, images: &[u32], source: Source<'_>, device: &Device) -> Tensor<4> {
    let size = cache.image_size();
    let (config, seed, epoch) = match source {
        Source::Fixed(view) => {
            return filled(images, size, device, |image, out| normalise(&view.of(cache, image), out));
        }
        Source::Views { config, seed, epoch } => (config, seed, epoch),
    };
    load_views(cache, images, size, config, [seed, epoch as u64, 0], device)
}

/// View number `view` of each image of the batch in an epoch, as a tensor `[batch, 3, size, size]`.
pub fn load_views(
    cache: &ImageCache,
    images: &[u32],
    size: usize,
    config: &ViewConfig,
    [seed, epoch, view]: [u64; 3],
    device: &Device,
) -> Tensor<4> {
    filled(images, size, device, |image, out| {
        let mut rng = Rng::for_view(seed, epoch, image, view as usize);
        normalise(&render(cache.view(image), size, config, &mut rng).data, out);
    })
}

fn filled(images: &[u32], size: usize, device: &Device, fill: impl Fn(usize, &mut [f32]) + Sync) -> Tensor<4> {
    let mut values = vec![0.0; images.len() * 3 * size * size];
    values.par_chunks_exact_mut(3 * size * size).zip(images).for_each(|(out, &image)| fill(image as usize, out));
    Tensor::from_data(TensorData::new(values, [images.len(), 3, size, size]), device)
}

/// RGB8 pixels, interleaved, to normalised planes.
fn normalise(pixels: &[u8], out: &mut [f32]) {
    let plane = out.len() / 3;
    for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
        let (scale, shift) = (1.0 / (255.0 * DEVIATION[channel]), MEAN[channel] / DEVIATION[channel]);
        for (out, pixel) in out.iter_mut().zip(pixels.chunks_exact(3)) {
            *out = f32::from(pixel[channel]) * scale - shift;
        }
    }
}

/// The inverse of the normalisation: planes of one image back to RGB8, interleaved, to look at.
pub fn denormalise(values: &[f32]) -> Vec<u8> {
    let plane = values.len() / 3;
    let mut pixels = vec![0; values.len()];
    for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        for channel in 0..3 {
            let value = values[channel * plane + at] * DEVIATION[channel] + MEAN[channel];
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
        normalise(&pixels, &mut values);
        assert_eq!(denormalise(&values), pixels);
        assert!((values[0] - (0.0 - 0.485) / 0.229).abs() <= 1e-6);
    }
}
