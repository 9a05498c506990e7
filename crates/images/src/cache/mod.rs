//! The packed image cache: every file decoded once, two planes of RGB bytes mapped into memory afterwards.
//!
//! A cache is a directory of three files:
//! * `eval.rgb8`: for each image the `image_size` x `image_size` picture that evaluation uses (Pillow-exact);
//! * `views.rgb8`: for each image an uncropped, smaller copy that augmented views are cut from;
//! * `index.json`: settings, the files that were read, the images kept and the files skipped. It is written last and
//!   put in place by renaming, so a directory with an index is complete.

mod build;
mod error;
mod index;
mod map;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::index::Index;
use self::map::Plane;
use super::decode::DecodeLimits;
use super::find::FoundImage;
use super::hash::DHash;
use super::resize::{Filter, Window};
use super::rgb::RgbView;

pub use self::error::{CacheError, Difference};

/// Settings of a cache; two caches with different ones never pass for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Side of the pictures in the evaluation plane, in pixels.
    pub image_size: usize,
    /// Shorter side of the pictures in the view plane, in pixels; smaller originals are kept as they are.
    pub view_size: usize,
    /// The longer side of a picture in the view plane is cut, about its centre, to this many times the shorter one.
    pub view_aspect: usize,
    /// How pictures of the evaluation plane are brought to that size; those of the view plane are bilinear.
    #[serde(default)]
    pub filter: Filter,
    /// What one image may cost to decode.
    pub limits: DecodeLimits,
}

impl CacheConfig {
    /// Settings for a working size: views of twice that size, so that random crops down to a quarter of the area keep
    /// their detail, and at most four times as long as high.
    pub fn new(image_size: usize) -> Self {
        Self {
            image_size,
            view_size: 2 * image_size,
            view_aspect: 4,
            filter: Filter::default(),
            limits: DecodeLimits::default(),
        }
    }

    /// Bytes of one picture in the evaluation plane.
    pub fn eval_bytes(&self) -> usize {
        self.image_size * self.image_size * 3
    }

    /// Size of the view plane's resized picture and the part of it that is kept.
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
    eval: Plane,
    views: Plane,
    /// Width, height and first byte of each picture in the view plane.
    view_places: Vec<(usize, usize, usize)>,
    /// Pictures in front of the first one that are left out.
    first: usize,
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
        self.view_places.drain(..n_images);
        self.first += n_images;
    }

    /// Leaves out all images behind the first `n_images`.
    pub fn truncate(&mut self, n_images: usize) {
        self.view_places.truncate(n_images);
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
        let (view_places, end) = view_places(&index.config, &index.images);
        let cache = Self {
            config: index.config,
            eval: Plane::open(&dir.join(index::EVAL_FILE), index.images.len() * index.config.eval_bytes())?,
            views: Plane::open(&dir.join(index::VIEWS_FILE), end)?,
            fingerprint: index.fingerprint,
            view_places,
            first: 0,
        };
        Ok(Built { cache, entries: index.images, skipped: index.skipped })
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.view_places.len()
    }

    /// Side of the pictures in the evaluation plane, in pixels.
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

    /// Evaluation picture of image `index`.
    ///
    /// # Shapes
    /// - result: `[image_size, image_size, 3]` bytes
    /// # Panics
    /// - when `index >= n_images`
    pub fn eval(&self, index: usize) -> &[u8] {
        let bytes = self.config.eval_bytes();
        assert!(index < self.n_images(), "image {index} of {}", self.n_images());
        let index = self.first + index;
        &self.eval.bytes()[index * bytes..(index + 1) * bytes]
    }

    /// Uncropped picture of image `index`, to cut augmented views from.
    ///
    /// # Panics
    /// - when `index >= n_images`
    pub fn view(&self, index: usize) -> RgbView<'_> {
        let (width, height, start) = self.view_places[index];
        RgbView::new(width, height, &self.views.bytes()[start..start + width * height * 3])
    }
}

/// Width, height and first byte of each picture in the view plane, and the bytes of the plane.
fn view_places(config: &CacheConfig, images: &[ImageEntry]) -> (Vec<(usize, usize, usize)>, usize) {
    let mut end = 0;
    let mut places = Vec::with_capacity(images.len());
    for image in images {
        let (_, window) = config.view_shape(image.width.max(1), image.height.max(1));
        places.push((window.width, window.height, end));
        end += window.width * window.height * 3;
    }
    (places, end)
}
