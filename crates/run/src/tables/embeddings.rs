//! `embeddings.parquet`: the codes as columns that any table program reads.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, UInt32Array};

use super::TableError;
use super::columns::write_columns;

/// Writes the columns `index`, `embedding_0`, `embedding_1`, ..
///
/// # Shapes
/// - codes: `[n_images, dim]`, row-major
/// # Errors
/// - the file cannot be written
/// # Panics
/// - `codes` is not a whole number of rows
pub fn write_embeddings(path: &Path, codes: &[f32], dim: usize) -> Result<(), TableError> {
    assert!(dim > 0 && codes.len().is_multiple_of(dim), "{} values are not rows of {dim}", codes.len());
    let n_images = (codes.len() / dim) as u32;
    let names: Vec<String> = (0..dim).map(|d| format!("embedding_{d}")).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("index", Arc::new(UInt32Array::from_iter_values(0..n_images)))];
    for (d, name) in names.iter().enumerate() {
        let column = codes.iter().skip(d).step_by(dim).copied();
        columns.push((name, Arc::new(Float32Array::from_iter_values(column))));
    }
    write_columns(path, columns)
}
