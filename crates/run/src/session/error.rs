use std::path::PathBuf;

use crate::tables::TableError;

/// Why a run directory cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The log of the run is not what this program wrote.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Another process holds the lock.
    #[error("{} is in use by another process\nhint: wait for it, or give another `out`", path.display())]
    InUse {
        /// The run directory.
        path: PathBuf,
    },
    /// There is a run already.
    #[error("{} holds a run already\nhint: `resume` goes on with it, `overwrite` starts anew", path.display())]
    Exists {
        /// The run directory.
        path: PathBuf,
    },
    /// Not a run directory, and not empty.
    #[error(
        "{} is not empty and holds no run (no config.toml)\nhint: give another `out`; files are never removed from \
         such a folder",
        path.display()
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run.
    #[error("found no run in {} (no config.toml)\nhint: make one with `sporeprint run PHOTOS --out DIR`", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// `config.toml` or `stages.json` is not what this program wrote.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The run was made with other settings.
    #[error(
        "the run in {} was made with other settings:\n{differs}\nhint: resume with the same ones, change a later stage \
         with its own verb, or start anew with `overwrite`",
        path.display()
    )]
    OtherSettings {
        /// The run directory.
        path: PathBuf,
        /// One line for each setting that differs.
        differs: String,
    },
    /// The run was made by another version.
    #[error(
        "the run in {0} was made by sporeprint {found}, this is {expected}, and results may differ between versions\n\
         hint: to upgrade it, run it again with its own settings: `sporeprint run PHOTOS --config {0}/config.toml --out \
         NEW`; or read it with that version: `cargo install sporeprint-cli --version {found}`",
        path.display()
    )]
    OtherVersion {
        /// The run directory.
        path: PathBuf,
        /// Its version.
        found: String,
        /// This version.
        expected: String,
    },
}
