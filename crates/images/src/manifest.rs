//! Lists of images: `.txt` with one path per line, and `.csv` tables of contents with labels or a taxonomy.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::find::FoundImage;

/// Why a manifest or a table of labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no such file.
    #[error("{}: no such file\nhint: check the path; a list is a .txt with one path per line or a .csv table", path.display())]
    Missing {
        /// The manifest or table.
        path: PathBuf,
    },
    /// The file is there and cannot be read as UTF-8 text.
    #[error(
        "cannot read manifest {path}: {source}\nhint: a manifest is UTF-8 text, one path per line (.txt) or a table (.csv)"
    )]
    Read {
        /// The manifest.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// The table is not well formed.
    #[error("cannot read table {path}: {source}\nhint: every row needs as many fields as the first one")]
    Table {
        /// The table.
        path: PathBuf,
        /// What the reader met, with its line.
        source: csv::Error,
    },
    /// A column that is needed is missing.
    #[error("table {path} has no column {expected}, found {found}\nhint: name the column that is meant")]
    Column {
        /// The table.
        path: PathBuf,
        /// Names of columns that would do.
        expected: String,
        /// Columns of the table.
        found: String,
    },
}

/// One line of a manifest.
pub(super) struct Row {
    pub(super) file: PathBuf,
    pub(super) label: Option<String>,
}

/// Names of the column that holds the path; the first that exists is taken.
const FILE_COLUMNS: [&str; 5] = ["filename", "path", "file", "image", "name"];
const LABEL_COLUMNS: [&str; 2] = ["label", "class"];

/// Whether a file given by name is a list of images: `.txt` or `.csv`.
pub(super) fn is_manifest(path: &Path) -> bool {
    has_extension(path, "txt") || has_extension(path, "csv")
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}

pub(super) fn read(path: &Path) -> Result<Vec<Row>, ManifestError> {
    if has_extension(path, "csv") {
        return Ok(read_table(path)?.rows);
    }
    let text = read_text(path)?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty()).map(|line| Row { file: line.into(), label: None }).collect())
}

/// The files that a list names, in its order, with their labels: one path per line, or a `.csv` with a column `filename`.
///
/// # Errors
/// - a list that cannot be read or has no such column
pub fn read_manifest(path: &Path) -> Result<Vec<(PathBuf, Option<String>)>, ManifestError> {
    Ok(read(path)?.into_iter().map(|row| (row.file, row.label)).collect())
}

struct Table {
    rows: Vec<Row>,
    has_labels: bool,
    columns: Vec<String>,
}

/// A file that is not there needs another hint than one that is not text, and both another than a ragged table.
fn read_text(path: &Path) -> Result<String, ManifestError> {
    std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ManifestError::Missing { path: path.to_path_buf() },
        _ => ManifestError::Read { path: path.to_path_buf(), source },
    })
}

fn read_table(path: &Path) -> Result<Table, ManifestError> {
    let text = read_text(path)?;
    let table = |source| ManifestError::Table { path: path.to_path_buf(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns: Vec<String> =
        reader.headers().map_err(table)?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let position = |names: &[&str]| names.iter().find_map(|wanted| columns.iter().position(|found| found == wanted));
    let file = position(&FILE_COLUMNS).ok_or_else(|| missing_column(path, &FILE_COLUMNS, &columns))?;
    let label = position(&LABEL_COLUMNS);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(table)?;
        let field = |column: usize| record.get(column).unwrap_or_default();
        if !field(file).is_empty() {
            let label = label.map(field).filter(|text| !text.is_empty()).map(str::to_owned);
            rows.push(Row { file: field(file).into(), label });
        }
    }
    Ok(Table { rows, has_labels: label.is_some(), columns })
}

fn missing_column(path: &Path, expected: &[&str], found: &[String]) -> ManifestError {
    let quoted = |name: &dyn std::fmt::Display| format!("'{name}'");
    ManifestError::Column {
        path: path.to_path_buf(),
        expected: expected.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" or "),
        found: found.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
    }
}

/// Replaces the labels of `images` by those of a table with a path column and a label column.
///
/// A row belongs to the image whose name it gives, else to every image whose file name it gives. Images without a row
/// lose their label, so that two sources of labels never mix. Returns how many images got one.
///
/// # Errors
/// - a table that cannot be read or lacks the columns
pub fn apply_labels(images: &mut [FoundImage], table: &Path) -> Result<usize, ManifestError> {
    let read = read_table(table)?;
    if !read.has_labels {
        return Err(missing_column(table, &LABEL_COLUMNS, &read.columns));
    }
    let labelled =
        read.rows.into_iter().filter_map(|row| Some((row.file.to_string_lossy().replace('\\', "/"), row.label?)));
    let labels: HashMap<String, String> = labelled.collect();
    let mut n_labelled = 0;
    for image in images {
        let file_name = image.name.rsplit('/').next().unwrap_or_default();
        image.label = labels.get(&image.name).or_else(|| labels.get(file_name)).cloned();
        n_labelled += usize::from(image.label.is_some());
    }
    Ok(n_labelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find_images;

    fn found(manifest: &str, text: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(manifest);
        std::fs::write(&path, text).unwrap();
        let images = find_images(&[path]).map_err(|error| error.to_string())?;
        Ok(images.into_iter().map(|image| (image.name, image.label)).collect())
    }

    #[test]
    fn lines_are_paths_relative_to_the_manifest() {
        let images = found("list.txt", "\u{feff}b/x.jpg\r\n\n a with space.png \n./b/x.jpg\n");
        assert_eq!(images.unwrap(), [("a with space.png".into(), None), ("b/x.jpg".into(), Some("b".into()))]);
    }

    #[test]
    fn a_column_of_labels_is_found_by_its_name() {
        let text = "filename,genus,class\n1.jpg,Boletus,open\n\"3, x.jpg\",Boletus,\n";
        let images = found("t.csv", text).unwrap();
        assert_eq!(images, [("1.jpg".into(), Some("open".into())), ("3, x.jpg".into(), None)]);
    }

    #[test]
    fn a_missing_column_and_a_ragged_row_are_named() {
        let error = found("t.csv", "photo,genus\na.jpg,x\n").unwrap_err();
        assert!(error.contains("'filename'") && error.contains("'genus'"), "{error}");
        let error = found("t.csv", "filename,label\na.jpg\n").unwrap_err();
        assert!(error.contains("t.csv") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_list_that_is_not_there_is_said_to_be_missing_and_not_to_be_malformed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["labels.csv", "labels.txt"] {
            let path = dir.path().join(name);
            let error = read_manifest(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}: no such file\nhint: ")), "{error}");
        }
        let error = apply_labels(&mut [], &dir.path().join("labels.csv")).unwrap_err().to_string();
        assert!(error.contains("labels.csv: no such file") && !error.contains("fields"), "{error}");
    }
}
