//! Convolution with any kernel, stride and padding as a matrix product.
//!
//! The patches under a block of output pixels are laid out as rows of a matrix, one block at a time, so
//! scratch stays small whatever the batch. Column `(u, v, c)` of a patch is tap `(u, v)` of channel `c`.

use super::buffer::Buffer;
use super::gemm::{PanelProduct, panel_product};
use super::map::Map;
use super::parallel::{Shared, for_each_piece, with_scratch};
use super::simd::Isa;

/// Floats of patches that a piece of work holds at once.
const PATCH_FLOATS: usize = 160_000;
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
    pub(crate) padding: usize,
}

impl Geometry {
    /// The output maps, or nothing when the kernel does not fit the padded input.
    pub(crate) fn output(self) -> Option<Map> {
        let side = |length: usize, kernel: usize| {
            Some((length + 2 * self.padding).checked_sub(kernel)?.checked_div(self.stride)? + 1)
        };
        let (height, width) = (side(self.map.height, self.kernel[0])?, side(self.map.width, self.kernel[1])?);
        Some(Map { height, width, channels: self.outputs, ..self.map })
    }

    fn output_map(self) -> Map {
        self.output().expect("the shape was checked before a kernel was chosen")
    }

    /// Columns of a patch.
    pub(crate) fn depth(self) -> usize {
        self.kernel[0] * self.kernel[1] * self.map.channels
    }

    /// Whether a patch is a pixel, so that the input itself is the matrix of patches.
    fn is_pointwise(self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    fn block(self) -> usize {
        (PATCH_FLOATS / self.depth().max(1)).clamp(12, 192) / 12 * 12
    }

    /// Calls `run(to, from, channels)` for every tap of the patch of `pixel` that lies inside the map: `to` is
    /// the offset in the patch, `from` the offset in the input.
    #[inline(always)]
    fn for_taps(self, output: Map, pixel: usize, mut run: impl FnMut(usize, usize, usize)) {
        let (image, rest) = (pixel / output.pixels(), pixel % output.pixels());
        let (i, j) = (rest / output.width * self.stride, rest % output.width * self.stride);
        let channels = self.map.channels;
        // A run of taps along a row is one run of memory.
        let first = self.padding.saturating_sub(j);
        let last = self.kernel[1].min((self.map.width + self.padding).saturating_sub(j));
        if first >= last {
            return;
        }
        for u in 0..self.kernel[0] {
            if i + u < self.padding || i + u >= self.map.height + self.padding {
                continue;
            }
            let row = image * self.map.height + i + u - self.padding;
            let from = (row * self.map.width + j + first - self.padding) * channels;
            run((u * self.kernel[1] + first) * channels, from, (last - first) * channels);
        }
    }

    /// Lays out the patches of `count` pixels.
    fn patches(self, output: Map, x: &[f32], first: usize, count: usize, to: &mut [f32]) {
        let depth = self.depth();
        let whole = self.padding == 0;
        for (k, patch) in to.chunks_exact_mut(depth).take(count).enumerate() {
            if !whole {
                patch.fill(0.0);
            }
            self.for_taps(output, first + k, |to, from, len| {
                patch[to..to + len].copy_from_slice(&x[from..from + len]);
            });
        }
    }
}

/// Weights `[outputs][channels][kh][kw]` as panels of `[rows][width]`: rows are patch columns and columns are
/// outputs, or the other way round when `transposed`.
fn pack(isa: Isa, geometry: Geometry, weight: &[f32], transposed: bool) -> Buffer {
    let (taps, channels, depth) = (geometry.kernel[0] * geometry.kernel[1], geometry.map.channels, geometry.depth());
    assert!(weight.len() >= geometry.outputs * depth);
    let (rows, columns) = if transposed { (geometry.outputs, depth) } else { (depth, geometry.outputs) };
    let mut data = Buffer::zeroed(rows * columns.next_multiple_of(isa.lanes()));
    for o in 0..geometry.outputs {
        for c in 0..channels {
            for tap in 0..taps {
                let k = tap * channels + c;
                let (row, column) = if transposed { (o, k) } else { (k, o) };
                data[panel_index(isa, rows, columns, row, column)] = weight[o * depth + c * taps + tap];
            }
        }
    }
    data
}

/// Place of an element in a matrix cut into panels.
fn panel_index(isa: Isa, rows: usize, columns: usize, row: usize, column: usize) -> usize {
    let first = column / isa.panel() * isa.panel();
    rows * first + row * panel_width(isa, columns, first) + column - first
}

/// Columns of the panel that starts at `first`, rounded up to whole vectors.
fn panel_width(isa: Isa, columns: usize, first: usize) -> usize {
    isa.panel().min(columns - first).next_multiple_of(isa.lanes())
}

/// The convolution, with optional bias and ReLU.
pub(crate) fn convolve(
    isa: Isa,
    geometry: Geometry,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let output = geometry.output_map();
    let (depth, outputs) = (geometry.depth(), geometry.outputs);
    assert!(x.len() == geometry.map.len() && y.len() == output.len());
    let weights = pack(isa, geometry, weight, false);
    let (pixels, block) = (output.batch * output.pixels(), geometry.block());
    let y = Shared::new(y);
    for_each_piece(pixels.div_ceil(block), |piece| {
        let first_pixel = piece * block;
        let count = block.min(pixels - first_pixel);
        with_scratch(block * (depth + isa.panel()), |scratch| {
            let (patches, products) = scratch.split_at_mut(block * depth);
            let rows: &[f32] = if geometry.is_pointwise() {
                &x[first_pixel * depth..]
            } else {
                geometry.patches(output, x, first_pixel, count, patches);
                patches
            };
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
                    panel_product(isa, shape, rows.as_ptr(), weights[depth * first..].as_ptr(), products.as_mut_ptr());
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
                    if relu {
                        y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
                    }
                }
            }
        });
    });
}

