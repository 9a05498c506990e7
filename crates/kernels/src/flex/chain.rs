//! Chains of convolutions for evaluation.

use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use burn_std::Shape;

use super::layout::{map_of, tensor_of, tensor_of_map};
use super::normalization::vector;
use crate::cpu::activation::Activation;
use crate::cpu::buffer::Buffer;
use crate::cpu::chain::{Chain, Images, Layer};
use crate::cpu::map::Map;
use crate::cpu::simd::Isa;

pub(crate) use crate::cpu::chain::Step;

/// A chain with its weights packed.
pub(crate) struct PackedChain(Chain);

impl std::fmt::Debug for PackedChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedChain").field("outputs", &self.0.outputs()).finish()
    }
}

/// A convolution with its batch norm folded; `weight` is `[cout, cin, k, k]`, `[channels, 1, k, k]` where it is depthwise.
pub(crate) fn layer(
    weight: &FlexTensor,
    bias: &FlexTensor,
    depthwise: bool,
    stride: usize,
    activation: Activation,
) -> Layer {
    let shape = weight.shape();
    Layer {
        weight: vector(weight),
        bias: vector(bias),
        inputs: if depthwise { shape[0] } else { shape[1] },
        outputs: shape[0],
        kernel: shape[2],
        stride,
        depthwise,
        activation,
    }
}

impl PackedChain {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self(Chain::new(Isa::best(), steps))
    }

    /// The last map of a batch of images in any order.
    pub(crate) fn map(&self, images: &FlexTensor) -> FlexTensor {
        let from = map_of(images);
        let [height, width] = self.0.out([from.height, from.width]);
        let map = Map { batch: from.batch, height, width, channels: self.0.outputs() };
        let mut y = Buffer::new(map.len());
        with_images(images, |images| self.0.map(images, &mut y));
        tensor_of_map(y, map)
    }

    /// The mean of that over its pixels.
    pub(crate) fn mean(&self, images: &FlexTensor) -> FlexTensor {
        let (batch, channels) = (images.shape()[0], self.0.outputs());
        let mut y = Buffer::new(batch * channels);
        with_images(images, |images| self.0.mean(images, &mut y));
        tensor_of(y, Shape::new([batch, channels]))
    }
}

/// Calls `run` with the images where they lie.
fn with_images(tensor: &FlexTensor, run: impl FnOnce(Images<'_>)) {
    // Strides run backwards in a flipped tensor.
    let forwards = tensor.layout().strides().iter().all(|&stride| stride >= 0);
    let tensor = if forwards { tensor.clone() } else { tensor.to_contiguous() };
    let map = map_of(&tensor);
    let strides: Vec<usize> = tensor.layout().strides().iter().map(|&stride| stride as usize).collect();
    run(Images {
        values: &tensor.storage::<f32>()[tensor.layout().start_offset()..],
        batch: map.batch,
        channels: map.channels,
        size: [map.height, map.width],
        strides: [strides[0], strides[1], strides[2], strides[3]],
    });
}
