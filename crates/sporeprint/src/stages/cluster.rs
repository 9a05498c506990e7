//! Codes to clusters and the tables about them.

use super::choice::codes_before_training;
use super::images::root;
use super::words::{keep_given_names, suggest_names};
use super::{Images, StageError};
use crate::config::ClusterCount;
use crate::embeddings::{Embeddings, EmbeddingsError};
use crate::grouping::{Context, Former, Grouper, Grouping, Prepared, Tables};
use crate::progress::Observer;
use crate::report::Clustering;
use crate::run::tables::{read_assignments, write_assignments, write_clusters, write_k_curve, write_neighbors};
use crate::run::{RunDir, Session, Stage, read_npy, write_npy};

/// Clusters that were just made: what later stages would have to read back.
#[derive(Debug)]
pub struct Clustered {
    /// The clusters.
    pub grouping: Grouping,
    /// What is known of each image and each cluster.
    pub tables: Tables,
}

impl From<Clustered> for Clustering {
    fn from(Clustered { grouping, tables }: Clustered) -> Self {
        let map = grouping.map.map(|places| places.as_chunks().0.to_vec());
        Self { assignments: tables.assignments, clusters: tables.clusters, neighbors: Some(tables.neighbors), map }
    }
}

/// Who groups the codes of this run.
pub(super) fn grouper<'a>(session: &'a Session, observer: &'a dyn Observer) -> Grouper<'a> {
    Grouper { config: &session.config.cluster, seed: session.config.seed, observer }
}

/// Groups the codes and writes `assignments`, `clusters.csv`, `centroids.npy`, `center.npy`, `neighbors.parquet`,
/// `map.npy` and, where the number was chosen, `k_curve.json`. Gives nothing where that is done already.
///
/// # Errors
/// When the run has no codes yet, they cannot be clustered, or the disk is full; clusters that were there stay then.
pub fn cluster(
    session: &mut Session,
    images: &Images,
    observer: &dyn Observer,
) -> Result<Option<Clustered>, StageError> {
    if session.is_done(Stage::Cluster) {
        return Ok(None);
    }
    session.anew(Stage::Cluster, |session| make_clusters(session, images, observer)).map(Some)
}

/// Groups the codes, whether or not that is done.
pub(super) fn make_clusters(
    session: &mut Session,
    images: &Images,
    observer: &dyn Observer,
) -> Result<Clustered, StageError> {
    session.config.check_images(images.len())?;
    let config = &session.config.cluster;
    let (codes, dim) = codes(session, images)?;
    let features = features(session, images.len())?;
    let before_training = match config.n_clusters {
        ClusterCount::Auto => codes_before_training(session, images, observer)?,
        ClusterCount::Fixed(_) => None,
    };
    let before_training = before_training.map(|(codes, dim)| Prepared::new(codes, dim, config));
    let former = former(session, images.len())?;
    let context = Context { features: &features, before_training: before_training.as_ref(), former: former.as_ref() };
    let grouping = grouper(session, observer).group(Prepared::new(codes, dim, config), context)?;
    let tables = grouping.tables(&images.described())?;
    write(session, &grouping, &tables)?;
    keep_given_names(session, &tables.clusters, observer)?;
    suggest_names(session, images, &grouping.labels, observer)?;
    session.mark_done(Stage::Cluster)?;
    Ok(Clustered { grouping, tables })
}

/// Everything that a clustering leaves.
fn write(session: &mut Session, grouping: &Grouping, tables: &Tables) -> Result<(), StageError> {
    // Names (but for given ones) and figures are those of the clusters before, and so is the curve where it is not made anew.
    session.outdate(&[RunDir::names, RunDir::k_curve, RunDir::map, RunDir::evaluation]);
    session.log(&grouping.log)?;
    if let Some(curve) = &grouping.k_curve {
        write_k_curve(&session.out().k_curve(), curve)?;
    }
    let center = grouping.prepared.center();
    write_npy(&session.out().center(), &[center.len()], center)?;
    write_tables(session, tables, center.len())?;
    if let Some(map) = &grouping.map {
        write_npy(&session.out().map(), &[map.len() / 2, 2], map)?;
    }
    session.set_next_cluster_id(grouping.next_id);
    Ok(())
}

/// Writes the tables that describe a clustering.
pub(super) fn write_tables(session: &Session, tables: &Tables, dim: usize) -> Result<(), StageError> {
    let out = session.out();
    write_npy(&out.centroids(), &[tables.centroids.len() / dim, dim], &tables.centroids)?;
    write_assignments(out, &tables.assignments)?;
    write_clusters(&out.clusters_csv(), &tables.clusters)?;
    Ok(write_neighbors(&out.neighbors(), &tables.neighbors)?)
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

/// A clustering that lies in the run already.
///
/// # Errors
/// When a file of it cannot be read.
pub(super) fn read_grouping(
    session: &Session,
    images: &Images,
    observer: &dyn Observer,
) -> Result<Grouping, StageError> {
    let (codes, _) = codes(session, images)?;
    let center = read_npy::<f32>(&session.dir.center())?.data;
    let prepared = Prepared::alike(codes, &center, &session.config.cluster);
    let (neighbors, _) = grouper(session, observer).neighbors(&prepared)?;
    let labels = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
    // A run of one or two images has no map.
    let map = session.dir.map();
    let map = if map.exists() { Some(read_npy::<f32>(&map)?.data) } else { None };
    let next_id = session.next_cluster_id().unwrap_or(0);
    Ok(Grouping { prepared, neighbors, labels, next_id, k_curve: None, map, log: Vec::new() })
}

/// The files with other kinds of codes that the settings name.
fn features(session: &Session, n_rows: usize) -> Result<Vec<Prepared>, StageError> {
    let config = &session.config.cluster;
    let block = |file: &std::path::PathBuf| {
        let block = Embeddings::read(file, None)?;
        if block.len() != n_rows {
            let found = format!("{} rows", block.len());
            let expected = format!("{n_rows}, one for each image of the run");
            let hint = "`cluster.features` takes other codes of the same images, in the order of their index";
            return Err(EmbeddingsError::Unfit { path: file.clone(), found, expected, hint }.into());
        }
        Ok(Prepared::new(block.rows, block.dim, config))
    };
    config.features.iter().map(block).collect()
}

/// The clusters that this run had before, whose ids are to be kept; images added since were in none.
fn former(session: &Session, n_images: usize) -> Result<Option<Former>, StageError> {
    let Some(next_id) = session.next_cluster_id() else { return Ok(None) };
    let mut labels: Vec<i32> = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
    labels.resize(n_images, -1);
    Ok(Some(Former { labels, next_id }))
}