/// The gradient with respect to the input; an image is one piece of work because patches overlap.
pub(crate) fn input_gradient(isa: Isa, geometry: Geometry, g: &[f32], weight: &[f32], dx: &mut [f32]) {
    let output = geometry.output_map();
    let (depth, outputs) = (geometry.depth(), geometry.outputs);
    assert!(g.len() == output.len() && dx.len() == geometry.map.len());
    let weights = pack(isa, geometry, weight, true);
    let block = geometry.block().min(output.pixels().next_multiple_of(12));
    let image_len = geometry.map.pixels() * geometry.map.channels;
    let padded = depth.next_multiple_of(isa.lanes());
    let dx = Shared::new(dx);
    for_each_piece(geometry.map.batch, |image| {
        // SAFETY: each piece writes an image of its own.
        let dx = unsafe { std::slice::from_raw_parts_mut(dx.ptr().add(image * image_len), image_len) };
        dx.fill(0.0);
        with_scratch(block * padded, |patches| {
            for start in (0..output.pixels()).step_by(block) {
                let count = block.min(output.pixels() - start);
                let first_pixel = image * output.pixels() + start;
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
                    geometry.for_taps(output, first_pixel + k, |column, to, len| {
                        let to = &mut dx[to - image * image_len..][..len];
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
    let (pixels, block) = (output.batch * output.pixels(), geometry.block());
    let padded = outputs.next_multiple_of(isa.lanes());
    let sum = depth * padded;
    let groups = (GROUP_FLOATS / sum.max(1)).clamp(2, GROUPS).min(pixels.div_ceil(block));
    let group_pixels = pixels.div_ceil(groups).next_multiple_of(block);
    let groups = pixels.div_ceil(group_pixels);
    let mut sums = Buffer::new(groups * sum);
    let to = Shared::new(&mut sums);
    for_each_piece(groups, |group| {
        with_scratch(block * (depth + padded), |scratch| {
            let (patches, gradients) = scratch.split_at_mut(block * depth);
            let begin = group * group_pixels;
            let end = pixels.min(begin + group_pixels);
            for first_pixel in (begin..end).step_by(block) {
                let count = block.min(end - first_pixel);
                let rows: &[f32] = if geometry.is_pointwise() {
                    &x[first_pixel * depth..]
                } else {
                    geometry.patches(output, x, first_pixel, count, patches);
                    patches
                };
                // Whole vectors are read from each row of the gradient, so rows are padded where needed.
                let columns: &[f32] = if padded == outputs {
                    &g[first_pixel * outputs..]
                } else {
                    for (k, row) in gradients.chunks_exact_mut(padded).take(count).enumerate() {
                        row[..outputs].copy_from_slice(&g[(first_pixel + k) * outputs..][..outputs]);
                        row[outputs..].fill(0.0);
                    }
                    gradients
                };
                for first in (0..outputs).step_by(isa.panel()) {
                    let width = panel_width(isa, outputs, first);
                    let shape = PanelProduct {
                        rows: depth,
                        depth: count,
                        columns: width,
                        a_row: 1,
                        a_depth: depth,
                        b_depth: padded,
                        c_row: width,
                        accumulate: first_pixel > begin,
                    };
                    // SAFETY: every group has a sum of its own; the rest is only read.
                    unsafe {
                        let sum = to.ptr().add(group * sum + depth * first);
                        panel_product(isa, shape, rows.as_ptr(), columns[first..].as_ptr(), sum);
                    }
                }
            }
        });
    });
    let (taps, channels) = (geometry.kernel[0] * geometry.kernel[1], geometry.map.channels);
    let dw = Shared::new(dw);
    for_each_piece(outputs, |o| {
        for c in 0..channels {
            for tap in 0..taps {
                let at = panel_index(isa, depth, outputs, tap * channels + c, o);
                let total = (0..groups).fold(0.0, |total, group| total + sums[group * sum + at]);
                // SAFETY: each piece writes the weights of one output.
                unsafe { *dw.ptr().add(o * depth + c * taps + tap) = total };
            }
        }
    });
}
