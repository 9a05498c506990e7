//! Paths to decoded images, and what is known of each.

use std::path::{Path, PathBuf};

use crate::config::{Labels, RunConfig};
use crate::images::{
    Built, CacheConfig, FindOptions, FoundImage, ImageCache, ImageEntry, Skipped, apply_labels, find_images,
};
use crate::progress::Observer;
use crate::report::Picture;
use crate::run::tables::{ImageRow, ImageStatus, SkippedRow, read_images, write_images, write_skipped};
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
}

impl From<Built> for Images {
    fn from(Built { cache, entries, skipped }: Built) -> Self {
        let n_skipped = skipped.len();
        Self { cache, entries, skipped, n_skipped }
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

    /// Labels as numbers by sorted name, if every image has one.
    pub fn labels(&self) -> Option<Vec<i32>> {
        let labels: Vec<&str> = self.entries.iter().map(|e| e.label.as_deref()).collect::<Option<_>>()?;
        let mut names = labels.clone();
        names.sort_unstable();
        names.dedup();
        Some(labels.iter().map(|label| names.binary_search(label).map_or(-1, |at| at as i32)).collect())
    }

    /// Takes labels from another place than the run was made with.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn relabel(&mut self, labels: &Labels, config: &RunConfig) -> Result<(), StageError> {
        let mut found = find(&config.images.paths, labels)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in &mut self.entries {
            let at = found.binary_search_by(|f| f.name.cmp(&entry.name)).ok();
            entry.label = at.and_then(|at| found[at].label.clone());
        }
        Ok(())
    }

    /// The pixels that pages show: views where they are there, for they are larger than what the network sees.
    pub(super) fn picture(&self, index: usize) -> Option<Picture<'_>> {
        let view = (index < self.len()).then(|| self.cache.view(index))?;
        Some(Picture { width: view.width as u32, height: view.height as u32, data: view.data.into() })
    }

    fn rows(&self) -> Vec<ImageRow> {
        let row = |(index, e): (usize, &ImageEntry)| ImageRow {
            index: index as u32,
            path: e.path.display().to_string(),
            name: e.name.clone(),
            width: e.width as u32,
            height: e.height as u32,
            orientation: e.orientation,
            status: ImageStatus::Ok,
            label: e.label.clone(),
            dhash: e.dhash.0.iter().map(|word| format!("{word:016x}")).collect(),
        };
        self.entries.iter().enumerate().map(row).collect()
    }
}

pub(super) fn find(paths: &[PathBuf], labels: &Labels) -> Result<Vec<FoundImage>, StageError> {
    let mut found = find_images(paths, &FindOptions::default())?;
    match labels {
        Labels::None => found.iter_mut().for_each(|image| image.label = None),
        Labels::FromDirs => {}
        Labels::Table(table) => {
            apply_labels(&mut found, table, None)?;
        }
    }
    Ok(found)
}

/// Finds the images, decodes each once into the cache and writes `images.parquet` and `skipped.csv`.
///
/// # Errors
/// When no image can be read, there are too few for the settings, or the disk is full.
pub fn scan(session: &mut Session, observer: &dyn Observer) -> Result<Images, StageError> {
    let config = &session.config;
    let found = find(&config.images.paths, &config.images.labels)?;
    if found.is_empty() {
        let paths: Vec<String> = config.images.paths.iter().map(|p| p.display().to_string()).collect();
        return Err(StageError::NoImages { paths: paths.join(", ") });
    }
    let cache_config = CacheConfig::new(config.image_size());
    let dir = session.dir.cache();
    // A cache that is there was made for this run: should the images have changed since, that is an error and said.
    let built = if dir.exists() && session.is_done(Stage::Images) {
        ImageCache::open(&dir, &found, &cache_config)?
    } else {
        observer.begin("reading images", found.len() as u64);
        let built = ImageCache::build(&dir, &found, &cache_config, &|progress| {
            observer.advance(progress.done as u64, &format!("{} skipped", progress.skipped));
        })?;
        observer.end();
        built
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

/// Says which files could not be read: the first few, and where the others are listed.
pub(super) fn note_skipped(images: &Images, list: Option<&Path>, observer: &dyn Observer) {
    for skipped in images.skipped.iter().take(5) {
        observer.note(&format!("skipped {}: {}", skipped.path.display(), skipped.reason));
    }
    if images.n_skipped > 5 {
        let list = list.map_or(String::new(), |list| format!("; {} has every reason", list.display()));
        observer.note(&format!("skipped {} files in all{list}", images.n_skipped));
    }
}

fn skipped_rows(skipped: &[Skipped]) -> Vec<SkippedRow> {
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
    let mut images = Images::from(ImageCache::load(&session.dir.cache())?);
    // Labels may have been changed since by `evaluate --labels`; the table is the one that counts.
    let rows = read_images(&session.dir.images())?;
    images.entries.iter_mut().zip(rows).for_each(|(entry, row)| entry.label = row.label);
    Ok(images)
}

pub(super) fn root(dir: &RunDir) -> PathBuf {
    Path::to_owned(dir.root())
}
