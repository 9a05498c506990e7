//! The gradient of a depthwise convolution's weights.

use super::line::load;
use super::table::{Table, zeros};
use super::{Geometry, band};
use crate::cpu::buffer::Buffer;
use crate::cpu::fetch::fetch;
use crate::cpu::parallel::{Shared, for_each_piece};
use crate::cpu::simd::{Isa, Simd, simd_dispatch};

/// Groups of rows that sum the gradient on their own; their sums are added in order.
const GROUPS: usize = 16;

/// The gradient with respect to the weights, `[channels][kernel][kernel]`.
pub(crate) fn weight_gradient(isa: Isa, geometry: Geometry, x: &[f32], g: &[f32], dw: &mut [f32]) {
    let Geometry { map, kernel, stride } = geometry;
    let (output, [top, left], channels) = (geometry.output(), geometry.before(), map.channels);
    let taps = geometry.taps();
    assert!(x.len() == map.len() && g.len() == output.len() && dw.len() == channels * taps);
    // Every image is cut into as many bands, and the bands of all images into groups.
    let band = band(output);
    let bands = output.height.div_ceil(band);
    let groups = (output.batch * bands).min(GROUPS);
    let (zeros, width) = (zeros(channels), (output.width - 1) * stride + kernel);
    let sum_len = taps * channels.next_multiple_of(isa.lanes());
    let mut sums = Buffer::new(groups * sum_len);
    let to = Shared::new(&mut sums);
    for_each_piece(groups, |group| {
        // SAFETY: every group has sums of its own.
        let sums = unsafe { std::slice::from_raw_parts_mut(to.ptr().add(group * sum_len), sum_len) };
        sums.fill(0.0);
        let share = |group: usize| group * output.batch * bands / groups;
        for piece in share(group)..share(group + 1) {
            let (image, first) = (piece / bands, piece % bands * band);
            let rows = first..output.height.min(first + band);
            let last = (rows.end - 1) * stride + kernel - top;
            let inputs = (rows.start * stride).saturating_sub(top)..map.height.min(last);
            let x = &x[image * map.pixels() * channels..][..map.pixels() * channels];
            // SAFETY: rows of x and g.
            unsafe {
                let row = output.width * channels;
                fetch(x[inputs.start * map.width * channels..].as_ptr(), inputs.len() * map.width * channels);
                fetch(g[(image * output.height + rows.start) * row..].as_ptr(), rows.len() * row);
            }
            let table = Table::new(map, x, inputs, left, width, &zeros);
            let line = |i: usize| {
                // The rows of the kernel that lie on the map.
                let first = top.saturating_sub(i * stride);
                let end = kernel.min(map.height + top - i * stride);
                GradientLine {
                    g: g[(image * output.height + i) * output.width * channels..].as_ptr(),
                    rows: end - first,
                    tap: first * kernel,
                    pixel: table.row(i * stride + first - top).as_ptr(),
                }
            };
            let lines: Vec<GradientLine> = rows.map(line).collect();
            let shared = Shape { channels, count: output.width, kernel, stride, row: width };
            // SAFETY: the last tap of the last pixel is the last entry of a row of the table; the sums hold every tap of
            // whole vectors.
            unsafe { add_lines(isa, shared, &lines, sums.as_mut_ptr()) };
        }
    });
    let (total, others) = sums.split_at_mut(sum_len);
    for sum in others.chunks_exact(sum_len) {
        total.iter_mut().zip(sum).for_each(|(total, add)| *total += add);
    }
    for (channel, dw) in dw.chunks_exact_mut(taps).enumerate() {
        let first = channel / isa.lanes() * isa.lanes() * taps + channel % isa.lanes();
        dw.iter_mut().enumerate().for_each(|(tap, dw)| *dw = total[first + tap * isa.lanes()]);
    }
}

/// One row of the gradient of the output.
#[derive(Clone, Copy)]
struct GradientLine {
    g: *const f32,
    /// Rows of the kernel that lie on the map, and the number of the first tap in them.
    rows: usize,
    tap: usize,
    /// The table's entry for the pixel that this tap of the first pixel sees.
    pixel: *const *const f32,
}

