//! Convolution with any kernel, stride and padding as a matrix product.
//!
//! The patches under a block of output pixels are laid out as rows of a matrix, one block at a time, so
//! scratch stays small whatever the batch. Column `(u, v, c)` of a patch is tap `(u, v)` of channel `c`.

use super::activation::Activation;
use super::buffer::Buffer;
use super::gemm::{PanelProduct, panel_product};
use super::map::Map;
use super::padding::Padding;
use super::parallel::{Shared, for_each_piece, with_scratch};
use super::pointwise::{self, Gradients};
use super::simd::Isa;

/// Rows of a weight gradient that are computed together: their patches stay in the second-level cache while they
/// meet every panel of outputs.
const GRADIENT_ROWS: usize = 120;
/// Fewest output pixels of a piece of the input gradient, so that the weights are not read for too little work.
const FEWEST_PIXELS: usize = 96;
/// Groups of pixels that sum a weight gradient on their own, and floats that all their sums may take.
const GROUPS: usize = 16;
const GROUP_FLOATS: usize = 4_000_000;

/// A convolution's geometry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// The input maps.
    pub(crate) map: Map,
    pub(crate) outputs: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: Padding,
}

impl Geometry {
    /// The output maps, or nothing when the kernel does not fit the padded input.
    pub(crate) fn output(self) -> Option<Map> {
        let height = self.padding.outputs(self.map.height, self.kernel[0], self.stride)?;
        let width = self.padding.outputs(self.map.width, self.kernel[1], self.stride)?;
        Some(Map { height, width, channels: self.outputs, ..self.map })
    }

    fn output_map(self) -> Map {
        self.output().expect("the shape was checked before a kernel was chosen")
    }

    /// Zeros above and below, left and right.
    fn padding(self) -> [[usize; 2]; 2] {
        let zeros = |length, kernel| self.padding.zeros(length, kernel, self.stride);
        [zeros(self.map.height, self.kernel[0]), zeros(self.map.width, self.kernel[1])]
    }

    /// Columns of a patch.
    pub(crate) fn depth(self) -> usize {
        self.kernel[0] * self.kernel[1] * self.map.channels
    }

    /// Whether a patch is a pixel, so that the input itself is the matrix of patches.
    pub(crate) fn is_pointwise(self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding() == [[0; 2]; 2]
    }

    /// Pixels whose patches stay in the second-level cache together.
    fn block(self, isa: Isa) -> usize {
        (isa.cache_floats() * 2 / 5 / self.depth().max(1)).clamp(12, 192) / 12 * 12
    }

    /// Calls `run(to, from, channels)` for every tap of the patch of `pixel` that lies inside the map: `to` is
    /// the offset in the patch, `from` the offset in the input.
    #[inline(always)]
    fn for_taps(self, output: Map, [top, left]: [usize; 2], pixel: usize, mut run: impl FnMut(usize, usize, usize)) {
        let (image, rest) = (pixel / output.pixels(), pixel % output.pixels());
        let (i, j) = (rest / output.width * self.stride, rest % output.width * self.stride);
        let channels = self.map.channels;
        // A run of taps along a row is one run of memory.
        let first = left.saturating_sub(j);
        let last = self.kernel[1].min((self.map.width + left).saturating_sub(j));
        if first >= last {
            return;
        }
        for u in 0..self.kernel[0] {
            if i + u < top || i + u >= self.map.height + top {
                continue;
            }
            let row = image * self.map.height + i + u - top;
            let from = (row * self.map.width + j + first - left) * channels;
            run((u * self.kernel[1] + first) * channels, from, (last - first) * channels);
        }
    }

    /// Lays out the patches of `count` pixels, `row` floats apart.
    fn patches(self, output: Map, x: &[f32], first: usize, count: usize, row: usize, to: &mut [f32]) {
        let [[top, below], [left, right]] = self.padding();
        let whole = top + below + left + right == 0;
        for (k, patch) in to.chunks_exact_mut(row).take(count).enumerate() {
            if !whole {
                patch.fill(0.0);
            }
            self.for_taps(output, [top, left], first + k, |to, from, len| {
                patch[to..to + len].copy_from_slice(&x[from..from + len]);
            });
        }
    }
}

