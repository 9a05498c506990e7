//! Which photographs a run is about: files, folders and manifests, in one fixed order.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::idx;
use super::manifest::{self, ManifestError};
use super::signature::{SNIFFED_BYTES, Signature, is_image_extension};

/// One candidate image, before it is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// Where to read it.
    pub path: PathBuf,
    /// Unique name for tables and pages: the path below the folder that all inputs share, with forward slashes.
    pub name: String,
    /// The manifest's label, else the first folder of `name` (torchvision's ImageFolder rule), else none.
    pub label: Option<String>,
}

/// Why the search for images failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// An input path does not exist or may not be looked at.
    #[error("cannot open {path}: {source}\nhint: give a photograph, a folder, or a .txt or .csv manifest")]
    Input {
        /// The input as given.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// A folder below an input cannot be listed; leaving it out silently would change the clusters.
    #[error(
        "cannot list folder {path}: {source}\nhint: make the folder readable, or give the other folders one by one"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of many pictures cannot be read.
    #[error(transparent)]
    Pictures(#[from] idx::IdxError),
}

/// All candidate images of files, folders and manifests.
///
/// A folder is searched with all that is below it. A file in it is a candidate when its extension or its first bytes
/// say image; other files, and names that begin with a dot, are ignored silently. A file given by name or by a
/// manifest is always a candidate, so that the run names it when it cannot be read. A file `..idx3-ubyte` or `..idx3-ubyte.gz`
/// stands for every picture in it. Symbolic links are followed; a
/// folder is entered once, so that loops end, and a file that is reached twice counts once (the first way).
///
/// Order: byte order of `name`, whatever the order of the inputs or of the file system.
///
/// # Errors
/// - an input that does not exist, a folder that cannot be listed, a manifest that cannot be read
pub fn find_images(paths: &[PathBuf]) -> Result<Vec<FoundImage>, FindError> {
    let mut search = Search::default();
    let mut roots = Vec::new();
    for path in paths {
        let input = |source| FindError::Input { path: path.clone(), source };
        let metadata = std::fs::metadata(path).map_err(input)?;
        let full = absolute(path).map_err(input)?;
        if metadata.is_dir() {
            search.folder(&full)?;
            roots.push(full);
        } else if manifest::is_manifest(path) {
            let base = full.parent().unwrap_or(&full).to_path_buf();
            for row in manifest::read(path)? {
                search.file(clean(&base.join(row.file)), row.label)?;
            }
            roots.push(base);
        } else {
            roots.push(full.parent().unwrap_or(&full).to_path_buf());
            search.file(full, None)?;
        }
    }
    let shared = shared_folder(&roots);
    let mut named = BTreeMap::new();
    for (path, label) in search.files {
        let name = unique_name(&path, &shared, &named);
        let folder = || name.split_once('/').filter(|_| idx::inside(&path).is_none());
        let label = label.or_else(|| folder().map(|(first, _)| first.to_owned()));
        named.insert(name.clone(), FoundImage { path, name, label });
    }
    Ok(named.into_values().collect())
}

#[derive(Default)]
struct Search {
    files: Vec<(PathBuf, Option<String>)>,
    seen_files: HashSet<PathBuf>,
    seen_folders: HashSet<PathBuf>,
}

impl Search {
    /// Adds one file unless it was reached before; a file that does not exist is kept, to be named as unreadable.
    fn file(&mut self, path: PathBuf, label: Option<String>) -> Result<(), FindError> {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.seen_files.insert(real) {
            if idx::is_idx(&path) {
                self.files.extend(idx::pictures(&path)?);
            } else {
                self.files.push((path, label));
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path) -> Result<(), FindError> {
        let error = |source| FindError::Folder { path: folder.to_path_buf(), source };
        if !self.seen_folders.insert(folder.canonicalize().map_err(error)?) {
            return Ok(());
        }
        // Sorted, so that which of two ways to one file comes first does not depend on the file system.
        let mut entries = std::fs::read_dir(folder).map_err(error)?.collect::<Result<Vec<_>, _>>().map_err(error)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // A link that leads nowhere has no metadata; its extension alone then decides.
            let metadata = std::fs::metadata(&path).ok();
            if metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
                self.folder(&path)?;
            } else if is_candidate(&path, metadata.is_some_and(|found| found.is_file())) {
                self.file(path, None)?;
            }
        }
        Ok(())
    }
}

fn is_candidate(path: &Path, is_file: bool) -> bool {
    let by_extension = path.extension().and_then(|found| found.to_str()).is_some_and(is_image_extension);
    by_extension
        || is_file && idx::is_idx(path)
        || is_file && head_of(path).is_some_and(|head| Signature::of(&head).is_some())
}

fn head_of(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(SNIFFED_BYTES);
    std::fs::File::open(path).ok()?.take(SNIFFED_BYTES as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    Ok(clean(&std::path::absolute(path)?))
}

/// Path without `.` and `..`, worked out on the words alone so that links keep the names people gave them.
fn clean(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
        out
    })
}

