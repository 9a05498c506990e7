use std::path::Path;

use fs_err as fs;

use super::{Images, StageError};
use crate::run::Session;
use crate::run::tables::read_assignments;

/// Puts every image into `clusters/<id>/` of the run, as links or copies; the photographs themselves stay untouched.
///
/// A name in the folder starts with the image's index, so that files of the same name from different folders do not
/// meet. The folder is made anew each time: it holds nothing but what this function put there.
///
/// # Errors
/// When a table cannot be read or a file not be written.
pub fn sort_into_folders(session: &Session, images: &Images, copy: bool) -> Result<(), StageError> {
    let folder = session.dir.clusters();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for row in read_assignments(&session.dir.assignments())? {
        let Some(entry) = images.entries.get(row.index as usize) else { continue };
        // Rows of a run made from codes need no file.
        if !entry.path.is_file() {
            continue;
        }
        let cluster = session.dir.cluster(row.cluster);
        fs::create_dir_all(&cluster)?;
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        let place = cluster.join(format!("{:06}_{name}", row.index));
        let source = std::path::absolute(&entry.path)?;
        if copy { fs::copy(&source, &place).map(drop)? } else { link(&source, &place)? }
    }
    Ok(())
}

#[cfg(unix)]
fn link(source: &Path, place: &Path) -> std::io::Result<()> {
    fs_err::os::unix::fs::symlink(source, place)
}

/// Windows lets only some users make links; a second name for the same file is open to all.
#[cfg(not(unix))]
fn link(source: &Path, place: &Path) -> std::io::Result<()> {
    fs::hard_link(source, place)
}