/// Weights `[outputs][channels][kh][kw]` as panels of `[rows][width]`: rows are patch columns and columns are
/// outputs, or the other way round when `transposed`.
pub(super) fn pack(isa: Isa, geometry: Geometry, weight: &[f32], transposed: bool) -> Buffer {
    let (taps, channels, depth) = (geometry.kernel[0] * geometry.kernel[1], geometry.map.channels, geometry.depth());
    assert!(weight.len() >= geometry.outputs * depth);
    let (rows, columns) = if transposed { (geometry.outputs, depth) } else { (depth, geometry.outputs) };
    let mut data = Buffer::new(rows * columns.next_multiple_of(isa.lanes()));
    let to = Shared::new(&mut data);
    for_each_piece(columns.div_ceil(isa.panel()), |panel| {
        let first = panel * isa.panel();
        let width = panel_width(isa, columns, first);
        let lanes = width.min(columns - first);
        // SAFETY: every panel is a part of its own of the buffer.
        let panel = unsafe { std::slice::from_raw_parts_mut(to.ptr().add(rows * first), rows * width) };
        if lanes < width {
            panel.fill(0.0);
        }
        if transposed {
            // Patch column `k` is tap `k / channels` of channel `k % channels`.
            let places: Vec<usize> = (first..first + lanes).map(|k| k % channels * taps + k / channels).collect();
            for (weight, row) in weight.chunks_exact(depth).zip(panel.chunks_exact_mut(width)) {
                row.iter_mut().zip(&places).for_each(|(to, &place)| *to = weight[place]);
            }
        } else {
            for c in 0..channels {
                for tap in 0..taps {
                    let row = &mut panel[(tap * channels + c) * width..][..lanes];
                    let from = &weight[first * depth + c * taps + tap..];
                    row.iter_mut().enumerate().for_each(|(lane, to)| *to = from[lane * depth]);
                }
            }
        }
    });
    data
}

/// Columns of the panel that starts at `first`, rounded up to whole vectors.
pub(super) fn panel_width(isa: Isa, columns: usize, first: usize) -> usize {
    isa.panel().min(columns - first).next_multiple_of(isa.lanes())
}

/// The convolution, with optional bias, then the activation.
pub(crate) fn convolve(
    isa: Isa,
    geometry: Geometry,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    convolve_packed(isa, geometry, x, &Packed::new(isa, geometry, weight), bias, activation, y);
}

/// Weights in the order in which [`convolve_packed`] reads them, for maps of any size and batch.
pub(crate) struct Packed(Buffer);

impl Packed {
    /// Packs `[outputs][channels][kh][kw]`.
    pub(crate) fn new(isa: Isa, geometry: Geometry, weight: &[f32]) -> Self {
        Self(pack(isa, geometry, weight, false))
    }
}

/// As [`convolve`], with weights packed before for the same channels, outputs and kernel.
pub(crate) fn convolve_packed(
    isa: Isa,
    geometry: Geometry,
    x: &[f32],
    Packed(weights): &Packed,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    let output = geometry.output_map();
    let (depth, outputs) = (geometry.depth(), geometry.outputs);
    assert!(x.len() == geometry.map.len() && y.len() == output.len());
    assert_eq!(weights.len(), depth * outputs.next_multiple_of(isa.lanes()), "weights packed for this geometry");
    if geometry.is_pointwise() {
        return pointwise::product(isa, depth, outputs, x, weights, bias, activation, y);
    }
    let (pixels, block) = (output.batch * output.pixels(), geometry.block(isa));
    let y = Shared::new(y);
    for_each_piece(pixels.div_ceil(block), |piece| {
        let first_pixel = piece * block;
        let count = block.min(pixels - first_pixel);
        with_scratch(block * (depth + isa.panel()), |scratch| {
            let (patches, products) = scratch.split_at_mut(block * depth);
            geometry.patches(output, x, first_pixel, count, depth, patches);
            for first in (0..outputs).step_by(isa.panel()) {
                let width = panel_width(isa, outputs, first);
                let shape = PanelProduct {
                    rows: count,
                    depth,
                    columns: width,
                    a_row: depth,
                    a_depth: 1,
                    b_depth: width,
                    c_row: width,
                    accumulate: false,
                };
                // SAFETY: the panel, the patches and the products hold what the shape says.
                unsafe {
                    panel_product(
                        isa,
                        shape,
                        patches.as_ptr(),
                        weights[depth * first..].as_ptr(),
                        products.as_mut_ptr(),
                    );
                }
                let lanes = width.min(outputs - first);
                for (k, product) in products.chunks_exact(width).take(count).enumerate() {
                    // SAFETY: every piece writes pixels of its own.
                    let y = unsafe {
                        let at = (first_pixel + k) * outputs + first;
                        std::slice::from_raw_parts_mut(y.ptr().add(at), lanes)
                    };
                    match bias {
                        Some(bias) => {
                            y.iter_mut().zip(product).zip(&bias[first..]).for_each(|((y, p), b)| *y = p + b);
                        }
                        None => y.copy_from_slice(&product[..lanes]),
                    }
                    if activation != Activation::None {
                        y.iter_mut().for_each(|y| *y = activation.of(*y));
                    }
                }
            }
        });
    });
}

