//! The stages of a run over its directory, in their order: each reads what the one before wrote, does its work unless
//! it is done, and leaves its own files.

mod assign;
mod choose_k;
mod cluster;
mod error;
mod estimate;
mod evaluate;
mod images;
mod sort;
mod tables;
mod train;

pub use assign::{NewImage, assign};
pub use cluster::cluster;
pub use error::StageError;
pub use estimate::estimate;
pub use evaluate::evaluate;
pub use images::{Images, reopen, save_labels, scan};
pub use sort::sort_into_folders;
pub use train::{aggregate, embed, forget_checkpoints, pretrain};

use crate::progress::Observer;
use crate::report::ReportOptions;
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
