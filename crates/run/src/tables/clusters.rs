//! `clusters.csv`: one row per cluster.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TableError;
use super::cells::{self, read_csv, write_csv};

/// What is known of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Its id.
    pub cluster: i32,
    /// Images in it.
    pub size: u32,
    /// Mean distance of its images to the centroid.
    pub spread: f32,
    /// Index of the image nearest to all others of the cluster.
    pub medoid: u32,
    /// Ids of the nearest clusters, nearest first; a space between them in the file.
    #[serde(serialize_with = "cells::join", deserialize_with = "cells::split")]
    pub nearest: Vec<i32>,
}

const COLUMNS: [&str; 5] = ["cluster", "size", "spread", "medoid", "nearest"];

/// Writes `clusters.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_clusters(path: &Path, rows: &[ClusterRow]) -> Result<(), TableError> {
    write_csv(path, &COLUMNS, rows)
}

/// Reads `clusters.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_clusters(path: &Path) -> Result<Vec<ClusterRow>, TableError> {
    read_csv(path, &COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("clusters.csv");
        let row = |cluster, nearest| ClusterRow { cluster, size: 3, spread: 0.25, medoid: 17, nearest };
        let rows = [row(0, vec![2, 1]), row(1, vec![]), row(2, vec![0])];
        write_clusters(&path, &rows).expect("written");
        assert_eq!(read_clusters(&path).expect("read"), rows);
        let text = fs_err::read_to_string(&path).expect("file");
        assert!(text.starts_with("cluster,size,spread,medoid,nearest\n0,3,0.25,17,2 1\n"), "{text}");
    }
}
