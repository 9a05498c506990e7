//! New images or codes against a finished run: the same preprocessing, weights, centroids and ids.

use std::path::{Path, PathBuf};

use sporeprint_cluster::{Assigner, Codes, Metric, NoveltyDetector, RowsView};

use super::choice;
use super::images::{decode_images, root};
use super::import::entries_of;
use super::unlike::{self, Unlike};
use super::{Images, StageError};
use crate::embeddings::Embeddings;
use crate::grouping::Prepared;
use crate::images::{FoundImage, Skipped, find_images};
use crate::progress::Observer;
use crate::run::tables::{read_assignments, read_clusters, read_images};
use crate::run::{Session, Stage, read_npy};

/// Where a new image belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// The file, or the name of the row where there is none.
    pub path: PathBuf,
    /// Nearest cluster, or nothing where the image is unlike all of them.
    pub cluster: Option<i32>,
    /// The nearest cluster, known or not.
    pub nearest: i32,
    /// Distance to its centroid.
    pub distance: f32,
    /// How much farther the second nearest centroid is.
    pub margin: f32,
    /// Share of the run's images, with itself as one of them, that are as far from their five nearest others, or farther; the
    /// image is unlike all clusters where this is at most [`Unlike`].
    pub p_value: f64,
}

/// Assigns the images under `paths` to the clusters of a run, which is not changed.
///
/// # Errors
/// When the run has no clusters yet or no encoder, nothing is found, or a file cannot be read or written.
pub fn assign(
    session: &Session,
    paths: &[PathBuf],
    unlike: Unlike,
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<(Vec<NewImage>, Vec<Skipped>), StageError> {
    let clusters = Clusters::of(session, unlike, observer)?;
    let found = find_new(session, paths)?;
    let built = decode_images(scratch, &found, &session.config.cache(), observer)?;
    let images = Images::from(built);
    let codes = choice::source(session)?.unit_codes(session, &images, observer)?;
    let paths = images.entries.iter().map(|entry| entry.path.clone());
    Ok((clusters.assign(session, codes, paths)?, images.skipped))
}

/// Assigns codes that were made elsewhere, as those of the run were; the run is not changed.
///
/// # Errors
/// When the run has no clusters yet, or the codes have another width.
pub fn assign_embeddings(
    session: &Session,
    embeddings: Embeddings,
    unlike: Unlike,
    observer: &dyn Observer,
) -> Result<Vec<NewImage>, StageError> {
    let clusters = Clusters::of(session, unlike, observer)?;
    let entries = entries_of(&embeddings, 0, &std::collections::HashSet::new());
    clusters.check_dim(session, embeddings.dim)?;
    let path = |entry: &crate::images::ImageEntry| {
        if entry.path.as_os_str().is_empty() { PathBuf::from(&entry.name) } else { entry.path.clone() }
    };
    clusters.assign(session, embeddings.rows, entries.iter().map(path))
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

/// The clusters of a run as new images meet them: centroids of the ids in use, and what their images say of unlike ones.
pub(super) struct Clusters {
    assigner: Assigner,
    detector: NoveltyDetector,
    unlike: Unlike,
    ids: Vec<i32>,
    center: Vec<f32>,
}

impl Clusters {
    /// # Errors
    /// When the run has no clusters yet, or a table cannot be read.
    pub(super) fn of(session: &Session, unlike: Unlike, observer: &dyn Observer) -> Result<Self, StageError> {
        if !session.is_done(Stage::Cluster) {
            return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
        }
        let center = read_npy::<f32>(&session.dir.center())?.data;
        let mut ids: Vec<i32> = read_clusters(&session.dir.clusters_csv())?.iter().map(|row| row.cluster).collect();
        ids.sort_unstable();
        let mut images = read_assignments(&session.dir.assignments())?;
        // An `add` that was killed may have left more rows than images, and must end as if it had not been.
        images.truncate(read_images(&session.dir.images())?.len());
        let detector = unlike::detector(session, &images, unlike, observer)?;
        let all = Codes::new(read_npy::<f32>(&session.dir.centroids())?.data, center.len())?;
        let centroids = all.view().gather(&ids.iter().map(|&id| id as u32).collect::<Vec<_>>());
        let assigner = Assigner::new(centroids, Metric::Euclidean)?;
        Ok(Self { assigner, detector, unlike, ids, center })
    }

    /// Numbers per code.
    pub(super) fn check_dim(&self, session: &Session, found: usize) -> Result<(), StageError> {
        let expected = self.center.len();
        if found == expected {
            return Ok(());
        }
        Err(StageError::Width { run: root(&session.dir), found, expected })
    }

    /// Where every code, `[n, dim]`, belongs; `paths` are those of its images.
    pub(super) fn assign(
        &self,
        session: &Session,
        codes: Vec<f32>,
        paths: impl Iterator<Item = PathBuf>,
    ) -> Result<Vec<NewImage>, StageError> {
        let p_values = self.detector.p_values(RowsView::new(&codes, self.center.len())?)?;
        let prepared = Prepared::alike(codes, &self.center, &session.config.cluster);
        let assigned = self.assigner.assign(prepared.view()?)?;
        let new = assigned.into_iter().zip(p_values).zip(paths).map(|((found, p_value), path)| {
            let nearest = self.ids[found.nearest as usize];
            let cluster = (!self.unlike.marks(p_value)).then_some(nearest);
            NewImage { path, cluster, nearest, distance: found.distance, margin: found.margin, p_value }
        });
        Ok(new.collect())
    }

    /// What was taken off the run's codes.
    pub(super) fn center(&self) -> &[f32] {
        &self.center
    }
}
