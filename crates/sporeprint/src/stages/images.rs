//! Paths to decoded images, and what is known of each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sporeprint_cluster::RowsView;

use crate::config::{Labels, RunConfig};
use crate::grouping::{Described, scattered};
use crate::images::{
    BuildStep, Built, CacheConfig, DHash, FoundImage, ImageCache, ImageEntry, Skipped, apply_labels, find_images,
};
use crate::progress::Observer;
use crate::report::Picture;
use crate::run::tables::{ImageRow, ImageStatus, SkippedRow, read_images, write_images, write_skipped};
use crate::run::text::visible;
use crate::run::{RunDir, Session, Stage};

use super::StageError;

/// The readable images of a run, in index order: every table joins on that index.
#[derive(Debug)]
pub struct Images {
    /// Decoded pixels.
    pub cache: ImageCache,
    /// What is known of each image.
    pub entries: Vec<ImageEntry>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
    /// How many they are.
    pub n_skipped: usize,
    /// Place in the cache of each image, where that is not its index: rows of a run made from codes need no picture.
    places: Option<Vec<Option<u32>>>,
}

/// Images with a label, by rising index: figures against labels are taken over these alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Their indices.
    pub indices: Vec<u32>,
    /// Their labels as numbers by sorted name.
    pub labels: Vec<i32>,
}

impl Labelled {
    /// Those of `all`, one for each image of the run, that belong to labelled images.
    pub(super) fn of<T: Copy>(&self, all: &[T]) -> Vec<T> {
        self.indices.iter().map(|&image| all[image as usize]).collect()
    }

    /// Gives a function the rows of the labelled images, which are only copied where some images have no label.
    pub(super) fn with_rows<T>(&self, rows: RowsView<'_>, of: impl FnOnce(RowsView<'_>) -> T) -> T {
        if self.indices.len() == rows.len() { of(rows) } else { of(rows.gather(&self.indices).view()) }
    }
}

impl From<Built> for Images {
    fn from(Built { cache, entries, skipped }: Built) -> Self {
        let n_skipped = skipped.len();
        Self { cache, entries, skipped, n_skipped, places: None }
    }
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Images of which only some have a picture: those of `built`, joined by name.
    pub(super) fn with_some_pictures(mut entries: Vec<ImageEntry>, built: Built) -> Self {
        let pictures: HashMap<String, usize> =
            built.entries.iter().enumerate().map(|(place, entry)| (entry.name.clone(), place)).collect();
        let mut places = Vec::with_capacity(entries.len());
        for entry in &mut entries {
            let place = pictures.get(&entry.name).copied();
            if let Some(place) = place {
                let label = entry.label.take();
                *entry = ImageEntry { label, ..built.entries[place].clone() };
            }
            places.push(place.map(|place| place as u32));
        }
        let places = (!places.iter().enumerate().all(|(i, &place)| place == Some(i as u32))).then_some(places);
        let n_skipped = built.skipped.len();
        Self { cache: built.cache, entries, skipped: built.skipped, n_skipped, places }
    }

    /// Place of an image's picture in the cache, if it has one.
    pub fn place(&self, index: usize) -> Option<usize> {
        match &self.places {
            None => (index < self.len()).then_some(index),
            Some(places) => places.get(index).copied().flatten().map(|place| place as usize),
        }
    }

    /// Whether every image has its picture in the cache, under its own index.
    pub fn all_pictures(&self) -> bool {
        self.places.is_none()
    }

    /// The images that have a label; nothing where none has one.
    pub fn labelled(&self) -> Option<Labelled> {
        let known = self.entries.iter().enumerate().filter_map(|(image, e)| Some((image as u32, e.label.as_deref()?)));
        let (indices, labels): (Vec<u32>, Vec<&str>) = known.unzip();
        let mut names = labels.clone();
        names.sort_unstable();
        names.dedup();
        let number = |label: &&str| names.binary_search(label).map_or(-1, |at| at as i32);
        (!indices.is_empty()).then(|| Labelled { labels: labels.iter().map(number).collect(), indices })
    }

