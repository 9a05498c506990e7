//! `names.csv`: one row per cluster that has been named.

use std::path::Path;

use serde::Serialize;

use super::TableError;
use super::rows::{columns, read_csv, write_csv};

/// What a cluster is called.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameRow {
    /// Its id.
    pub cluster: i32,
    /// Images in it.
    pub size: u32,
    /// Nearest word.
    pub name: String,
    /// Cosine between the word and the mean of the cluster.
    pub similarity: f32,
    /// Part of its images that are nearest to that word themselves.
    pub share: f32,
    /// Word that is nearer to this cluster than to the others by the most.
    pub distinctive: String,
    /// The next nearest words, `; ` between them.
    pub others: String,
}

columns!(NameRow: cluster, size, name, similarity, share, distinctive, others);

/// Writes `names.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_names(path: &Path, rows: &[NameRow]) -> Result<(), TableError> {
    write_csv(path, rows)
}

/// Reads `names.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_names(path: &Path) -> Result<Vec<NameRow>, TableError> {
    read_csv(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("names.csv");
        let row = |cluster, name: &str| NameRow {
            cluster,
            size: 3,
            name: name.to_owned(),
            similarity: 0.25,
            share: 0.5,
            distinctive: "=1".to_owned(),
            others: "a; b".to_owned(),
        };
        let rows = [row(0, "fly agaric"), row(2, "-")];
        write_names(&path, &rows).expect("written");
        assert_eq!(read_names(&path).expect("read"), rows);
    }
}
