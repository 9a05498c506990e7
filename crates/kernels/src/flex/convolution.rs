//! Convolutions and their gradients.

use burn_backend::TensorMetadata;
use burn_flex::FlexTensor;
use burn_std::Shape;

use super::layout::{channels_last, map_of, tensor_of, tensor_of_map, values};
use super::normalization::vector_tensor;
use crate::cpu::activation::Activation;
use crate::cpu::batch_norm::channel_sums;
use crate::cpu::buffer::Buffer;
use crate::cpu::conv3x3;
use crate::cpu::depthwise;
use crate::cpu::map::Map;
use crate::cpu::matrix_convolution::{self, Geometry, Packed};
use crate::cpu::padding::Padding;
use crate::cpu::pointwise::{self, Gradients};
use crate::cpu::simd::Isa;
use crate::cpu::winograd::{Filters, Prepared, convolve_prepared};

/// Which convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// 3x3, stride 1, padding 1.
    Plain3x3,
    /// The adjoint of that, with weights `[inputs, outputs, 3, 3]`.
    Transposed3x3,
    /// Any other.
    General {
        /// Pixels between two patches.
        stride: usize,
        /// Zeros around the input.
        padding: Padding,
    },
    /// Every channel with a kernel `[channels, 1, k, k]` of its own, "SAME" padding.
    Depthwise {
        /// Pixels between two patches.
        stride: usize,
    },
}

fn filters(weight: &FlexTensor, adjoint: bool) -> Filters<'_> {
    let shape = weight.shape();
    Filters { taps: values(weight), first: shape[0], second: shape[1], adjoint }
}

fn geometry(map: Map, weight: &Shape, stride: usize, padding: Padding) -> Geometry {
    Geometry { map, outputs: weight[0], kernel: [weight[2], weight[3]], stride, padding }
}

fn depthwise_geometry(map: Map, weight: &Shape, stride: usize) -> depthwise::Geometry {
    depthwise::Geometry { map, kernel: weight[2], stride }
}

/// The convolution, then the activation; `x` is channels last and `weight` contiguous.
pub(crate) fn forward(
    kind: Kind,
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    activation: Activation,
) -> FlexTensor {
    let isa = Isa::best();
    let bias = bias.map(FlexTensor::to_contiguous);
    let bias = bias.as_ref().map(values);
    let map = map_of(x);
    match kind {
        Kind::Plain3x3 | Kind::Transposed3x3 => {
            let filters = filters(weight, matches!(kind, Kind::Transposed3x3));
            convolve3x3(isa, map, x, filters, bias, activation)
        }
        Kind::General { stride, padding } => {
            let geometry = geometry(map, &weight.shape(), stride, padding);
            let output = geometry.output().expect("the shape was checked before a kernel was chosen");
            let mut y = Buffer::new(output.len());
            matrix_convolution::convolve(isa, geometry, values(x), values(weight), bias, activation, &mut y);
            tensor_of_map(y, output)
        }
        Kind::Depthwise { stride } => {
            let geometry = depthwise_geometry(map, &weight.shape(), stride);
            let output = geometry.output();
            let mut y = Buffer::new(output.len());
            depthwise::convolve(isa, geometry, values(x), values(weight), bias, activation, &mut y);
            tensor_of_map(y, output)
        }
    }
}

fn convolve3x3(
    isa: Isa,
    map: Map,
    x: &FlexTensor,
    filters: Filters<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
) -> FlexTensor {
    let output = map.with_channels(filters.outputs());
    let mut y = Buffer::new(output.len());
    conv3x3::convolve(isa, map, values(x), filters, bias, activation, &mut y);
    tensor_of_map(y, output)
}

/// The gradient with respect to the input of shape `map`; `g` is channels last.
pub(crate) fn input_gradient(kind: Kind, map: Map, weight: &FlexTensor, g: &FlexTensor) -> FlexTensor {
    let isa = Isa::best();
    match kind {
        Kind::Plain3x3 => convolve3x3(isa, map_of(g), g, filters(weight, true), None, Activation::None),
        Kind::Transposed3x3 => convolve3x3(isa, map_of(g), g, filters(weight, false), None, Activation::None),
        Kind::General { stride, padding } => {
            let geometry = geometry(map, &weight.shape(), stride, padding);
            let mut dx = Buffer::new(map.len());
            matrix_convolution::input_gradient(isa, geometry, values(g), values(weight), &mut dx);
            tensor_of_map(dx, map)
        }
        Kind::Depthwise { stride } => {
            let geometry = depthwise_geometry(map, &weight.shape(), stride);
            let mut dx = Buffer::new(map.len());
            depthwise::input_gradient(isa, geometry, values(g), values(weight), &mut dx);
            tensor_of_map(dx, map)
        }
    }
}

/// The gradient with respect to weights of that shape; `x` and `g` are channels last.
pub(crate) fn weight_gradient(kind: Kind, x: &FlexTensor, g: &FlexTensor, weight: Shape) -> FlexTensor {
    let isa = Isa::best();
    let mut dw = Buffer::new(weight.num_elements());
    match kind {
        Kind::Plain3x3 => {
            conv3x3::weight_gradient(isa, map_of(x), values(x), values(g), weight[0], &mut dw);
        }
        // The adjoint's weights see input and output exchanged.
        Kind::Transposed3x3 => {
            conv3x3::weight_gradient(isa, map_of(g), values(g), values(x), weight[0], &mut dw);
        }
        Kind::General { stride, padding } => {
            let geometry = geometry(map_of(x), &weight, stride, padding);
            matrix_convolution::weight_gradient(isa, geometry, values(x), values(g), &mut dw);
        }
        Kind::Depthwise { stride } => {
            let geometry = depthwise_geometry(map_of(x), &weight, stride);
            depthwise::weight_gradient(isa, geometry, values(x), values(g), &mut dw);
        }
    }
    tensor_of(dw, weight)
}