/// The gradient with respect to the input; whole images are one piece of work because patches overlap.
pub(crate) fn input_gradient(isa: Isa, geometry: Geometry, g: &[f32], weight: &[f32], dx: &mut [f32]) {
    let output = geometry.output_map();
    let (depth, outputs) = (geometry.depth(), geometry.outputs);
    assert!(g.len() == output.len() && dx.len() == geometry.map.len());
    let weights = pack(isa, geometry, weight, true);
    if geometry.is_pointwise() {
        return pointwise::product(isa, outputs, depth, g, &weights, None, Activation::None, dx);
    }
    let before = geometry.padding().map(|zeros| zeros[0]);
    let together = FEWEST_PIXELS.div_ceil(output.pixels()).min(geometry.map.batch);
    let block = geometry.block(isa);
    let image_len = geometry.map.pixels() * geometry.map.channels;
    let padded = depth.next_multiple_of(isa.lanes());
    let dx = Shared::new(dx);
    for_each_piece(geometry.map.batch.div_ceil(together), |piece| {
        let first_image = piece * together;
        let images = together.min(geometry.map.batch - first_image);
        // SAFETY: each piece writes images of its own.
        let dx = unsafe { std::slice::from_raw_parts_mut(dx.ptr().add(first_image * image_len), images * image_len) };
        dx.fill(0.0);
        with_scratch(block * padded, |patches| {
            for start in (0..images * output.pixels()).step_by(block) {
                let count = block.min(images * output.pixels() - start);
                let first_pixel = first_image * output.pixels() + start;
                for first in (0..depth).step_by(isa.panel()) {
                    let width = panel_width(isa, depth, first);
                    let shape = PanelProduct {
                        rows: count,
                        depth: outputs,
                        columns: width,
                        a_row: outputs,
                        a_depth: 1,
                        b_depth: width,
                        c_row: padded,
                        accumulate: false,
                    };
                    // SAFETY: the gradient, the panel and the patches hold what the shape says.
                    unsafe {
                        let (g, weights) = (g[first_pixel * outputs..].as_ptr(), weights[outputs * first..].as_ptr());
                        panel_product(isa, shape, g, weights, patches.as_mut_ptr().add(first));
                    }
                }
                for (k, patch) in patches.chunks_exact(padded).take(count).enumerate() {
                    geometry.for_taps(output, before, first_pixel + k, |column, to, len| {
                        let to = &mut dx[to - first_image * image_len..][..len];
                        to.iter_mut().zip(&patch[column..]).for_each(|(to, add)| *to += add);
                    });
                }
            }
        });
    });
}

