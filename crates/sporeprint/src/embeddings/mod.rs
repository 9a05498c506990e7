//! Codes that somebody else made: a file of rows, with the names of the images behind them where they are known.

mod columns;
mod error;
mod tensors;

use std::path::{Path, PathBuf};

use sporeprint_cluster::RowsView;

use crate::images::read_manifest;
use crate::run::read_npy_rows;

pub use error::EmbeddingsError;

/// Rows of codes and what is known of the image behind each.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// The numbers, finite.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, row-major
    pub rows: Vec<f32>,
    /// Numbers per row.
    pub dim: usize,
    /// The files behind the rows, in their order; nothing where no list was given.
    pub files: Option<Vec<NamedFile>>,
}

/// The file behind a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The name as it stands in the list.
    pub name: String,
    /// Where the file would lie: the name seen from the list's folder.
    pub path: PathBuf,
    /// The list's label, if it has such a column.
    pub label: Option<String>,
}

impl Embeddings {
    /// Reads `.npy`, `.safetensors`, `.parquet` or `.csv`, told by the extension, and the list of files behind the rows.
    ///
    /// * `.npy`: two dimensions, 16, 32 or 64-bit floating point, rows or columns first.
    /// * `.safetensors`: the only tensor of two dimensions, or the one called `embeddings`; F16, BF16, F32 or F64.
    /// * `.parquet`: columns `embedding_0`, `embedding_1`, .. or one column `embedding` of lists; besides, where they are
    ///   there, `filename` (or `path`, `file`, `image`, `name`) and `label` (or `class`).
    /// * `.csv`: the same columns `embedding_0`, ..
    ///
    /// `names` is a `.txt` file with one path per line or a `.csv` table with a column `filename`, one for each row in the
    /// same order; it wins over names in the table of codes. Paths are seen from the folder of the file that lists them.
    ///
    /// # Errors
    /// - a file that cannot be read or is of another kind, type or shape; no rows
    /// - a number that is not finite, named by its row and column
    /// - a list with another number of names than there are rows
    pub fn read(file: &Path, names: Option<&Path>) -> Result<Self, EmbeddingsError> {
        let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let mut read = match extension.as_str() {
            "npy" => {
                let array = read_npy_rows(file)?;
                Self { dim: array.shape[1], rows: array.data, files: None }
            }
            "safetensors" => tensors::read(file)?,
            "parquet" => columns::read_parquet(file)?,
            "csv" => columns::read_csv(file)?,
            _ => return Err(EmbeddingsError::Kind { path: file.to_owned() }),
        };
        if read.dim == 0 || read.rows.is_empty() {
            return Err(EmbeddingsError::Empty { path: file.to_owned() });
        }
        RowsView::new(&read.rows, read.dim)
            .map_err(|source| EmbeddingsError::Rows { path: file.to_owned(), source })?;
        if let Some(files) = &mut read.files {
            shorten(files);
        }
        if let Some(list) = names {
            let files = listed(list)?;
            let (found, expected) = (files.len(), read.len());
            if found != expected {
                let (list, path) = (list.to_owned(), file.to_owned());
                return Err(EmbeddingsError::Count { list, found, path, expected });
            }
            read.files = Some(files);
        }
        Ok(read)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Whether there are none; [`Embeddings::read`] never gives such.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The files that a list names, in its order.
fn listed(list: &Path) -> Result<Vec<NamedFile>, EmbeddingsError> {
    let rows = read_manifest(list)?;
    let mut files =
        rows.into_iter().map(|(file, label)| named(list, &file.to_string_lossy(), label)).collect::<Vec<_>>();
    shorten(&mut files);
    Ok(files)
}

/// Takes the folder that all files share off names that are absolute paths, as names of photographs are made.
fn shorten(files: &mut [NamedFile]) {
    if !files.iter().all(|file| Path::new(&file.name).is_absolute()) {
        return;
    }
    let folder = |file: &NamedFile| file.path.parent().map(Path::to_owned);
    let Some(first) = files.first().and_then(folder) else { return };
    let shared = files.iter().filter_map(folder).fold(first, |shared, folder| {
        shared.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
    });
    for file in files {
        if let Ok(below) = file.path.strip_prefix(&shared) {
            file.name = below.to_string_lossy().replace('\\', "/");
        }
    }
}

/// A file named in `list`.
fn named(list: &Path, name: &str, label: Option<String>) -> NamedFile {
    let folder = list.parent().unwrap_or(Path::new(""));
    let path = std::path::absolute(folder.join(name)).unwrap_or_else(|_| folder.join(name));
    NamedFile { name: name.replace('\\', "/"), path, label: label.filter(|label| !label.is_empty()) }
}

/// Columns that hold the file's name or its label; the first that exists is taken.
const NAME_COLUMNS: [&str; 5] = ["filename", "path", "file", "image", "name"];
const LABEL_COLUMNS: [&str; 2] = ["label", "class"];

/// Positions of `embedding_0`, `embedding_1`, .. among the names of columns, in the order of their numbers.
fn code_columns(names: &[String]) -> Vec<usize> {
    let number = |name: &String| name.strip_prefix("embedding_")?.parse::<usize>().ok();
    let mut found: Vec<(usize, usize)> =
        names.iter().enumerate().filter_map(|(at, name)| Some((number(name)?, at))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests;
