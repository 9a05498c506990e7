//! Products of matrices that lie anywhere in a slice: a safe door to the `gemm` crate, one thread per product.
//!
//! Whoever has many products (one per picture, one per head) gives each to a thread of its own; the sums of one product
//! then never depend on the number of threads.

#![expect(unsafe_code, reason = "gemm takes pointers; the shapes are checked here")]

/// A matrix within a slice, by its strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix whose element (i, j) is `values[i * row_stride + j]`.
    ///
    /// # Panics
    /// - if the last element lies beyond the slice
    pub fn new(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let matrix = Self { values, rows, columns, row_stride, column_stride: 1 };
        let needed = extent(rows, columns, row_stride, 1);
        assert!(
            needed <= values.len(),
            "{rows} x {columns} at stride {row_stride} needs {needed}, has {}",
            values.len()
        );
        matrix
    }

    /// Rows and columns exchanged; nothing is copied.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// Values from the first to the last element of a matrix.
fn extent(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        0
    } else {
        (rows - 1)
            .saturating_mul(row_stride)
            .saturating_add((columns - 1).saturating_mul(column_stride))
            .saturating_add(1)
    }
}

/// `c = scale a b`, or `c += scale a b` where `accumulate` is set, on the calling thread.
///
/// # Shapes
/// - a: `[m, k]`, b: `[k, n]`
/// - c: `[m, n]`, element (i, j) at `i * row_stride + j`
/// # Panics
/// - if the shapes do not fit, or c ends before its last element
pub fn matrix_product(c: &mut [f32], row_stride: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "columns of a, rows of b");
    assert!(row_stride >= n, "rows of c overlap: {n} columns at stride {row_stride}");
    assert!(extent(m, n, row_stride, 1) <= c.len(), "c of {m} x {n} at stride {row_stride}, has {}", c.len());
    let signed = |stride: usize| stride as isize;
    // SAFETY: the constructor and the assertions above keep every element of the three matrices within its slice, and
    // `c` is borrowed mutably, so it is apart from the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            signed(row_stride),
            accumulate,
            a.values.as_ptr(),
            signed(a.column_stride),
            signed(a.row_stride),
            b.values.as_ptr(),
            signed(b.column_stride),
            signed(b.row_stride),
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, factor: usize) -> Vec<f32> {
        (0..n).map(|i| (i * factor % 23) as f32 - 11.0).collect()
    }

    /// Small integers, so that every order of summation gives the same.
    #[test]
    fn strided_and_transposed_products_equal_the_definition() {
        let (m, k, n) = (13, 17, 9);
        let (a, b) = (numbers(m * 20, 7), numbers(n * 19, 5));
        let mut c = numbers(m * 11, 3);
        let before = c.clone();
        matrix_product(&mut c, 11, Matrix::new(&a, m, k, 20), Matrix::new(&b, n, k, 19).transposed(), 2.0, true);
        for i in 0..m {
            for j in 0..11 {
                let product: f32 = (0..k).map(|l| a[i * 20 + l] * b[j.min(n - 1) * 19 + l]).sum();
                let expected = before[i * 11 + j] + if j < n { 2.0 * product } else { 0.0 };
                assert_eq!(c[i * 11 + j], expected, "{i} {j}");
            }
        }
    }

    #[test]
    fn what_stood_in_the_target_is_overwritten_even_nan() {
        let mut c = vec![f32::NAN; 4];
        matrix_product(&mut c, 2, Matrix::new(&[1., 2.], 2, 1, 1), Matrix::new(&[3., 4.], 1, 2, 2), 1.0, false);
        assert_eq!(c, [3., 4., 6., 8.]);
    }

    #[test]
    #[should_panic(expected = "needs 12, has 11")]
    fn a_matrix_beyond_its_slice_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4, 4);
    }
}
