//! Batch norm's statistics taken anew from the folder's own images.

use burn::module::Module;
use burn::tensor::Device;

use crate::batch::{load_views, shuffled};
use crate::encoder::{Encoder, Mode};
use crate::images::{ImageCache, ViewConfig};
use crate::progress::Observer;

/// Images per batch: enough to see many of the folder's kinds at once.
const BATCH: usize = 64;
/// Passes over the folder, each with other views.
const PASSES: usize = 2;

/// `encoder` with the means and variances that its batch norms see in views of these images; weights stay as they are.
///
/// The statistics are plain means over the batches (PyTorch's `momentum=None`), in the order that the seed gives. Photographs of
/// another make than those the weights were learnt from (small ones enlarged, scans, drawings) shift every layer's input;
/// this shifts it back. On others it loses what the old statistics knew (`benches/RESULTS.md`), so the caller compares.
///
/// The result records no gradients.
pub fn adapted(
    encoder: &Encoder,
    cache: &ImageCache,
    views: &ViewConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Encoder {
    // Graphs of passes that nobody goes back through would pile up.
    let mut encoder = encoder.valid();
    let device = Device::flex();
    let (n, size) = (cache.n_images(), cache.image_size());
    observer.begin("batch norm on this folder", (PASSES * n) as u64);
    let mut n_seen = 0;
    let mut n_batches = 0;
    for pass in 0..PASSES {
        for batch in shuffled(n, BATCH, seed, "adapt", pass) {
            let pixels = load_views(cache, &batch, size, views, [seed, pass as u64, 0], &device);
            let statistics = encoder.forward(pixels, Mode::Train).statistics;
            n_batches += 1;
            encoder.absorb(&statistics, 1.0 / f64::from(n_batches));
            n_seen += batch.len();
            observer.advance(n_seen as u64, "");
        }
    }
    observer.end();
    encoder
}
