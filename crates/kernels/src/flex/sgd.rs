//! The optimiser's step.

use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;

use super::layout::{tensor_of, values};
use crate::cpu::buffer::Buffer;
use crate::cpu::sgd::{Rates, step};
use crate::cpu::simd::Isa;

/// The tensor itself where it is contiguous and nobody else holds it, a copy otherwise.
fn owned(tensor: FlexTensor) -> FlexTensor {
    let layout = tensor.layout();
    let whole =
        layout.is_contiguous() && layout.start_offset() == 0 && tensor.storage::<f32>().len() == layout.num_elements();
    if whole && tensor.is_unique() {
        return tensor;
    }
    let tensor = tensor.to_contiguous();
    let mut data = Buffer::new(values(&tensor).len());
    data.copy_from_slice(values(&tensor));
    tensor_of(data, tensor.shape())
}

/// New parameter and momentum buffer.
pub(crate) fn sgd_step(
    param: FlexTensor,
    grad: FlexTensor,
    buf: Option<FlexTensor>,
    rates: Rates,
) -> (FlexTensor, FlexTensor) {
    let grad = grad.to_contiguous();
    let first = buf.is_none();
    let mut param = owned(param);
    let mut buf = match buf {
        Some(buf) => owned(buf),
        None => tensor_of(Buffer::new(values(&grad).len()), param.shape()),
    };
    step(Isa::best(), rates, param.storage_mut(), values(&grad), buf.storage_mut(), first);
    (param, buf)
}
