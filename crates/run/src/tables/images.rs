//! `images.parquet` and `skipped.csv`: what was looked at.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{UInt8Type, UInt32Type};
use arrow_array::{ArrayRef, StringArray, UInt8Array, UInt32Array};
use serde::{Deserialize, Serialize};

use super::TableError;
use super::cells::{self, read_csv, write_csv};
use super::columns::{Columns, write_columns};

/// How an image's file stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageStatus {
    /// Read and decoded.
    #[default]
    Ok,
    /// Not the file that was decoded any more.
    Changed,
    /// No longer where it was.
    Missing,
}

impl ImageStatus {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Ok, Self::Changed, Self::Missing].into_iter().find(|status| status.as_str() == word)
    }
}

/// One image of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRow {
    /// Row of this image in every table and array.
    pub index: u32,
    /// The file.
    pub path: String,
    /// Unique name for people: the path below the folder that was given.
    pub name: String,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// EXIF orientation, 1 to 8, already applied.
    pub orientation: u8,
    /// How the file stands.
    pub status: ImageStatus,
    /// Known kind, only ever used to evaluate.
    pub label: Option<String>,
    /// Difference hash as hexadecimal digits.
    pub dhash: String,
}

/// One file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRow {
    /// The file.
    #[serde(with = "cells::text")]
    pub path: String,
    /// Why, in a short sentence.
    #[serde(with = "cells::text")]
    pub reason: String,
}

const SKIPPED_COLUMNS: [&str; 2] = ["path", "reason"];

/// Writes `images.parquet`.
///
/// # Errors
/// - the file cannot be written
pub fn write_images(path: &Path, rows: &[ImageRow]) -> Result<(), TableError> {
    let texts = |of: fn(&ImageRow) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let numbers = |of: fn(&ImageRow) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    write_columns(
        path,
        vec![
            ("index", numbers(|row| row.index)),
            ("path", texts(|row| &row.path)),
            ("name", texts(|row| &row.name)),
            ("width", numbers(|row| row.width)),
            ("height", numbers(|row| row.height)),
            ("orientation", Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.orientation)))),
            ("status", texts(|row| row.status.as_str())),
            ("label", Arc::new(rows.iter().map(|row| row.label.as_deref()).collect::<StringArray>())),
            ("dhash", texts(|row| &row.dhash)),
        ],
    )
}

/// Reads `images.parquet`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_images(path: &Path) -> Result<Vec<ImageRow>, TableError> {
    let table = Columns::read(path)?;
    let mut paths = table.texts("path")?.into_iter();
    let mut names = table.texts("name")?.into_iter();
    let mut labels = table.optional_texts("label")?.into_iter();
    let mut hashes = table.texts("dhash")?.into_iter();
    let (widths, heights) = (table.numbers::<UInt32Type>("width")?, table.numbers::<UInt32Type>("height")?);
    let orientations = table.numbers::<UInt8Type>("orientation")?;
    let statuses = table.texts("status")?;
    let rows = table.numbers::<UInt32Type>("index")?.into_iter().enumerate().map(|(row, index)| {
        Ok(ImageRow {
            index,
            path: paths.next().unwrap_or_default(),
            name: names.next().unwrap_or_default(),
            width: widths[row],
            height: heights[row],
            orientation: orientations[row],
            status: ImageStatus::parse(&statuses[row]).ok_or_else(|| {
                TableError::damaged(path, format!("status {:?}", statuses[row]), "ok, changed or missing")
            })?,
            label: labels.next().flatten(),
            dhash: hashes.next().unwrap_or_default(),
        })
    });
    rows.collect()
}

/// Writes `skipped.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_skipped(path: &Path, rows: &[SkippedRow]) -> Result<(), TableError> {
    write_csv(path, &SKIPPED_COLUMNS, rows)
}

/// Reads `skipped.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_skipped(path: &Path) -> Result<Vec<SkippedRow>, TableError> {
    read_csv(path, &SKIPPED_COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("images.parquet");
        let rows: Vec<_> = (0..20_000)
            .map(|index| ImageRow {
                index,
                path: format!("/photos/{index}.png"),
                name: format!("\u{202e}{index}\"<b>.png"),
                width: index,
                height: 2,
                orientation: 6,
                status: [ImageStatus::Ok, ImageStatus::Changed, ImageStatus::Missing][index as usize % 3],
                label: (index % 2 == 0).then(|| "fly agaric".to_owned()),
                dhash: "00ff".to_owned(),
            })
            .collect();
        write_images(&path, &rows).expect("written");
        assert_eq!(read_images(&path).expect("read"), rows);
        write_images(&path, &[]).expect("written");
        assert_eq!(read_images(&path).expect("read"), []);
    }

    #[test]
    fn skipped_files_come_back_and_start_no_formula() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("skipped.csv");
        let rows = [("=HYPERLINK(\"x\")", "no image"), ("a,b\n\"c\"", "cut short"), ("\rx", "-")]
            .map(|(path, reason)| SkippedRow { path: path.to_owned(), reason: reason.to_owned() });
        write_skipped(&path, &rows).expect("written");
        assert_eq!(read_skipped(&path).expect("read"), rows);
        assert!(fs_err::read_to_string(&path).expect("file").contains("\"'=HYPERLINK"));
        write_skipped(&path, &[]).expect("written");
        assert_eq!(fs_err::read_to_string(&path).expect("file"), "path,reason\n");
        assert_eq!(read_skipped(&path).expect("read"), []);
    }
}
