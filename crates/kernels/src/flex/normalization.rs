//! Batch normalisation.

use burn_flex::FlexTensor;
use burn_std::Shape;

use super::layout::{channels_last, map_of, tensor_of, tensor_of_map, values, whole_memory};
use crate::cpu::activation::Activation;
use crate::cpu::batch_norm::{self, Affine};
use crate::cpu::buffer::Buffer;
use crate::cpu::simd::Isa;

/// What the backward pass must know besides the input.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) var: Vec<f32>,
    pub(crate) eps: f64,
    pub(crate) activation: Activation,
    /// Whether the statistics are those of the batch itself.
    pub(crate) training: bool,
}

impl Statistics {
    fn affine(&self) -> Affine {
        Affine::new(&self.gamma, &self.beta, &self.mean, &self.var, self.eps)
    }
}

/// One value per channel, copied out.
pub(crate) fn vector(tensor: &FlexTensor) -> Vec<f32> {
    values(&tensor.to_contiguous()).to_vec()
}

/// One value per channel, as a tensor.
pub(crate) fn vector_tensor(values: &[f32]) -> FlexTensor {
    let mut data = Buffer::new(values.len());
    data.copy_from_slice(values);
    tensor_of(data, Shape::new([values.len()]))
}

/// Output and statistics in training; `x` is channels last.
pub(crate) fn batch_norm_train(
    x: &FlexTensor,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    eps: f64,
    activation: Activation,
) -> (FlexTensor, Statistics) {
    let (mean, var) = batch_norm::statistics(Isa::best(), values(x), map_of(x).channels);
    let statistics = Statistics { gamma, beta, mean, var, eps, activation, training: true };
    (batch_norm_eval(x, &statistics), statistics)
}

/// Output for given statistics; `x` is channels last.
pub(crate) fn batch_norm_eval(x: &FlexTensor, statistics: &Statistics) -> FlexTensor {
    let map = map_of(x);
    let mut y = Buffer::new(map.len());
    batch_norm::apply(Isa::best(), values(x), &statistics.affine(), statistics.activation, &mut y);
    tensor_of_map(y, map)
}

/// Gradients of x, gamma and beta, the first in the memory of `g` where nobody else holds it.
pub(crate) fn batch_norm_backward(x: &FlexTensor, statistics: &Statistics, g: FlexTensor) -> [FlexTensor; 3] {
    let s = statistics;
    let affine = s.affine();
    let mut g = channels_last(g);
    let (isa, map, x) = (Isa::best(), map_of(x), values(x));
    let run = |g: Option<&[f32]>, dx: &mut [f32]| {
        batch_norm::backward(isa, x, &s.gamma, &affine, &s.mean, &s.var, s.eps, s.activation, s.training, g, dx)
    };
    if let Some(memory) = whole_memory(&mut g) {
        let grads = run(None, memory);
        return [g, vector_tensor(&grads.gamma), vector_tensor(&grads.beta)];
    }
    let mut dx = Buffer::new(map.len());
    let grads = run(Some(values(&g)), &mut dx);
    [tensor_of_map(dx, map), vector_tensor(&grads.gamma), vector_tensor(&grads.beta)]
}
