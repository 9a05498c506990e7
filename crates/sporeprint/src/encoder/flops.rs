//! What an encoder costs to run.

use super::layers::Conv;
use super::resnet::ResNet;
use super::vgg::Vgg;
use super::{Backbone, Encoder};

impl Encoder {
    /// Floating-point operations of one image's forward pass: `2 k k c_in c_out height width` summed over the
    /// convolutions, as the definition counts them, however they are computed.
    ///
    /// A training step takes three times as many: the backward pass has two convolutions for each of the forward's.
    /// A decoder that mirrors the encoder takes as many again.
    pub fn flops(&self) -> f64 {
        match &self.backbone {
            Backbone::Vgg(vgg) => vgg_flops(vgg, self.config.image_size),
            Backbone::ResNet(resnet) => resnet_flops(resnet, self.config.image_size),
        }
    }
}

/// Operations, and the side of the square output.
fn convolution(conv: &Conv, side: usize, stride: usize, padding: usize) -> (f64, usize) {
    let [n_out, n_in, kernel, _] = conv.weight.dims();
    let side = (side + 2 * padding - kernel) / stride + 1;
    (2.0 * (kernel * kernel * n_in * n_out * side * side) as f64, side)
}

fn vgg_flops(vgg: &Vgg, image_size: usize) -> f64 {
    let (mut total, mut side) = (0.0, image_size);
    let mut layers = vgg.layers.iter();
    for stage in vgg.stages {
        total += layers.by_ref().take(stage.depth).map(|layer| convolution(&layer.conv, side, 1, 1).0).sum::<f64>();
        side /= 2;
    }
    total
}

fn resnet_flops(resnet: &ResNet, image_size: usize) -> f64 {
    let [stride, padding] = resnet.stem_geometry();
    let (mut total, mut side) = convolution(&resnet.conv1, image_size, stride, padding);
    if resnet.stem_pools() {
        side = side.div_ceil(2);
    }
    for block in resnet.layers.iter().flatten() {
        if let Some(projection) = &block.downsample {
            total += convolution(&projection.conv, side, block.stride, 0).0;
        }
        let strides = if block.conv3.is_some() { [1, block.stride] } else { [block.stride, 1] };
        for (conv, stride) in [&block.conv1, &block.conv2].into_iter().zip(strides) {
            let padding = conv.weight.dims()[2] / 2;
            let (flops, smaller) = convolution(conv, side, stride, padding);
            (total, side) = (total + flops, smaller);
        }
        total += block.conv3.as_ref().map_or(0.0, |conv| convolution(conv, side, 1, 0).0);
    }
    total
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use crate::config::{Architecture, EncoderConfig};
    use crate::encoder::BuildEncoder;

    #[test]
    fn networks_cost_what_is_published() {
        // Multiply-adds at 224 pixels as fvcore counts them, without the classifiers.
        for (architecture, published) in
            [(Architecture::Vgg16Bn, 15.35e9), (Architecture::ResNet18, 1.814e9), (Architecture::ResNet50, 4.09e9)]
        {
            let config = EncoderConfig { architecture, image_size: 224, ..EncoderConfig::default() };
            let found = config.init(&Device::flex(), 0).expect("these can be built").flops() / 2.0;
            assert!((found / published - 1.0).abs() <= 0.01, "{architecture}: {found}, not {published}");
        }
    }
}
