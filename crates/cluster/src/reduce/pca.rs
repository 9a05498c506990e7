//! Principal components.

use super::eigen::{Filter, dot, fix_sign, symmetric_eigen, top_eigenpairs};
use crate::error::{Result, check_setting};
use crate::lanes;
use crate::panels::Panels;
use crate::products::products;
use crate::progress::{Progress, Step, report};
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Wider rows go through the products of sampled rows instead of the covariance of columns.
const MAX_COVARIANCE: usize = 2048;
const CHUNK_ROWS: usize = 2048;

/// Settings of principal component analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pca {
    /// Components to find; fewer are found where rows or columns allow no more.
    pub n_components: usize,
    /// Seed of all random draws: of rows where there are too many wide ones, and of the search for eigenvectors.
    pub seed: u64,
}

/// The directions in which rows vary most.
///
/// # Shapes
/// - mean: `[dim]`, components: `[n_components, dim]`, unit and orthogonal, variances: `[n_components]`, falling
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalComponents {
    mean: Vec<f32>,
    components: Codes,
    variances: Vec<f64>,
    total_variance: f64,
}

impl Pca {
    /// The first `n_components` components, with seed 0.
    #[must_use]
    pub fn new(n_components: usize) -> Self {
        Self { n_components, seed: 0 }
    }

    /// Finds the components of `rows`, of which those wider than 2048 values are represented by at most 2048 sampled ones.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - no rows, `n_components` of 0, or `progress` asks to stop
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<PrincipalComponents> {
        rows.require_rows("rows to reduce")?;
        let Self { n_components, seed } = *self;
        check_setting(n_components > 0, "n_components", n_components, "at least 1")?;
        let sample;
        let rows = if rows.dim() > MAX_COVARIANCE && rows.len() > MAX_COVARIANCE {
            let mut chosen = Rng::stream(seed, 5).sample(rows.len(), MAX_COVARIANCE);
            chosen.sort_unstable();
            sample = rows.gather(&chosen);
            sample.view()
        } else {
            rows
        };
        let (n, dim) = (rows.len(), rows.dim());
        let count = n_components.min(dim).min(n);
        let mean = column_means(rows);
        let wide = dim > MAX_COVARIANCE;
        let (gram, size) = if wide { (row_products(rows, &mean), n) } else { (column_products(rows, &mean), dim) };
        let step = |done| report(progress, Step { stage: "principal components", done, total: 2, value: f64::NAN });
        step(1)?;
        let trace: f64 = (0..size).map(|i| gram[i * size + i]).sum();
        let pairs = if size <= 64 || count * 3 > size {
            let (mut values, mut vectors) = symmetric_eigen(gram, size);
            values.truncate(count);
            vectors.truncate(count);
            super::eigen::Eigenpairs { values, vectors }
        } else {
            let apply =
                |v: &[f64]| lanes::dispatch(|| (0..size).map(|i| dot(&gram[i * size..(i + 1) * size], v)).collect());
            top_eigenpairs(size, count, &Filter::Power, apply, seed)
        };
        let mut components = Vec::with_capacity(count * dim);
        for mut vector in pairs.vectors {
            if wide {
                vector = combine(rows, &mean, &vector);
            }
            fix_sign(&mut vector);
            components.extend(vector.iter().map(|&x| x as f32));
        }
        step(2)?;
        let freedom = (n as f64 - 1.0).max(1.0);
        Ok(PrincipalComponents {
            mean,
            components: Codes::trusted(components, dim),
            variances: pairs.values.iter().map(|value| value.max(0.0) / freedom).collect(),
            total_variance: trace / freedom,
        })
    }
}

impl PrincipalComponents {
    /// Variance along each component, with `n - 1`.
    #[must_use]
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Sum of the variances of all columns.
    #[must_use]
    pub fn total_variance(&self) -> f64 {
        self.total_variance
    }

    /// Mean of the rows, `[dim]`, taken off before they are projected.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The components, `[n_components, dim]`.
    #[must_use]
    pub fn components(&self) -> &Codes {
        &self.components
    }

    /// Coordinates of rows along the components, each divided by `variance^(whitening / 2)`: 0 keeps distances, 1 gives every
    /// component variance 1, 0.5 lies between and is a good start for clustering.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, result: `[n, n_components]`
    /// # Errors
    /// - rows of another width, or `whitening` outside `[0, 1]`
    pub fn transform(&self, rows: RowsView<'_>, whitening: f64) -> Result<Codes> {
        rows.require_dim("rows to project", self.mean.len())?;
        check_setting((0.0..=1.0).contains(&whitening), "whitening", whitening, "0 to 1")?;
        let count = self.components.len();
        // Components without variance hold rounding only, which whitening would blow up.
        let floor = 1e-10 * self.variances.first().copied().unwrap_or(0.0);
        let scales: Vec<f32> =
            self.variances.iter().map(|&v| if v > floor { v.powf(-0.5 * whitening) as f32 } else { 0.0 }).collect();
        let bias: Vec<f32> =
            self.components.view().iter().map(|component| -lanes::dot(component, &self.mean)).collect();
        let mut out = vec![0.0; rows.len() * count];
        let block = 8192;
        for (rows, out) in rows.data().chunks(block * rows.dim()).zip(out.chunks_mut(block * count)) {
            let panels = Panels::pack(RowsView::trusted(rows, self.mean.len()));
            let width = panels.width();
            let mut scores = vec![0.0; panels.n_panels() * width * count];
            products(&panels, self.components.view(), &bias, &mut scores);
            let tasks = out.par_chunks_mut(width * count).zip(scores.par_chunks(width * count));
            tasks.for_each(|(out, scores)| {
                for (lane, out) in out.chunks_exact_mut(count).enumerate() {
                    for (j, (out, scale)) in out.iter_mut().zip(&scales).enumerate() {
                        *out = scores[j * width + lane] * scale;
                    }
                }
            });
        }
        Ok(Codes::trusted(out, count))
    }
}