    /// Takes labels from another place than the run was made with.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn relabel(&mut self, labels: &Labels, config: &RunConfig) -> Result<(), StageError> {
        let known = |entry: &ImageEntry| FoundImage {
            path: entry.path.clone(),
            name: entry.name.clone(),
            label: entry.name.split_once('/').map(|(first, _)| first.to_owned()),
        };
        let mut found: Vec<FoundImage> = self.entries.iter().map(known).collect();
        match labels {
            Labels::None => found.iter_mut().for_each(|image| image.label = None),
            // Folders, or the lists that the run was made from; images added since are known by their names alone.
            Labels::FromDirs if config.images.embeddings.is_none() => {
                let listed = find(&config.images.paths, labels)?;
                let listed: HashMap<&String, &FoundImage> = listed.iter().map(|image| (&image.name, image)).collect();
                for image in &mut found {
                    if let Some(listed) = listed.get(&image.name) {
                        image.label.clone_from(&listed.label);
                    }
                }
            }
            Labels::FromDirs => {}
            Labels::Table(table) => {
                apply_labels(&mut found, table)?;
            }
        }
        self.entries.iter_mut().zip(found).for_each(|(entry, image)| entry.label = image.label);
        Ok(())
    }

    /// The images as tables need to know them. Flat pictures resemble each other in the perceptual hash whatever their color,
    /// so they get a hash of their bytes instead, which only copies of the file share.
    pub fn described(&self) -> Vec<Described> {
        let described = |(index, entry): (usize, &ImageEntry)| Described {
            path: entry.path.display().to_string(),
            hash: self
                .place(index)
                .map(|_| if entry.dhash.is_flat() { scattered(entry.content) } else { entry.dhash.0 }),
        };
        self.entries.iter().enumerate().map(described).collect()
    }

    /// The pixels that pages show: those of the cache, uncropped and larger than what the network sees.
    pub fn picture(&self, index: usize) -> Option<Picture<'_>> {
        let picture = self.cache.picture(self.place(index)?);
        Some(Picture { width: picture.width as u32, height: picture.height as u32, data: picture.data.into() })
    }

    fn rows(&self) -> Vec<ImageRow> {
        let row = |(index, e): (usize, &ImageEntry)| ImageRow {
            index: index as u32,
            path: e.path.display().to_string(),
            name: e.name.clone(),
            width: e.width as u32,
            height: e.height as u32,
            orientation: e.orientation,
            status: if self.place(index).is_some() { ImageStatus::Ok } else { ImageStatus::Missing },
            label: e.label.clone(),
            dhash: e.dhash.0.iter().map(|word| format!("{word:016x}")).collect(),
        };
        self.entries.iter().enumerate().map(row).collect()
    }
}

pub(super) fn find(paths: &[PathBuf], labels: &Labels) -> Result<Vec<FoundImage>, StageError> {
    let mut found = find_images(paths)?;
    match labels {
        Labels::None => found.iter_mut().for_each(|image| image.label = None),
        Labels::FromDirs => {}
        Labels::Table(table) => {
            apply_labels(&mut found, table)?;
        }
    }
    Ok(found)
}

/// How many images there seem to be under some paths, before any is read.
///
/// # Errors
/// When a path does not exist or cannot be listed.
pub fn count(paths: &[PathBuf]) -> Result<usize, StageError> {
    Ok(find(paths, &Labels::None)?.len())
}

/// Checks that there are images where the settings say, and labels that fit, before anything is written.
///
/// # Errors
/// When a path does not exist, nothing is found, or the table of labels cannot be read.
pub fn check_paths(config: &RunConfig) -> Result<(), StageError> {
    find_all(&config.images.paths, &config.images.labels).map(drop)
}

/// As [`find`], for those who need at least one image.
pub(super) fn find_all(paths: &[PathBuf], labels: &Labels) -> Result<Vec<FoundImage>, StageError> {
    let found = find(paths, labels)?;
    if found.is_empty() {
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(StageError::NoImages { paths: paths.join(", ") });
    }
    Ok(found)
}

