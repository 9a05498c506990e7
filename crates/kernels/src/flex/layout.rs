//! Between Flex's tensors and channels-last slices.

use burn_backend::{DType, TensorMetadata};
use burn_flex::{FlexTensor, Layout};
use burn_std::Shape;

use super::bytes::bytes_of;
use crate::cpu::buffer::Buffer;
use crate::cpu::map::Map;
use crate::cpu::simd::Isa;
use crate::cpu::transpose::transpose_images;

/// Maps with fewer channels leave in plain NCHW order: they are images, which Burn's own operations take next.
const FEWEST_CHANNELS_LAST: usize = 8;

/// The shape of a rank-4 tensor.
pub(crate) fn map_of(tensor: &FlexTensor) -> Map {
    let shape = tensor.shape();
    Map { batch: shape[0], channels: shape[1], height: shape[2], width: shape[3] }
}

fn channels_last_strides(map: Map) -> [usize; 4] {
    [map.pixels() * map.channels, 1, map.width * map.channels, map.channels]
}

fn is_channels_last(tensor: &FlexTensor) -> bool {
    let map = map_of(tensor);
    let shape = [map.batch, map.channels, map.height, map.width];
    // The stride of a dimension of one value is never used.
    (0..4).all(|d| shape[d] == 1 || tensor.layout().strides()[d] == channels_last_strides(map)[d] as isize)
}

/// The same tensor with its values in channels-last order.
pub(crate) fn channels_last(tensor: FlexTensor) -> FlexTensor {
    if is_channels_last(&tensor) {
        return tensor;
    }
    let map = map_of(&tensor);
    let tensor = tensor.to_contiguous();
    let mut data = Buffer::new(map.len());
    transpose_images(Isa::best(), values(&tensor), map.batch, map.channels, map.pixels(), &mut data);
    in_channels_last(data, map)
}

/// The values of a tensor that is known to be contiguous in its own or in channels-last order.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + tensor.layout().num_elements()]
}

/// As [`values`], of indices.
pub(crate) fn indices(tensor: &FlexTensor) -> &[i32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<i32>()[start..start + tensor.layout().num_elements()]
}

/// The memory of a channels-last tensor that nobody else holds and that is all of its storage.
pub(crate) fn whole_memory(tensor: &mut FlexTensor) -> Option<&mut [f32]> {
    let (start, len) = (tensor.layout().start_offset(), tensor.layout().num_elements());
    tensor.try_storage_mut::<f32>().filter(|memory| start == 0 && memory.len() == len)
}

fn in_channels_last(data: Buffer, map: Map) -> FlexTensor {
    FlexTensor::new(bytes_of(data), channels_last_layout(map), DType::F32)
}

fn channels_last_layout(map: Map) -> Layout {
    let strides = channels_last_strides(map).map(|stride| stride as isize);
    Layout::new(Shape::new([map.batch, map.channels, map.height, map.width]), strides.to_vec(), 0)
}

/// A tensor of channels-last values.
pub(crate) fn tensor_of_map(data: Buffer, map: Map) -> FlexTensor {
    if map.channels >= FEWEST_CHANNELS_LAST {
        return in_channels_last(data, map);
    }
    let mut plain = Buffer::new(map.len());
    transpose_images(Isa::best(), &data, map.batch, map.pixels(), map.channels, &mut plain);
    let shape = Shape::new([map.batch, map.channels, map.height, map.width]);
    FlexTensor::new(bytes_of(plain), Layout::contiguous(shape), DType::F32)
}

/// A tensor of channels-last indices, kept as `i32`.
pub(crate) fn tensor_of_indices(data: Buffer, map: Map) -> FlexTensor {
    FlexTensor::new(bytes_of(data), channels_last_layout(map), DType::I32)
}

/// A tensor of values in their own order.
pub(crate) fn tensor_of(data: Buffer, shape: Shape) -> FlexTensor {
    FlexTensor::new(bytes_of(data), Layout::contiguous(shape), DType::F32)
}

/// Indices as `i32` in channels-last order.
pub(crate) fn channels_last_indices(tensor: FlexTensor) -> FlexTensor {
    if tensor.dtype() == DType::I32 && is_channels_last(&tensor) {
        return tensor;
    }
    let map = map_of(&tensor);
    let shape = [map.batch, map.channels, map.height, map.width];
    let strides: Vec<usize> = tensor.layout().strides().iter().map(|&stride| stride as usize).collect();
    let read: Box<dyn Fn(usize) -> i32> = match tensor.dtype() {
        DType::I32 => Box::new(|at| tensor.storage::<i32>()[at]),
        DType::I64 => Box::new(|at| tensor.storage::<i64>()[at] as i32),
        other => unreachable!("indices of type {other:?} go to the default path"),
    };
    let mut data = Buffer::new(map.len());
    let to = data.as_indices_mut();
    for (at, to) in to.iter_mut().enumerate() {
        let (pixel, c) = (at / shape[1], at % shape[1]);
        let (line, j) = (pixel / shape[3], pixel % shape[3]);
        let (b, i) = (line / shape[2], line % shape[2]);
        let from = b * strides[0] + c * strides[1] + i * strides[2] + j * strides[3];
        *to = read(tensor.layout().start_offset() + from);
    }
    tensor_of_indices(data, map)
}
