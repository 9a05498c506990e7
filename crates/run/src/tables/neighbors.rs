//! `neighbors.parquet`: the nearest images of every image.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Float32Array, UInt32Array};

use super::TableError;
use super::columns::{Columns, write_columns};

/// The `k` nearest other images of each image, nearest first.
///
/// # Shapes
/// - indices, similarities: `[n_images, k]`, row-major
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NeighborTable {
    /// Neighbours per image.
    pub k: usize,
    /// Indices of the neighbours.
    pub indices: Vec<u32>,
    /// Cosine similarities of the codes; larger is nearer.
    pub similarities: Vec<f32>,
}

impl NeighborTable {
    /// Images in the table.
    #[must_use]
    pub fn n_images(&self) -> usize {
        self.indices.len().checked_div(self.k).unwrap_or(0)
    }

    /// Neighbours of one image, nearest first.
    ///
    /// # Panics
    /// - `index` is not below `n_images`
    pub fn of(&self, index: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let row = index * self.k..(index + 1) * self.k;
        self.indices[row.clone()].iter().copied().zip(self.similarities[row].iter().copied())
    }
}

/// Writes one row per pair: `index`, `rank` (from 1), `neighbor`, `similarity`.
///
/// # Errors
/// - the file cannot be written
/// # Panics
/// - `indices` and `similarities` are not both `[n_images, k]`
pub fn write_neighbors(path: &Path, table: &NeighborTable) -> Result<(), TableError> {
    assert_eq!(table.indices.len(), table.similarities.len(), "one similarity per neighbour");
    assert_eq!(table.indices.len(), table.n_images() * table.k, "whole rows of {} neighbours", table.k);
    let per_row = |of: fn(usize, usize) -> usize| {
        let numbers = (0..table.indices.len()).map(|pair| of(pair, table.k) as u32);
        Arc::new(UInt32Array::from_iter_values(numbers))
    };
    write_columns(
        path,
        vec![
            ("index", per_row(|pair, k| pair / k)),
            ("rank", per_row(|pair, k| pair % k + 1)),
            ("neighbor", Arc::new(UInt32Array::from(table.indices.clone()))),
            ("similarity", Arc::new(Float32Array::from(table.similarities.clone()))),
        ],
    )
}

/// Reads `neighbors.parquet`.
///
/// # Errors
/// - the file cannot be read, lacks a column, or its rows are not `k` per image in order
pub fn read_neighbors(path: &Path) -> Result<NeighborTable, TableError> {
    let columns = Columns::read(path)?;
    let ranks = columns.numbers::<UInt32Type>("rank")?;
    let owners = columns.numbers::<UInt32Type>("index")?;
    let k = ranks.iter().copied().max().unwrap_or(0) as usize;
    let table = NeighborTable {
        k,
        indices: columns.numbers::<UInt32Type>("neighbor")?,
        similarities: columns.numbers::<Float32Type>("similarity")?,
    };
    let n_images = table.n_images() as u32;
    let in_order = |(pair, (&owner, &rank)): (usize, (&u32, &u32))| {
        owner as usize == pair / k && rank as usize == pair % k + 1 && table.indices[pair] < n_images
    };
    if table.indices.len() != table.n_images() * k || !owners.iter().zip(&ranks).enumerate().all(in_order) {
        return Err(TableError::damaged(path, "rows out of order", format!("ranks 1 to {k} for every image in turn")));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("neighbors.parquet");
        let table =
            NeighborTable { k: 2, indices: vec![1, 2, 0, 2, 0, 1], similarities: vec![0.9, 0.5, 0.9, 0.1, 0.5, -0.1] };
        write_neighbors(&path, &table).expect("written");
        assert_eq!(read_neighbors(&path).expect("read"), table);
        assert_eq!(table.of(1).collect::<Vec<_>>(), [(0, 0.9), (2, 0.1)]);
        write_neighbors(&path, &NeighborTable::default()).expect("written");
        assert_eq!(read_neighbors(&path).expect("read"), NeighborTable::default());
    }

    #[test]
    fn a_neighbor_outside_the_run_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("neighbors.parquet");
        let table = NeighborTable { k: 1, indices: vec![1, 7], similarities: vec![0.; 2] };
        write_neighbors(&path, &table).expect("written");
        assert!(read_neighbors(&path).is_err());
    }
}
