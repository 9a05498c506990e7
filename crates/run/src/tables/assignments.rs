//! `assignments.parquet` and `assignments.csv`: the cluster of every image.

use std::path::Path;

use super::TableError;
use super::rows::{columns, read_parquet, write_csv, write_parquet};
use crate::RunDir;

/// Where one image belongs and how well it sits there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// The image.
    pub index: u32,
    /// Its file.
    pub path: String,
    /// Its cluster; -1 is noise.
    pub cluster: i32,
    /// Distance to the cluster's centroid; smaller is nearer.
    pub distance: f32,
    /// The nearest other cluster, by its centroid; -1 where there is none.
    pub second: i32,
    /// How much farther the centroid of that one is; 0 is undecided, below 0 it is nearer.
    pub margin: f32,
    /// How odd the image is in its cluster; larger is odder, 1 or more is marked as odd.
    pub outlier: f32,
    /// Index of the image that this one repeats, if it is a near duplicate.
    pub duplicate_of: Option<u32>,
    /// Indices of the nearest other images, nearest first; a space between them in the file.
    pub neighbors: Vec<u32>,
}

columns!(Assignment: index, path, cluster, distance, second, margin, outlier, duplicate_of, neighbors);

/// Writes the table twice: `assignments.parquet` and `assignments.csv`.
///
/// # Errors
/// - a file cannot be written
pub fn write_assignments(run: &RunDir, rows: &[Assignment]) -> Result<(), TableError> {
    write_parquet(&run.assignments(), rows)?;
    write_csv(&run.assignments_csv(), rows)
}

/// Reads `assignments.parquet`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_assignments(path: &Path) -> Result<Vec<Assignment>, TableError> {
    read_parquet(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typed_form_comes_back_as_it_was() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let run = RunDir::new(dir.path());
        let rows: Vec<_> = (0..100)
            .map(|index| Assignment {
                index,
                path: format!("{}{index}.png", ["=", "-", "@", "+", "\t", "a\"b\n", "'", "'="][index as usize % 8]),
                cluster: index as i32 % 7 - 1,
                distance: 0.1 / (index as f32 + 1.),
                second: index as i32 % 3 - 1,
                margin: 1e-30,
                outlier: index as f32,
                duplicate_of: (index % 5 == 1).then(|| index - 1),
                neighbors: (0..index % 4).collect(),
            })
            .collect();
        write_assignments(&run, &rows).expect("written");
        assert_eq!(read_assignments(&run.assignments()).expect("read"), rows);
    }

    #[test]
    fn the_form_for_people_has_these_bytes() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let run = RunDir::new(dir.path());
        let plain = Assignment {
            index: 0,
            path: "caps/a, b.png".to_owned(),
            cluster: 3,
            distance: 0.1,
            second: -1,
            margin: 2.,
            outlier: 1e-30,
            duplicate_of: None,
            neighbors: vec![1, 20],
        };
        let hostile = Assignment {
            index: 1,
            path: "=1+1\".png".to_owned(),
            cluster: -1,
            distance: 16_777_216.,
            second: 0,
            margin: -0.25,
            outlier: 0.,
            duplicate_of: Some(0),
            neighbors: Vec::new(),
        };
        write_assignments(&run, &[plain, hostile]).expect("written");
        let expected = "index,path,cluster,distance,second,margin,outlier,duplicate_of,neighbors\n\
                        0,\"caps/a, b.png\",3,0.1,-1,2.0,1e-30,,1 20\n\
                        1,\"'=1+1\"\".png\",-1,16777216.0,0,-0.25,0.0,0,\n";
        assert_eq!(fs_err::read_to_string(run.assignments_csv()).expect("file"), expected);
    }
}
