//! The pictures of the cache as read-only memory.

#![expect(unsafe_code, reason = "mapping a file into memory; the only module that does")]

use std::fs::File;
use std::path::Path;

use memmap2::{Mmap, MmapOptions};

use super::error::CacheError;

/// Read-only bytes of the file of pictures.
#[derive(Debug)]
pub(super) struct Mapped {
    /// `None` for no bytes at all, which cannot be mapped.
    map: Option<Mmap>,
}

impl Mapped {
    /// Maps the first `expected_bytes` of a file; more may follow where an addition to the cache was killed.
    pub(super) fn open(path: &Path, expected_bytes: usize) -> Result<Self, CacheError> {
        let read = |source| CacheError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(read)?;
        let found = file.metadata().map_err(read)?.len();
        if found < expected_bytes as u64 {
            let what = format!("{found} bytes, expected {expected_bytes}");
            return Err(CacheError::Damaged { path: path.to_path_buf(), what });
        }
        if expected_bytes == 0 {
            return Ok(Self { map: None });
        }
        // SAFETY: the map is read-only and its bytes are used as plain numbers, for which every value is valid. The file
        // is complete, since the index that led here is written after it; this program puts a new file there by renaming,
        // which leaves this map on the old one, or adds to it behind the bytes that any index has named and that are
        // mapped here, which stay as they are. Another program
        // that shortens the file meanwhile could end this one with a bus error, as with every mapped file.
        let map = unsafe { MmapOptions::new().len(expected_bytes).map(&file) }.map_err(read)?;
        Ok(Self { map: Some(map) })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
