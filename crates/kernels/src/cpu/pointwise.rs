//! Convolutions with a 1x1 kernel: products of the maps themselves, which are never copied whole.
//!
//! A block of pixels is small enough for the second-level cache. The backward pass takes each block once through all it has to
//! do: the gradient of the activation, the sums for the bias, the products for the weights and those for the input.

use super::activation::Activation;
use super::buffer::Buffer;
use super::fetch::fetch;
use super::gemm::{PanelProduct, panel_product};
use super::matrix_convolution::{Geometry, add_up, pack, panel_width, spread_row};
use super::parallel::{Shared, for_each_piece, with_scratch};
use super::simd::{Isa, Simd, simd_dispatch};

/// Groups of pixels that sum a weight gradient on their own, and floats that all their sums may take.
const GROUPS: usize = 16;
const GROUP_FLOATS: usize = 4_000_000;
/// Rows of a weight gradient that are computed together: their part of the input stays in the second-level cache while it
/// meets every panel of outputs.
const GRADIENT_ROWS: usize = 120;
/// Depth of a block of the product: a panel's part of it stays in the first-level cache.
const DEPTH_BLOCK: usize = 256;

/// Pixels that stay in the second-level cache together at that many floats for each.
fn block(isa: Isa, floats: usize) -> usize {
    (isa.cache_floats() * 3 / 5 / floats.max(1)).clamp(48, 384) / 12 * 12
}

/// `y = activation(x weights + bias)` for `pixels` rows of `depth` values and panels of `columns` outputs.
#[expect(clippy::too_many_arguments, reason = "the inputs of a product")]
pub(super) fn product(
    isa: Isa,
    depth: usize,
    columns: usize,
    x: &[f32],
    panels: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    let pixels = x.len() / depth;
    assert!(x.len() == pixels * depth && y.len() == pixels * columns);
    assert_eq!(panels.len(), depth * columns.next_multiple_of(isa.lanes()), "panels of these rows and columns");
    assert!(bias.is_none_or(|bias| bias.len() >= columns), "one bias per output channel");
    let block = block(isa, depth + columns);
    let y = Shared::new(y);
    for_each_piece(pixels.div_ceil(block), |piece| {
        let first = piece * block;
        let rows = block.min(pixels - first);
        let shape = RowProduct { rows, depth, columns, row: depth, bias: bias.map(<[f32]>::as_ptr), activation };
        // SAFETY: lengths are asserted above; every piece writes rows of its own.
        unsafe {
            let (x, y) = (x.as_ptr().add(first * depth), y.ptr().add(first * columns));
            fetch(x, rows * depth);
            fetch(y, rows * columns);
            row_product(isa, shape, x, panels.as_ptr(), y);
        }
    });
}

/// What [`backward`] is to compute, each part of it overwritten.
pub(crate) struct Gradients<'a> {
    /// The weights and where to.
    pub(crate) input: Option<(&'a [f32], &'a mut [f32])>,
    /// `[outputs][channels]`
    pub(crate) weight: Option<&'a mut [f32]>,
    pub(crate) bias: Option<&'a mut [f32]>,
}

