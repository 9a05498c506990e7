//! The run as pages to look at: static files that open from disk, without server or network.
//!
//! [`ReportData`] holds the tables, [`render`] turns them into pages (pure text to text), [`write()`] adds the
//! pictures and puts everything into the run's `report` folder, [`write_figures`] draws pictures for papers.

// The example of the README is a test.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod advice;
mod confusion;
mod data;
mod error;
mod escape;
mod figures;
mod findings;
mod html;
mod live;
mod overview;
mod pages;
mod plots;
mod raster;
mod scripts;
mod sprites;
mod story;
mod summary;
mod training;
mod verdict;
mod words;

use std::path::{Path, PathBuf};

use fs_err as fs;

use sporeprint_images::source_file;
use sporeprint_run::RunDir;
use sporeprint_run::tables::{ImageRow, ImageStatus};
use summary::Summary;

pub use data::{Clustering, ReportData};
pub use error::ReportError;
pub use escape::html_text;
pub use figures::write_figures;
pub use html::render;
pub use live::write_progress;
pub use plots::{Series, bar_chart, doubling_classes, line_chart};
pub use sprites::{Picture, SheetLayout, Sheets};

/// Gives the pixels of an image by its index, or nothing if they are gone.
pub type Thumbnails<'a> = &'a (dyn Fn(usize) -> Option<Picture<'a>> + Sync);

/// How to write a report.
#[derive(Clone, Copy)]
pub struct ReportOptions<'a> {
    /// Where pictures come from.
    pub thumbnails: Thumbnails<'a>,
    /// Side of a thumbnail in pixels; without it, smaller the more images there are, and never larger than they are.
    pub thumbnail_px: Option<u32>,
    /// Whether the run still works: the pages then renew themselves.
    pub growing: bool,
}

impl<'a> ReportOptions<'a> {
    /// The report of a finished run, with thumbnails of a fitting size.
    #[must_use]
    pub fn new(thumbnails: Thumbnails<'a>) -> Self {
        Self { thumbnails, thumbnail_px: None, growing: false }
    }
}

/// Whether the file that an image was read from is no longer there. A row without a picture may never have had a file.
fn is_moved(image: &ImageRow) -> bool {
    image.status == ImageStatus::Ok && !source_file(Path::new(&image.path)).exists()
}

/// Reads the tables of a run and writes its report; gives the path of the first page.
///
/// The old report stays whole until the new one is complete. Two processes may write at the same time.
///
/// # Errors
/// - a table is missing, damaged or disagrees with another; the disk is full or read-only
pub fn write(run: &RunDir, options: &ReportOptions<'_>) -> Result<PathBuf, ReportError> {
    write_data(run, &ReportData::from_run(run)?, options)
}

/// As [`write()`], of data that need not be read.
///
/// # Errors
/// - the disk is full or read-only
pub fn write_data(run: &RunDir, data: &ReportData, options: &ReportOptions<'_>) -> Result<PathBuf, ReportError> {
    // Another process may be renewing these pages while they grow; the system lets go of the lock however it ends.
    let lock = fs::File::create(run.root().join(".report.lock"))?.into_parts().0;
    lock.lock()?;
    let [fresh, old] = ["report.new", "report.old"].map(|name| run.root().join(name));
    for leftover in [&fresh, &old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    for folder in ["assets", "data", "sheets"] {
        fs::create_dir_all(fresh.join(folder))?;
    }
    let summary = Summary::new(data);
    let (cards, order) = (summary.cards(), summary.order);
    let (before, place) = (run.report().join("sheets"), fresh.join("sheets"));
    let reused = if options.growing { sprites::reuse_sheets(&before, &place, &order, &cards) } else { None };
    let mut sheets = reused.map_or_else(|| sprites::write_sheets(&place, &order, &cards, options), Ok)?;
    sheets.moved = data.images.iter().map(is_moved).collect();
    let stamp = live::stamp();
    for (name, text) in render(data, &sheets, options.growing.then_some(stamp)) {
        fs::write(fresh.join(name), text)?;
    }
    if data.has_reconstructions {
        fs::copy(run.reconstructions(), fresh.join("reconstructions.png"))?;
    }
    live::begin(&fresh, stamp, options.growing)?;
    if run.report().exists() {
        fs::rename(run.report(), &old)?;
    }
    fs::rename(&fresh, run.report())?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(run.report_index())
}
