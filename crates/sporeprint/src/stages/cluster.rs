//! Codes to clusters and the tables about them.

use fs_err as fs;
use sporeprint_cluster::{Neighbors, RowsView, Umap};

use super::images::root;
use super::partition::{partition, watch};
use super::prepare::{Prepared, metric, prepare};
use super::search::neighbors;
use super::tables::{Before, Tables, ids};
use super::{Images, StageError};
use crate::progress::Observer;
use crate::run::tables::{MetricsLog, read_assignments, write_assignments, write_clusters, write_neighbors};
use crate::run::{Session, Stage, read_npy, write_npy};

/// The clusters that this run had before, whose ids are to be kept; images added since were in none.
fn before(session: &Session, n_images: usize) -> Result<Option<Before>, StageError> {
    let path = session.dir.assignments();
    let Some(next_id) = session.next_cluster_id() else { return Ok(None) };
    if !path.exists() {
        return Ok(None);
    }
    let mut labels: Vec<i32> = read_assignments(&path)?.iter().map(|a| a.cluster).collect();
    labels.resize(n_images, -1);
    Ok(Some(Before { labels, next_id }))
}

/// The codes of the run, `[n_images, dim]` and `dim`.
///
/// # Errors
/// When there are none, or not one for each image.
pub(super) fn codes(session: &Session, images: &Images) -> Result<(Vec<f32>, usize), StageError> {
    if !session.is_done(Stage::Embed) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "codes", verb: "embed RUN" });
    }
    let codes = read_npy::<f32>(&session.dir.embeddings())?;
    if codes.shape.len() != 2 || codes.shape[0] != images.len() {
        let (path, found, expected) = (session.dir.embeddings(), codes.shape[0], images.len());
        return Err(StageError::Rows { path, found, expected });
    }
    Ok((codes.data, codes.shape[1]))
}

/// Groups the codes and writes `assignments`, `clusters.csv`, `centroids.npy`, `center.npy`, `neighbors.parquet` and
/// `map.npy`.
///
/// # Errors
/// When the run has no codes yet, they cannot be clustered, or the disk is full.
pub fn cluster(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if session.is_done(Stage::Cluster) {
        return Ok(());
    }
    let (codes, dim) = codes(session, images)?;
    session.config.check_images(images.len())?;
    let config = &session.config.cluster;
    let Prepared { rows, center } = prepare(codes, dim, config);
    let rows = RowsView::new(&rows, dim)?;
    let metric = metric(config);
    // Lines and curve of an earlier clustering say nothing of this one.
    drop(MetricsLog::open(&session.dir.metrics(), session.metrics_before(Stage::Cluster))?);
    if session.dir.k_curve().exists() {
        fs::remove_file(session.dir.k_curve())?;
    }
    let neighbors = neighbors(session, rows, observer)?;
    let labels = partition(session, rows, &neighbors, observer)?;
    let (labels, next_id) = ids(&labels, before(session, images.len())?.as_ref())?;
    let tables = Tables::new(rows, &labels, &neighbors, metric, images)?;
    write_npy(&session.dir.center(), &[dim], &center)?;
    session.set_next_cluster_id(next_id)?;
    write_tables(session, &tables, dim)?;
    if images.len() > 2 {
        draw_map(session, rows, &neighbors, observer)?;
    }
    Ok(session.mark_done(Stage::Cluster)?)
}

/// Writes the tables that describe a clustering.
pub(super) fn write_tables(session: &Session, tables: &Tables, dim: usize) -> Result<(), StageError> {
    write_npy(&session.dir.centroids(), &[tables.centroids.len() / dim, dim], &tables.centroids)?;
    write_assignments(&session.dir, &tables.assignments)?;
    write_clusters(&session.dir.clusters_csv(), &tables.clusters)?;
    Ok(write_neighbors(&session.dir.neighbors(), &tables.neighbors)?)
}

/// Writes `map.npy`: two numbers per image, near for images with near codes.
fn draw_map(
    session: &Session,
    rows: RowsView<'_>,
    neighbors: &Neighbors,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let metric = metric(&session.config.cluster);
    let near = neighbors.first(super::search::MAPPED);
    observer.begin("map", 0);
    let umap = Umap { seed: session.config.seed, metric, ..Umap::default() };
    let map = umap.fit_neighbors(rows, &[&near], &watch(observer))?;
    observer.end();
    Ok(write_npy(&session.dir.map(), &[rows.len(), 2], map.data())?)
}