fn column_means(rows: RowsView<'_>) -> Vec<f32> {
    let dim = rows.dim();
    let parts: Vec<Vec<f64>> = rows
        .data()
        .par_chunks(CHUNK_ROWS * dim)
        .map(|chunk| {
            lanes::dispatch(|| {
                let mut sums = vec![0.0; dim];
                chunk.chunks_exact(dim).for_each(|row| lanes::add_into(&mut sums, row));
                sums
            })
        })
        .collect();
    (0..dim).map(|c| (parts.iter().map(|part| part[c]).sum::<f64>() / rows.len() as f64) as f32).collect()
}

/// `sum_i (x_i - mean)(x_i - mean)^T`, `[dim, dim]`: products in `f32` per chunk of rows, chunks added in `f64`.
fn column_products(rows: RowsView<'_>, mean: &[f32]) -> Vec<f64> {
    let dim = rows.dim();
    let mut gram = vec![0.0; dim * dim];
    for chunk in rows.data().chunks(CHUNK_ROWS * dim) {
        let n = chunk.len() / dim;
        let mut columns = vec![0.0; chunk.len()];
        columns.par_chunks_mut(n).zip(mean).enumerate().for_each(|(c, (column, &mean))| {
            column.iter_mut().zip(chunk[c..].iter().step_by(dim)).for_each(|(out, &x)| *out = x - mean);
        });
        add_products(&columns, n, dim, &mut gram);
    }
    gram
}

/// `(x_i - mean) . (x_j - mean)`, `[n, n]`.
fn row_products(rows: RowsView<'_>, mean: &[f32]) -> Vec<f64> {
    let centered: Vec<f32> = rows.iter().flat_map(|row| row.iter().zip(mean).map(|(&x, &m)| x - m)).collect();
    let mut gram = vec![0.0; rows.len() * rows.len()];
    add_products(&centered, rows.dim(), rows.len(), &mut gram);
    gram
}

/// Adds the products of `size` rows of `dim` values with each other to `gram`.
fn add_products(data: &[f32], dim: usize, size: usize, gram: &mut [f64]) {
    let rows = RowsView::trusted(data, dim);
    let panels = Panels::pack(rows);
    let width = panels.width();
    let mut scores = vec![0.0; panels.n_panels() * width * size];
    products(&panels, rows, &vec![0.0; size], &mut scores);
    gram.par_chunks_mut(width * size).zip(scores.par_chunks(width * size)).for_each(|(gram, scores)| {
        for (lane, gram) in gram.chunks_exact_mut(size).enumerate() {
            gram.iter_mut().enumerate().for_each(|(j, sum)| *sum += f64::from(scores[j * width + lane]));
        }
    });
}

/// The unit vector along `sum_i weights_i (x_i - mean)`.
fn combine(rows: RowsView<'_>, mean: &[f32], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.dim()];
    for (row, weight) in rows.iter().zip(weights) {
        sum.iter_mut().zip(row).zip(mean).for_each(|((sum, &x), &m)| *sum += weight * f64::from(x - m));
    }
    let length = dot(&sum, &sum).sqrt().max(f64::MIN_POSITIVE);
    sum.iter_mut().for_each(|x| *x /= length);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn stretched(n: usize, dim: usize) -> Codes {
        let mut rng = Rng::seed_from_u64(8);
        let scale = |c: usize| if c < 5 { 10.0 / (c + 1) as f64 } else { 0.1 };
        Codes::new((0..n * dim).map(|at| (3.0 + scale(at % dim) * rng.normal()) as f32).collect(), dim).unwrap()
    }

    #[test]
    fn components_follow_the_columns_that_vary() {
        for (n, dim) in [(5000, 40), (3000, 200), (600, 2100)] {
            let rows = stretched(n, dim);
            let pca = Pca::new(5).fit(rows.view(), &Silent).unwrap();
            for c in 0..5 {
                let expected = (10.0 / (c + 1) as f64).powi(2);
                assert!((pca.variances()[c] / expected - 1.0).abs() <= 0.15, "{dim} {c} {}", pca.variances()[c]);
                assert!(pca.components().row(c)[c].abs() > 0.97, "{dim} {c}");
            }
            let flat = pca.transform(rows.view(), 1.0).unwrap();
            for c in 0..5 {
                let column: Vec<f64> = flat.view().iter().map(|row| f64::from(row[c])).collect();
                let mean = column.iter().sum::<f64>() / n as f64;
                let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
                assert!(mean.abs() <= 1e-3 && (variance - 1.0).abs() <= 2e-3, "{mean} {variance}");
            }
        }
    }

    #[test]
    fn all_components_keep_distances() {
        let rows = stretched(50, 7);
        let turned = Pca::new(100).fit(rows.view(), &Silent).unwrap().transform(rows.view(), 0.0).unwrap();
        assert_eq!(turned.dim(), 7);
        for (i, j) in [(0, 1), (5, 40), (13, 30)] {
            let before = lanes::squared_distance(rows.row(i), rows.row(j));
            assert!((lanes::squared_distance(turned.row(i), turned.row(j)) - before).abs() <= 1e-3 * before);
        }
    }

    #[test]
    fn equal_rows_become_zeros() {
        let rows = Codes::new(vec![2.5; 30], 3).unwrap();
        let turned = Pca::new(2).fit(rows.view(), &Silent).unwrap().transform(rows.view(), 1.0).unwrap();
        assert!(turned.data().iter().all(|x| x.abs() <= 1e-6));
    }
}
