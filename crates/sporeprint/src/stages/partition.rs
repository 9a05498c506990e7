//! From rows to labels: the space, the number of clusters, the method.

use std::ops::ControlFlow;

use sporeprint_cluster::{
    BalancedKMeans, Codes, Graph, Hdbscan, HierarchicalKMeans, KMeans, Linkage, MiniBatchKMeans, Neighbors, Pca,
    Progress, RowsView, Run, Step, Umap, agglomerate, consensus_graph, diffuse, fuse_graphs, local_scaling, modularity,
    mutual_graph, nearest_others, spectral_embedding,
};

use super::StageError;
use super::prepare::{metric, prepare};
use super::search::log;
use crate::config::HeadObjective;
use crate::config::{ClusterConfig, ClusterCount, Method, Space};
use crate::embeddings::{Embeddings, EmbeddingsError};
use crate::progress::Observer;
use crate::rng::Rng;
use crate::run::Session;
use crate::run::tables::Metric;
use crate::train::CodesHead;

/// Principal components, UMAP columns and eigenvectors where nothing else is asked for.
const PCA_COMPONENTS: usize = 32;
const UMAP_COMPONENTS: usize = 10;
const EIGENVECTORS: usize = 20;
/// HDBSCAN looks for clusters of a hundredth of the rows, within these bounds.
const CLUSTER_SIZES: (usize, usize) = (5, 100);
/// Neighbours that make a row's surroundings dense: more call more rows noise.
const MIN_SAMPLES: usize = 5;

/// k-means as the final clusters are made: k-means++, several runs, the best kept whole.
pub(super) fn k_means(session: &Session, n_clusters: usize) -> KMeans {
    let config = &session.config.cluster;
    let seed = Rng::for_stage(session.config.seed, "cluster", 0).next_u64();
    KMeans { n_init: config.n_init, max_iter: config.max_iter, seed, ..KMeans::new(n_clusters) }
}

