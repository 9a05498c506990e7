//! New images into a finished run: cache, codes and tables grow, nothing starts over.

use std::collections::HashSet;
use std::path::PathBuf;

use super::assign::{Clusters, find_new};
use super::choice;
use super::cluster::{grouper, write_tables};
use super::images::{decode_more_images, skipped_rows};
use super::import::{entries_of, free_name, with_files, write_codes};
use super::{Images, StageError, Unlike, save_labels};
use crate::embeddings::Embeddings;
use crate::grouping::{Prepared, Tables, place_on_map};
use crate::images::{ImageCache, ImageEntry};
use crate::progress::Observer;
use crate::run::tables::{read_assignments, write_skipped};
use crate::run::{Session, Stage, read_npy, write_npy};

/// What an addition did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Images that are in the run now and were not before.
    pub n_new: usize,
    /// Images that were in the run already.
    pub n_known: usize,
    /// New images that are unlike every cluster; they are noise (-1) until the run is clustered anew.
    pub n_unknown: usize,
    /// New files that could not be read.
    pub n_skipped: usize,
}

/// Takes the images under `paths` into a run. Images that are in it keep index and cluster; new ones get the following
/// indices and the cluster whose centroid is nearest, or none (-1) where they are unlike all of them; [`Unlike`] says how easily.
///
/// `images.parquet` is written last: a run whose `add` was killed still stands as it was, and the same `add` ends it.
///
/// # Errors
/// When the run has no clusters yet or no encoder, nothing is found, or a file cannot be read or written.
pub fn add(
    session: &mut Session,
    images: Images,
    paths: &[PathBuf],
    unlike: Unlike,
    observer: &dyn Observer,
) -> Result<(Images, Added), StageError> {
    let clusters = Clusters::of(session, unlike, observer)?;
    let mut found = find_new(session, paths)?;
    let there: HashSet<PathBuf> = images.entries.iter().map(|entry| canonical(&entry.path)).collect();
    let n_found = found.len();
    found.retain(|image| !there.contains(&canonical(&image.path)));
    let mut added = Added { n_known: n_found - found.len(), ..Added::default() };
    if found.is_empty() {
        return Ok((images, added));
    }
    let mut taken: HashSet<String> = images.entries.iter().map(|entry| entry.name.clone()).collect();
    for image in &mut found {
        image.name = free_name(std::mem::take(&mut image.name), &taken);
        taken.insert(image.name.clone());
    }
    let n_before = images.len();
    drop(images);
    let built = decode_more_images(&session.dir.cache(), n_before, &found, observer)?;
    added.n_skipped = built.skipped.iter().filter(|skipped| found.iter().any(|f| f.name == skipped.name)).count();
    let mut images = Images::from(built);
    keep_labels(session, &mut images, n_before)?;
    added.n_new = images.len() - n_before;
    let mut new = ImageCache::load(&session.dir.cache())?;
    new.cache.leave_out(n_before);
    new.entries.drain(..n_before);
    let new = choice::source(session)?.unit_codes(session, &Images::from(new), observer)?;
    for path in paths {
        note_added(session, std::path::absolute(path)?);
    }
    finish(session, &clusters, &images, new, &mut added, observer)?;
    Ok((images, added))
}

/// Takes codes that were made elsewhere, as those of the run were, into it; see [`add`].
///
/// # Errors
/// When the run has no clusters yet, was not made from codes, or the codes have another width.
pub fn add_embeddings(
    session: &mut Session,
    images: Images,
    file: PathBuf,
    embeddings: &Embeddings,
    unlike: Unlike,
    observer: &dyn Observer,
) -> Result<(Images, Added), StageError> {
    let clusters = Clusters::of(session, unlike, observer)?;
    if session.config.images.embeddings.is_none() {
        return Err(StageError::FromImages { run: super::images::root(&session.dir) });
    }
    clusters.check_dim(session, embeddings.dim)?;
    let taken: HashSet<String> = images.entries.iter().map(|entry| entry.name.clone()).collect();
    let n_before = images.len();
    let mut entries = images.entries.clone();
    let new = entries_of(embeddings, n_before, &taken);
    let found = with_files(&new);
    entries.extend(new);
    let n_pictures = (0..n_before).filter(|&image| images.place(image).is_some()).count();
    drop(images);
    let built = decode_more_images(&session.dir.cache(), n_pictures, &found, observer)?;
    let n_skipped = built.skipped.iter().filter(|skipped| found.iter().any(|f| f.name == skipped.name)).count();
    let images = Images::with_some_pictures(entries, built);
    let mut added = Added { n_new: embeddings.len(), n_skipped, ..Added::default() };
    note_added(session, file);
    finish(session, &clusters, &images, embeddings.rows.clone(), &mut added, observer)?;
    Ok((images, added))
}

/// Everything but the pictures: codes, clusters and tables.
fn finish(
    session: &mut Session,
    clusters: &Clusters,
    images: &Images,
    new: Vec<f32>,
    added: &mut Added,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let dim = clusters.center().len();
    let n_before = images.len() - added.n_new;
    let mut labels: Vec<i32> = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
    labels.truncate(n_before);
    let paths = images.entries[n_before..].iter().map(|entry| entry.path.clone());
    let found = clusters.assign(session, new.clone(), paths)?;
    labels.extend(found.iter().map(|image| image.cluster.unwrap_or(-1)));
    added.n_unknown = labels[n_before..].iter().filter(|&&label| label < 0).count();
    let mut codes = read_npy::<f32>(&session.dir.embeddings())?.data;
    codes.truncate(n_before * dim);
    codes.extend(new);

    let prepared = Prepared::alike(codes.clone(), clusters.center(), &session.config.cluster);
    let (neighbors, line) = grouper(session, observer).neighbors(&prepared)?;
    let tables = Tables::new(&prepared, &labels, &neighbors, &images.described())?;
    session.log(line.as_slice())?;
    write_codes(session, &codes, dim)?;
    write_tables(session, &tables, dim)?;
    if session.dir.map().exists() {
        let mut map = read_npy::<f32>(&session.dir.map())?.data;
        map.truncate(2 * n_before);
        place_on_map(&mut map, images.len(), &neighbors);
        write_npy(&session.dir.map(), &[images.len(), 2], &map)?;
    }
    write_skipped(&session.dir.skipped(), &skipped_rows(&images.skipped))?;
    session.redo_from(Stage::Evaluate);
    session.save()?;
    save_labels(session, images)
}

/// Labels of the images that were there come from the table, which `evaluate --labels` may have changed; where those have
/// none, new images get none.
fn keep_labels(session: &Session, images: &mut Images, n_before: usize) -> Result<(), StageError> {
    let rows = crate::run::tables::read_images(&session.dir.images())?;
    let labelled = rows.iter().any(|row| row.label.is_some());
    let (old, new): (&mut [ImageEntry], &mut [ImageEntry]) = images.entries.split_at_mut(n_before);
    old.iter_mut().zip(rows).for_each(|(entry, row)| entry.label = row.label);
    if !labelled {
        new.iter_mut().for_each(|entry| entry.label = None);
    }
    Ok(())
}

/// Remembers where images came from, once: an addition that was stopped is done again.
fn note_added(session: &mut Session, path: PathBuf) {
    let added = &mut session.config.images.added;
    if !added.contains(&path) {
        added.push(path);
    }
}

fn canonical(path: &std::path::Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
