//! The linear map between two kinds of codes, by least squares.

use sporeprint_kernels::{Matrix, matrix_product};

/// Share of the mean variance that is added to every variance, so that directions which hardly vary say little.
const RIDGE: f64 = 1e-2;

/// Weight `W` and bias `b` of `y = W x + b` from rows of x and y: `min sum |W (x - mean x) - (y - mean y)|^2 + r |W|^2`, with r a
/// hundredth of the mean variance of x.
///
/// # Shapes
/// - from: `[n, from_dim]`, to: `[n, to_dim]`
/// - weight: `[to_dim, from_dim]`, bias: `[to_dim]`
/// # Panics
/// - if the rows are not as many
pub fn linear_map(from: &[f32], from_dim: usize, to: &[f32], to_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let n = from.len() / from_dim;
    assert_eq!(n, to.len() / to_dim, "as many rows on both sides");
    let ((x, x_mean), (y, y_mean)) = (centered(from, from_dim), centered(to, to_dim));
    let scale = 1.0 / n.max(1) as f32;
    let product = |right: &[f32], dim: usize| {
        let mut out = vec![0.0; from_dim * dim];
        let left = Matrix::new(&x, n, from_dim, from_dim).transposed();
        matrix_product(&mut out, dim, left, Matrix::new(right, n, dim, dim), scale, false);
        out
    };
    let mut covariance: Vec<f64> = product(&x, from_dim).into_iter().map(f64::from).collect();
    let trace: f64 = (0..from_dim).map(|i| covariance[i * from_dim + i]).sum();
    let ridge = (RIDGE * trace / from_dim as f64).max(f64::MIN_POSITIVE);
    (0..from_dim).for_each(|i| covariance[i * from_dim + i] += ridge);
    let mut solution: Vec<f64> = product(&y, to_dim).into_iter().map(f64::from).collect();
    factorize(&mut covariance, from_dim);
    solve(&covariance, from_dim, &mut solution, to_dim);
    let mut weight = vec![0.0f32; to_dim * from_dim];
    for (i, row) in solution.chunks_exact(to_dim).enumerate() {
        row.iter().enumerate().for_each(|(j, &value)| weight[j * from_dim + i] = value as f32);
    }
    let bias = (weight.chunks_exact(from_dim).zip(&y_mean))
        .map(|(row, mean)| mean - row.iter().zip(&x_mean).map(|(w, m)| w * m).sum::<f32>())
        .collect();
    (weight, bias)
}

/// Rows less their mean, and the mean.
fn centered(rows: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let n = (rows.len() / dim).max(1) as f64;
    let mut sums = vec![0.0f64; dim];
    for row in rows.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
    (rows.chunks_exact(dim).flat_map(|row| row.iter().zip(&mean).map(|(x, m)| x - m)).collect(), mean)
}

/// The lower triangle L of `a = L L^T` in the place of `a`, which is symmetric and positive definite.
fn factorize(a: &mut [f64], n: usize) {
    for j in 0..n {
        let (done, rest) = a.split_at_mut(j * n + n);
        let pivot_row = &mut done[j * n..];
        let pivot = (pivot_row[j] - pivot_row[..j].iter().map(|l| l * l).sum::<f64>()).max(f64::MIN_POSITIVE).sqrt();
        pivot_row[j] = pivot;
        for row in rest.chunks_exact_mut(n) {
            let dot: f64 = row[..j].iter().zip(&pivot_row[..j]).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - dot) / pivot;
        }
    }
}

/// `(L L^T)^-1 b` in the place of `b`, rows of `columns` numbers.
fn solve(lower: &[f64], n: usize, b: &mut [f64], columns: usize) {
    for i in 0..n {
        let (above, rest) = b.split_at_mut(i * columns);
        let row = &mut rest[..columns];
        for (k, other) in above.chunks_exact(columns).enumerate() {
            let factor = lower[i * n + k];
            row.iter_mut().zip(other).for_each(|(x, o)| *x -= factor * o);
        }
        row.iter_mut().for_each(|x| *x /= lower[i * n + i]);
    }
    for i in (0..n).rev() {
        let (head, below) = b.split_at_mut((i + 1) * columns);
        let row = &mut head[i * columns..];
        for (k, other) in below.chunks_exact(columns).enumerate() {
            let factor = lower[(i + 1 + k) * n + i];
            row.iter_mut().zip(other).for_each(|(x, o)| *x -= factor * o);
        }
        row.iter_mut().for_each(|x| *x /= lower[i * n + i]);
    }
}

#[cfg(test)]
mod tests {
    use sporeprint_cluster::Rng;

    use super::linear_map;

    #[test]
    fn a_linear_relation_is_found_again() {
        let (n, from_dim, to_dim) = (400, 6, 3);
        let mut rng = Rng::new(2);
        let x: Vec<f32> = (0..n * from_dim).map(|_| rng.normal() as f32).collect();
        let weight: Vec<f32> = (0..to_dim * from_dim).map(|_| rng.normal() as f32).collect();
        let y: Vec<f32> = x
            .chunks_exact(from_dim)
            .flat_map(|x| {
                let dot = |w: &[f32]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + 2.0;
                weight.chunks_exact(from_dim).map(dot).collect::<Vec<f32>>()
            })
            .collect();
        let (found, bias) = linear_map(&x, from_dim, &y, to_dim);
        for (found, expected) in found.iter().zip(&weight) {
            assert!((found - expected).abs() <= 0.02 * expected.abs() + 0.01, "{found}, not {expected}");
        }
        assert!(bias.iter().all(|b| (b - 2.0).abs() <= 0.02), "{bias:?}");
    }

    #[test]
    fn columns_that_never_vary_are_given_no_weight() {
        let x: Vec<f32> = (0..40).flat_map(|i| [i as f32, 7.0]).collect();
        let y: Vec<f32> = (0..40).map(|i| 3.0 * i as f32).collect();
        let (weight, _) = linear_map(&x, 2, &y, 1);
        assert!((weight[0] - 3.0).abs() <= 0.05 && weight[1] == 0.0, "{weight:?}");
    }
}
