//! What can be wrong with a cache.

use std::path::PathBuf;

/// Why a cache cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no finished cache.
    #[error("no finished image cache in {dir}\nhint: it is made by the first stage of a run")]
    Missing {
        /// Directory that was looked into.
        dir: PathBuf,
    },
    /// The cache was made from other files or with other settings.
    #[error(
        "image cache in {dir} does not fit: {difference}\nhint: give the same images and settings, or start afresh with `overwrite`"
    )]
    Differs {
        /// Directory of the cache.
        dir: PathBuf,
        /// The first difference.
        difference: Difference,
    },
    /// A file of the cache is not what it should be.
    #[error("image cache is damaged: {path}: {what}\nhint: delete the cache directory, it is made again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        what: String,
    },
    /// A file of the cache cannot be read.
    #[error("cannot read image cache {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// A file of the cache cannot be written.
    #[error(
        "cannot write image cache {path}: {source}\nhint: choose a directory with space and write permission by `out`"
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
}

/// First difference between what a cache was made from and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// A setting.
    #[error("{setting} is {found} in the cache, expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value in the cache.
        found: String,
        /// The value asked for.
        expected: String,
    },
    /// An image that the cache was not made from.
    #[error("image '{name}' is not in the cache (made from {found} files, expected {expected})")]
    Added {
        /// Name of the first such image.
        name: String,
        /// Files the cache was made from.
        found: usize,
        /// Files asked for.
        expected: usize,
    },
    /// An image of the cache that is not among those asked for.
    #[error("image '{name}' is in the cache only (made from {found} files, expected {expected})")]
    Removed {
        /// Name of the first such image.
        name: String,
        /// Files the cache was made from.
        found: usize,
        /// Files asked for.
        expected: usize,
    },
    /// A file that was written to since.
    #[error(
        "image '{name}' changed since (size {found_bytes} bytes in the cache, now {expected_bytes}, or its time of change)"
    )]
    Changed {
        /// Name of the first such image.
        name: String,
        /// Size when the cache was made, in bytes.
        found_bytes: u64,
        /// Size now, in bytes.
        expected_bytes: u64,
    },
}
