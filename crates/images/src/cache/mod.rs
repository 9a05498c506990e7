//! The packed image cache: every file decoded once, and a small copy of each picture kept in one file that is mapped into
//! memory afterwards.
//!
//! A cache is a directory of two files:
//! * `pictures.bin`: one picture behind the other, each uncropped, of a short side of at most `view_size` and of at most
//!   30 000 bytes (more only where `view_size` is over 256): RGB bytes where these are as few, else a baseline JPEG. All that
//!   is shown to networks and people is made from it;
//! * `index.json`: settings, the files that were read, the images kept with size and checksum of their pictures, and the
//!   files skipped. It is written last and put in place by renaming, so a directory with an index is complete.

mod build;
mod check;
mod error;
mod index;
mod map;
mod stored;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::index::{Index, Stored};
use self::map::Mapped;
use super::decode::DecodeLimits;
use super::find::FoundImage;
use super::hash::DHash;
use super::resize::{Filter, Window, resize_and_crop};
use super::rgb::RgbImage;

pub use self::error::{CacheError, Difference};

/// Settings of a cache; two caches with different ones never pass for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Side of the pictures for evaluation, in pixels.
    pub image_size: usize,
    /// Shorter side of the pictures that are kept, in pixels; smaller originals keep their size.
    pub view_size: usize,
    /// The longer side of a picture that is kept is cut, about its centre, to this many times the shorter one.
    pub view_aspect: usize,
    /// How pictures for evaluation are brought to their size; those that are kept are bilinear.
    #[serde(default)]
    pub filter: Filter,
    /// What one image may cost to decode.
    pub limits: DecodeLimits,
}

impl CacheConfig {
    /// Settings for a working size: pictures of twice that size up to 256 pixels, so that random crops down to a quarter of
    /// the area keep their detail, of at least 8/7 of it, the usual margin of networks that see 224 pixels of 256, and at
    /// most four times as long as high.
    pub fn new(image_size: usize) -> Self {
        Self {
            image_size,
            view_size: (2 * image_size).min(256).max((8 * image_size).div_ceil(7)),
            view_aspect: 4,
            filter: Filter::default(),
            limits: DecodeLimits::default(),
        }
    }

    /// Size of the resized picture and the part of it that is kept.
    pub(crate) fn view_shape(&self, width: usize, height: usize) -> ((usize, usize), Window) {
        let short = width.min(height);
        let (full_width, full_height) = super::resize::fit_short_side(width, height, short.min(self.view_size));
        let longest = short.min(self.view_size) * self.view_aspect;
        let (kept_width, kept_height) = (full_width.min(longest), full_height.min(longest));
        let window = Window {
            left: super::resize::center_offset(full_width, kept_width),
            top: super::resize::center_offset(full_height, kept_height),
            width: kept_width,
            height: kept_height,
        };
        ((full_width, full_height), window)
    }
}

/// What is known of one image of the cache; its index there is its index in every table of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEntry {
    /// Unique name, see [`FoundImage::name`].
    pub name: String,
    /// Where it was read.
    pub path: PathBuf,
    /// Columns of the upright original, in pixels.
    pub width: usize,
    /// Rows of the upright original, in pixels.
    pub height: usize,
    /// EXIF orientation that was undone, 1 (as stored) to 8.
    pub orientation: u8,
    /// Label, where one was found; for evaluation only.
    pub label: Option<String>,
    /// Perceptual hash of the upright original.
    pub dhash: DHash,
    /// Hash of the file's bytes; equal for copies.
    pub content: u64,
}

/// A candidate that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Unique name, see [`FoundImage::name`].
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Why, as a short sentence.
    pub reason: String,
}

/// How far the building of a cache has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildStep {
    /// Files read so far.
    pub done: usize,
    /// Files to read.
    pub total: usize,
    /// Files skipped so far.
    pub skipped: usize,
}

/// A cache with what it says of its images.
#[derive(Debug)]
pub struct Built {
    /// The pictures.
    pub cache: ImageCache,
    /// The images, in index order (byte order of names).
    pub entries: Vec<ImageEntry>,
    /// The candidates that could not be used, in byte order of names.
    pub skipped: Vec<Skipped>,
}

/// Decoded pictures on disk, mapped into memory: cheap to open, shared between processes, paged in as needed.
#[derive(Debug)]
pub struct ImageCache {
    config: CacheConfig,
    fingerprint: String,
    pictures: Mapped,
    places: Vec<Place>,
}

/// Where the bytes of a picture lie, and its size in pixels.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    bytes: usize,
    width: usize,
    height: usize,
}

impl ImageCache {
    /// Decodes `found` in parallel and writes a cache into `dir`, replacing one that is there.
    ///
    /// `progress` is called from this thread after every group of images. Images stand in the order of `found`, whatever
    /// the number of threads; memory holds the cached
    /// pictures of one group of 128 images and the files being decoded.
    ///
    /// # Errors
    /// - a directory that cannot be written (full or read-only disk); files of a killed or failed build never look
    ///   finished
    pub fn build(
        dir: &Path,
        found: &[FoundImage],
        config: &CacheConfig,
        progress: &dyn Fn(BuildStep),
    ) -> Result<Built, CacheError> {
        build::build(dir, found, config, progress)?;
        Self::open(dir, found, config)
    }

