//! Which tensors the kernels take.

use burn::backend::DispatchTensorKind;
use burn::tensor::{DType, Int, Tensor};

/// Whether a tensor lives on Flex, with or without autodiff.
fn on_flex(kind: &DispatchTensorKind) -> bool {
    match kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => on_flex(inner),
        #[allow(unreachable_patterns, reason = "there are more kinds when other backends are compiled in")]
        _ => false,
    }
}

/// Whether the kernels take this tensor: `f32`, not empty, on Flex.
pub(crate) fn takes_kernels<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
        && tensor.dims().iter().all(|&length| length > 0)
        && on_flex(&tensor.clone().into_dispatch().kind)
}

/// Whether the kernels take these indices.
pub(crate) fn takes_indices<const D: usize>(indices: &Tensor<D, Int>) -> bool {
    matches!(indices.dtype(), DType::I32 | DType::I64) && on_flex(&indices.clone().into_dispatch().kind)
}
