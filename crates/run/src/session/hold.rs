//! Who may work in a directory, and what becomes of the work that is there.

use std::fs::TryLockError;
use std::path::Path;

use fs_err as fs;

use super::draft::remove;
use super::{Marks, SessionError};
use crate::RunDir;

/// What to do when the run directory holds a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Refuse,
    /// Go on where it stopped; the settings must be the same.
    Resume,
    /// Remove the old run first.
    Overwrite,
}

/// A directory held by this process.
#[derive(Debug)]
pub struct Held {
    /// Whether there is work to go on with.
    pub goes_on: bool,
    /// Held for as long as this lives; the system lets go of it however the process ends.
    pub lock: std::fs::File,
}

/// Holds a directory for work whose settings lie, or will lie, in the file `settings`; makes it if need be. Work that is there is
/// refused, gone on with or removed as `existing` says; where nothing was ever done, as after a scan that found no images, there is
/// nothing worth keeping, and the work is started anew whatever it says.
///
/// # Errors
/// When another process holds the directory, there is work already, or there are files but no such settings.
pub fn hold(dir: &RunDir, settings: &Path, existing: Existing) -> Result<Held, SessionError> {
    let path = dir.root().to_owned();
    let is_there = settings.exists();
    if path.is_dir() && !is_there && fs::read_dir(&path)?.flatten().any(|entry| entry.path() != dir.lock()) {
        return Err(SessionError::NotARun { path });
    }
    fs::create_dir_all(&path)?;
    let lock = lock(dir)?;
    let existing = if is_there && is_empty(dir, settings)? { Existing::Overwrite } else { existing };
    match existing {
        Existing::Refuse if is_there => Err(SessionError::Exists { path }),
        Existing::Overwrite if is_there => {
            // The settings last, so that a killed removal can be done again.
            dir.contents().iter().try_for_each(|path| remove(path))?;
            remove(settings)?;
            Ok(Held { goes_on: false, lock })
        }
        Existing::Refuse | Existing::Resume | Existing::Overwrite => Ok(Held { goes_on: is_there, lock }),
    }
}

/// Takes the lock of a directory; dropped, it is free again.
///
/// # Errors
/// When another process holds it.
pub(super) fn lock(dir: &RunDir) -> Result<std::fs::File, SessionError> {
    let file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(dir.lock())?.into_parts().0;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SessionError::InUse { path: dir.root().to_owned() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Whether nothing was ever done: all that is there are settings and what a scan that failed may have left. Marks that cannot be
/// read may be those of another version, whose work counts as well.
fn is_empty(dir: &RunDir, settings: &Path) -> Result<bool, SessionError> {
    let left = [settings.to_owned(), dir.stages(), dir.lock(), dir.cache()];
    let entries = fs::read_dir(dir.root())?.collect::<std::io::Result<Vec<_>>>()?;
    let is_untouched = Marks::read(dir).is_ok_and(|marks| marks.done.is_empty());
    Ok(is_untouched && entries.iter().all(|entry| left.contains(&entry.path())))
}
