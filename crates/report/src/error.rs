//! What can be wrong with a report.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use sporeprint_run::NpyError;
use sporeprint_run::tables::TableError;

/// Why a report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The file system said no; the message holds the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A table cannot be read.
    #[error(transparent)]
    Table(Box<TableError>),
    /// An array cannot be read.
    #[error(transparent)]
    Npy(Box<NpyError>),
    /// `config.toml` is not what this version of the program writes.
    #[error(
        "{}: {reason}\nhint: the file was changed, or written by another version: make the run again with this one",
        path.display()
    )]
    Settings {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        reason: String,
    },
    /// Tables of one run contradict each other.
    #[error(
        "{}: found {found}, expected {expected}\nhint: the file belongs to another run or another set of images: make it again with the stage that wrote it",
        path.display()
    )]
    Disagree {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What the other tables ask for.
        expected: String,
    },
    /// A picture could not be encoded.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
}
