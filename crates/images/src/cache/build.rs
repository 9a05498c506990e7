//! Makes a cache: decode in parallel, write in index order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::index::{self, INDEX_FILE, Index, PICTURES_FILE, Stored, checksum};
use super::{BuildStep, CacheConfig, CacheError, ImageEntry, Skipped, stored};
use crate::decode::{Decoded, decode_file};
use crate::find::FoundImage;
use crate::hash::{content_hash, dhash};
use crate::idx::{self, IdxPictures};
use crate::resize::{Filter, resize_window};

/// Images decoded between two writes: enough to keep many threads busy, few enough to hold in memory.
const GROUP: usize = 128;

const DRAFT_SUFFIX: &str = ".partial";

/// One decoded image, ready to be written.
struct Packed {
    entry: ImageEntry,
    bytes: Vec<u8>,
    stored: Stored,
}

/// What the index says of images that were read.
#[derive(Default)]
struct Read {
    images: Vec<ImageEntry>,
    stored: Vec<Stored>,
    skipped: Vec<Skipped>,
}

pub(super) fn build(
    dir: &Path,
    found: &[FoundImage],
    config: &CacheConfig,
    progress: &dyn Fn(BuildStep),
) -> Result<(), CacheError> {
    std::fs::create_dir_all(dir).map_err(|source| CacheError::Write { path: dir.to_path_buf(), source })?;
    // Noted before reading, so that a file that changes meanwhile is seen as changed next time.
    let sources = index::source_files(found);
    remove_abandoned(dir);
    remove_index(dir)?;
    let mut pictures = Draft::new(dir, PICTURES_FILE)?;
    let read = decode_all(found, config, progress, |bytes| pictures.write(bytes))?;
    pictures.finish()?;
    write_index(dir, &Index::new(*config, sources, read.images, read.stored, read.skipped))
}

pub(super) fn append(
    dir: &Path,
    keep: usize,
    found: &[FoundImage],
    progress: &dyn Fn(BuildStep),
) -> Result<(), CacheError> {
    let Index { config, mut sources, mut images, mut stored, mut skipped, .. } = Index::read(dir)?;
    assert!(keep <= images.len(), "{keep} images to keep of {}", images.len());
    images.truncate(keep);
    stored.truncate(keep);
    let known = |name: &String| images.iter().any(|image| image.name == *name);
    let newer: std::collections::HashSet<&String> = found.iter().map(|image| &image.name).collect();
    sources.retain(|source| !newer.contains(&source.name) || known(&source.name));
    skipped.retain(|skipped| !newer.contains(&skipped.name));
    sources.extend(index::source_files(found));
    let kept_bytes = stored.iter().map(|&(bytes, _)| u64::from(bytes)).sum();
    let mut pictures = Tail::new(dir, PICTURES_FILE, kept_bytes)?;
    let read = decode_all(found, &config, progress, |bytes| pictures.write(bytes))?;
    pictures.finish()?;
    images.extend(read.images);
    stored.extend(read.stored);
    skipped.extend(read.skipped);
    write_index(dir, &Index::new(config, sources, images, stored, skipped))
}

/// Decodes in parallel and hands over the images in the order of `found`.
fn decode_all(
    found: &[FoundImage],
    config: &CacheConfig,
    progress: &dyn Fn(BuildStep),
    mut write: impl FnMut(&[u8]) -> Result<(), CacheError>,
) -> Result<Read, CacheError> {
    let mut read = Read::default();
    let archives = archives(found);
    for group in found.chunks(GROUP) {
        let packed: Vec<Result<Packed, Skipped>> =
            group.par_iter().map(|image| pack(image, config, &archives)).collect();
        for result in packed {
            match result {
                Ok(image) => {
                    write(&image.bytes)?;
                    read.images.push(image.entry);
                    read.stored.push(image.stored);
                }
                Err(reason) => read.skipped.push(reason),
            }
        }
        let n_skipped = read.skipped.len();
        progress(BuildStep { done: read.images.len() + n_skipped, total: found.len(), skipped: n_skipped });
    }
    Ok(read)
}

fn write_index(dir: &Path, index: &Index) -> Result<(), CacheError> {
    let mut table = Draft::new(dir, INDEX_FILE)?;
    let json = serde_json::to_vec(index).map_err(|error| table.error(error.into()))?;
    table.write(&json)?;
    table.finish()
}

