//! Codes as clusters see them.

use sporeprint_cluster::Metric;

use crate::bank::normalise;
use crate::config::{ClusterConfig, Geometry};

/// Rows that are compared with each other, and what made them of the codes.
pub(super) struct Prepared {
    /// `[n, dim]`
    pub(super) rows: Vec<f32>,
    /// What was taken off each unit code, `[dim]`; zeros where nothing was.
    pub(super) center: Vec<f32>,
}

/// Prepares codes for clustering: unit rows without their mean, of unit length again. With Euclidean geometry nothing is
/// done.
///
/// Codes behind a ReLU lie in one orthant with cosines around 0.6; without their mean, directions tell them apart.
pub(super) fn prepare(mut codes: Vec<f32>, dim: usize, config: &ClusterConfig) -> Prepared {
    if config.metric == Geometry::Euclidean {
        return Prepared { rows: codes, center: vec![0.0; dim] };
    }
    unit(&mut codes, dim);
    if !config.centre {
        return Prepared { rows: codes, center: vec![0.0; dim] };
    }
    let mut sums = vec![0.0f64; dim];
    for row in codes.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let n = (codes.len() / dim).max(1) as f64;
    let center: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
    take_off(&mut codes, &center);
    Prepared { rows: codes, center }
}

/// Prepares more codes as those were that `center` was the mean of.
pub(super) fn prepare_alike(mut codes: Vec<f32>, center: &[f32], config: &ClusterConfig) -> Vec<f32> {
    if config.metric == Geometry::Cosine {
        unit(&mut codes, center.len());
        if config.centre {
            take_off(&mut codes, center);
        }
    }
    codes
}

/// The measure that goes with the geometry.
pub(super) fn metric(config: &ClusterConfig) -> Metric {
    match config.metric {
        Geometry::Cosine => Metric::Cosine,
        Geometry::Euclidean => Metric::Euclidean,
    }
}

fn unit(codes: &mut [f32], dim: usize) {
    codes.chunks_exact_mut(dim).for_each(|row| {
        normalise(row);
    });
}

fn take_off(codes: &mut [f32], center: &[f32]) {
    for row in codes.chunks_exact_mut(center.len()) {
        row.iter_mut().zip(center).for_each(|(x, m)| *x -= m);
        normalise(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_prepared_alike_equal_those_prepared_together() {
        let codes = vec![3.0, 4.0, 0.0, 2.0, 5.0, 0.0, 0.0, 0.0];
        for (metric, centre) in [(Geometry::Cosine, true), (Geometry::Cosine, false), (Geometry::Euclidean, true)] {
            let config = ClusterConfig { metric, centre, ..ClusterConfig::default() };
            let Prepared { rows, center } = prepare(codes.clone(), 2, &config);
            assert_eq!(prepare_alike(codes.clone(), &center, &config), rows);
            if metric == Geometry::Cosine {
                let lengths = rows.chunks_exact(2).take(3).map(|row| (row[0] * row[0] + row[1] * row[1]).sqrt());
                assert!(lengths.into_iter().all(|length| (length - 1.0).abs() <= 1e-6), "{rows:?}");
            }
        }
    }
}
