//! Weights in the order in which the kernels read them.

use crate::cpu::activation::Activation;
use crate::cpu::simd::Isa;

/// A convolution whose batch norm is folded into it.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// `[outputs][inputs][kernel][kernel]`, or `[outputs][kernel][kernel]` of a depthwise one.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) depthwise: bool,
    pub(crate) activation: Activation,
}

/// One step of a chain.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A convolution by itself.
    Conv(Layer),
    /// Pointwise, depthwise, pointwise; plus its input when `residual`.
    InvertedResidual {
        /// Pointwise; left out where the depthwise convolution has as many channels as the input.
        expand: Option<Layer>,
        depthwise: Layer,
        /// Pointwise.
        project: Layer,
        residual: bool,
    },
}

/// Bounds between which an activation keeps values.
pub(super) fn bounds(activation: Activation) -> [f32; 2] {
    match activation {
        Activation::None => [f32::NEG_INFINITY, f32::INFINITY],
        Activation::Relu => [0.0, f32::INFINITY],
        Activation::Relu6 => [0.0, 6.0],
    }
}

/// Some adjacent columns of a weight matrix: rows of `vectors` vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Offset in the chain's weights.
    pub(super) at: usize,
    /// First column.
    pub(super) first: usize,
    pub(super) vectors: usize,
}

/// A dense or pointwise convolution.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub(super) panels: Vec<Panel>,
    /// Offset of the bias in the chain's weights.
    pub(super) bias: usize,
    pub(super) inputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) clamp: [f32; 2],
}

/// A depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps {
    /// Offset of the taps in the chain's weights: for each vector of channels `kernel * kernel` vectors.
    pub(super) at: usize,
    /// Offset of the bias.
    pub(super) bias: usize,
    pub(super) channels: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) clamp: [f32; 2],
}

/// Weights as they are packed, one convolution after another.
pub(super) struct Packer {
    pub(super) isa: Isa,
    pub(super) data: Vec<f32>,
}

impl Packer {
    /// Room for `len` floats on a cache line's boundary, zeros.
    fn room(&mut self, len: usize) -> usize {
        let at = self.data.len().next_multiple_of(16);
        self.data.resize(at + len, 0.0);
        at
    }

    fn bias(&mut self, layer: &Layer) -> usize {
        let at = self.room(layer.outputs.next_multiple_of(self.isa.lanes()));
        self.data[at..at + layer.outputs].copy_from_slice(&layer.bias);
        at
    }

    /// Packs a dense convolution; row `(u, v, c)` of its matrix is tap `(u, v)` of input `c`.
    pub(super) fn dense(&mut self, layer: &Layer) -> Dense {
        let (inputs, outputs, kernel) = (layer.inputs, layer.outputs, layer.kernel);
        let (lanes, taps) = (self.isa.lanes(), kernel * kernel);
        assert_eq!(layer.weight.len(), outputs * inputs * taps, "weights of a dense convolution");
        let mut panels = Vec::new();
        let mut first = 0;
        for vectors in panel_vectors(self.isa, outputs.div_ceil(lanes)) {
            let width = vectors * lanes;
            let at = self.room(taps * inputs * width);
            for column in 0..width.min(outputs - first) {
                for (c, tap) in (0..inputs).flat_map(|c| (0..taps).map(move |tap| (c, tap))) {
                    self.data[at + (tap * inputs + c) * width + column] =
                        layer.weight[((first + column) * inputs + c) * taps + tap];
                }
            }
            panels.push(Panel { at, first, vectors });
            first += width;
        }
        let (bias, clamp) = (self.bias(layer), bounds(layer.activation));
        Dense { panels, bias, inputs, kernel, stride: layer.stride, clamp }
    }

    /// Packs a depthwise convolution.
    pub(super) fn taps(&mut self, layer: &Layer) -> Taps {
        let (channels, lanes, taps) = (layer.outputs, self.isa.lanes(), layer.kernel * layer.kernel);
        assert_eq!(layer.weight.len(), channels * taps, "weights of a depthwise convolution");
        let at = self.room(channels.next_multiple_of(lanes) * taps);
        for (c, tap) in (0..channels).flat_map(|c| (0..taps).map(move |tap| (c, tap))) {
            self.data[at + (c / lanes * taps + tap) * lanes + c % lanes] = layer.weight[c * taps + tap];
        }
        let (bias, clamp) = (self.bias(layer), bounds(layer.activation));
        Taps { at, bias, channels, kernel: layer.kernel, stride: layer.stride, clamp }
    }
}

/// How many vectors each panel has: with 16 registers two, which six pixels fill to the last one (four pixels of three would need a
/// seventeenth), else four; and no panel of a single vector, whose tiles would wait for their broadcasts.
fn panel_vectors(isa: Isa, mut vectors: usize) -> Vec<usize> {
    let best = if isa.panel() / isa.lanes() == 4 { 4 } else { 2 };
    let mut panels = Vec::new();
    while vectors > 0 {
        let next = match vectors {
            3 => 3,
            _ if vectors == best + 1 => best - 1,
            _ => best.min(vectors),
        };
        panels.push(next);
        vectors -= next;
    }
    panels
}
