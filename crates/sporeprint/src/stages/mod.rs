//! The stages of a run over its directory, in their order: each reads what the one before wrote, does its work unless
//! it is done, and leaves its own files.

mod add;
mod assign;
mod choose_k;
mod cluster;
mod codes;
mod error;
mod estimate;
mod evaluate;
mod images;
mod import;
mod name;
mod partition;
mod prepare;
mod probe;
mod search;
mod sort;
mod tables;
mod train;
mod train_encoder;

pub use add::{Added, add, add_embeddings};
pub use assign::{NewImage, assign, assign_embeddings};
pub use cluster::cluster;
pub use error::StageError;
pub use estimate::estimate;
pub use evaluate::evaluate;
pub use images::{Images, reopen, save_labels, scan};
pub use import::import;
pub use name::{Words, name_clusters};
pub use probe::{Probe, probe};
pub use sort::sort_into_folders;
pub use train::{aggregate, embed, forget_checkpoints, pretrain};
pub use train_encoder::{TrainedEncoder, train_encoder};

use std::path::{Path, PathBuf};

use crate::progress::Observer;
use crate::report::{ReportData, ReportOptions, write_figures};
use crate::run::Session;

/// Writes the pages of a run from its tables.
///
/// # Errors
/// When a table cannot be read or a page not be written.
pub fn report(session: &Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    let thumbnails = |index: usize| images.picture(index);
    let page = crate::report::write(&session.dir, &ReportOptions { thumbnails: &thumbnails, thumbnail_px: None })?;
    observer.note(&format!("report: {}", page.display()));
    Ok(())
}

/// Writes pictures for papers and slides: cluster sheets, the map, curves, the k curve, confusion with labels.
///
/// # Errors
/// When a table cannot be read or a picture not be written.
pub fn figures(session: &Session, images: &Images, dir: &Path) -> Result<Vec<PathBuf>, StageError> {
    let thumbnails = |index: usize| images.picture(index);
    Ok(write_figures(dir, &ReportData::from_run(&session.dir)?, &thumbnails)?)
}
