//! The sums of a residual network.

use burn_flex::FlexTensor;

use super::layout::{channels_last, map_of, tensor_of_map, values, whole_memory};
use crate::cpu::activation::Activation;
use crate::cpu::buffer::Buffer;
use crate::cpu::residual;
use crate::cpu::simd::Isa;

/// `max(a + b, 0)`
pub(crate) fn add_relu(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    let (a, b) = (channels_last(a), channels_last(b));
    let map = map_of(&a);
    let mut y = Buffer::new(map.len());
    residual::add_relu(Isa::best(), values(&a), values(&b), &mut y);
    tensor_of_map(y, map)
}

/// The gradient of either summand of [`add_relu`], whose output was `y`.
pub(crate) fn add_relu_backward(y: FlexTensor, g: FlexTensor) -> FlexTensor {
    let (y, g) = (channels_last(y), channels_last(g));
    let map = map_of(&y);
    let mut dx = Buffer::new(map.len());
    residual::relu_gradient(Isa::best(), values(&y), values(&g), &mut dx);
    tensor_of_map(dx, map)
}

/// `a + b`, in the memory of one of them where nobody else holds it.
pub(crate) fn add(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    let (mut a, mut b) = (channels_last(a), channels_last(b));
    if whole_memory(&mut a).is_none() {
        std::mem::swap(&mut a, &mut b);
    }
    if let Some(sum) = whole_memory(&mut a) {
        residual::add_to(Isa::best(), sum, values(&b));
        return a;
    }
    let map = map_of(&a);
    let mut sum = Buffer::new(map.len());
    residual::add(Isa::best(), values(&a), values(&b), &mut sum);
    tensor_of_map(sum, map)
}

/// The gradient of an activation's argument, whose output was `y`, in the memory of `g` where nobody else holds it.
pub(crate) fn activation_backward(activation: Activation, y: FlexTensor, g: FlexTensor) -> FlexTensor {
    let (y, mut g) = (channels_last(y), channels_last(g));
    if let Some(memory) = whole_memory(&mut g) {
        residual::activation_gradient(Isa::best(), activation, values(&y), memory);
        return g;
    }
    let map = map_of(&g);
    let mut dx = Buffer::new(map.len());
    dx.copy_from_slice(values(&g));
    residual::activation_gradient(Isa::best(), activation, values(&y), &mut dx);
    tensor_of_map(dx, map)
}