/// What every row shares.
#[derive(Clone, Copy)]
struct Shape {
    channels: usize,
    /// Pixels of a row of the gradient.
    count: usize,
    kernel: usize,
    stride: usize,
    /// Entries of a row of the table.
    row: usize,
}

simd_dispatch! {
    /// Adds the products of some rows to the sums `[vectors of channels][taps][lanes]`.
    unsafe fn add_lines = lines_body(shape: Shape, lines: &[GradientLine], sums: *mut f32)
}

// SAFETY (all bodies): the caller vouches for the rows of g, the pixels of every tap, the sums, and for `S`.

#[inline(always)]
unsafe fn lines_body<S: Simd>(shape: Shape, lines: &[GradientLine], sums: *mut f32) {
    let taps = shape.kernel * shape.kernel;
    // Two vectors take turns at each row: what the first touches is mostly what the second does, one cache line.
    for pair in (0..shape.channels).step_by(2 * S::LANES) {
        for line in lines {
            for channel in (pair..shape.channels.min(pair + 2 * S::LANES)).step_by(S::LANES) {
                let n = shape.channels - channel;
                // SAFETY: see above.
                unsafe {
                    let sums = sums.add(channel * taps + line.tap * S::LANES);
                    match n >= S::LANES {
                        true => add_line::<S, true>(shape, line, channel, S::LANES, sums),
                        false => add_line::<S, false>(shape, line, channel, n, sums),
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn add_line<S: Simd, const WHOLE: bool>(
    shape: Shape,
    line: &GradientLine,
    channel: usize,
    n: usize,
    sums: *mut f32,
) {
    let mut u = 0;
    while u < line.rows {
        // SAFETY: see above.
        unsafe {
            let (sums, row) = (sums.add(u * shape.kernel * S::LANES), line.pixel.add(u * shape.row));
            // As many taps at once as leave registers for their sums.
            u += match (shape.kernel, line.rows - u) {
                (3, 3..) => add_rows::<S, WHOLE, 3, 3>(shape, line.g, row, channel, n, sums),
                (3, 2) => add_rows::<S, WHOLE, 2, 3>(shape, line.g, row, channel, n, sums),
                (3, _) => add_rows::<S, WHOLE, 1, 3>(shape, line.g, row, channel, n, sums),
                (5, 2..) => add_rows::<S, WHOLE, 2, 5>(shape, line.g, row, channel, n, sums),
                (5, _) => add_rows::<S, WHOLE, 1, 5>(shape, line.g, row, channel, n, sums),
                _ => {
                    for v in 0..shape.kernel {
                        add_rows::<S, WHOLE, 1, 1>(shape, line.g, row.add(v), channel, n, sums.add(v * S::LANES));
                    }
                    1
                }
            };
        }
    }
}

/// Adds to the sums of `ROWS` rows of `TAPS` adjacent taps; gives `ROWS` back.
#[inline(always)]
unsafe fn add_rows<S: Simd, const WHOLE: bool, const ROWS: usize, const TAPS: usize>(
    shape: Shape,
    g: *const f32,
    row: *const *const f32,
    channel: usize,
    n: usize,
    sums: *mut f32,
) -> usize {
    // SAFETY: see above.
    unsafe {
        let mut totals = [[S::splat(0.0); TAPS]; ROWS];
        for pixel in 0..shape.count {
            let g = load::<S, WHOLE>(g.add(pixel * shape.channels + channel), n);
            for (u, totals) in totals.iter_mut().enumerate() {
                let entry = row.add(u * shape.row + pixel * shape.stride);
                for (v, total) in totals.iter_mut().enumerate() {
                    *total = S::fma(g, load::<S, WHOLE>((*entry.add(v)).add(channel), n), *total);
                }
            }
        }
        for (u, totals) in totals.iter().enumerate() {
            for (v, &total) in totals.iter().enumerate() {
                let to = sums.add((u * shape.kernel + v) * S::LANES);
                S::store(to, S::add(S::load(to), total));
            }
        }
    }
    ROWS
}
