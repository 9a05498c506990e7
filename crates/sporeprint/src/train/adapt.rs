//! Batch norm's statistics taken anew from the folder's own images.

use burn::module::Module;
use burn::tensor::Device;

use crate::batch::{load_views, shuffled};
use crate::encoder::{Encoder, Mode, NamedTensor, export};
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
    let normalization = encoder.config().normalization();
    observer.begin("batch norm on this folder", (PASSES * n) as u64);
    let mut n_seen = 0;
    let mut n_batches = 0;
    for pass in 0..PASSES {
        for batch in shuffled(n, BATCH, seed, "adapt", pass) {
            let pixels = load_views(cache, &batch, size, views, [seed, pass as u64, 0], normalization, &device);
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

/// How much the channels behind the first convolution vary in one encoder's images beside another's: the mean over the channels
/// of `ln(variance_after / variance_before)`, from the first batch norm's running statistics. 0 for an encoder without batch norm.
///
/// The first layer sees edges and grain, not kinds of things: enlarged or blurred pictures have less of both (below 0), noisy ones
/// more, whatever they show. Later layers shift with what is shown, where the old statistics are worth keeping.
pub fn first_layer_shift(before: &Encoder, after: &Encoder) -> f64 {
    let first = |encoder: &Encoder| -> Option<NamedTensor> {
        export(encoder).into_iter().find(|tensor| tensor.name.ends_with("running_var"))
    };
    let (Some(before), Some(after)) = (first(before), first(after)) else { return 0.0 };
    let floor = |x: f32| f64::from(x).max(1e-12);
    let ratios = before.data.iter().zip(&after.data).map(|(&before, &after)| (floor(after) / floor(before)).ln());
    ratios.sum::<f64>() / before.data.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Architecture, EncoderConfig};
    use crate::encoder::BuildEncoder;
    use crate::encoder::import;

    #[test]
    fn the_shift_is_the_mean_log_ratio_of_the_first_variances_only() {
        for architecture in [Architecture::ResNet18, Architecture::Vgg11Bn] {
            let config = EncoderConfig { architecture, width: 0.0625, ..EncoderConfig::default() };
            let before = config.init(&Device::flex(), 3).expect("a network");
            let mut tensors = export(&before);
            let mut n_changed = 0;
            for variance in tensors.iter_mut().filter(|tensor| tensor.name.ends_with("running_var")) {
                let factor = if n_changed == 0 { (-0.5f32).exp() } else { 3.0 };
                variance.data.iter_mut().for_each(|x| *x *= factor);
                n_changed += 1;
            }
            assert!(n_changed > 1);
            let after = import(before.clone(), &tensors).expect("the same shapes");
            assert!((first_layer_shift(&before, &after) + 0.5).abs() <= 1e-6);
            assert!(first_layer_shift(&before, &before).abs() <= 1e-12);
        }
    }
}