/// The end of a file that is there, to which bytes are added.
struct Tail {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Tail {
    /// Goes to byte `start` of the file; what an addition that was killed left behind it is cut off.
    fn new(dir: &Path, name: &str, start: u64) -> Result<Self, CacheError> {
        let path = dir.join(name);
        let open = || {
            let mut file = File::options().write(true).open(&path)?;
            file.set_len(start)?;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start))?;
            Ok(file)
        };
        let file = open().map_err(|source| CacheError::Write { path: path.clone(), source })?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), path })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        self.file.write_all(bytes).map_err(|source| CacheError::Write { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), CacheError> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(|source| CacheError::Write { path: self.path.clone(), source })
    }
}

/// Removes drafts that a killed build left an hour ago or more; younger ones may belong to another process at work.
fn remove_abandoned(dir: &Path) {
    let old = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let is_draft = name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(DRAFT_SUFFIX);
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
        is_draft && age.is_some_and(|age| age.as_secs() >= 3_600)
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten().filter(old) {
        // What cannot be removed only takes space.
        let _ = std::fs::remove_file(entry.path());
    }
}

/// Without its index an older cache no longer looks finished while its pictures are replaced.
fn remove_index(dir: &Path) -> Result<(), CacheError> {
    let path = dir.join(INDEX_FILE);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(CacheError::Write { path, source }),
        _ => Ok(()),
    }
}

/// The files of many pictures that some of `found` lie in, each read once.
type Archives = BTreeMap<PathBuf, Result<IdxPictures, String>>;

fn archives(found: &[FoundImage]) -> Archives {
    let files: BTreeSet<&Path> =
        found.iter().filter_map(|image| idx::inside(&image.path)).map(|(file, _)| file).collect();
    files.into_iter().map(|file| (file.to_owned(), IdxPictures::read(file).map_err(|e| e.to_string()))).collect()
}

/// The bytes that stand for an image's content, and its picture.
fn decoded(found: &FoundImage, config: &CacheConfig, archives: &Archives) -> Result<(Vec<u8>, Decoded), String> {
    let archive = idx::inside(&found.path).and_then(|(file, number)| Some((archives.get(file)?, number)));
    let Some((pictures, number)) = archive else {
        return decode_file(&found.path, &config.limits).map_err(|error| error.to_string());
    };
    let image = pictures.as_ref().map_err(Clone::clone)?.picture(number);
    let image = image.ok_or_else(|| format!("the file holds no picture number {number}"))?;
    Ok((image.data.clone(), Decoded { image, orientation: 1 }))
}

fn pack(found: &FoundImage, config: &CacheConfig, archives: &Archives) -> Result<Packed, Skipped> {
    let skipped = |reason| Skipped { name: found.name.clone(), path: found.path.clone(), reason };
    let (file, decoded) = decoded(found, config, archives).map_err(skipped)?;
    let picture = decoded.image.view();
    let (size, window) = config.view_shape(picture.width, picture.height);
    let kept = resize_window(picture, size, window, Filter::Bilinear);
    let bytes = stored::encode(kept.view(), stored::most_bytes(config))
        .map_err(|error| skipped(format!("cannot be kept as a JPEG: {error}")))?;
    Ok(Packed {
        stored: (bytes.len() as u32, checksum(&bytes)),
        bytes,
        entry: ImageEntry {
            name: found.name.clone(),
            path: found.path.clone(),
            width: picture.width,
            height: picture.height,
            orientation: decoded.orientation,
            label: found.label.clone(),
            dhash: dhash(picture),
            content: content_hash(&file, 0),
        },
    })
}

/// A file under another name until it is complete; removed again when it never is.
struct Draft {
    file: Option<BufWriter<File>>,
    draft: PathBuf,
    target: PathBuf,
}

impl Draft {
    fn new(dir: &Path, name: &str) -> Result<Self, CacheError> {
        let draft = dir.join(format!(".{name}.{}{DRAFT_SUFFIX}", std::process::id()));
        let file = File::create(&draft).map_err(|source| CacheError::Write { path: draft.clone(), source })?;
        Ok(Self { file: Some(BufWriter::with_capacity(1 << 20, file)), draft, target: dir.join(name) })
    }

    fn error(&self, source: std::io::Error) -> CacheError {
        CacheError::Write { path: self.target.clone(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        let result = self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes));
        result.map_err(|source| self.error(source))
    }

    /// Brings the bytes to disk before the name, so that a power cut leaves no finished name on unfinished bytes.
    fn finish(mut self) -> Result<(), CacheError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let synced = file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        let renamed = synced.and_then(|()| std::fs::rename(&self.draft, &self.target));
        renamed.map_err(|source| self.error(source))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after a failure nothing more can be done about it.
        let _ = std::fs::remove_file(&self.draft);
    }
}
