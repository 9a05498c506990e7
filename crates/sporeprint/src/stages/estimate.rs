//! What a run costs in memory, said before it starts.

use super::Images;
use crate::config::RunConfig;
use crate::config::{EncoderConfig, Family};
use crate::encoder::OpenFrozen;

/// Bytes that training takes at most, and the images, in words.
///
/// An auto-encoder step holds, for every layer of encoder and decoder, the outputs of convolution and of batch norm
/// with ReLU and the gradient in flight: about three times the activations of each half. Weights stand four times
/// (values, gradient, momentum, and the new values while they are written).
pub fn estimate(config: &RunConfig, images: &Images) -> String {
    if let Some(frozen) = &config.frozen {
        return format!(
            "{} images, {} skipped; {} at {} px, never trained; takes up to {:.1} GB of memory",
            images.len(),
            images.n_skipped,
            frozen.name(),
            frozen.image_size(),
            (frozen.memory_bytes(config.weights.file()) + 200e6) / 1e9
        );
    }
    let (parameters, activations) = size_of(&config.encoder);
    let auto_encoder = config.pretrain.epochs > 0 && config.encoder.architecture.has_decoder();
    let pretrain = if auto_encoder { 2.0 * step(parameters, activations, config.pretrain.batch_size) } else { 0.0 };
    let aggregate = step(parameters, activations, config.aggregate.batch_size);
    let rows = 4.0 * (images.len() * config.encoder.dim()) as f64;
    let bytes = pretrain.max(aggregate) + 4.0 * rows + 100e6;
    let trains = if config.pretrain.epochs + config.aggregate.epochs > 0 { "; training" } else { ", never trained;" };
    format!(
        "{} images, {} skipped; {} at {} px{trains} takes up to {:.1} GB of memory",
        images.len(),
        images.n_skipped,
        config.encoder.architecture,
        config.encoder.image_size,
        bytes / 1e9
    )
}

fn step(parameters: f64, activations: f64, batch_size: usize) -> f64 {
    4.0 * (4.0 * parameters + 3.0 * activations * batch_size as f64)
}

/// Weights, and values of all convolutions' outputs for one image.
fn size_of(config: &EncoderConfig) -> (f64, f64) {
    let scaled = |channels: usize| (channels as f64 * config.width).max(1.0);
    let (mut parameters, mut activations) = (0.0, 0.0);
    let mut side = config.image_size as f64;
    let mut n_in = 3.0;
    let mut add = |n_in: f64, n_out: f64, kernel: f64, side: f64| {
        parameters += n_in * n_out * kernel * kernel;
        activations += n_out * side * side;
    };
    match config.architecture.family() {
        Family::Vgg(stages) => {
            for stage in stages {
                for _ in 0..stage.depth {
                    add(n_in, scaled(stage.channels), 3.0, side);
                    n_in = scaled(stage.channels);
                }
                side /= 2.0;
            }
        }
        Family::ResNet(plan) => {
            let [kernel, stride, _] = config.stem.convolution();
            side /= stride as f64;
            add(n_in, scaled(64), kernel as f64, side);
            side /= if config.stem.pools() { 2.0 } else { 1.0 };
            n_in = scaled(64);
            for (stage, &depth) in plan.depths.iter().enumerate() {
                let channels = scaled(64 << stage);
                if stage > 0 {
                    side /= 2.0;
                }
                for _ in 0..depth {
                    if plan.bottleneck {
                        add(n_in, channels, 1.0, side);
                        add(channels, channels, 3.0, side);
                        add(channels, 4.0 * channels, 1.0, side);
                        n_in = 4.0 * channels;
                    } else {
                        add(n_in, channels, 3.0, side);
                        add(channels, channels, 3.0, side);
                        n_in = channels;
                    }
                }
            }
        }
    }
    (parameters, activations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Architecture;

    #[test]
    fn weights_are_counted_to_a_percent() {
        for (architecture, expected) in [(Architecture::Vgg16Bn, 14_723_136.0), (Architecture::ResNet18, 11_176_512.0)]
        {
            let config = EncoderConfig { architecture, ..EncoderConfig::default() };
            let (found, _) = size_of(&config);
            assert!((found / expected - 1.0).abs() <= 0.02, "{architecture}: {found} is not about {expected}");
        }
    }
}
