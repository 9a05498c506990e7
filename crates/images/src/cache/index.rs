//! The table of contents of a cache and the check that it fits.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::{CacheConfig, CacheError, Difference, ImageEntry, Skipped};
use crate::find::FoundImage;
use crate::hash::content_hash;
use crate::idx;

pub(super) const PICTURES_FILE: &str = "pictures.bin";
pub(super) const INDEX_FILE: &str = "index.json";

/// Raised whenever the bytes of a picture would come out differently.
const FORMAT: u32 = 2;

/// What the index knows of the bytes of one picture: how many they are and [`checksum`]. Pictures lie one behind the other.
pub(super) type Stored = (u32, u32);

/// A file as it was when the cache was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceFile {
    /// Unique name, see [`FoundImage::name`].
    pub(super) name: String,
    /// Size in bytes; 0 where the file cannot be looked at.
    pub(super) bytes: u64,
    /// Time of the last change, in nanoseconds since 1970; 0 where unknown.
    pub(super) modified_ns: u64,
}

/// Contents of `index.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) format: u32,
    pub(super) fingerprint: String,
    pub(super) config: CacheConfig,
    pub(super) sources: Vec<SourceFile>,
    pub(super) images: Vec<ImageEntry>,
    /// One for each image.
    pub(super) stored: Vec<Stored>,
    pub(super) skipped: Vec<Skipped>,
}

impl Index {
    pub(super) fn new(
        config: CacheConfig,
        sources: Vec<SourceFile>,
        images: Vec<ImageEntry>,
        stored: Vec<Stored>,
        skipped: Vec<Skipped>,
    ) -> Self {
        Self { format: FORMAT, fingerprint: fingerprint(&config, &sources), config, sources, images, stored, skipped }
    }

    pub(super) fn read(dir: &Path) -> Result<Self, CacheError> {
        let path = dir.join(INDEX_FILE);
        let text = std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => CacheError::Missing { dir: dir.to_path_buf() },
            _ => CacheError::Read { path: path.clone(), source },
        })?;
        let damaged = |what: String| CacheError::Damaged { path: path.clone(), what };
        // The format is read first, alone: other formats may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if version.format != FORMAT {
            return Err(CacheError::Differs {
                dir: dir.to_path_buf(),
                difference: setting("format", version.format, FORMAT),
            });
        }
        let index: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let (found, expected) = (index.stored.len(), index.images.len());
        if found != expected {
            return Err(damaged(format!("the places of {found} pictures, expected {expected}")));
        }
        Ok(index)
    }

    /// Checks that the cache was made from `sources` with `config`.
    pub(super) fn check(&self, dir: &Path, config: &CacheConfig, sources: &[SourceFile]) -> Result<(), CacheError> {
        let difference = different_setting(&self.config, config).or_else(|| different_source(&self.sources, sources));
        match difference {
            Some(difference) => Err(CacheError::Differs { dir: dir.to_path_buf(), difference }),
            None => Ok(()),
        }
    }
}

fn setting(name: &'static str, found: impl ToString, expected: impl ToString) -> Difference {
    Difference::Setting { setting: name, found: found.to_string(), expected: expected.to_string() }
}

fn different_setting(found: &CacheConfig, expected: &CacheConfig) -> Option<Difference> {
    let (a, b) = (found.limits, expected.limits);
    if found.filter != expected.filter {
        return Some(setting("filter", found.filter.name(), expected.filter.name()));
    }
    [
        ("image size", found.image_size as u64, expected.image_size as u64),
        ("view size", found.view_size as u64, expected.view_size as u64),
        ("view aspect", found.view_aspect as u64, expected.view_aspect as u64),
        ("limit of pixels", a.max_pixels, b.max_pixels),
        ("limit of memory", a.max_alloc_bytes, b.max_alloc_bytes),
        ("limit of file size", a.max_file_bytes, b.max_file_bytes),
    ]
    .into_iter()
    .find(|(_, found, expected)| found != expected)
    .map(|(name, found, expected)| setting(name, found, expected))
}

fn different_source(found: &[SourceFile], expected: &[SourceFile]) -> Option<Difference> {
    let (n_found, n_expected) = (found.len(), expected.len());
    let added = |name: &str| Difference::Added { name: name.to_owned(), found: n_found, expected: n_expected };
    let removed = |name: &str| Difference::Removed { name: name.to_owned(), found: n_found, expected: n_expected };
    for (old, new) in found.iter().zip(expected) {
        if old.name != new.name {
            return Some(if new.name < old.name { added(&new.name) } else { removed(&old.name) });
        }
        if old != new {
            let (found_bytes, expected_bytes) = (old.bytes, new.bytes);
            return Some(Difference::Changed { name: old.name.clone(), found_bytes, expected_bytes });
        }
    }
    let rest = n_found.min(n_expected);
    let more = expected.get(rest).map(|file| added(&file.name));
    more.or_else(|| found.get(rest).map(|file| removed(&file.name)))
}

/// The files behind `found`, as they are now.
pub(super) fn source_files(found: &[FoundImage]) -> Vec<SourceFile> {
    let source = |image: &FoundImage| {
        // A picture of a file of many changes with that file.
        let metadata = std::fs::metadata(idx::source_file(&image.path)).ok();
        let modified = metadata.as_ref().and_then(|found| found.modified().ok());
        SourceFile {
            name: image.name.clone(),
            bytes: metadata.map_or(0, |found| found.len()),
            modified_ns: modified
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
        }
    };
    found.iter().map(source).collect()
}

/// Half of the 64-bit hash of a picture's bytes.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    content_hash(bytes, 0) as u32
}

fn fingerprint(config: &CacheConfig, sources: &[SourceFile]) -> String {
    // JSON of plain structs with string keys cannot fail; an empty text would only make caches look alike less often.
    let text = serde_json::to_vec(&(FORMAT, config, sources)).unwrap_or_default();
    format!("{:016x}", content_hash(&text, 0))
}
