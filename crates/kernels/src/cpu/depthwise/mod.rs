//! Depthwise convolution with "SAME" padding: every channel has a square kernel of its own.
//!
//! `y[b,i,j,c] = sum over u,v of weight[c,u,v] * x[b, i stride + u - top, j stride + v - left, c]`, zeros outside.
//!
//! Vectors run over channels, which lie side by side in memory. A [`Table`] says where each pixel of a row lies and
//! has the pixels outside the map point at zeros, so that the loops know no borders.

mod gradient;
mod line;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use gradient::weight_gradient;

use super::activation::Activation;
use super::fetch::fetch;
use super::map::Map;
use super::padding::Padding;
use super::parallel::{Shared, for_each_piece};
use super::simd::Isa;
use line::{Channels, Line, convolve_lines};
use table::{Table, zeros};

/// Floats that a piece of work writes, about: its rows and those it reads stay in the second-level cache.
const BAND_FLOATS: usize = 32 * 1024;

/// A depthwise convolution's geometry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// The input maps.
    pub(crate) map: Map,
    /// Side of the kernel.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
}

impl Geometry {
    /// The output maps.
    pub(crate) fn output(self) -> Map {
        Map { height: self.map.height.div_ceil(self.stride), width: self.map.width.div_ceil(self.stride), ..self.map }
    }

    /// Zeros above and to the left.
    fn before(self) -> [usize; 2] {
        [self.map.height, self.map.width].map(|length| Padding::Same.zeros(length, self.kernel, self.stride)[0])
    }

    /// Weights of one channel.
    fn taps(self) -> usize {
        self.kernel * self.kernel
    }
}

/// Rows of a piece of work on maps like this one.
fn band(map: Map) -> usize {
    (BAND_FLOATS / (map.width * map.channels)).clamp(1, map.height)
}

/// Weights `[channels][taps]` as `[vectors of channels][taps][lanes]`, zeros after the last channel.
fn packed(isa: Isa, weights: &[f32], channels: usize, taps: usize) -> Vec<f32> {
    let lanes = isa.lanes();
    let mut to = vec![0.0; channels.next_multiple_of(lanes) * taps];
    for (channel, weights) in weights.chunks_exact(taps).enumerate() {
        let first = channel / lanes * lanes * taps + channel % lanes;
        weights.iter().enumerate().for_each(|(tap, &weight)| to[first + tap * lanes] = weight);
    }
    to
}

/// The convolution of `x` with weights `[channels][kernel][kernel]`, with optional bias, then the activation.
pub(crate) fn convolve(
    isa: Isa,
    geometry: Geometry,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    let Geometry { map, kernel, stride } = geometry;
    let (output, [top, left], channels) = (geometry.output(), geometry.before(), map.channels);
    assert!(x.len() == map.len() && y.len() == output.len() && weight.len() == channels * geometry.taps());
    assert!(bias.is_none_or(|bias| bias.len() == channels), "one bias per channel");
    let weights = packed(isa, weight, channels, geometry.taps());
    let shared = Channels { channels, weights: &weights, n_weights: geometry.taps(), bias, activation };
    let (zeros, band) = (zeros(channels), band(output));
    let bands = output.height.div_ceil(band);
    let width = (output.width - 1) * stride + kernel;
    let y = Shared::new(y);
    for_each_piece(output.batch * bands, |piece| {
        let (image, first) = (piece / bands, piece % bands * band);
        let rows = first..output.height.min(first + band);
        let inputs = (rows.start * stride).saturating_sub(top)..map.height.min((rows.end - 1) * stride + kernel - top);
        let x = &x[image * map.pixels() * channels..][..map.pixels() * channels];
        // SAFETY: rows of x and, belonging to this piece alone, of y.
        unsafe {
            let row = output.width * channels;
            fetch(x[inputs.start * map.width * channels..].as_ptr(), inputs.len() * map.width * channels);
            fetch(y.ptr().add((image * output.height + rows.start) * row), rows.len() * row);
        }
        let table = Table::new(map, x, inputs, left, width, &zeros);
        let line = |i: usize| {
            // The rows of the kernel that lie on the map.
            let first = top.saturating_sub(i * stride);
            let end = kernel.min(map.height + top - i * stride);
            Line {
                taps: [end - first, kernel],
                weight: first * kernel,
                weight_steps: [kernel, 1],
                pixel: table.row(i * stride + first - top).as_ptr(),
                tap_steps: [width as isize, 1],
                step: stride,
                count: output.width,
                // SAFETY: the row lies in y.
                to: unsafe { y.ptr().add((image * output.height + i) * output.width * channels) },
                to_step: channels,
            }
        };
        let lines: Vec<Line> = rows.map(line).collect();
        // SAFETY: the last tap of the last pixel is the last entry of a row of the table; every row of y belongs to one
        // piece.
        unsafe { convolve_lines(isa, shared, &lines) };
    });
}