/// The gradients of input, weights and bias, as far as they are `wanted`, of a convolution to be taken in one pass: one with a
/// 1x1 kernel. Nothing for any other.
pub(crate) fn pointwise_gradients(
    kind: Kind,
    x: &FlexTensor,
    weight: &FlexTensor,
    g: &FlexTensor,
    activated: Option<(Activation, &FlexTensor)>,
    wanted: [bool; 3],
) -> Option<[Option<FlexTensor>; 3]> {
    let Kind::General { stride, padding } = kind else { return None };
    let (map, shape) = (map_of(x), weight.shape());
    let geometry = geometry(map, &shape, stride, padding);
    if !geometry.is_pointwise() {
        return None;
    }
    let buffer = |part: usize, len: usize| wanted[part].then(|| Buffer::new(len));
    let (mut dx, mut dw, mut db) = (buffer(0, map.len()), buffer(1, shape.num_elements()), buffer(2, shape[0]));
    let to = Gradients {
        input: dx.as_deref_mut().map(|dx| (values(weight), dx)),
        weight: dw.as_deref_mut(),
        bias: db.as_deref_mut(),
    };
    let activated = activated.map(|(activation, y)| (activation, values(y)));
    pointwise::backward(Isa::best(), geometry, values(x), values(g), activated, to);
    let outputs = Shape::new([shape[0]]);
    Some([dx.map(|dx| tensor_of_map(dx, map)), dw.map(|dw| tensor_of(dw, shape)), db.map(|db| tensor_of(db, outputs))])
}

/// The gradient with respect to the bias.
pub(crate) fn bias_gradient(g: &FlexTensor) -> FlexTensor {
    let g = channels_last(g.clone());
    vector_tensor(&channel_sums(Isa::best(), values(&g), map_of(&g).channels))
}

/// Filters that many batches are convolved with: transformed once where that pays.
pub(crate) struct FoldedFilters {
    kind: Kind,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    made: Made,
}

/// What was made of the weights.
enum Made {
    Transformed(Prepared),
    Packed(Packed),
    Nothing,
}

impl std::fmt::Debug for FoldedFilters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let made = match self.made {
            Made::Transformed(_) => "transformed",
            Made::Packed(_) => "packed",
            Made::Nothing => "as they are",
        };
        f.debug_struct("FoldedFilters")
            .field("kind", &self.kind)
            .field("weight", &self.weight.shape())
            .field("made", &made)
            .finish()
    }
}

/// Pairs of channels above which transformed filters are streamed from memory more slowly than made anew.
const MOST_TRANSFORMED_PAIRS: usize = 256 * 256;

impl FoldedFilters {
    /// For any convolution but a transposed one.
    pub(crate) fn new(kind: Kind, weight: FlexTensor, bias: Option<FlexTensor>) -> Self {
        let weight = weight.to_contiguous();
        let made = match kind {
            Kind::Plain3x3 | Kind::Transposed3x3 => {
                let plain = filters(&weight, false);
                let few = plain.first * plain.second <= MOST_TRANSFORMED_PAIRS && plain.second >= 8;
                if few { Made::Transformed(Prepared::new(Isa::best(), 4, plain)) } else { Made::Nothing }
            }
            Kind::General { stride, padding } => {
                let shape = weight.shape();
                let any_size = Map { batch: 1, height: shape[2], width: shape[3], channels: shape[1] };
                let geometry = geometry(any_size, &shape, stride, padding);
                Made::Packed(Packed::new(Isa::best(), geometry, values(&weight)))
            }
            Kind::Depthwise { .. } => Made::Nothing,
        };
        Self { kind, weight, bias: bias.map(|bias| bias.to_contiguous()), made }
    }

    /// The convolution with bias and activation; `x` is channels last.
    pub(crate) fn convolve(&self, x: &FlexTensor, activation: Activation) -> FlexTensor {
        let (isa, map) = (Isa::best(), map_of(x));
        let bias = self.bias.as_ref().map(values);
        if let (Kind::General { stride, padding }, Made::Packed(packed)) = (self.kind, &self.made) {
            let geometry = geometry(map, &self.weight.shape(), stride, padding);
            let output = geometry.output().expect("the shape was checked before a kernel was chosen");
            let mut y = Buffer::new(output.len());
            matrix_convolution::convolve_packed(isa, geometry, values(x), packed, bias, activation, &mut y);
            return tensor_of_map(y, output);
        }
        match &self.made {
            Made::Transformed(prepared) if prepared.suits(isa, map) => {
                let output = map.with_channels(self.weight.shape()[0]);
                let mut y = Buffer::new(output.len());
                convolve_prepared(isa, map, values(x), prepared, bias, activation, &mut y);
                tensor_of_map(y, output)
            }
            _ => forward(self.kind, x, &self.weight, self.bias.as_ref(), activation),
        }
    }
}