/// The gradients of `y = activation(x weight + bias)` from `g`, that of `y`.
///
/// `activated` holds the activation, where there is one, and `y`, which says where it was flat.
pub(crate) fn backward(
    isa: Isa,
    geometry: Geometry,
    x: &[f32],
    g: &[f32],
    activated: Option<(Activation, &[f32])>,
    to: Gradients<'_>,
) {
    let (depth, outputs) = (geometry.map.channels, geometry.outputs);
    let pixels = g.len() / outputs;
    assert!(geometry.is_pointwise() && g.len() == pixels * outputs);
    assert_eq!(pixels, geometry.map.batch * geometry.map.pixels(), "a gradient for each pixel");
    // Without an activation any floats do in the place of y.
    let (activation, y) = activated.unwrap_or((Activation::None, g));
    assert!(y.len() == g.len() && to.input.as_ref().is_none_or(|(_, dx)| dx.len() == pixels * depth));
    assert!(to.weight.is_none() || x.len() == pixels * depth);
    let (padded, row) = (outputs.next_multiple_of(isa.lanes()), spread_row(outputs));
    // Columns of pixels so far apart all fall on the same few sets of the first-level cache: such pixels are copied apart.
    let spread = to.weight.is_some() && depth.is_multiple_of(64);
    let x_row = if spread { spread_row(depth) } else { depth };
    let panels = to.input.as_ref().map(|(weight, _)| pack(isa, geometry, weight, true));
    let block = block(isa, depth * 2 + outputs);
    let blocks = pixels.div_ceil(block);
    // Each group has sums for the weights, where they are wanted, and for the bias.
    let sum = if to.weight.is_some() { depth * padded } else { 0 };
    let groups = (GROUP_FLOATS / (sum + padded)).clamp(2, GROUPS).min(blocks);
    let (mut sums, mut bias_sums) = (Buffer::new(groups * sum), Buffer::new(groups * padded));
    let (sums_to, bias_to) = (Shared::new(&mut sums), Shared::new(&mut bias_sums));
    let dx = to.input.map(|(_, dx)| Shared::new(dx));
    let wants_weight = to.weight.is_some();
    for_each_piece(groups, |group| {
        // SAFETY: every group has sums of its own.
        let (sums, bias_sums) = unsafe { (sums_to.ptr().add(group * sum), bias_to.ptr().add(group * padded)) };
        let share = |group: usize| group * blocks / groups;
        with_scratch(block * (row + if spread { x_row } else { 0 }), |scratch| {
            let (passed, copies) = scratch.split_at_mut(block * row);
            for number in share(group)..share(group + 1) {
                let first = number * block;
                let count = block.min(pixels - first);
                let mask = Mask { rows: count, columns: outputs, activation, row, first: number == share(group) };
                // SAFETY: lengths are asserted above; every block is one group's; the scratch holds the block's rows.
                unsafe {
                    let at = first * outputs;
                    pass_gradient(isa, mask, g.as_ptr().add(at), y.as_ptr().add(at), passed.as_mut_ptr(), bias_sums);
                    if wants_weight {
                        let mut from = x.as_ptr().add(first * depth);
                        if spread {
                            let pixels = x[first * depth..].chunks_exact(depth);
                            let rows = copies.chunks_exact_mut(x_row).take(count);
                            rows.zip(pixels).for_each(|(row, pixel)| row[..depth].copy_from_slice(pixel));
                            from = copies.as_ptr();
                        } else {
                            fetch(from, count * depth);
                        }
                        let shape = [count, depth, outputs];
                        add_weights(isa, shape, (from, x_row), (passed.as_ptr(), row), number > share(group), sums);
                    }
                    if let (Some(dx), Some(panels)) = (dx, &panels) {
                        let dx = dx.ptr().add(first * depth);
                        fetch(dx, count * depth);
                        let activation = Activation::None;
                        let shape =
                            RowProduct { rows: count, depth: outputs, columns: depth, row, bias: None, activation };
                        row_product(isa, shape, passed.as_ptr(), panels.as_ptr(), dx);
                    }
                }
            }
        });
    });
    if let Some(dw) = to.weight {
        add_up(isa, geometry, groups, &mut sums, dw);
    }
    if let Some(db) = to.bias {
        for (channel, db) in db.iter_mut().enumerate() {
            *db = bias_sums.chunks_exact(padded).map(|sums| f64::from(sums[channel])).sum::<f64>() as f32;
        }
    }
}

/// Adds `x^T g` of `count` pixels to the panels `[depth][width]` of a weight gradient, or overwrites them.
///
/// # Safety
/// `x` and `g` must hold `count` rows of that many floats, the outputs in `g` padded with zeros to whole vectors.
unsafe fn add_weights(
    isa: Isa,
    [count, depth, outputs]: [usize; 3],
    (x, x_row): (*const f32, usize),
    (g, g_row): (*const f32, usize),
    accumulate: bool,
    sums: *mut f32,
) {
    for start in (0..depth).step_by(GRADIENT_ROWS) {
        for first in (0..outputs).step_by(isa.panel()) {
            let width = panel_width(isa, outputs, first);
            let shape = PanelProduct {
                rows: GRADIENT_ROWS.min(depth - start),
                depth: count,
                columns: width,
                a_row: 1,
                a_depth: x_row,
                b_depth: g_row,
                c_row: width,
                accumulate,
            };
            // SAFETY: handed on.
            unsafe { panel_product(isa, shape, x.add(start), g.add(first), sums.add(depth * first + start * width)) };
        }
    }
}

/// A block of rows of gradients to pass through an activation.
#[derive(Clone, Copy)]
struct Mask {
    rows: usize,
    columns: usize,
    activation: Activation,
    /// Floats between two rows of the result.
    row: usize,
    /// Whether the sums are to be overwritten.
    first: bool,
}

simd_dispatch! {
    /// Writes the gradients that pass, zeros after the last column up to whole vectors, and sums every column.
    unsafe fn pass_gradient = pass_body(mask: Mask, g: *const f32, y: *const f32, to: *mut f32, sums: *mut f32)
}

/// A product of rows with panels of columns.
#[derive(Clone, Copy)]
struct RowProduct {
    rows: usize,
    depth: usize,
    columns: usize,
    /// Floats between two rows of the first factor.
    row: usize,
    /// One per column.
    bias: Option<*const f32>,
    activation: Activation,
}

simd_dispatch! {
    /// `c = activation(a b + bias)`, panel by panel of b, straight from registers into the rows of c.
    unsafe fn row_product = product_body(shape: RowProduct, a: *const f32, b: *const f32, c: *mut f32)
}

// SAFETY (all bodies): the caller vouches for matrices of the given shapes and for `S`.

