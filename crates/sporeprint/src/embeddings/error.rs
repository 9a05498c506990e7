use std::path::PathBuf;

use crate::images::ManifestError;
use crate::run::NpyError;

/// Why codes from outside cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingsError {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The array is of another type or shape.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// The list of names cannot be read.
    #[error(transparent)]
    Names(#[from] ManifestError),
    /// The extension says nothing that is known here.
    #[error("{}: found another kind of file, expected .npy, .safetensors, .parquet or .csv", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// There are no rows or no columns.
    #[error("{}: found no rows, expected at least one\nhint: save an array of shape [rows, numbers per row]", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A row is not usable.
    #[error("{}: {source}", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// The row and what is wrong with it.
        source: sporeprint_cluster::Error,
    },
    /// Names and rows do not go together.
    #[error(
        "{}: found {found} names, expected {expected}, one for each row of {}\nhint: write one path per line, in the order \
         of the rows",
        list.display(),
        path.display()
    )]
    Count {
        /// The list.
        list: PathBuf,
        /// Names in it.
        found: usize,
        /// The file of codes.
        path: PathBuf,
        /// Its rows.
        expected: usize,
    },
    /// The file is not what it should be.
    #[error("{}: found {found}, expected {expected}\nhint: {hint}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was looked for.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
}
