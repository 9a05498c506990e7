//! Agreement of two partitions of the same rows, equal to scikit-learn's figures.

use super::contingency::Contingency;
use super::hungarian::best_matching;
use super::information::{entropy, expected_mutual_information, mutual_information};
use crate::error::{Error, Result};

/// How well clusters agree with classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// ACC: fraction of rows in the class that their cluster is matched to, clusters and classes matched one to one
    /// (Hungarian method).
    pub accuracy: f64,
    /// NMI: mutual information over the arithmetic mean of the entropies.
    pub nmi: f64,
    /// ARI: fraction of pairs judged alike, adjusted for chance (Hubert and Arabie 1985).
    pub ari: f64,
    /// AMI: mutual information adjusted for chance (Vinh, Epps and Bailey 2010), arithmetic mean.
    pub ami: f64,
    /// `1 - H(class | cluster) / H(class)`.
    pub homogeneity: f64,
    /// `1 - H(cluster | class) / H(cluster)`.
    pub completeness: f64,
    /// Fraction of rows in the largest class of their cluster.
    pub purity: f64,
}

/// Compares clusters with classes. Every label is a group of its own, noise (-1) included, as in scikit-learn.
///
/// # Shapes
/// - classes, clusters: `[n]`
/// # Errors
/// - no rows, or lists of different length
/// # Reference
/// The functions of `sklearn.metrics` of these names; ACC and purity from their contingency table.
pub fn agreement(classes: &[i32], clusters: &[i32]) -> Result<Agreement> {
    let table = Contingency::new(classes, clusters)?;
    if table.total == 0 {
        return Err(Error::Empty { what: "labels" });
    }
    let information = mutual_information(&table);
    let (class_entropy, cluster_entropy) = (entropy(&table.rows, table.total), entropy(&table.columns, table.total));
    let ratio = |of: f64| if of == 0.0 { 1.0 } else { information / of };
    Ok(Agreement {
        accuracy: accuracy(&table),
        nmi: nmi(&table, information, f64::midpoint(class_entropy, cluster_entropy)),
        ari: ari(&table),
        ami: ami(&table, information, f64::midpoint(class_entropy, cluster_entropy)),
        homogeneity: ratio(class_entropy),
        completeness: ratio(cluster_entropy),
        purity: purity(&table),
    })
}

fn accuracy(table: &Contingency) -> f64 {
    let (n_rows, n_columns) = (table.rows.len(), table.columns.len());
    let values = table.table();
    let matching = best_matching(&values, n_rows, n_columns);
    let right: i64 = matching.iter().enumerate().filter_map(|(i, j)| Some(values[i * n_columns + (*j)?])).sum();
    right as f64 / table.total as f64
}

fn purity(table: &Contingency) -> f64 {
    let mut largest = vec![0; table.columns.len()];
    table.cells.iter().for_each(|&(_, j, count)| largest[j] = count.max(largest[j]));
    largest.iter().sum::<u64>() as f64 / table.total as f64
}

fn nmi(table: &Contingency, information: f64, mean_entropy: f64) -> f64 {
    match (table.rows.len(), table.columns.len()) {
        (1, 1) => 1.0,
        _ if information == 0.0 => 0.0,
        _ => information / mean_entropy,
    }
}

fn ami(table: &Contingency, information: f64, mean_entropy: f64) -> f64 {
    let identical = table.cells.len() == table.rows.len() && table.cells.len() == table.columns.len();
    if identical {
        return 1.0;
    }
    if table.rows.len() == 1 || table.columns.len() == 1 {
        return 0.0;
    }
    let expected = expected_mutual_information(table);
    let away_from_zero = |x: f64| if x < 0.0 { x.min(-f64::EPSILON) } else { x.max(f64::EPSILON) };
    away_from_zero(information - expected) / away_from_zero(mean_entropy - expected)
}

fn ari(table: &Contingency) -> f64 {
    let squares = |counts: &[u64]| counts.iter().map(|&c| u128::from(c) * u128::from(c)).sum::<u128>() as f64;
    let n = table.total as f64;
    let both: f64 = table.cells.iter().map(|&(_, _, c)| u128::from(c) * u128::from(c)).sum::<u128>() as f64;
    // Ordered pairs: together in both, only in one, only in the other, in neither.
    let together = both - n;
    let only_columns = squares(&table.columns) - both;
    let only_rows = squares(&table.rows) - both;
    let apart = n * n - only_columns - only_rows - both;
    if only_columns == 0.0 && only_rows == 0.0 {
        return 1.0;
    }
    2.0 * (together * apart - only_rows * only_columns)
        / ((together + only_rows) * (only_rows + apart) + (together + only_columns) * (only_columns + apart))
}
