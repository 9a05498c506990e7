//! The matrix kernel that all convolutions end in: `C (+)= A B` for one panel of columns.

use super::simd::{Simd, simd_dispatch};

/// Depth of one block of the product: a block of a 64-column panel then stays in a 48 KB first-level cache.
const DEPTH_BLOCK: usize = 128;

/// Where the three matrices of one panel product lie, in floats.
#[derive(Clone, Copy)]
pub(crate) struct PanelProduct {
    /// Rows of A and C.
    pub(crate) rows: usize,
    /// Columns of A, rows of B.
    pub(crate) depth: usize,
    /// Columns of B and C that are wanted, at most one panel.
    pub(crate) columns: usize,
    /// A's element (i, k) is at `i * a_row + k * a_depth`.
    pub(crate) a_row: usize,
    pub(crate) a_depth: usize,
    /// B's row k starts at `k * b_depth`, its columns are adjacent and padded to whole vectors.
    pub(crate) b_depth: usize,
    /// C's row i starts at `i * c_row`, its columns are adjacent and padded to whole vectors.
    pub(crate) c_row: usize,
    /// Whether to add to C rather than to overwrite it.
    pub(crate) accumulate: bool,
}

simd_dispatch! {
    /// Computes one panel product.
    ///
    /// # Safety
    /// The pointers must be valid for what `shape` says, C apart from A and B.
    pub(crate) unsafe fn panel_product = panel_body(shape: PanelProduct, a: *const f32, b: *const f32, c: *mut f32)
}

/// As [`panel_product`], to be inlined into a larger kernel of the same instruction set.
#[inline(always)]
pub(crate) unsafe fn panel_body<S: Simd>(shape: PanelProduct, a: *const f32, b: *const f32, c: *mut f32) {
    let vectors = shape.columns.div_ceil(S::LANES);
    debug_assert!(vectors <= S::PANEL_VECTORS);
    // As many rows as leave registers for the panel's vectors and one broadcast.
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (vectors, S::MANY_REGISTERS) {
            (4, _) => depth_blocks::<S, 4, 6>(shape, a, b, c),
            (3, _) => depth_blocks::<S, 3, 8>(shape, a, b, c),
            (2, true) => depth_blocks::<S, 2, 12>(shape, a, b, c),
            (2, false) => depth_blocks::<S, 2, 6>(shape, a, b, c),
            _ => depth_blocks::<S, 1, 12>(shape, a, b, c),
        }
    }
}

#[inline(always)]
unsafe fn depth_blocks<S: Simd, const VECTORS: usize, const ROWS: usize>(
    shape: PanelProduct,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let mut start = 0;
    // SAFETY: every block lies within the matrices of the caller.
    unsafe {
        loop {
            let depth = DEPTH_BLOCK.min(shape.depth - start);
            let block = PanelProduct { depth, accumulate: shape.accumulate || start > 0, ..shape };
            row_blocks::<S, VECTORS, ROWS>(block, a.add(start * shape.a_depth), b.add(start * shape.b_depth), c);
            start += depth;
            if start >= shape.depth {
                return;
            }
        }
    }
}

#[inline(always)]
unsafe fn row_blocks<S: Simd, const VECTORS: usize, const ROWS: usize>(
    shape: PanelProduct,
    mut a: *const f32,
    b: *const f32,
    mut c: *mut f32,
) {
    let mut rows = shape.rows;
    // SAFETY: a and c move down only over rows that exist.
    unsafe {
        while rows >= ROWS {
            tile::<S, VECTORS, ROWS>(&shape, a, b, c);
            (a, c, rows) = (a.add(ROWS * shape.a_row), c.add(ROWS * shape.c_row), rows - ROWS);
        }
        while rows >= 4 {
            tile::<S, VECTORS, 4>(&shape, a, b, c);
            (a, c, rows) = (a.add(4 * shape.a_row), c.add(4 * shape.c_row), rows - 4);
        }
        if rows >= 2 {
            tile::<S, VECTORS, 2>(&shape, a, b, c);
            (a, c, rows) = (a.add(2 * shape.a_row), c.add(2 * shape.c_row), rows - 2);
        }
        if rows == 1 {
            tile::<S, VECTORS, 1>(&shape, a, b, c);
        }
    }
}

/// ROWS rows of C in registers over the whole depth.
#[inline(always)]
unsafe fn tile<S: Simd, const VECTORS: usize, const ROWS: usize>(
    shape: &PanelProduct,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
) {
    let (a_row, a_depth, b_depth, c_row) = (shape.a_row, shape.a_depth, shape.b_depth, shape.c_row);
    // SAFETY: rows, columns and depth are those of the shape that the caller vouches for.
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        let (mut a_k, mut b_k) = (a, b);
        for _ in 0..shape.depth {
            let mut columns = [S::splat(0.0); VECTORS];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = S::load(b_k.add(j * S::LANES));
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let factor = S::splat(*a_k.add(i * a_row));
                for (sum, &column) in row.iter_mut().zip(&columns) {
                    *sum = S::fma(factor, column, *sum);
                }
            }
            a_k = a_k.add(a_depth);
            b_k = b_k.add(b_depth);
        }
        for (i, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let to = c.add(i * c_row + j * S::LANES);
                S::store(to, if shape.accumulate { S::add(S::load(to), sum) } else { sum });
            }
        }
    }
}
