//! `assignments.parquet` and `assignments.csv`: the cluster of every image.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, Int32Array, StringArray, UInt32Array};
use serde::{Deserialize, Serialize};

use super::TableError;
use super::cells::{self, read_csv, write_csv};
use super::columns::{Columns, write_columns};
use crate::RunDir;

/// Where one image belongs and how well it sits there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The image.
    pub index: u32,
    /// Its file.
    #[serde(with = "cells::text")]
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
    #[serde(serialize_with = "cells::join", deserialize_with = "cells::split")]
    pub neighbors: Vec<u32>,
}

const COLUMNS: [&str; 9] =
    ["index", "path", "cluster", "distance", "second", "margin", "outlier", "duplicate_of", "neighbors"];

/// Writes the table twice: `assignments.parquet` and `assignments.csv`.
///
/// # Errors
/// - a file cannot be written
pub fn write_assignments(run: &RunDir, rows: &[Assignment]) -> Result<(), TableError> {
    let floats = |of: fn(&Assignment) -> f32| Arc::new(Float32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    write_columns(
        &run.assignments(),
        vec![
            ("index", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.index)))),
            ("path", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.path)))),
            ("cluster", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.cluster)))),
            ("distance", floats(|row| row.distance)),
            ("second", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.second)))),
            ("margin", floats(|row| row.margin)),
            ("outlier", floats(|row| row.outlier)),
            ("duplicate_of", Arc::new(rows.iter().map(|row| row.duplicate_of).collect::<UInt32Array>())),
            (
                "neighbors",
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| cells::joined(&row.neighbors)))),
            ),
        ],
    )?;
    write_csv(&run.assignments_csv(), &COLUMNS, rows)
}

/// Reads `assignments.parquet`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_assignments(path: &Path) -> Result<Vec<Assignment>, TableError> {
    let table = Columns::read(path)?;
    let (clusters, seconds) = (table.numbers::<Int32Type>("cluster")?, table.numbers::<Int32Type>("second")?);
    let neighbors: Vec<Vec<u32>> = table
        .texts("neighbors")?
        .iter()
        .map(|text| cells::parted(text).map_err(|error| TableError::damaged(path, error, "indices of neighbours")))
        .collect::<Result<_, _>>()?;
    let [distances, margins, outliers] =
        ["distance", "margin", "outlier"].map(|name| table.numbers::<Float32Type>(name));
    let (distances, margins, outliers) = (distances?, margins?, outliers?);
    let duplicates = table.optional_numbers::<UInt32Type>("duplicate_of")?;
    let rows = table.numbers::<UInt32Type>("index")?.into_iter().zip(table.texts("path")?).zip(neighbors).enumerate();
    Ok(rows
        .map(|(row, ((index, path), neighbors))| Assignment {
            index,
            path,
            cluster: clusters[row],
            distance: distances[row],
            second: seconds[row],
            margin: margins[row],
            outlier: outliers[row],
            duplicate_of: duplicates[row],
            neighbors,
        })
        .collect())
}

/// Reads `assignments.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_assignments_csv(path: &Path) -> Result<Vec<Assignment>, TableError> {
    read_csv(path, &COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_back_as_they_were() {
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
        assert_eq!(read_assignments_csv(&run.assignments_csv()).expect("read"), rows);
    }

    #[test]
    fn a_table_without_clusters_is_refused_by_column() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("assignments.csv");
        fs_err::write(&path, "index,path\n0,a.png\n").expect("file");
        assert!(read_assignments_csv(&path).expect_err("refused").to_string().contains("a column cluster"));
        fs_err::write(
            &path,
            "index,path,cluster,distance,second,margin,outlier,duplicate_of,neighbors\n0,a,x,1,0,1,1,,\n",
        )
        .expect("file");
        assert!(read_assignments_csv(&path).expect_err("refused").to_string().contains("line: 2"));
    }
}
