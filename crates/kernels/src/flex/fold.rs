//! A batch norm's scale folded into weights.

use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::layout::{tensor_of, values};
use super::normalization::vector_tensor;
use crate::cpu::buffer::Buffer;

/// `scale[o] weight[o, ..]`, both contiguous.
pub(crate) fn scale_outputs(weight: &FlexTensor, scale: &FlexTensor) -> FlexTensor {
    let (from, scale) = (values(weight), values(scale));
    let mut scaled = Buffer::new(from.len());
    let row = from.len() / scale.len();
    for ((to, from), &scale) in scaled.chunks_exact_mut(row).zip(from.chunks_exact(row)).zip(scale) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = scale * from);
    }
    tensor_of(scaled, weight.shape())
}

/// The gradient of the scale, `sum over .. of weight[o, ..] g[o, ..]`.
pub(crate) fn scale_gradient(weight: &FlexTensor, g: &FlexTensor) -> FlexTensor {
    let (weight, g, outputs) = (values(weight), values(g), weight.shape()[0]);
    let row = weight.len() / outputs;
    let dot = |(weight, g): (&[f32], &[f32])| {
        weight.iter().zip(g).map(|(&weight, &g)| f64::from(weight) * f64::from(g)).sum::<f64>() as f32
    };
    vector_tensor(&weight.chunks_exact(row).zip(g.chunks_exact(row)).map(dot).collect::<Vec<_>>())
}
