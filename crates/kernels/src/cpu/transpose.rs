//! Matrix transposition, the work of changing layouts.

use super::parallel::{Shared, for_each_piece};
use super::simd::{Isa, Simd, simd_dispatch};

/// `to[c * to_row + r] = from[r * from_row + c]` for `rows` by `columns` values.
///
/// # Panics
/// When one of the slices is too short.
pub(crate) fn transpose(
    isa: Isa,
    from: &[f32],
    from_row: usize,
    rows: usize,
    columns: usize,
    to: &mut [f32],
    to_row: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(from.len() >= (rows - 1) * from_row + columns && to.len() >= (columns - 1) * to_row + rows);
    // SAFETY: both slices hold what is touched, asserted above.
    unsafe { transpose_raw(isa, from.as_ptr(), from_row, rows, columns, to.as_mut_ptr(), to_row) };
}

simd_dispatch! {
    /// As [`transpose`], unchecked.
    ///
    /// # Safety
    /// Both matrices must be valid, and apart.
    pub(crate) unsafe fn transpose_raw = body(
        from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize)
}

/// Square blocks of sixteen keep the lines of both sides in the first-level cache.
#[inline(always)]
unsafe fn body<S: Simd>(from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize) {
    for first_row in (0..rows).step_by(16) {
        let height = 16.min(rows - first_row);
        for first_column in (0..columns).step_by(16) {
            let width = 16.min(columns - first_column);
            // SAFETY: the block lies within both matrices.
            unsafe {
                let from = from.add(first_row * from_row + first_column);
                let to = to.add(first_column * to_row + first_row);
                S::transpose16(from, from_row, height, width, to, to_row);
            }
        }
    }
}

/// Turns `batch` matrices of `rows` by `columns` into matrices of `columns` by `rows`: between NCHW and
/// channels last.
pub(crate) fn transpose_images(isa: Isa, from: &[f32], batch: usize, rows: usize, columns: usize, to: &mut [f32]) {
    let image = rows * columns;
    assert!(from.len() == batch * image && to.len() == batch * image);
    let to = Shared::new(to);
    // Stripes of columns are rows of the result.
    let stripe = 256;
    let stripes = columns.div_ceil(stripe);
    for_each_piece(batch * stripes, |piece| {
        let (b, first) = (piece / stripes, piece % stripes * stripe);
        let count = stripe.min(columns - first);
        // SAFETY: the stripe lies in both images, and pieces write different stripes.
        unsafe {
            let from = from.as_ptr().add(b * image + first);
            transpose_raw(isa, from, columns, rows, count, to.ptr().add(b * image + first * rows), rows);
        }
    });
}