#[inline(always)]
unsafe fn pass_body<S: Simd>(mask: Mask, g: *const f32, y: *const f32, to: *mut f32, sums: *mut f32) {
    let whole = mask.columns / S::LANES * S::LANES;
    let n = mask.columns - whole;
    // SAFETY: see above.
    unsafe {
        if mask.first {
            for column in (0..mask.columns).step_by(S::LANES) {
                S::store(sums.add(column), S::splat(0.0));
            }
        }
        for row in 0..mask.rows {
            let (g, y, to) = (g.add(row * mask.columns), y.add(row * mask.columns), to.add(row * mask.row));
            for column in (0..whole).step_by(S::LANES) {
                let value = mask.activation.gradient::<S>(S::load(y.add(column)), S::load(g.add(column)));
                S::store(to.add(column), value);
                S::store(sums.add(column), S::add(S::load(sums.add(column)), value));
            }
            if n > 0 {
                let (y, g) = (S::load_first(y.add(whole), n), S::load_first(g.add(whole), n));
                let value = mask.activation.gradient::<S>(y, g);
                S::store(to.add(whole), value);
                S::store(sums.add(whole), S::add(S::load(sums.add(whole)), value));
            }
        }
    }
}

#[inline(always)]
unsafe fn product_body<S: Simd>(shape: RowProduct, a: *const f32, b: *const f32, c: *mut f32) {
    let panel = S::PANEL_VECTORS * S::LANES;
    for first in (0..shape.columns).step_by(panel) {
        let columns = panel.min(shape.columns - first);
        let vectors = columns.div_ceil(S::LANES);
        for start in (0..shape.depth).step_by(DEPTH_BLOCK) {
            let depth = DEPTH_BLOCK.min(shape.depth - start);
            let part = Part { first, columns, depth, begins: start == 0, ends: start + depth == shape.depth };
            // As many rows as leave registers for the panel's vectors and one broadcast.
            // SAFETY: see above.
            unsafe {
                let a = a.add(start);
                let b = b.add(shape.depth * first + start * vectors * S::LANES);
                match (vectors, S::MANY_REGISTERS) {
                    (4, _) => rows::<S, 4, 6>(&shape, part, a, b, c),
                    (3, _) => rows::<S, 3, 8>(&shape, part, a, b, c),
                    (2, true) => rows::<S, 2, 12>(&shape, part, a, b, c),
                    (2, false) => rows::<S, 2, 6>(&shape, part, a, b, c),
                    _ => rows::<S, 1, 12>(&shape, part, a, b, c),
                }
            }
        }
    }
}

/// A part of the depth of one panel of columns.
#[derive(Clone, Copy)]
struct Part {
    first: usize,
    columns: usize,
    depth: usize,
    /// Whether it is the first part of the depth, and the last.
    begins: bool,
    ends: bool,
}

#[inline(always)]
unsafe fn rows<S: Simd, const V: usize, const R: usize>(
    shape: &RowProduct,
    part: Part,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mut row = 0;
    while row < shape.rows {
        // SAFETY: see above.
        unsafe {
            let (a, c) = (a.add(row * shape.row), c.add(row * shape.columns + part.first));
            row += match shape.rows - row {
                rest if rest >= R => tile::<S, V, R>(shape, part, a, b, c),
                4.. => tile::<S, V, 4>(shape, part, a, b, c),
                2..=3 => tile::<S, V, 2>(shape, part, a, b, c),
                _ => tile::<S, V, 1>(shape, part, a, b, c),
            };
        }
    }
}

/// `R` rows of `V` vectors of columns, in registers over the depth of the part; gives `R` back.
#[inline(always)]
unsafe fn tile<S: Simd, const V: usize, const R: usize>(
    shape: &RowProduct,
    part: Part,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) -> usize {
    let row = shape.row;
    // SAFETY: see above.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        let (mut a_k, mut b_k) = (a, b);
        for _ in 0..part.depth {
            let mut columns = [S::splat(0.0); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = S::load(b_k.add(v * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = S::splat(*a_k.add(r * row));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = S::fma(factor, column, *sum);
                }
            }
            a_k = a_k.add(1);
            b_k = b_k.add(V * S::LANES);
        }
        // Only the last vector may be narrower.
        let last = part.columns - (V - 1) * S::LANES;
        let load = |from: *const f32, v: usize| match v + 1 < V || last == S::LANES {
            true => S::load(from.add(v * S::LANES)),
            false => S::load_first(from.add(v * S::LANES), last),
        };
        for v in 0..V {
            let bias = match shape.bias.filter(|_| part.ends) {
                Some(bias) => load(bias.add(part.first), v),
                None => S::splat(0.0),
            };
            for (r, sums) in sums.iter().enumerate() {
                let to = c.add(r * shape.columns);
                let mut value = S::add(sums[v], bias);
                if !part.begins {
                    value = S::add(load(to, v), value);
                }
                if part.ends {
                    value = shape.activation.of_vector::<S>(value);
                }
                match v + 1 < V || last == S::LANES {
                    true => S::store(to.add(v * S::LANES), value),
                    false => S::store_first(to.add(v * S::LANES), value, last),
                }
            }
        }
    }
    R
}