/// Finds the images, decodes each once into the cache and writes `images.parquet` and `skipped.csv`.
///
/// # Errors
/// When no image can be read, there are too few for the settings, or the disk is full.
pub fn scan(session: &mut Session, observer: &dyn Observer) -> Result<Images, StageError> {
    let config = &session.config;
    let found = find_all(&config.images.paths, &config.images.labels)?;
    let cache_config = config.cache();
    let dir = session.dir.cache();
    // A cache that is there was made for this run: should the images have changed since, that is an error and said.
    let built = if dir.exists() && session.is_done(Stage::Images) {
        ImageCache::open(&dir, &found, &cache_config)?
    } else {
        decode_images(&dir, &found, &cache_config, observer)?
    };
    let images = Images::from(built);
    config.check_images(images.len())?;
    if !session.is_done(Stage::Images) {
        save_labels(session, &images)?;
        write_skipped(&session.dir.skipped(), &skipped_rows(&images.skipped))?;
        session.mark_done(Stage::Images)?;
    }
    note_skipped(&images, Some(&session.dir.skipped()), observer);
    Ok(images)
}

/// Decodes images into a new cache.
pub(super) fn decode_images(
    dir: &Path,
    found: &[FoundImage],
    config: &CacheConfig,
    observer: &dyn Observer,
) -> Result<Built, StageError> {
    observer.begin("reading images", found.len() as u64);
    let built = ImageCache::build(dir, found, config, &|step| advance(observer, step))?;
    observer.end();
    Ok(built)
}

/// Decodes more images into a cache that holds `n_before`.
pub(super) fn decode_more_images(
    dir: &Path,
    n_before: usize,
    found: &[FoundImage],
    observer: &dyn Observer,
) -> Result<Built, StageError> {
    observer.begin("reading images", found.len() as u64);
    let built = ImageCache::append(dir, n_before, found, &|step| advance(observer, step))?;
    observer.end();
    Ok(built)
}

fn advance(observer: &dyn Observer, step: BuildStep) {
    observer.advance(step.done as u64, &format!("{} skipped", step.skipped));
}

/// Says which files could not be read: the first few, and where the others are listed.
pub(super) fn note_skipped(images: &Images, list: Option<&Path>, observer: &dyn Observer) {
    for skipped in images.skipped.iter().take(5) {
        observer.note(&visible(&format!("skipped {}: {}", skipped.path.display(), skipped.reason)));
    }
    if images.n_skipped > 5 {
        let list = list.map_or(String::new(), |list| format!("; {} has every reason", list.display()));
        observer.note(&format!("skipped {} files in all{list}", images.n_skipped));
    }
}

pub(super) fn skipped_rows(skipped: &[Skipped]) -> Vec<SkippedRow> {
    skipped.iter().map(|s| SkippedRow { path: s.path.display().to_string(), reason: s.reason.clone() }).collect()
}

/// Writes `images.parquet`.
///
/// # Errors
/// When it cannot be written.
pub fn save_labels(session: &Session, images: &Images) -> Result<(), StageError> {
    Ok(write_images(&session.dir.images(), &images.rows())?)
}

/// The images of a run that is there, from its cache.
///
/// # Errors
/// When the run has no finished cache.
pub fn reopen(session: &Session) -> Result<Images, StageError> {
    let not_yet = || StageError::NotYet { run: root(&session.dir), missing: "images", verb: "run PHOTOS --out DIR" };
    if !session.is_done(Stage::Images) {
        return Err(not_yet());
    }
    let mut built = ImageCache::load(&session.dir.cache())?;
    // The table is the one that counts: labels may have been changed by `evaluate --labels`, and an `add` that was killed
    // may have left more in the cache.
    let rows = read_images(&session.dir.images())?;
    if session.config.images.embeddings.is_some() {
        let entries = rows.into_iter().map(entry_of).collect();
        return Ok(Images::with_some_pictures(entries, built));
    }
    built.cache.truncate(rows.len());
    built.entries.truncate(rows.len());
    let mut images = Images::from(built);
    images.entries.iter_mut().zip(rows).for_each(|(entry, row)| entry.label = row.label);
    Ok(images)
}

/// What the table knows of an image without a picture.
fn entry_of(row: ImageRow) -> ImageEntry {
    ImageEntry {
        name: row.name,
        path: row.path.into(),
        width: row.width as usize,
        height: row.height as usize,
        orientation: row.orientation,
        label: row.label,
        dhash: DHash([0; 4]),
        content: 0,
    }
}

pub(super) fn root(dir: &RunDir) -> PathBuf {
    Path::to_owned(dir.root())
}
