//! Row-major tables of codes, checked once so that everything behind them can rely on finite values.

use crate::error::{Error, Result};
use crate::lanes;
use rayon::prelude::*;

/// A borrowed row-major table of `f32` codes whose values are known to be finite.
///
/// # Shapes
/// - data: `[n, dim]`, `n >= 0`, `dim >= 1`
#[derive(Debug, Clone, Copy)]
pub struct RowsView<'a> {
    data: &'a [f32],
    dim: usize,
}

impl<'a> RowsView<'a> {
    /// Checks `data` and views it as rows of `dim` values.
    ///
    /// # Errors
    /// - [`Error::Shape`] when `data` is not a whole number of rows
    /// - [`Error::NotFinite`] with the first row that holds a NaN, an infinity or values whose squares overflow
    pub fn new(data: &'a [f32], dim: usize) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            return Err(Error::Shape { len: data.len(), dim });
        }
        let view = Self { data, dim };
        let rows_per_task = (1_usize << 16).div_ceil(dim);
        let first_bad = data
            .par_chunks(rows_per_task * dim)
            .enumerate()
            .filter_map(|(task, chunk)| {
                let row =
                    lanes::dispatch(|| chunk.chunks_exact(dim).position(|row| !lanes::dot(row, row).is_finite()))?;
                Some(task * rows_per_task + row)
            })
            .min();
        match first_bad {
            None => Ok(view),
            Some(row) => Err(view.describe_bad_row(row)),
        }
    }

    /// Views rows that this crate has computed from checked ones.
    pub(crate) fn trusted(data: &'a [f32], dim: usize) -> Self {
        assert!(dim > 0, "rows must have at least one column");
        assert_eq!(data.len() % dim, 0, "a table must be a whole number of rows");
        Self { data, dim }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Values per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row after row.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Row `index`.
    ///
    /// # Panics
    /// - when `index` is not below [`RowsView::len`]
    #[must_use]
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.data[index * self.dim..(index + 1) * self.dim]
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + 'a {
        self.data.chunks_exact(self.dim)
    }

    /// The rows named by `indices`, copied in that order.
    ///
    /// # Panics
    /// - when an index is not below [`RowsView::len`]
    #[must_use]
    pub fn gather(&self, indices: &[u32]) -> Codes {
        let mut data = Vec::with_capacity(indices.len() * self.dim);
        for &index in indices {
            data.extend_from_slice(self.row(index as usize));
        }
        Codes { data, dim: self.dim }
    }

    /// The rows scaled to unit L2 length; rows of zeros stay zero.
    #[must_use]
    pub fn normalized(&self) -> Codes {
        let mut data = self.data.to_vec();
        let dim = self.dim;
        data.par_chunks_mut(dim * 1024).for_each(|chunk| {
            lanes::dispatch(|| chunk.chunks_exact_mut(dim).for_each(lanes::normalize));
        });
        Codes { data, dim }
    }

    pub(crate) fn require_rows(&self, what: &'static str) -> Result<()> {
        if self.is_empty() { Err(Error::Empty { what }) } else { Ok(()) }
    }

    pub(crate) fn require_dim(&self, what: &'static str, expected: usize) -> Result<()> {
        if self.dim == expected { Ok(()) } else { Err(Error::Dimension { what, found: self.dim, expected }) }
    }

    fn describe_bad_row(&self, row: usize) -> Error {
        let values = self.row(row);
        let column = values.iter().position(|value| !value.is_finite()).unwrap_or_else(|| {
            (0..values.len()).max_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs())).unwrap_or(0)
        });
        Error::NotFinite { row, column, value: values[column] }
    }
}

/// An owned row-major table of `f32` codes whose values are known to be finite.
///
/// # Shapes
/// - data: `[n, dim]`
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    data: Vec<f32>,
    dim: usize,
}

impl Codes {
    /// Takes `data` as rows of `dim` values.
    ///
    /// # Errors
    /// - as [`RowsView::new`]
    pub fn new(data: Vec<f32>, dim: usize) -> Result<Self> {
        RowsView::new(&data, dim)?;
        Ok(Self { data, dim })
    }

    /// Takes rows that this crate has computed from checked ones.
    pub(crate) fn trusted(data: Vec<f32>, dim: usize) -> Self {
        RowsView::trusted(&data, dim);
        Self { data, dim }
    }

    /// Borrows the table.
    #[must_use]
    pub fn view(&self) -> RowsView<'_> {
        RowsView { data: &self.data, dim: self.dim }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Values per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `index`.
    ///
    /// # Panics
    /// - when `index` is not below [`Codes::len`]
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        self.view().row(index)
    }

    /// All values, row after row.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Gives the values back, row after row.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_finite_is_named() {
        let mut data = vec![1.0_f32; 3000 * 40];
        data[2000 * 40 + 7] = f32::NAN;
        data[2500 * 40] = f32::INFINITY;
        let error = RowsView::new(&data, 40).unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 2000, column: 7, .. }), "{error}");
        assert!(error.to_string().contains("row 2000"));
    }

    #[test]
    fn a_row_whose_square_overflows_is_named() {
        let error = RowsView::new(&[1.0, 2.0, 1.0, 3e30], 2).unwrap_err();
        assert_eq!(error, Error::NotFinite { row: 1, column: 1, value: 3e30 });
    }

    #[test]
    fn a_broken_shape_is_refused() {
        assert_eq!(RowsView::new(&[0.0; 7], 2).unwrap_err(), Error::Shape { len: 7, dim: 2 });
        assert_eq!(RowsView::new(&[], 0).unwrap_err(), Error::Shape { len: 0, dim: 0 });
    }

    #[test]
    fn normalized_rows_have_unit_length_and_zero_rows_stay_zero() {
        let codes = RowsView::new(&[3.0, 4.0, 0.0, 0.0], 2).unwrap().normalized();
        assert_eq!(codes.data(), &[0.6, 0.8, 0.0, 0.0]);
    }
}
