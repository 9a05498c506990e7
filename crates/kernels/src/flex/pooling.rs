//! Pooling and unpooling.

use burn_flex::FlexTensor;

use super::layout::{channels_last, channels_last_indices, indices, map_of, tensor_of_indices, tensor_of_map, values};
use crate::cpu::buffer::Buffer;
use crate::cpu::map::Map;
use crate::cpu::pool;
use crate::cpu::simd::Isa;

/// Maxima and their places.
pub(crate) fn max_pool2x2(x: FlexTensor) -> (FlexTensor, FlexTensor) {
    let x = channels_last(x);
    let map = map_of(&x);
    let small = Map { height: map.height / 2, width: map.width / 2, ..map };
    let (mut y, mut places) = (Buffer::new(small.len()), Buffer::new(small.len()));
    pool::max_pool2x2(Isa::best(), map, values(&x), &mut y, places.as_indices_mut());
    (tensor_of_map(y, small), tensor_of_indices(places, small))
}

/// The gradient of the input of shape `map`.
pub(crate) fn max_pool2x2_backward(map: Map, places: &FlexTensor, g: FlexTensor) -> FlexTensor {
    let g = channels_last(g);
    let mut dx = Buffer::new(map.len());
    pool::scatter2x2(Isa::best(), map, values(&g), indices(places), &mut dx);
    tensor_of_map(dx, map)
}

/// The unpooled map and the indices in channels-last order.
///
/// # Panics
/// When an index lies outside the larger map.
pub(crate) fn max_unpool2x2(x: FlexTensor, places: FlexTensor) -> (FlexTensor, FlexTensor) {
    let places = channels_last_indices(places);
    let x = channels_last(x);
    let small = map_of(&x);
    let map = Map { height: 2 * small.height, width: 2 * small.width, ..small };
    let mut y = Buffer::new(map.len());
    if pool::stay_in_windows(map, indices(&places)) {
        pool::scatter2x2(Isa::best(), map, values(&x), indices(&places), &mut y);
    } else {
        pool::scatter_add(map, values(&x), indices(&places), &mut y);
    }
    (tensor_of_map(y, map), places)
}

/// The gradient of the unpooling's input.
pub(crate) fn max_unpool2x2_backward(places: &FlexTensor, g: FlexTensor) -> FlexTensor {
    let g = channels_last(g);
    let small = map_of(places);
    let mut dx = Buffer::new(small.len());
    pool::gather2x2(map_of(&g), values(&g), indices(places), &mut dx);
    tensor_of_map(dx, small)
}

/// Maxima of 3x3 windows, stride 2, padding 1, and their places.
pub(crate) fn max_pool3x3s2(x: FlexTensor) -> (FlexTensor, FlexTensor) {
    let x = channels_last(x);
    let map = map_of(&x);
    let small = Map { height: map.height.div_ceil(2), width: map.width.div_ceil(2), ..map };
    let (mut y, mut places) = (Buffer::new(small.len()), Buffer::new(small.len()));
    pool::max_pool3x3s2(map, values(&x), &mut y, places.as_indices_mut());
    (tensor_of_map(y, small), tensor_of_indices(places, small))
}

/// The gradient of the input of shape `map`.
pub(crate) fn max_pool3x3s2_backward(map: Map, places: &FlexTensor, g: FlexTensor) -> FlexTensor {
    let g = channels_last(g);
    let mut dx = Buffer::new(map.len());
    pool::scatter_add(map, values(&g), indices(places), &mut dx);
    tensor_of_map(dx, map)
}