/// Tells an observer of the steps of a computation, and stops it when the person asks to.
pub(super) fn watch(observer: &dyn Observer) -> impl Fn(Step) -> ControlFlow<()> + Sync + '_ {
    move |step: Step| {
        observer.advance(step.done as u64, "");
        if observer.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Labels of the rows by the settings of the run; noise is -1. HDBSCAN does not look at `n_clusters`.
///
/// # Errors
/// When the rows cannot be clustered so, a file of features does not fit, or the person asks to stop.
pub(super) fn partition(
    session: &Session,
    rows: RowsView<'_>,
    n_clusters: usize,
    neighbors: &Neighbors,
    observer: &dyn Observer,
) -> Result<Vec<i32>, StageError> {
    let config = &session.config.cluster;
    let more = features(session, rows.len())?;
    let space = space(session, rows, neighbors, &more, observer)?;
    let seen = space.as_ref().map_or(rows, Codes::view);
    if config.method == Method::Hdbscan {
        return by_density(config, seen, observer);
    }
    observer.begin("clusters", 0);
    let labels = by_number(session, seen, n_clusters, neighbors, &watch(observer))?;
    observer.end();
    let labels = with_head(session, rows, labels, n_clusters, neighbors, observer)?;
    let mut ids = labels.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < n_clusters {
        observer.note(&format!("{n_clusters} clusters asked for, {} found: no more rows differ", ids.len()));
    }
    Ok(labels)
}

/// The labels, or those of the head that the settings ask for, whichever keep neighbours together better.
///
/// Neighbours are those of the codes that the head started from, so that drawing rows together does not count for itself.
fn with_head(
    session: &Session,
    rows: RowsView<'_>,
    labels: Vec<i32>,
    n_clusters: usize,
    neighbors: &Neighbors,
    observer: &dyn Observer,
) -> Result<Vec<i32>, StageError> {
    let config = &session.config.cluster;
    let Some(objective) = config.head else { return Ok(labels) };
    let near = neighbors.first(config.graph_neighbors.min(rows.len().saturating_sub(1)));
    if near.indices().is_empty() {
        return Ok(labels);
    }
    let seed = Rng::for_stage(session.config.seed, "head on codes", 0).next_u64();
    let head = CodesHead { objective, n_layers: config.head_layers, seed };
    observer.begin("head on the codes", 0);
    let found: Vec<i32> = if objective == HeadObjective::LocalAggregation {
        let (codes, dim) = head.codes(rows, &watch(observer))?;
        observer.end();
        let codes = RowsView::new(&codes, dim)?;
        let near = nearest_others(codes, near.k(), metric(config))?;
        let space = space(session, codes, &near, &[], observer)?;
        by_number(session, space.as_ref().map_or(codes, Codes::view), n_clusters, &near, &watch(observer))?
    } else {
        let start: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        let found = head.labels(rows, &near, &start, n_clusters, &watch(observer))?;
        observer.end();
        found.iter().map(|&label| label as i32).collect()
    };
    let (before, after) = (modularity(&near, &labels)?, modularity(&near, &found)?);
    let is_kept = after > before;
    let line = Metric::new("head", 0.0).number("modularity_before", before).number("modularity", after);
    log(session, &[line.number("kept", f64::from(u8::from(is_kept)))])?;
    let verdict = if is_kept { "the head's clusters are taken" } else { "the head is left out" };
    observer
        .note(&format!("{verdict}: neighbours are together by {after:.3} beyond chance with it, {before:.3} without"));
    Ok(if is_kept { found } else { labels })
}

/// Neighbours in each further kind of codes.
fn features(session: &Session, n_rows: usize) -> Result<Vec<Neighbors>, StageError> {
    let config = &session.config.cluster;
    let block = |file: &std::path::PathBuf| {
        let block = Embeddings::read(file, None)?;
        if block.len() != n_rows {
            let found = format!("{} rows", block.len());
            let expected = format!("{n_rows}, one for each image of the run");
            let hint = "`cluster.features` takes other codes of the same images, in the order of their index";
            return Err(EmbeddingsError::Unfit { path: file.clone(), found, expected, hint }.into());
        }
        let dim = block.dim;
        let rows = prepare(block.rows, dim, config).rows;
        let rows = RowsView::new(&rows, dim)?;
        Ok(nearest_others(rows, config.graph_neighbors.min(n_rows - 1), metric(config))?)
    };
    config.features.iter().map(block).collect()
}

/// The rows that the method sees, if they are not the codes themselves.
fn space(
    session: &Session,
    rows: RowsView<'_>,
    neighbors: &Neighbors,
    more: &[Neighbors],
    observer: &dyn Observer,
) -> Result<Option<Codes>, StageError> {
    let config = &session.config.cluster;
    let (n, seed, metric) = (rows.len(), session.config.seed, metric(config));
    let near = neighbors.first(config.graph_neighbors.min(n - 1));
    let graph = || -> Result<Graph, StageError> {
        let all: Vec<Graph> = std::iter::once(&near).chain(more).map(|list| graph_of(list, metric)).collect();
        Ok(fuse_graphs(&all)?)
    };
    let asked = |otherwise: usize| config.components.unwrap_or(otherwise).min(n);
    Ok(Some(match config.space(n) {
        Space::Codes => return Ok(None),
        Space::Pca => Pca::fit(rows, asked(PCA_COMPONENTS), seed)?.transform(rows, 0.5)?,
        Space::Diffusion => diffuse(rows, &graph()?, config.diffusion_rounds, config.diffusion_strength)?,
        Space::Spectral => {
            let as_clusters = match config.n_clusters {
                ClusterCount::Fixed(k) if config.method != Method::Hdbscan => k,
                _ => EIGENVECTORS,
            };
            spectral_embedding(&graph()?, asked(as_clusters), seed)?
        }
        Space::Umap => {
            let umap = Umap { n_components: asked(UMAP_COMPONENTS), min_dist: 0.0, metric, seed, ..Umap::default() };
            let lists: Vec<&Neighbors> = std::iter::once(&near).chain(more).collect();
            observer.begin("umap", 0);
            let found = umap.fit_neighbors(rows, &lists, &watch(observer))?;
            observer.end();
            found
        }
    }))
}

/// The graph of mutual neighbours, weighted by similarity.
fn graph_of(neighbors: &Neighbors, metric: sporeprint_cluster::Metric) -> Graph {
    if metric == sporeprint_cluster::Metric::Euclidean {
        mutual_graph(&local_scaling(neighbors))
    } else {
        mutual_graph(neighbors)
    }
}

fn by_density(config: &ClusterConfig, rows: RowsView<'_>, observer: &dyn Observer) -> Result<Vec<i32>, StageError> {
    let (fewest, most) = CLUSTER_SIZES;
    let size = config.min_cluster_size.unwrap_or((rows.len() / 100).clamp(fewest, most));
    let hdbscan = Hdbscan { min_cluster_size: size, min_samples: MIN_SAMPLES.min(size).min(rows.len()) };
    observer.begin("clusters", 0);
    let labels = hdbscan.fit(rows, &watch(observer))?.labels;
    observer.end();
    let n_noise = labels.iter().filter(|&&label| label < 0).count();
    if n_noise == labels.len() {
        return Err(StageError::NoClusters { n_rows: labels.len(), min_cluster_size: size });
    }
    observer.note(&format!("{n_noise} of {} images are in no cluster (-1)", labels.len()));
    Ok(labels)
}

fn by_number(
    session: &Session,
    rows: RowsView<'_>,
    n_clusters: usize,
    neighbors: &Neighbors,
    progress: &dyn Progress,
) -> Result<Vec<i32>, StageError> {
    let config = &session.config.cluster;
    let start = k_means(session, n_clusters);
    let run: Run = match config.method {
        Method::Kmeans if rows.len() <= config.mini_batch_above => start.fit_with(rows, progress)?,
        Method::Kmeans | Method::Minibatch => {
            MiniBatchKMeans { config: start, ..MiniBatchKMeans::new(n_clusters) }.fit(rows, progress)?
        }
        Method::Spherical => KMeans { spherical: true, ..start }.fit_with(rows, progress)?,
        Method::Hierarchical => {
            let levels = HierarchicalKMeans::new(n_clusters);
            let config = KMeans { n_init: start.n_init.min(3), seed: start.seed, ..levels.config.clone() };
            HierarchicalKMeans { config, ..levels }.fit(rows, progress)?
        }
        Method::Balanced => {
            BalancedKMeans { start, slack: config.slack, ..BalancedKMeans::new(n_clusters) }.fit(rows, progress)?
        }
        Method::Ward => return Ok(agglomerate(rows, Linkage::Ward, progress)?.cut(n_clusters)?),
        Method::Average => return Ok(agglomerate(rows, Linkage::Average, progress)?.cut(n_clusters)?),
        Method::Consensus => return consensus(session, rows, n_clusters, neighbors, progress),
        // Finds its own number and has gone another way.
        Method::Hdbscan => return by_density(config, rows, &crate::progress::Silent),
    };
    Ok(run.assignments.iter().map(|&cluster| cluster as i32).collect())
}

/// Partitions of different fineness, the share of them in which neighbours are together as a graph, and that graph's
/// spectral clusters.
fn consensus(
    session: &Session,
    rows: RowsView<'_>,
    n_clusters: usize,
    neighbors: &Neighbors,
    progress: &dyn Progress,
) -> Result<Vec<i32>, StageError> {
    let config = &session.config.cluster;
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for at in 0..config.n_partitions {
        // As many clusters as wanted, half as many more, twice as many: finer ones tell where coarse ones err.
        let k = (n_clusters * (2 + at % 3) / 2).min(rows.len());
        let start = k_means(session, k);
        let run = KMeans { n_init: 1, seed: start.seed ^ (at as u64 + 1), ..start }.fit_with(rows, progress)?;
        partitions.push(run.assignments.iter().map(|&cluster| cluster as i32).collect());
    }
    let views: Vec<&[i32]> = partitions.iter().map(Vec::as_slice).collect();
    let near = neighbors.first(config.graph_neighbors.min(rows.len() - 1));
    let graph = consensus_graph(&near, &views)?;
    let vectors = spectral_embedding(&graph, n_clusters.min(rows.len()), session.config.seed)?;
    let run = k_means(session, n_clusters).fit_with(vectors.view(), progress)?;
    Ok(run.assignments.iter().map(|&cluster| cluster as i32).collect())
}
