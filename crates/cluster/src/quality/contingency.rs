//! How two partitions of the same rows overlap.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Counts of rows per pair of labels. Labels may be any numbers; they are taken in rising order.
///
/// # Shapes
/// - counts: `[n_a, n_b]`, zeros left out
#[derive(Debug, Clone)]
pub(crate) struct Contingency {
    /// `(a, b, count)` in rising order of `(a, b)`, counts above zero.
    pub(crate) cells: Vec<(usize, usize, u64)>,
    /// Rows per label of the first partition.
    pub(crate) rows: Vec<u64>,
    /// Rows per label of the second partition.
    pub(crate) columns: Vec<u64>,
    /// All rows.
    pub(crate) total: u64,
}

impl Contingency {
    /// Counts two labellings of the same rows.
    pub(crate) fn new(a: &[i32], b: &[i32]) -> Result<Self> {
        if a.len() != b.len() {
            return Err(Error::Length { what: "labels of the second partition", found: b.len(), expected: a.len() });
        }
        let (a, n_a) = dense(a);
        let (b, n_b) = dense(b);
        let mut pairs: Vec<(usize, usize)> = a.into_iter().zip(b).collect();
        pairs.sort_unstable();
        let mut cells: Vec<(usize, usize, u64)> = Vec::new();
        let (mut rows, mut columns) = (vec![0; n_a], vec![0; n_b]);
        for &(i, j) in &pairs {
            rows[i] += 1;
            columns[j] += 1;
            match cells.last_mut() {
                Some(last) if (last.0, last.1) == (i, j) => last.2 += 1,
                _ => cells.push((i, j, 1)),
            }
        }
        Ok(Self { cells, rows, columns, total: pairs.len() as u64 })
    }

    /// The full table, row after row.
    pub(crate) fn table(&self) -> Vec<i64> {
        let mut table = vec![0; self.rows.len() * self.columns.len()];
        self.cells.iter().for_each(|&(i, j, count)| table[i * self.columns.len() + j] = count as i64);
        table
    }
}

/// Labels as `0..n` in rising order of their values, and `n`.
pub(crate) fn dense(labels: &[i32]) -> (Vec<usize>, usize) {
    let mut ids: BTreeMap<i32, usize> = labels.iter().map(|&label| (label, 0)).collect();
    ids.values_mut().enumerate().for_each(|(id, slot)| *slot = id);
    (labels.iter().map(|label| ids[label]).collect(), ids.len())
}
