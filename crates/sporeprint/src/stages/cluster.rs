//! Codes to clusters and the tables about them.

use std::ops::ControlFlow;

use sporeprint_cluster::{KMeans, Metric, RowsView, Step, Umap, nearest_others};

use super::images::root;
use super::tables::{Before, Tables};
use super::{Images, StageError};
use crate::config::ClusterCount;
use crate::progress::Observer;
use crate::rng::Rng;
use crate::run::tables::{NeighborTable, read_assignments, write_assignments, write_clusters, write_neighbors};
use crate::run::{Session, Stage, read_npy, write_npy};

/// Neighbours of each image in the table.
const NEIGHBORS: usize = 12;

/// Unit codes with their mean taken off and scaled to unit length again.
///
/// Codes behind a ReLU lie in one orthant with cosines around 0.6; without their mean, directions tell them apart.
pub(super) fn centred(codes: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![0.0f64; dim];
    for row in codes.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let n = (codes.len() / dim).max(1) as f64;
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
    let mut rows = codes.to_vec();
    for row in rows.chunks_exact_mut(dim) {
        row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        crate::bank::normalise(row);
    }
    (rows, mean)
}

/// k-means as the final clusters are made: k-means++, several runs, the best kept whole.
pub(super) fn k_means(session: &Session, n_clusters: usize) -> KMeans {
    let config = &session.config.cluster;
    let seed = Rng::for_stage(session.config.seed, "cluster", 0).next_u64();
    KMeans { n_init: config.n_init, max_iter: config.max_iter, seed, ..KMeans::new(n_clusters) }
}

/// The clusters of the same images that this run had before, whose ids are to be kept.
fn before(session: &Session, n_images: usize) -> Result<Option<Before>, StageError> {
    let path = session.dir.assignments();
    let Some(next_id) = session.next_cluster_id() else { return Ok(None) };
    if !path.exists() {
        return Ok(None);
    }
    let labels: Vec<i32> = read_assignments(&path)?.iter().map(|a| a.cluster).collect();
    Ok((labels.len() == n_images).then_some(Before { labels, next_id }))
}

/// Groups the codes and writes `assignments`, `clusters.csv`, `centroids.npy`, `center.npy` and `neighbors.parquet`.
///
/// # Errors
/// When the run has no codes yet, they cannot be clustered, or the disk is full.
pub fn cluster(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if session.is_done(Stage::Cluster) {
        return Ok(());
    }
    if !session.is_done(Stage::Embed) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "codes", verb: "embed RUN" });
    }
    let codes = read_npy::<f32>(&session.dir.embeddings())?;
    let dim = codes.shape[1];
    let (rows, mean) =
        if session.config.cluster.centre { centred(&codes.data, dim) } else { (codes.data.clone(), vec![0.0; dim]) };
    let rows = RowsView::new(&rows, dim)?;
    let n_clusters = match session.config.cluster.n_clusters {
        ClusterCount::Fixed(k) => k,
        ClusterCount::Auto => super::choose_k::choose_k(session, rows, observer)?,
    };
    let run = k_means(session, n_clusters).fit(rows)?;
    let labels: Vec<i32> = run.assignments.iter().map(|&a| a as i32).collect();
    let before = before(session, images.len())?;
    let tables = Tables::new(rows, &labels, before.as_ref(), images)?;
    write_npy(&session.dir.center(), &[dim], &mean)?;
    write_npy(&session.dir.centroids(), &[tables.centroids.len() / dim, dim], &tables.centroids)?;
    session.set_next_cluster_id(tables.next_id)?;
    write_assignments(&session.dir, &tables.assignments)?;
    write_clusters(&session.dir.clusters_csv(), &tables.clusters)?;
    let k = NEIGHBORS.min(images.len() - 1);
    let found = nearest_others(rows, k, Metric::Cosine)?;
    let table = NeighborTable { k, indices: found.indices().to_vec(), similarities: found.scores().to_vec() };
    write_neighbors(&session.dir.neighbors(), &table)?;
    if images.len() > 2 {
        draw_map(session, rows, observer)?;
    }
    Ok(session.mark_done(Stage::Cluster)?)
}

/// Writes `map.npy`: two numbers per image, near for images with near codes.
fn draw_map(session: &Session, rows: RowsView<'_>, observer: &dyn Observer) -> Result<(), StageError> {
    observer.begin("map", 0);
    let watch = |step: Step| {
        observer.advance(step.done as u64, "");
        if observer.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let map = Umap { seed: session.config.seed, ..Umap::default() }.fit(rows, &watch)?;
    observer.end();
    Ok(write_npy(&session.dir.map(), &[rows.len(), 2], map.data())?)
}