/// The gradient with respect to the weights, `[outputs][channels][kh][kw]`.
pub(crate) fn weight_gradient(isa: Isa, geometry: Geometry, x: &[f32], g: &[f32], dw: &mut [f32]) {
    let output = geometry.output_map();
    let (depth, outputs) = (geometry.depth(), geometry.outputs);
    assert!(x.len() == geometry.map.len() && g.len() == output.len() && dw.len() == outputs * depth);
    if geometry.is_pointwise() {
        let to = Gradients { input: None, weight: Some(dw), bias: None };
        return pointwise::backward(isa, geometry, x, g, None, to);
    }
    let (pixels, block) = (output.batch * output.pixels(), geometry.block(isa));
    let padded = outputs.next_multiple_of(isa.lanes());
    let row = spread_row(depth);
    let sum = depth * padded;
    let groups = (GROUP_FLOATS / sum.max(1)).clamp(2, GROUPS).min(pixels.div_ceil(block));
    let group_pixels = pixels.div_ceil(groups).next_multiple_of(block);
    let groups = pixels.div_ceil(group_pixels);
    let mut sums = Buffer::new(groups * sum);
    let to = Shared::new(&mut sums);
    for_each_piece(groups, |group| {
        with_scratch(block * (row + padded), |scratch| {
            let (patches, gradients) = scratch.split_at_mut(block * row);
            let begin = group * group_pixels;
            let end = pixels.min(begin + group_pixels);
            for first_pixel in (begin..end).step_by(block) {
                let count = block.min(end - first_pixel);
                geometry.patches(output, x, first_pixel, count, row, patches);
                panels(isa, &g[first_pixel * outputs..], outputs, count, gradients);
                for start in (0..depth).step_by(GRADIENT_ROWS) {
                    for first in (0..outputs).step_by(isa.panel()) {
                        let width = panel_width(isa, outputs, first);
                        let shape = PanelProduct {
                            rows: GRADIENT_ROWS.min(depth - start),
                            depth: count,
                            columns: width,
                            a_row: 1,
                            a_depth: row,
                            b_depth: width,
                            c_row: width,
                            accumulate: first_pixel > begin,
                        };
                        // SAFETY: every group has a sum of its own; the rest is only read.
                        unsafe {
                            let sum = to.ptr().add(group * sum + depth * first + start * width);
                            let columns = gradients[count * first..].as_ptr();
                            panel_product(isa, shape, patches[start..].as_ptr(), columns, sum);
                        }
                    }
                }
            }
        });
    });
    add_up(isa, geometry, groups, &mut sums, dw);
}

/// Floats between two patches whose columns are read downwards: an odd number of cache lines, so that they do not
/// all fall on the same few sets of the first-level cache.
pub(super) fn spread_row(depth: usize) -> usize {
    let lines = depth.div_ceil(16);
    (lines + usize::from(lines.is_multiple_of(2))) * 16
}

/// Cuts `count` rows of `columns` values into panels `[count][width]`, zeros after the last column.
fn panels(isa: Isa, rows: &[f32], columns: usize, count: usize, to: &mut [f32]) {
    for first in (0..columns).step_by(isa.panel()) {
        let width = panel_width(isa, columns, first);
        let lanes = width.min(columns - first);
        let panel = to[count * first..].chunks_exact_mut(width).take(count);
        for (row, to) in rows.chunks_exact(columns).zip(panel) {
            to[..lanes].copy_from_slice(&row[first..first + lanes]);
            to[lanes..].fill(0.0);
        }
    }
}

/// Sums the groups' panels `[depth][width]` in order and writes them as weights `[outputs][channels][kh][kw]`.
pub(super) fn add_up(isa: Isa, geometry: Geometry, groups: usize, sums: &mut [f32], dw: &mut [f32]) {
    let (taps, channels, depth) = (geometry.kernel[0] * geometry.kernel[1], geometry.map.channels, geometry.depth());
    let sum = sums.len() / groups;
    let (sums, dw) = (Shared::new(sums), Shared::new(dw));
    for_each_piece(geometry.outputs.div_ceil(isa.panel()), |panel| {
        let first = panel * isa.panel();
        let width = panel_width(isa, geometry.outputs, first);
        // SAFETY: each piece reads and writes its panel of every group, and the weights of its outputs.
        unsafe {
            let of = |group: usize| sums.ptr().add(group * sum + depth * first);
            let total = std::slice::from_raw_parts_mut(of(0), depth * width);
            for group in 1..groups {
                let add = std::slice::from_raw_parts(of(group), depth * width);
                total.iter_mut().zip(add).for_each(|(total, add)| *total += add);
            }
            for lane in 0..width.min(geometry.outputs - first) {
                let dw = std::slice::from_raw_parts_mut(dw.ptr().add((first + lane) * depth), depth);
                for (c, dw) in dw.chunks_exact_mut(taps).enumerate() {
                    for (tap, dw) in dw.iter_mut().enumerate() {
                        *dw = total[(tap * channels + c) * width + lane];
                    }
                }
            }
        }
    });
}