/// The gradient with respect to the input: with stride `s`, pixels whose row and column leave the same remainders
/// divided by `s` meet the same taps, so each of the `s` kinds in a row is a convolution of `g` with some of the taps.
pub(crate) fn input_gradient(isa: Isa, geometry: Geometry, g: &[f32], weight: &[f32], dx: &mut [f32]) {
    let Geometry { map, kernel, stride } = geometry;
    let (output, [top, left], channels) = (geometry.output(), geometry.before(), map.channels);
    assert!(dx.len() == map.len() && g.len() == output.len() && weight.len() == channels * geometry.taps());
    let weights = packed(isa, weight, channels, geometry.taps());
    let (n_weights, activation) = (geometry.taps(), Activation::None);
    let shared = Channels { channels, weights: &weights, n_weights, bias: None, activation };
    let (zeros, band) = (zeros(channels), band(map));
    let bands = map.height.div_ceil(band);
    // The pixel of column j meets tap v in column (j + left - v) / stride of g, the first of which may lie outside.
    let before = (kernel - 1 - left).div_ceil(stride);
    let width = before + (map.width - 1 + left) / stride + 1;
    let dx = Shared::new(dx);
    for_each_piece(map.batch * bands, |piece| {
        let (image, first) = (piece / bands, piece % bands * band);
        let rows = first..map.height.min(first + band);
        let from = (rows.start + top + 1).saturating_sub(kernel).div_ceil(stride).min(output.height);
        let to = output.height.min((rows.end - 1 + top) / stride + 1).max(from);
        let g = &g[image * output.pixels() * channels..][..output.pixels() * channels];
        // SAFETY: rows of g and, belonging to this piece alone, of dx.
        unsafe {
            let row = map.width * channels;
            fetch(g[from * output.width * channels..].as_ptr(), (to - from) * output.width * channels);
            fetch(dx.ptr().add((image * map.height + rows.start) * row), rows.len() * row);
        }
        let table = Table::new(output, g, from..to, before, width, &zeros);
        let mut lines = Vec::with_capacity(rows.len() * stride);
        for (i, remainder) in rows.flat_map(|i| (0..stride.min(map.width)).map(move |remainder| (i, remainder))) {
            // Taps u, u + stride, ... meet rows row, row - 1, ... of g, of which some may lie below it.
            let u = (i + top) % stride;
            let below = ((i + top) / stride + 1).saturating_sub(output.height);
            let (u, row) = (u + below * stride, ((i + top) / stride).saturating_sub(below));
            let v = (remainder + left) % stride;
            let column = before + (remainder + left) / stride;
            let down = kernel.saturating_sub(u).div_ceil(stride).min(row + 1);
            let across = kernel.saturating_sub(v).div_ceil(stride);
            // SAFETY: the row lies in dx.
            let to = unsafe { dx.ptr().add(((image * map.height + i) * map.width + remainder) * channels) };
            lines.push(Line {
                taps: [down, across],
                weight: u * kernel + v,
                weight_steps: [stride * kernel, stride],
                pixel: if down * across > 0 { table.row(row)[column..].as_ptr() } else { std::ptr::null() },
                tap_steps: [-(width as isize), -1],
                step: 1,
                count: (map.width - remainder).div_ceil(stride),
                to,
                to_step: stride * channels,
            });
        }
        // SAFETY: a pixel's last column of g is at most `(width - 1 + left) / stride` and its first at least `-before`;
        // every row of dx belongs to one piece.
        unsafe { convolve_lines(isa, shared, &lines) };
    });
}