fn shared_folder(roots: &[PathBuf]) -> PathBuf {
    let Some((first, rest)) = roots.split_first() else { return PathBuf::new() };
    rest.iter().fold(first.clone(), |shared, root| {
        shared.components().zip(root.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
    })
}

fn unique_name(path: &Path, shared: &Path, taken: &BTreeMap<String, FoundImage>) -> String {
    let below = path.strip_prefix(shared).unwrap_or(path);
    let parts: Vec<_> = below
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    let name = parts.join("/");
    // Two names can only meet where they are not valid Unicode and were replaced by the same sign.
    (1..)
        .map(|n| if n == 1 { name.clone() } else { format!("{name}~{n}") })
        .find(|candidate| !taken.contains_key(candidate))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        dir
    }

    fn names(paths: &[PathBuf]) -> Vec<String> {
        find_images(paths).unwrap().into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn order_is_by_bytes_of_the_relative_name_and_litter_is_left_out() {
        let dir = tree(&["b/2.JPG", "b/10.jpg", "a.png", "b.gif", "Thumbs.db", "note.txt", ".hidden/x.jpg", "._a.png"]);
        assert_eq!(names(&[dir.path().into()]), ["a.png", "b.gif", "b/10.jpg", "b/2.JPG"]);
    }

    #[test]
    fn labels_are_the_first_folder() {
        let dir = tree(&["x.jpg", "bolete/deep/y.jpg"]);
        let found = find_images(&[dir.path().into()]).unwrap();
        assert_eq!(found[0].label.as_deref(), Some("bolete"));
        assert_eq!(found[1].label, None);
    }

    #[test]
    fn several_inputs_are_named_below_the_folder_they_share_in_one_order() {
        let dir = tree(&["p/a/x.jpg", "p/b/x.jpg", "p/c/x.jpg"]);
        let inputs = ["p/b", "p/a/x.jpg", "p/a/../a"].map(|name| dir.path().join(name));
        assert_eq!(names(&inputs), ["a/x.jpg", "b/x.jpg"]);
    }

    #[test]
    fn a_file_without_extension_is_known_by_its_first_bytes() {
        let dir = tree(&["plain"]);
        std::fs::write(dir.path().join("photo"), b"\xff\xd8\xff\xe0....").unwrap();
        assert_eq!(names(&[dir.path().into()]), ["photo"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_loop_end_and_files_reached_twice_count_once() {
        let dir = tree(&["a/x.jpg"]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a/x.jpg"), dir.path().join("z.jpg")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("broken.jpg")).unwrap();
        assert_eq!(names(&[dir.path().into()]), ["a/x.jpg", "broken.jpg"]);
    }

    #[test]
    fn an_input_that_does_not_exist_is_named() {
        let error = find_images(&["no/such/folder".into()]).unwrap_err().to_string();
        assert!(error.contains("no/such/folder") && error.contains("hint:"), "{error}");
    }
}
