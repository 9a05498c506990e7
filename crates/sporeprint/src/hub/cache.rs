//! The cache on the disk, as `huggingface_hub` lays it out.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::HubReference;

/// The part of the cache that one repository has.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    root: PathBuf,
    revision: String,
}

impl Cache {
    pub(super) fn of(cache: &Path, reference: &HubReference) -> Self {
        let folder = format!("models--{}", reference.repository.replace('/', "--"));
        Self { root: cache.join(folder), revision: reference.revision.clone() }
    }

    /// The commit that the revision was when it was downloaded.
    fn commit(&self) -> String {
        let remembered = fs::read_to_string(self.root.join("refs").join(&self.revision));
        remembered.map_or_else(|_| self.revision.clone(), |text| text.trim().to_owned())
    }

    /// A file of that commit.
    pub(super) fn file(&self, file: &str) -> Option<PathBuf> {
        self.file_of(&self.commit(), file)
    }

    /// Names of the files of that commit, those in folders left out.
    pub(super) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("snapshots").join(self.commit())).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    pub(super) fn file_of(&self, commit: &str, file: &str) -> Option<PathBuf> {
        let path = self.snapshot(commit, file);
        // A link whose bytes are gone does not count.
        path.is_file().then_some(path)
    }

    fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        file.split('/').fold(self.root.join("snapshots").join(commit), |path, part| path.join(part))
    }

    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.root.join("blobs").join(digest)
    }

    /// Where bytes lie while they arrive; each process has its own.
    pub(super) fn incomplete(&self, digest: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{digest}.{}.incomplete", std::process::id()))
    }

    /// Gives a blob the name of a file of a commit.
    pub(super) fn link(&self, commit: &str, file: &str, digest: &str) -> io::Result<PathBuf> {
        let path = self.snapshot(commit, file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let up = "../".repeat(2 + file.split('/').count() - 1);
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path)?;
        }
        link(Path::new(&format!("{up}blobs/{digest}")), &self.blob(digest), &path)?;
        Ok(path)
    }

    /// Notes which commit the revision was.
    pub(super) fn remember(&self, commit: &str) -> io::Result<()> {
        if self.revision == commit {
            return Ok(());
        }
        let path = self.root.join("refs").join(&self.revision);
        fs::create_dir_all(self.root.join("refs"))?;
        crate::run::write_atomically(&path, |out| io::Write::write_all(out, commit.as_bytes()))
    }
}

#[cfg(unix)]
fn link(relative: &Path, _blob: &Path, path: &Path) -> io::Result<()> {
    fs::os::unix::fs::symlink(relative, path)
}

/// Where links need a privilege, `huggingface_hub` puts the bytes themselves there.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, path: &Path) -> io::Result<()> {
    fs::rename(blob, path)
}
