//! Codes to clusters and the tables about them.

use sporeprint_cluster::{Neighbors, RowsView, Umap, nearest};

use super::choice::codes_before_training;
use super::choose_k::choose_k;
use super::images::root;
use super::partition::{partition, watch};
use super::prepare::{Prepared, metric, prepare};
use super::search::neighbors;
use super::tables::{Before, Tables, ids};
use super::{Images, StageError};
use crate::config::{ClusterCount, Method};
use crate::progress::Observer;
use crate::run::tables::{read_assignments, write_assignments, write_clusters, write_neighbors};
use crate::run::{RunDir, Session, Stage, read_npy, write_npy};

/// Images up to which all are drawn into the map by UMAP, and how many of more are: its rounds are serial.
const MAX_DRAWN: usize = 100_000;
const SAMPLE_DRAWN: usize = 20_000;

/// The clusters that this run had before, whose ids are to be kept; images added since were in none.
fn before(session: &Session, n_images: usize) -> Result<Option<Before>, StageError> {
    let Some(next_id) = session.next_cluster_id() else { return Ok(None) };
    let mut labels: Vec<i32> = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
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
    let path = session.newest(RunDir::embeddings);
    let codes = read_npy::<f32>(&path)?;
    if codes.shape.len() != 2 || codes.shape[0] != images.len() {
        let (found, expected) = (codes.shape[0], images.len());
        return Err(StageError::Rows { path, found, expected });
    }
    Ok((codes.data, codes.shape[1]))
}

/// Groups the codes and writes `assignments`, `clusters.csv`, `centroids.npy`, `center.npy`, `neighbors.parquet` and
/// `map.npy`, all at once at the end.
///
/// # Errors
/// When the run has no codes yet, they cannot be clustered, or the disk is full; clusters that were there stay then.
pub fn cluster(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if session.is_done(Stage::Cluster) {
        return Ok(());
    }
    session.anew(Stage::Cluster, |session| make_clusters(session, images, observer))
}

fn make_clusters(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    // Names and figures are those of the clusters before, and so is the curve where it is not made anew.
    session.outdate(&[RunDir::names, RunDir::k_curve, RunDir::map, RunDir::evaluation]);
    let (codes, dim) = codes(session, images)?;
    session.config.check_images(images.len())?;
    let config = &session.config.cluster;
    let Prepared { rows, center } = prepare(codes, dim, config);
    let rows = RowsView::new(&rows, dim)?;
    let metric = metric(config);
    let neighbors = neighbors(session, rows, observer)?;
    let n_clusters = match config.n_clusters {
        ClusterCount::Fixed(k) => k,
        // HDBSCAN finds its own.
        ClusterCount::Auto if config.method == Method::Hdbscan => 0,
        ClusterCount::Auto => number_of_clusters(session, rows, images, observer)?,
    };
    let labels = partition(session, rows, n_clusters, &neighbors, observer)?;
    let (labels, next_id) = ids(&labels, before(session, images.len())?.as_ref())?;
    let tables = Tables::new(rows, &labels, &neighbors, metric, images)?;
    write_npy(&session.out().center(), &[dim], &center)?;
    write_tables(session, &tables, dim)?;
    if images.len() > 2 {
        draw_map(session, rows, &neighbors, observer)?;
    }
    session.set_next_cluster_id(next_id);
    Ok(session.mark_done(Stage::Cluster)?)
}

/// `-k auto`: by the codes before training, where the run has them, else by its own.
fn number_of_clusters(
    session: &Session,
    rows: RowsView<'_>,
    images: &Images,
    observer: &dyn Observer,
) -> Result<usize, StageError> {
    let Some((codes, dim)) = codes_before_training(session, images, observer)? else {
        return choose_k(session, rows, observer);
    };
    let before = prepare(codes, dim, &session.config.cluster).rows;
    choose_k(session, RowsView::new(&before, dim)?, observer)
}

/// Writes the tables that describe a clustering.
pub(super) fn write_tables(session: &Session, tables: &Tables, dim: usize) -> Result<(), StageError> {
    let out = session.out();
    write_npy(&out.centroids(), &[tables.centroids.len() / dim, dim], &tables.centroids)?;
    write_assignments(out, &tables.assignments)?;
    write_clusters(&out.clusters_csv(), &tables.clusters)?;
    Ok(write_neighbors(&out.neighbors(), &tables.neighbors)?)
}

/// Writes `map.npy`: two numbers per image, near for images with near codes.
fn draw_map(
    session: &Session,
    rows: RowsView<'_>,
    neighbors: &Neighbors,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let metric = metric(&session.config.cluster);
    observer.begin("map", 0);
    let umap = Umap { seed: session.config.seed, metric, ..Umap::default() };
    let map = if rows.len() > MAX_DRAWN {
        sampled_map(&umap, rows, SAMPLE_DRAWN, observer)?
    } else {
        umap.fit_neighbors(rows, &[&neighbors.first(super::search::MAPPED)], &watch(observer))?.into_data()
    };
    observer.end();
    Ok(write_npy(&session.out().map(), &[rows.len(), 2], &map)?)
}

/// A map of evenly spaced rows, in which every other row takes the mean place of its three nearest.
fn sampled_map(
    umap: &Umap,
    rows: RowsView<'_>,
    n_sampled: usize,
    observer: &dyn Observer,
) -> Result<Vec<f32>, StageError> {
    let step = rows.len().div_ceil(n_sampled);
    let sample = rows.gather(&(0..rows.len() as u32).step_by(step).collect::<Vec<_>>());
    let drawn = umap.fit(sample.view(), &watch(observer))?;
    let near = nearest(rows, sample.view(), 3.min(sample.len()), umap.metric)?;
    let place = |row: usize, axis: usize| {
        if row.is_multiple_of(step) {
            return drawn.row(row / step)[axis];
        }
        let of = near.indices_of(row);
        of.iter().map(|&other| drawn.row(other as usize)[axis]).sum::<f32>() / of.len() as f32
    };
    Ok((0..rows.len()).flat_map(|row| [place(row, 0), place(row, 1)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::rng::Rng;

    #[test]
    fn rows_that_are_not_drawn_lie_among_those_of_their_group() {
        let mut rng = Rng::new(4);
        let data: Vec<f32> =
            (0..300 * 4).map(|at| if at / 4 % 3 == at % 4 { 9.0 } else { 0.0 } + rng.range(-1.0, 1.0)).collect();
        let rows = RowsView::new(&data, 4).expect("finite rows");
        let map = sampled_map(&Umap::default(), rows, 80, &Silent).expect("a map");
        let labels: Vec<i32> = (0..300).map(|row| row % 3).collect();
        let map = RowsView::new(&map, 2).expect("finite places");
        let apart = sporeprint_cluster::silhouette(map, &labels, sporeprint_cluster::Metric::Euclidean);
        assert!(apart.expect("three groups") > 0.6);
    }
}
