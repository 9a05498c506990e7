//! Arrays of `ndarray` in and out.

use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::rows::{Codes, RowsView};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};

/// The rows of an array `[n, dim]`, not copied.
///
/// ```
/// use ndarray::{Array1, Array2};
/// use sporeprint_cluster::{KMeans, RowsView, Silent};
///
/// # fn main() -> sporeprint_cluster::Result<()> {
/// let x = Array2::from_shape_fn((6, 2), |(row, column)| (row % 2 * 9 + column) as f32);
/// let found = KMeans::new(2).fit(RowsView::try_from(&x)?, &Silent)?;
/// assert_eq!(found.inertia, 0.0);
/// let labels = Array1::from(found.labels);
/// let centroids = Array2::from(found.centroids);
/// assert_eq!((labels.len(), centroids.dim()), (6, (2, 2)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// - [`Error::Layout`] when the array does not lie row after row in memory, as a transposed one does not
/// - as [`RowsView::new`]
impl<'a, S: Data<Elem = f32>> TryFrom<&'a ArrayBase<S, Ix2>> for RowsView<'a> {
    type Error = Error;

    fn try_from(array: &'a ArrayBase<S, Ix2>) -> Result<Self> {
        array.view().try_into()
    }
}

/// The rows of an array's view `[n, dim]`, not copied; otherwise as for an array.
impl<'a> TryFrom<ArrayView2<'a, f32>> for RowsView<'a> {
    type Error = Error;

    fn try_from(array: ArrayView2<'a, f32>) -> Result<Self> {
        let (n, dim) = array.dim();
        let strides = [array.strides()[0], array.strides()[1]];
        match array.to_slice() {
            Some(data) => Self::new(data, dim),
            None => Err(Error::Layout { shape: [n, dim], strides }),
        }
    }
}

/// An array `[n, dim]` over the same values.
impl<'a> From<RowsView<'a>> for ArrayView2<'a, f32> {
    fn from(rows: RowsView<'a>) -> Self {
        ArrayView2::from_shape((rows.len(), rows.dim()), rows.data()).expect("whole rows")
    }
}

/// An array `[n, dim]` of the same values, not copied.
impl From<Codes> for Array2<f32> {
    fn from(codes: Codes) -> Self {
        let shape = (codes.len(), codes.dim());
        Array2::from_shape_vec(shape, codes.into_data()).expect("whole rows")
    }
}

/// An array `[n]` of the same labels, noise -1.
impl From<Labels> for Array1<i32> {
    fn from(labels: Labels) -> Self {
        Array1::from_vec(labels.into_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, array};

    #[test]
    fn rows_of_an_array_are_seen_where_they_lie() {
        let x = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
        let rows = RowsView::try_from(&x).unwrap();
        assert_eq!((rows.len(), rows.dim(), rows.row(1)), (3, 3, &[4.0, 5.0, 6.0][..]));
        assert_eq!(rows.data().as_ptr(), x.as_ptr());
        let last = RowsView::try_from(x.view().split_at(Axis(0), 1).1).unwrap();
        assert_eq!((last.len(), last.row(0)), (2, &[4.0, 5.0, 6.0][..]));
        assert!(RowsView::try_from(&Array2::<f32>::zeros((0, 3))).unwrap().is_empty());
    }

    #[test]
    fn arrays_that_do_not_lie_row_after_row_are_refused_with_what_helps() {
        let x = Array2::<f32>::ones((3, 2));
        let error = RowsView::try_from(x.t()).unwrap_err();
        assert_eq!(error, Error::Layout { shape: [2, 3], strides: [1, 2] });
        assert!(error.to_string().contains("expected [3, 1]\nhint: `array.as_standard_layout()`"), "{error}");
        assert!(RowsView::try_from(x.view().split_at(Axis(1), 1).0).is_err());
        let copy = x.t().as_standard_layout().into_owned();
        assert_eq!(RowsView::try_from(&copy).unwrap().dim(), 3);
    }

    #[test]
    fn values_that_are_not_finite_and_rows_without_columns_are_refused_as_always() {
        let error = RowsView::try_from(&array![[1.0, 2.0], [f32::NAN, 0.0]]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 1, column: 0, .. }), "{error}");
        let error = RowsView::try_from(&Array2::<f32>::zeros((3, 0))).unwrap_err();
        assert_eq!(error, Error::Shape { len: 0, dim: 0 });
    }

    #[test]
    fn codes_and_labels_become_arrays() {
        let codes = Codes::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        let expected = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        assert_eq!(ArrayView2::from(codes.view()), expected);
        assert_eq!(Array2::from(codes), expected);
        assert_eq!(Array1::from(Labels::from(vec![1, -1, 0])), array![1, -1, 0]);
    }
}
