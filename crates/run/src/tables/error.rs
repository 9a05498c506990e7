//! What can be wrong with a table.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a table could not be read or written.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file system said no; the message holds the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is there and is not the table it should be.
    #[error("{}: found {found}, expected {expected}\nhint: {hint}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was asked for.
        expected: String,
        /// What to do.
        hint: String,
    },
}

impl TableError {
    /// A table that another program or a damaged disk wrote.
    pub(super) fn damaged(path: &Path, found: impl ToString, expected: impl ToString) -> Self {
        Self::Unfit {
            path: path.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
            hint: "the table was changed or damaged: make it again with the stage that wrote it".to_owned(),
        }
    }
}
