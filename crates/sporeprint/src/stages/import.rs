//! A run from codes that were made elsewhere.

use std::collections::HashSet;
use std::path::PathBuf;

use super::images::{decode_images, skipped_rows};
use super::{Images, StageError, save_labels};
use crate::config::Labels;
use crate::embeddings::Embeddings;
use crate::images::{CacheConfig, DHash, FoundImage, ImageEntry, apply_labels};
use crate::progress::Observer;
use crate::run::tables::{write_embeddings, write_skipped};
use crate::run::{Session, Stage, write_npy};

/// Sides of the pictures kept for the pages, evaluated and shown: nothing is trained on them.
const PICTURE_PX: usize = 32;
const VIEW_PX: usize = 128;
/// Columns above which the codes are not written as a table too: such files are slow everywhere.
const MAX_COLUMNS: usize = 4096;

/// Takes codes, with the names of the images behind them, into a new run: every stage after `embed` works on it. Pictures
/// that can be found and read are kept for the pages.
///
/// # Errors
/// When there are too few rows for the settings, a table of labels cannot be read, or the disk is full.
pub fn import(session: &mut Session, embeddings: Embeddings, observer: &dyn Observer) -> Result<Images, StageError> {
    let file = session.config.images.embeddings.clone().unwrap_or_default();
    let mut entries = entries_of(&embeddings, 0, &HashSet::new());
    label(&mut entries, &session.config.images.labels)?;
    let found = with_files(&entries);
    let config = CacheConfig { view_size: VIEW_PX, ..CacheConfig::new(PICTURE_PX) };
    let built = decode_images(&session.dir.cache(), &found, &config, observer)?;
    let images = Images::with_some_pictures(entries, built);
    note_import(observer, &file, &embeddings, &images, found.len());
    write_skipped(&session.dir.skipped(), &skipped_rows(&images.skipped))?;
    write_codes(session, &embeddings.rows, embeddings.dim)?;
    save_labels(session, &images)?;
    session.mark_done(Stage::Images)?;
    session.mark_done(Stage::Embed)?;
    Ok(images)
}

/// Writes `embeddings.npy` and, unless they are very wide, `embeddings.parquet`.
pub(super) fn write_codes(session: &Session, rows: &[f32], dim: usize) -> Result<(), StageError> {
    write_npy(&session.dir.embeddings(), &[rows.len() / dim, dim], rows)?;
    if dim <= MAX_COLUMNS {
        write_embeddings(&session.dir.embeddings_parquet(), rows, dim)?;
    }
    Ok(())
}

/// What is known of the images behind rows of codes, under names that nobody has yet.
pub(super) fn entries_of(embeddings: &Embeddings, first: usize, taken: &HashSet<String>) -> Vec<ImageEntry> {
    let mut taken = taken.clone();
    let mut entries = Vec::with_capacity(embeddings.len());
    for row in 0..embeddings.len() {
        let file = embeddings.files.as_ref().map(|files| &files[row]);
        let wanted = file.map_or_else(|| format!("row-{:06}", first + row), |file| file.name.clone());
        let name = free_name(wanted, &taken);
        taken.insert(name.clone());
        entries.push(ImageEntry {
            name,
            path: file.map_or_else(PathBuf::new, |file| file.path.clone()),
            width: 0,
            height: 0,
            orientation: 1,
            label: file.and_then(|file| file.label.clone()),
            dhash: DHash([0; 4]),
            content: 0,
        });
    }
    entries
}

/// The name, or with a number behind it, so that no two images share one.
pub(super) fn free_name(wanted: String, taken: &HashSet<String>) -> String {
    if !taken.contains(&wanted) {
        return wanted;
    }
    let free = (2..).map(|n| format!("{wanted}~{n}")).find(|name| !taken.contains(name));
    free.unwrap_or(wanted)
}

fn label(entries: &mut [ImageEntry], labels: &Labels) -> Result<(), StageError> {
    match labels {
        Labels::None => entries.iter_mut().for_each(|entry| entry.label = None),
        Labels::FromDirs => entries.iter_mut().for_each(|entry| {
            let folder = || entry.name.split_once('/').map(|(first, _)| first.to_owned());
            entry.label = entry.label.take().or_else(folder);
        }),
        Labels::Table(table) => {
            let mut found: Vec<FoundImage> = entries.iter().map(found_of).collect();
            apply_labels(&mut found, table)?;
            entries.iter_mut().zip(found).for_each(|(entry, image)| entry.label = image.label);
        }
    }
    Ok(())
}

fn found_of(entry: &ImageEntry) -> FoundImage {
    FoundImage { path: entry.path.clone(), name: entry.name.clone(), label: entry.label.clone() }
}

/// Those whose file is there.
pub(super) fn with_files(entries: &[ImageEntry]) -> Vec<FoundImage> {
    entries.iter().filter(|entry| entry.path.is_file()).map(found_of).collect()
}

fn note_import(
    observer: &dyn Observer,
    file: &std::path::Path,
    embeddings: &Embeddings,
    images: &Images,
    n_found: usize,
) {
    let (n, dim) = (embeddings.len(), embeddings.dim);
    let n_pictures = n_found - images.n_skipped;
    observer.note(&format!("{}: {n} rows of {dim} numbers, {n_pictures} with a picture", file.display()));
    if embeddings.files.is_some() && n_found < n {
        let absent = images.entries.iter().find(|entry| !entry.path.is_file());
        let example = absent.map_or_else(String::new, |entry| format!(", such as {}", entry.path.display()));
        observer.note(&format!("{} of the files named are not there{example}", n - n_found));
    }
    let zeros: Vec<String> = embeddings
        .rows
        .chunks_exact(dim)
        .enumerate()
        .filter(|(_, row)| row.iter().all(|&x| x == 0.0))
        .map(|(row, _)| row.to_string())
        .collect();
    if !zeros.is_empty() {
        let more = if zeros.len() > 5 { ", .." } else { "" };
        let shown = zeros.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        observer.note(&format!("{} rows hold only zeros and have no direction: {shown}{more}", zeros.len()));
    }
}
