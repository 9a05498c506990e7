//! `images.parquet` and `skipped.csv`: what was looked at.

use std::path::Path;

use arrow_array::ArrayRef;

use super::TableError;
use super::cells::{Cell, CsvCell};
use super::columns::Columns;
use super::rows::{columns, read_csv, read_parquet, write_csv, write_parquet};

/// What the run has of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageStatus {
    /// Its file was read and decoded.
    #[default]
    Ok,
    /// A code and a name: no picture was read for it, and there may never have been one.
    Missing,
}

impl ImageStatus {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
        }
    }
}

impl Cell for ImageStatus {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        String::array(cells.map(|status| status.as_str().to_owned()).collect::<Vec<_>>().iter())
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        let parse = |text: &String| Self::parsed(text).map_err(|expected| table.damaged(name, text, expected));
        table.texts(name)?.iter().map(parse).collect()
    }

    fn written(&self) -> CsvCell<'_> {
        CsvCell::Text(self.as_str().into())
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        [Self::Ok, Self::Missing].into_iter().find(|status| status.as_str() == cell).ok_or("ok or missing")
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
    /// What the run has of it.
    pub status: ImageStatus,
    /// Known kind, only ever used to evaluate.
    pub label: Option<String>,
    /// Difference hash as hexadecimal digits.
    pub dhash: String,
}

/// One file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRow {
    /// The file.
    pub path: String,
    /// Why, in a short sentence.
    pub reason: String,
}

columns!(ImageRow: index, path, name, width, height, orientation, status, label, dhash);
columns!(SkippedRow: path, reason);

/// Writes `images.parquet`.
///
/// # Errors
/// - the file cannot be written
pub fn write_images(path: &Path, rows: &[ImageRow]) -> Result<(), TableError> {
    write_parquet(path, rows)
}

/// Reads `images.parquet`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_images(path: &Path) -> Result<Vec<ImageRow>, TableError> {
    read_parquet(path)
}

/// Writes `skipped.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_skipped(path: &Path, rows: &[SkippedRow]) -> Result<(), TableError> {
    write_csv(path, rows)
}

/// Reads `skipped.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_skipped(path: &Path) -> Result<Vec<SkippedRow>, TableError> {
    read_csv(path)
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
                status: [ImageStatus::Ok, ImageStatus::Missing][index as usize % 2],
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
