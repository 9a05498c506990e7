//! Files that are either whole or absent.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use fs_err as fs;

/// Writes a file through a temporary neighbour that is renamed into place, so that a reader (or a killed run)
/// sees the old file or the new one and never half of either.
///
/// The temporary file is `<name>.tmp` in the same folder: a rename is only atomic inside one file system, and a
/// fixed name means that a killed run leaves at most one stray file, which the next write replaces.
///
/// # Errors
/// - whatever creating, writing, syncing or renaming gives (the message holds the path); the temporary file is
///   removed again then.
pub fn write_atomically<F>(path: &Path, write: F) -> io::Result<()>
where
    F: FnOnce(&mut BufWriter<fs::File>) -> io::Result<()>,
{
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut out = BufWriter::new(fs::File::create(&temporary)?);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to tell; a leftover that cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("table.csv");
        write_atomically(&path, |out| out.write_all(b"old")).expect("first write");
        let failed = write_atomically(&path, |out| {
            out.write_all(b"ne")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).expect("file"), b"old");
        assert_eq!(fs::read_dir(dir.path()).expect("folder").count(), 1);
    }
}
