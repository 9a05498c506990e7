//! Codes as clusters see them.

use sporeprint_cluster::{Metric, RowsView};

use super::GroupingError;
use crate::config::{ClusterConfig, Geometry};
use crate::rows::normalize;

/// Rows that are compared with each other, and what made them of the codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    rows: Vec<f32>,
    center: Vec<f32>,
    metric: Metric,
}

impl Prepared {
    /// Prepares codes for clustering: unit rows without their mean, of unit length again. With Euclidean geometry nothing is
    /// done.
    ///
    /// Codes behind a ReLU lie in one orthant with cosines around 0.6; without their mean, directions tell them apart.
    ///
    /// # Shapes
    /// - codes: `[n, dim]`
    pub fn new(mut codes: Vec<f32>, dim: usize, config: &ClusterConfig) -> Self {
        let metric = metric(config);
        let mut center = vec![0.0; dim];
        if metric == Metric::Cosine {
            to_unit(&mut codes, dim);
            if config.center {
                center = mean(&codes, dim);
                take_off(&mut codes, &center);
            }
        }
        Self { rows: codes, center, metric }
    }

    /// Prepares codes as those were that `center` was the mean of.
    ///
    /// # Shapes
    /// - codes: `[n, dim]`; center: `[dim]`
    pub fn alike(mut codes: Vec<f32>, center: &[f32], config: &ClusterConfig) -> Self {
        let metric = metric(config);
        if metric == Metric::Cosine {
            to_unit(&mut codes, center.len());
            if config.center {
                take_off(&mut codes, center);
            }
        }
        Self { rows: codes, center: center.to_vec(), metric }
    }

    /// Rows that are to be compared as they are, `[n, dim]`.
    pub(super) fn of_rows(rows: Vec<f32>, dim: usize, metric: Metric) -> Self {
        Self { rows, center: vec![0.0; dim], metric }
    }

    /// The rows, `[n, dim]`.
    ///
    /// # Errors
    /// When there are none, or one of them holds a number that is not finite.
    pub fn view(&self) -> Result<RowsView<'_>, GroupingError> {
        Ok(RowsView::new(&self.rows, self.center.len())?)
    }

    /// What was taken off each unit code, `[dim]`; zeros where nothing was.
    pub fn center(&self) -> &[f32] {
        &self.center
    }

    /// The measure of nearness that goes with the rows.
    pub fn metric(&self) -> Metric {
        self.metric
    }
}

/// The measure of nearness that the settings ask for.
pub(crate) fn metric(config: &ClusterConfig) -> Metric {
    match config.metric {
        Geometry::Cosine => Metric::Cosine,
        Geometry::Euclidean => Metric::Euclidean,
    }
}

fn to_unit(codes: &mut [f32], dim: usize) {
    codes.chunks_exact_mut(dim).for_each(|row| {
        normalize(row);
    });
}

fn mean(codes: &[f32], dim: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; dim];
    for row in codes.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let n = (codes.len() / dim).max(1) as f64;
    sums.iter().map(|sum| (sum / n) as f32).collect()
}

fn take_off(codes: &mut [f32], center: &[f32]) {
    for row in codes.chunks_exact_mut(center.len()) {
        row.iter_mut().zip(center).for_each(|(x, m)| *x -= m);
        normalize(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_prepared_alike_equal_those_prepared_together() {
        let codes = vec![3.0, 4.0, 0.0, 2.0, 5.0, 0.0, 0.0, 0.0];
        for (metric, center) in [(Geometry::Cosine, true), (Geometry::Cosine, false), (Geometry::Euclidean, true)] {
            let config = ClusterConfig { metric, center, ..ClusterConfig::default() };
            let prepared = Prepared::new(codes.clone(), 2, &config);
            assert_eq!(Prepared::alike(codes.clone(), prepared.center(), &config), prepared);
            let rows = &prepared.rows;
            if metric == Geometry::Cosine {
                let lengths = rows.chunks_exact(2).take(3).map(|row| (row[0] * row[0] + row[1] * row[1]).sqrt());
                assert!(lengths.into_iter().all(|length| (length - 1.0).abs() <= 1e-6), "{rows:?}");
            }
        }
    }
}
