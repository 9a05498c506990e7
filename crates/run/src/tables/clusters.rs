//! `clusters.csv`: one row per cluster.

use std::path::Path;

use super::TableError;
use super::rows::{columns, read_csv, write_csv};

/// What is known of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
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
    pub nearest: Vec<i32>,
}

columns!(ClusterRow: cluster, size, spread, medoid, nearest);

/// Writes `clusters.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_clusters(path: &Path, rows: &[ClusterRow]) -> Result<(), TableError> {
    write_csv(path, rows)
}

/// Reads `clusters.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_clusters(path: &Path) -> Result<Vec<ClusterRow>, TableError> {
    read_csv(path)
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

    #[test]
    fn a_table_without_a_column_or_with_a_word_for_a_number_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("clusters.csv");
        let refused = |text: &str| {
            fs_err::write(&path, text).expect("file");
            read_clusters(&path).expect_err("refused").to_string()
        };
        assert!(refused("cluster,size\n0,3\n").contains("expected a column spread"));
        let told = refused("size,cluster,spread,medoid,nearest\n3,0,1,1,\n3,x,1,1,\n");
        assert!(told.contains("found \"x\" as cluster of row 2, expected a whole number"), "{told}");
        let told = refused("cluster,size,spread,medoid,nearest\n0,3,1,1,1 two\n");
        assert!(told.contains("nearest of row 1"), "{told}");
        assert!(refused("cluster,size,spread,medoid,nearest\n0,3\n").contains("line: 2"));
    }
}
