//! Whether the pictures of a cache are those that were written.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::index::{Stored, checksum};
use super::{CacheError, ImageEntry};

/// Reads every picture once and compares its checksum, so that nothing that uses them later meets a damaged one.
///
/// The file is read, not mapped: mapped pages would count as memory of the program. What was just written comes from the
/// system's own buffers.
pub(super) fn pictures(path: &Path, images: &[ImageEntry], stored: &[Stored]) -> Result<(), CacheError> {
    let read = |source| CacheError::Read { path: path.to_path_buf(), source };
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(read)?);
    let mut bytes = Vec::new();
    for (image, &(length, expected)) in images.iter().zip(stored) {
        bytes.resize(length as usize, 0);
        file.read_exact(&mut bytes).map_err(read)?;
        let found = checksum(&bytes);
        if found != expected {
            let what = format!("the picture of '{}' has checksum {found:08x}, expected {expected:08x}", image.name);
            return Err(CacheError::Damaged { path: path.to_path_buf(), what });
        }
    }
    Ok(())
}
