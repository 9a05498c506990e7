//! New images or codes against a finished run: the same preprocessing, weights, centroids and ids.

use std::path::{Path, PathBuf};

use sporeprint_cluster::{Assigned, Assigner, Codes, Metric};

use super::choice;
use super::images::{decode_images, root};
use super::import::entries_of;
use super::{Images, StageError};
use crate::embeddings::Embeddings;
use crate::grouping::Prepared;
use crate::images::{FoundImage, Skipped, find_images};
use crate::progress::Observer;
use crate::run::tables::{read_assignments, read_clusters};
use crate::run::{Session, Stage, read_npy};

/// Share of the run's own images that lie inside the limits of their clusters.
const KEEP: f64 = 0.995;

/// Where a new image belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// The file, or the name of the row where there is none.
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
/// When the run has no clusters yet or no encoder, nothing is found, or a file cannot be read or written.
pub fn assign(
    session: &Session,
    paths: &[PathBuf],
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<(Vec<NewImage>, Vec<Skipped>), StageError> {
    let clusters = Clusters::of(session)?;
    let found = find_new(session, paths)?;
    let built = decode_images(scratch, &found, &session.config.cache(), observer)?;
    let images = Images::from(built);
    let codes = choice::source(session)?.unit_codes(session, &images, observer)?;
    let assigned = clusters.assign(session, codes)?;
    let paths = images.entries.iter().map(|entry| entry.path.clone());
    Ok((clusters.new_images(paths, assigned), images.skipped))
}

/// Assigns codes that were made elsewhere, as those of the run were; the run is not changed.
///
/// # Errors
/// When the run has no clusters yet, or the codes have another width.
pub fn assign_embeddings(session: &Session, embeddings: Embeddings) -> Result<Vec<NewImage>, StageError> {
    let clusters = Clusters::of(session)?;
    let entries = entries_of(&embeddings, 0, &std::collections::HashSet::new());
    clusters.check_dim(session, embeddings.dim)?;
    let assigned = clusters.assign(session, embeddings.rows)?;
    let path = |entry: &crate::images::ImageEntry| {
        if entry.path.as_os_str().is_empty() { PathBuf::from(&entry.name) } else { entry.path.clone() }
    };
    Ok(clusters.new_images(entries.iter().map(path), assigned))
}

/// Images under `paths`, for a run that has an encoder to look at them with.
pub(super) fn find_new(session: &Session, paths: &[PathBuf]) -> Result<Vec<FoundImage>, StageError> {
    if session.config.images.embeddings.is_some() {
        return Err(StageError::FromEmbeddings { run: root(&session.dir) });
    }
    let found = find_images(paths)?;
    if found.is_empty() {
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(StageError::NoImages { paths: paths.join(", ") });
    }
    Ok(found)
}

/// The clusters of a run as new images meet them: centroids of the ids in use, with the limits that the run's own images
/// set.
pub(super) struct Clusters {
    assigner: Assigner,
    ids: Vec<i32>,
    center: Vec<f32>,
}

impl Clusters {
    /// # Errors
    /// When the run has no clusters yet, or a table cannot be read.
    pub(super) fn of(session: &Session) -> Result<Self, StageError> {
        if !session.is_done(Stage::Cluster) {
            return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
        }
        let center = read_npy::<f32>(&session.dir.center())?.data;
        let dim = center.len();
        let mut ids: Vec<i32> = read_clusters(&session.dir.clusters_csv())?.iter().map(|row| row.cluster).collect();
        ids.sort_unstable();
        let labels: Vec<i32> = read_assignments(&session.dir.assignments())?
            .iter()
            .map(|a| ids.binary_search(&a.cluster).map_or(-1, |at| at as i32))
            .collect();
        let mut codes = read_npy::<f32>(&session.dir.embeddings())?.data;
        // An `add` that was killed may have left more codes than images.
        codes.truncate(labels.len() * dim);
        let prepared = Prepared::alike(codes, &center, &session.config.cluster);
        let all = Codes::new(read_npy::<f32>(&session.dir.centroids())?.data, dim)?;
        let centroids = all.view().gather(&ids.iter().map(|&id| id as u32).collect::<Vec<_>>());
        let assigner = Assigner::new(prepared.view()?, &labels, centroids, Metric::Euclidean, KEEP)?;
        Ok(Self { assigner, ids, center })
    }

    /// Numbers per code.
    pub(super) fn check_dim(&self, session: &Session, found: usize) -> Result<(), StageError> {
        let expected = self.center.len();
        if found == expected {
            return Ok(());
        }
        Err(StageError::Width { run: root(&session.dir), found, expected })
    }

    /// The cluster of every code, `[n, dim]`, as its place among the ids in use.
    pub(super) fn assign(&self, session: &Session, codes: Vec<f32>) -> Result<Vec<Assigned>, StageError> {
        let prepared = Prepared::alike(codes, &self.center, &session.config.cluster);
        Ok(self.assigner.assign(prepared.view()?)?)
    }

    /// The id of an assigned row; noise where it is unknown.
    pub(super) fn label(&self, assigned: &Assigned) -> i32 {
        if assigned.unknown { -1 } else { self.ids[assigned.nearest as usize] }
    }

    /// What was taken off the run's codes.
    pub(super) fn center(&self) -> &[f32] {
        &self.center
    }

    fn new_images(&self, paths: impl Iterator<Item = PathBuf>, assigned: Vec<Assigned>) -> Vec<NewImage> {
        let new = assigned.into_iter().zip(paths).map(|(a, path)| NewImage {
            path,
            cluster: (!a.unknown).then(|| self.ids[a.nearest as usize]),
            nearest: self.ids[a.nearest as usize],
            distance: a.distance,
            margin: a.margin,
        });
        new.collect()
    }
}
