//! Many small pictures in one file: the `idx` format of MNIST and its kin, plain or packed with gzip.
//!
//! A picture of such a file has a path of its own, the file's with the picture's number behind it, so that everything
//! else (names, tables, the cache) need not know.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::rgb::RgbImage;

/// First bytes of a file of unsigned bytes in three dimensions, and in one.
const PICTURES: [u8; 4] = [0, 0, 8, 3];
const LABELS: [u8; 4] = [0, 0, 8, 1];
/// Largest side, and largest sum of pixels: far above any such file, far below what fills memory.
const MAX_SIDE: usize = 4096;
const MAX_BYTES: usize = 1 << 31;

/// Why a file of pictures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The file cannot be read or unpacked.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what its name says.
    #[error("{} is not an idx file of {expected}: {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// The pictures of one file.
#[derive(Debug)]
pub(super) struct IdxPictures {
    pixels: Vec<u8>,
    rows: usize,
    columns: usize,
}

impl IdxPictures {
    /// Reads all pictures of a file.
    pub(super) fn read(path: &Path) -> Result<Self, IdxError> {
        let (mut file, n, rows, columns) = open(path)?;
        let mut pixels = vec![0; n * rows * columns];
        file.read_exact(&mut pixels).map_err(|source| IdxError::Read { path: path.to_owned(), source })?;
        Ok(Self { pixels, rows, columns })
    }

    /// Picture number `index`, its greys spread over three channels.
    pub(super) fn picture(&self, index: usize) -> Option<RgbImage> {
        let size = self.rows * self.columns;
        let grey = self.pixels.get(index * size..(index + 1) * size)?;
        Some(RgbImage::new(self.columns, self.rows, grey.iter().flat_map(|&value| [value; 3]).collect()))
    }
}

/// Whether the name is that of a file of pictures: `..idx3-ubyte`, `..idx3-ubyte.gz`.
pub(super) fn is_idx(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.ends_with("idx3-ubyte")
}

/// The file and number of a picture in it, for a path that leads into one.
pub(super) fn inside(path: &Path) -> Option<(&Path, usize)> {
    let file = path.parent().filter(|file| is_idx(file))?;
    Some((file, path.file_name()?.to_str()?.parse().ok()?))
}

/// The file that an image lies in: `path` itself, or the file of many pictures that it leads into.
pub fn source_file(path: &Path) -> &Path {
    inside(path).map_or(path, |(file, _)| file)
}

/// A path for each picture of a file, with its label where the file of labels lies beside it (`images-idx3` becomes
/// `labels-idx1`).
pub(super) fn pictures(path: &Path) -> Result<Vec<(PathBuf, Option<String>)>, IdxError> {
    let (_, n, _, _) = open(path)?;
    let labels = labels(path, n)?;
    let label = |i: usize| labels.as_ref().map(|labels| labels[i].to_string());
    Ok((0..n).map(|i| (path.join(format!("{i:06}")), label(i))).collect())
}

fn labels(path: &Path, n: usize) -> Result<Option<Vec<u8>>, IdxError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let beside = path.with_file_name(name.replace("images-idx3", "labels-idx1"));
    if beside == path || !beside.exists() {
        return Ok(None);
    }
    let mut file = reader(&beside)?;
    let failed = |source| IdxError::Read { path: beside.clone(), source };
    let mut head = [0; 8];
    file.read_exact(&mut head).map_err(failed)?;
    let found = number(&head[4..]);
    if head[..4] != LABELS || found != n {
        let found = format!("first bytes {:?}, {found} labels for {n} pictures", &head[..4]);
        return Err(IdxError::Format { path: beside, found, expected: "one label per picture" });
    }
    let mut labels = vec![0; n];
    file.read_exact(&mut labels).map_err(failed)?;
    Ok(Some(labels))
}

/// A file behind its header, with the number of pictures, their rows and columns.
fn open(path: &Path) -> Result<(Box<dyn Read>, usize, usize, usize), IdxError> {
    let mut file = reader(path)?;
    let mut head = [0; 16];
    file.read_exact(&mut head).map_err(|source| IdxError::Read { path: path.to_owned(), source })?;
    let [n, rows, columns] = [number(&head[4..]), number(&head[8..]), number(&head[12..])];
    let fits = (1..=MAX_SIDE).contains(&rows) && (1..=MAX_SIDE).contains(&columns);
    if head[..4] != PICTURES || !fits || n.saturating_mul(rows * columns) > MAX_BYTES {
        let found = format!("first bytes {:?}, {n} x {rows} x {columns}", &head[..4]);
        return Err(IdxError::Format { path: path.to_owned(), found, expected: "pictures" });
    }
    Ok((file, n, rows, columns))
}

fn reader(path: &Path) -> Result<Box<dyn Read>, IdxError> {
    let file = File::open(path).map_err(|source| IdxError::Read { path: path.to_owned(), source })?;
    let file = BufReader::new(file);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Four bytes, the largest first.
fn number(bytes: &[u8]) -> usize {
    bytes[..4].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::{CacheConfig, ImageCache, find_images};

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn pictures_of(n: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2];
        bytes.extend((0..n).flat_map(|i| [i, 10 * i, 20 * i, 200]));
        bytes
    }

    fn folder(labels: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t-images-idx3-ubyte.gz"), packed(&pictures_of(3))).unwrap();
        let mut bytes = vec![0, 0, 8, 1, 0, 0, 0, 3];
        bytes.extend(labels);
        std::fs::write(dir.path().join("t-labels-idx1-ubyte.gz"), packed(&bytes)).unwrap();
        dir
    }

    #[test]
    fn every_picture_is_an_image_with_its_label() {
        let dir = folder(&[7, 0, 7]);
        let found = find_images(&[dir.path().into()]).unwrap();
        let known: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.label.as_deref())).collect();
        assert_eq!(known[1], ("t-images-idx3-ubyte.gz/000001", Some("0")));
        assert_eq!((known.len(), known[2].1), (3, Some("7")));
        let built = ImageCache::build(&dir.path().join("cache"), &found, &CacheConfig::new(2), &|_| {}).unwrap();
        assert!(built.skipped.is_empty(), "{:?}", built.skipped);
        assert_eq!(built.cache.eval(2).data, [2, 2, 2, 20, 20, 20, 40, 40, 40, 200, 200, 200]);
        ImageCache::open(&dir.path().join("cache"), &found, &CacheConfig::new(2)).unwrap();
    }

    #[test]
    fn a_file_that_is_cut_or_something_else_is_named() {
        let dir = folder(&[7, 0]);
        let error = find_images(&[dir.path().into()]).unwrap_err().to_string();
        assert!(error.contains("t-labels-idx1-ubyte.gz"), "{error}");
        let path = dir.path().join("x-idx3-ubyte");
        std::fs::write(&path, [1; 40]).unwrap();
        let error = find_images(&[path]).unwrap_err().to_string();
        assert!(
            error.contains("x-idx3-ubyte") && error.contains("expected") || error.contains("is not an idx file"),
            "{error}"
        );
    }
}