    /// Decodes `found` and adds them behind the first `keep` images of the cache in `dir`; what stood behind those is
    /// forgotten. The entries of the new images stand at the end.
    ///
    /// Killed at any moment it leaves the cache as it was: bytes are added behind those that the index names, and the new
    /// index is put in place last.
    ///
    /// # Errors
    /// - no cache there, a damaged one, or a directory that cannot be written
    /// # Panics
    /// - when the cache has fewer than `keep` images
    pub fn append(
        dir: &Path,
        keep: usize,
        found: &[FoundImage],
        progress: &dyn Fn(BuildStep),
    ) -> Result<Built, CacheError> {
        build::append(dir, keep, found, progress)?;
        Self::load(dir)
    }

    /// Leaves out the first `n_images`: index 0 is then the first behind them.
    ///
    /// # Panics
    /// - when there are fewer
    pub fn leave_out(&mut self, n_images: usize) {
        self.places.drain(..n_images);
    }

    /// Leaves out all images behind the first `n_images`.
    pub fn truncate(&mut self, n_images: usize) {
        self.places.truncate(n_images);
    }

    /// Opens the cache in `dir` after checking that it was made from these files, unchanged, with these settings.
    /// Labels are those of `found`.
    ///
    /// # Errors
    /// - no cache there, a damaged one, or one that differs, with what differs
    pub fn open(dir: &Path, found: &[FoundImage], config: &CacheConfig) -> Result<Built, CacheError> {
        let index = Index::read(dir)?;
        index.check(dir, config, &index::source_files(found))?;
        let mut built = Self::load_index(dir, index)?;
        let labels: std::collections::HashMap<_, _> = found.iter().map(|image| (&image.name, image)).collect();
        for entry in &mut built.entries {
            if let Some(image) = labels.get(&entry.name) {
                entry.label.clone_from(&image.label);
                entry.path.clone_from(&image.path);
            }
        }
        Ok(built)
    }

    /// Opens the cache in `dir` as it is, for example to make a report when the photographs are elsewhere.
    ///
    /// # Errors
    /// - no cache there, or a damaged one
    pub fn load(dir: &Path) -> Result<Built, CacheError> {
        Self::load_index(dir, Index::read(dir)?)
    }

    fn load_index(dir: &Path, index: Index) -> Result<Built, CacheError> {
        let path = dir.join(index::PICTURES_FILE);
        let (places, end) = places(&index.config, &index.images, &index.stored)
            .map_err(|what| CacheError::Damaged { path: dir.join(index::INDEX_FILE), what })?;
        let pictures = Mapped::open(&path, end)?;
        check::pictures(&path, &index.images, &index.stored)?;
        let cache = Self { config: index.config, pictures, fingerprint: index.fingerprint, places };
        Ok(Built { cache, entries: index.images, skipped: index.skipped })
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.places.len()
    }

    /// Side of the pictures for evaluation, in pixels.
    pub fn image_size(&self) -> usize {
        self.config.image_size
    }

    /// Settings that the cache was made with.
    pub fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// Sixteen hexadecimal digits that stand for the files and settings the cache was made from.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The picture that is kept of image `index`: uncropped, its short side at most `view_size` pixels. Decoded anew at every
    /// call, in 1 to 2 ms for 256 x 341 pixels; whoever needs several views of an image asks once.
    ///
    /// # Panics
    /// - when `index >= n_images`
    /// - when its bytes are not those that were written: they were compared with their checksum when the cache was opened, so
    ///   that another program must have written to the file since
    pub fn picture(&self, index: usize) -> RgbImage {
        assert!(index < self.n_images(), "image {index} of {}", self.n_images());
        let place = self.places[index];
        let bytes = &self.pictures.bytes()[place.start..place.start + place.bytes];
        let picture = stored::decode(bytes, place.width, place.height, stored::most_bytes(&self.config));
        picture.unwrap_or_else(|why| {
            panic!("the image cache changed while it was in use: picture {index} is damaged: {why}; delete the cache")
        })
    }

    /// Evaluation picture of image `index`: the kept picture's centre square, resized by the cache's filter as Pillow does.
    ///
    /// # Shapes
    /// - result: `image_size` x `image_size` pixels
    /// # Panics
    /// - as [`Self::picture`]
    pub fn eval(&self, index: usize) -> RgbImage {
        resize_and_crop(self.picture(index).view(), self.config.image_size, self.config.filter)
    }
}

/// Where each picture lies and the bytes of all, or what is wrong with the index.
fn places(config: &CacheConfig, images: &[ImageEntry], stored: &[Stored]) -> Result<(Vec<Place>, usize), String> {
    let (mut start, most) = (0, stored::most_bytes(config));
    let mut places = Vec::with_capacity(images.len());
    for (image, &(bytes, _)) in images.iter().zip(stored) {
        let (_, window) = config.view_shape(image.width.max(1), image.height.max(1));
        let place = Place { start, bytes: bytes as usize, width: window.width, height: window.height };
        let raw = place.width * place.height * 3;
        if stored::is_raw(place.width, place.height, most) && place.bytes != raw {
            return Err(format!("{bytes} bytes for the picture of '{}', expected {raw}", image.name));
        }
        start += place.bytes;
        places.push(place);
    }
    Ok((places, start))
}
