//! Products of many rows with many rows, without ever writing the product down.
//!
//! One side, the *queries*, is transposed into panels: `width` queries side by side, so that one vector register holds
//! the same column of neighbouring queries. The other side, the *bank*, is read in place. A tile keeps
//! `width x tile rows` sums in registers over all columns and hands them to a [`Sink`], which keeps what it needs (the
//! best row, the best `k`, ..). Every sum is one chain of fused multiply-adds over the columns in order, so a pair has the
//! same bits wherever it falls: results do not depend on blocks, threads or the place of a row.

use crate::rows::RowsView;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows transposed into panels of `width` columns.
///
/// # Shapes
/// - panel: `[dim, width]`, rows behind the last one are zeros
#[derive(Debug)]
pub(crate) struct Panels {
    buffer: Vec<f32>,
    start: usize,
    width: usize,
    dim: usize,
    n_rows: usize,
}

impl Panels {
    /// Packs `rows` in order.
    pub(crate) fn pack(rows: RowsView<'_>) -> Self {
        Self::pack_scaled(rows, None)
    }

    /// Packs `rows`, each times its entry of `scales`.
    pub(crate) fn pack_scaled(rows: RowsView<'_>, scales: Option<&[f32]>) -> Self {
        Self::pack_with(rows.len(), rows.dim(), scales, |index| rows.row(index))
    }

    /// Packs the rows named by `indices`.
    pub(crate) fn gather(rows: RowsView<'_>, indices: &[u32]) -> Self {
        Self::pack_with(indices.len(), rows.dim(), None, |index| rows.row(indices[index] as usize))
    }

    fn pack_with<'a>(
        n_rows: usize,
        dim: usize,
        scales: Option<&[f32]>,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Self {
        let mut panels = Self::zeroed(n_rows, dim);
        let (width, start) = (panels.width, panels.start);
        let n_panels = n_rows.div_ceil(width);
        panels.buffer[start..].par_chunks_exact_mut(width * dim).take(n_panels).enumerate().for_each(
            |(index, panel)| {
                let first = index * width;
                let lanes = width.min(n_rows - first);
                pack_panel(panel, width, dim, lanes, |lane| row(first + lane));
                if let Some(scales) = scales {
                    for column in panel.chunks_exact_mut(width) {
                        column.iter_mut().zip(&scales[first..first + lanes]).for_each(|(x, &scale)| *x *= scale);
                    }
                }
            },
        );
        panels
    }

    fn zeroed(n_rows: usize, dim: usize) -> Self {
        let width = width();
        let len = n_rows.div_ceil(width) * width * dim;
        let buffer = vec![0.0; len + 16];
        // Vector loads that do not cross cache lines are worth a few unused values in front.
        let start = buffer.as_ptr().align_offset(64).min(16);
        Self { buffer, start, width, dim, n_rows }
    }

    /// Number of rows packed.
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Rows per panel.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Number of panels.
    pub(crate) fn n_panels(&self) -> usize {
        self.n_rows.div_ceil(self.width)
    }

    fn panel(&self, index: usize) -> &[f32] {
        let len = self.width * self.dim;
        &self.buffer[self.start + index * len..self.start + (index + 1) * len]
    }
}

/// Takes the sums of each tile.
pub(crate) trait Sink {
    /// `sums[r][v]` are the products of bank row `first_row + r` with the panel's rows in vector `v`.
    /// Only `r < n_valid` count.
    fn take<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first_row: usize,
        n_valid: usize,
        sums: &[[S::f32s; V]; R],
    );
}

/// Multiplies panel `index` with the bank rows `first_row..first_row + n` found in `bank`, tile after tile.
pub(crate) fn sweep<K: Sink>(panels: &Panels, index: usize, bank: &[f32], first_row: usize, sink: &mut K) {
    assert_eq!(bank.len() % panels.dim, 0, "the bank must have rows as wide as the queries");
    Arch::new().dispatch(Sweep { panel: panels.panel(index), bank, dim: panels.dim, first_row, sink });
}

struct Sweep<'a, K> {
    panel: &'a [f32],
    bank: &'a [f32],
    dim: usize,
    first_row: usize,
    sink: &'a mut K,
}

impl<K: Sink> WithSimd for Sweep<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Sums, panel vectors and one broadcast must fit the registers: 24 + 4 + 1 of 32, or 12 + 2 + 1 of 16.
        if S::REGISTER_COUNT >= 32 { self.run::<S, 4, 6>(simd) } else { self.run::<S, 2, 6>(simd) }
    }
}

impl<K: Sink> Sweep<'_, K> {
    #[inline(always)]
    fn run<S: Simd, const V: usize, const R: usize>(self, simd: S) {
        let dim = self.dim;
        let (vectors, _) = S::as_simd_f32s(self.panel);
        let (columns, _) = vectors.as_chunks::<V>();
        let columns = &columns[..dim];
        let n_rows = self.bank.len() / dim;
        let mut row = 0;
        while row < n_rows {
            let n_valid = R.min(n_rows - row);
            // Tiles behind the end repeat the last row: one code path, and the sink ignores them.
            let rows: [&[f32]; R] = std::array::from_fn(|r| {
                let at = (row + r.min(n_valid - 1)) * dim;
                &self.bank[at..at + dim]
            });
            let sums = multiply::<S, V, R>(simd, columns, rows);
            self.sink.take(simd, self.first_row + row, n_valid, &sums);
            row += R;
        }
    }
}

#[inline(always)]
fn multiply<S: Simd, const V: usize, const R: usize>(
    simd: S,
    columns: &[[S::f32s; V]],
    rows: [&[f32]; R],
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let rows = rows.map(|row| &row[..columns.len()]);
    for (c, column) in columns.iter().enumerate() {
        for r in 0..R {
            let value = simd.splat_f32s(rows[r][c]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(column[v], value, sums[r][v]);
            }
        }
    }
    sums
}

fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            S::F32_LANES * if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
        }
    }
    Arch::new().dispatch(Width)
}

fn pack_panel<'a>(panel: &mut [f32], width: usize, dim: usize, n: usize, row: impl Fn(usize) -> &'a [f32]) {
    // Sixteen rows at a time keep the reads sequential and each written line whole.
    for first in (0..n).step_by(16) {
        let block = 16.min(n - first);
        let rows: [&[f32]; 16] = std::array::from_fn(|lane| &row(first + lane.min(block - 1))[..dim]);
        for (c, column) in panel.chunks_exact_mut(width).take(dim).enumerate() {
            for lane in 0..block {
                column[first + lane] = rows[lane][c];
            }
        }
    }
}
