//! New images against a finished run: the same preprocessing, weights, centroids and ids.

use std::path::{Path, PathBuf};

use sporeprint_cluster::{Assigner, Codes, Metric, RowsView};

use super::StageError;
use super::codes::CodeSource;
use super::images::{Images, root};
use crate::bank::normalise;
use crate::images::{CacheConfig, FindOptions, ImageCache, Skipped, find_images};
use crate::progress::Observer;
use crate::run::tables::read_assignments;
use crate::run::{Session, Stage, read_npy};

/// Share of the run's own images that lie inside the limits of their clusters.
const KEEP: f64 = 0.995;

/// Where a new image belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// The file.
    pub path: PathBuf,
    /// Nearest cluster, or nothing where the image is farther from it than the run's own distances justify.
    pub cluster: Option<i32>,
    /// The nearest cluster, known or not.
    pub nearest: i32,
    /// Distance to its centroid.
    pub distance: f32,
    /// How much farther the second nearest centroid is.
    pub margin: f32,
}

/// Assigns the images under `paths` to the clusters of a run, which is not changed.
///
/// # Errors
/// When the run has no clusters yet, nothing is found, or a file cannot be read or written.
pub fn assign(
    session: &Session,
    paths: &[PathBuf],
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<(Vec<NewImage>, Vec<Skipped>), StageError> {
    if !session.is_done(Stage::Cluster) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
    }
    let found = find_images(paths, &FindOptions::default())?;
    if found.is_empty() {
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(StageError::NoImages { paths: paths.join(", ") });
    }
    observer.begin("reading images", found.len() as u64);
    let built = ImageCache::build(scratch, &found, &CacheConfig::new(session.config.image_size()), &|progress| {
        observer.advance(progress.done as u64, &format!("{} skipped", progress.skipped));
    })?;
    observer.end();
    let images = Images::from(built);
    let source = CodeSource::of_run(session)?;
    let mut codes = source.unit_codes(session, &images, observer)?;
    let dim = source.dim();
    let center = read_npy::<f32>(&session.dir.center())?.data;
    centre(&mut codes, &center, session.config.cluster.centre);
    let assigned = assigner(session, &center)?.assign(RowsView::new(&codes, dim)?)?;
    let new = assigned.into_iter().zip(&images.entries).map(|(a, entry)| NewImage {
        path: entry.path.clone(),
        cluster: (!a.unknown).then_some(a.nearest as i32),
        nearest: a.nearest as i32,
        distance: a.distance,
        margin: a.margin,
    });
    Ok((new.collect(), images.skipped))
}

fn centre(codes: &mut [f32], center: &[f32], on: bool) {
    if on {
        codes.chunks_exact_mut(center.len()).for_each(|row| {
            row.iter_mut().zip(center).for_each(|(x, m)| *x -= m);
            normalise(row);
        });
    }
}

/// The run's centroids, with the limits that its own images set.
fn assigner(session: &Session, center: &[f32]) -> Result<Assigner, StageError> {
    let dim = center.len();
    let mut codes = read_npy::<f32>(&session.dir.embeddings())?.data;
    centre(&mut codes, center, session.config.cluster.centre);
    let labels: Vec<i32> = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
    let centroids = Codes::new(read_npy::<f32>(&session.dir.centroids())?.data, dim)?;
    Ok(Assigner::new(RowsView::new(&codes, dim)?, &labels, centroids, Metric::Euclidean, KEEP)?)
}
