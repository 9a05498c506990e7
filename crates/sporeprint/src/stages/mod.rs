//! The stages of a run over its directory, in their order: each reads what the one before wrote, does its work unless
//! it is done, and leaves its own files.

mod adapt;
mod add;
mod assign;
mod choice;
mod cluster;
mod codes;
mod compare_runs;
mod error;
mod estimate;
mod evaluate;
mod fusion;
mod images;
mod import;
mod name;
mod pictures;
mod probe;
mod sort;
mod train;
mod train_encoder;
mod unlike;
mod words;

pub use add::{Added, add, add_embeddings};
pub use assign::{NewImage, assign, assign_embeddings};
pub use cluster::{Clustered, cluster};
pub use compare_runs::compare_runs;
pub use error::StageError;
pub use estimate::estimate;
pub use evaluate::evaluate;
pub use images::{Images, Labelled, check_paths, count, reopen, save_labels, scan};
pub use import::import;
pub use name::{Words, name_clusters};
pub use pictures::Pictures;
pub use probe::{Probe, probe};
pub use sort::sort_into_folders;
pub use train::{CodesWanted, aggregate, aggregate_anew, cluster_anew, embed, pretrain};
pub use train_encoder::{TrainedEncoder, train_encoder};
pub use unlike::Unlike;
pub use words::rename;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::progress::Observer;
use crate::report::{ReportData, ReportOptions, Thumbnails, write_figures};
use crate::run::{RunDir, Session, Stage};

/// From images to codes: trains whatever the settings ask for, then encodes every image.
///
/// # Errors
/// When a file cannot be read or written, training fails, or the person asks to stop.
pub fn make_codes(
    session: &mut Session,
    images: &Images,
    checkpoint_every: Duration,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    pretrain(session, images, checkpoint_every, observer)?;
    aggregate(session, images, checkpoint_every, observer)?;
    embed(session, images, observer)
}

/// Writes the pages of a run from its tables, or from the clustering that was just made.
///
/// # Errors
/// When a table cannot be read or a page not be written.
pub fn report(
    session: &Session,
    images: &Images,
    clustered: Option<Clustered>,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let thumbnails = |index: usize| images.picture(index);
    let data = match clustered {
        Some(clustered) => ReportData::with_clustering(&session.dir, clustered.into())?,
        None => ReportData::from_run(&session.dir)?,
    };
    let page = crate::report::write_data(&session.dir, &data, &ReportOptions::new(&thumbnails))?;
    observer.note(&format!("report: {}", page.display()));
    Ok(())
}

/// Writes the pages of a run that is there, whose images need not be.
///
/// # Errors
/// When the run has read no images yet, a table cannot be read or a page not be written.
pub fn report_again(session: &Session, pictures: &Pictures, observer: &dyn Observer) -> Result<(), StageError> {
    if !session.is_done(Stage::Images) {
        let run = images::root(&session.dir);
        return Err(StageError::NotYet { run, missing: "images", verb: "run PHOTOS --out DIR" });
    }
    let thumbnails = |index: usize| pictures.get(index);
    let page = crate::report::write(&session.dir, &ReportOptions::new(&thumbnails))?;
    observer.note(&format!("report: {}", page.display()));
    Ok(())
}

/// Writes the pages of a run that still works: they renew themselves, and grow each time this is called.
///
/// # Errors
/// When a table cannot be read or a page not be written.
pub fn growing_report(dir: &RunDir, thumbnails: Thumbnails<'_>) -> Result<PathBuf, StageError> {
    Ok(crate::report::write(dir, &ReportOptions { growing: true, ..ReportOptions::new(thumbnails) })?)
}

/// Writes pictures for papers and slides: cluster sheets, the map, curves, the k curve, confusion with labels.
///
/// # Errors
/// When a table cannot be read or a picture not be written.
pub fn figures(run: &RunDir, pictures: &Pictures, dir: &Path) -> Result<Vec<PathBuf>, StageError> {
    let thumbnails = |index: usize| pictures.get(index);
    Ok(write_figures(dir, &ReportData::from_run(run)?, &thumbnails)?)
}
