//! How good the clusters are: against labels where there are any, beside baselines that anyone would try first.

use std::collections::BTreeMap;

use burn::tensor::Device;
use sporeprint_cluster::{
    Metric, RowsView, agreement, knn_accuracy, nearest_others, sampled_trustworthiness, silhouette,
};

use super::choice;
use super::cluster::codes;
use super::codes::unit_codes;
use super::images::root;
use super::partition::k_means;
use super::prepare::prepare;
use super::tables::sizes;
use super::train::{pretrained_encoder, starting_encoder};
use super::{Images, StageError};
use crate::config::CodeKind;
use crate::encoder::{FrozenEncoder, Pixels, PixelsConfig, WeightsSource};
use crate::progress::Observer;
use crate::run::tables::{Quality, read_assignments, write_quality};
use crate::run::{Session, Stage, read_npy};
use crate::train::frozen_codes_of_all;

/// Neighbours on the map that are looked up in truth, and images whose neighbours are.
const MAP_NEIGHBORS: usize = 10;
const MAP_SAMPLE: usize = 2000;
/// Neighbours that vote in the k-NN accuracy.
const VOTERS: usize = 20;
/// Writes `evaluation.json`: k-means on pixels, on untrained codes, on the auto-encoder's, and the run's own clusters.
///
/// Each baseline gets as many clusters as the run has, and the same centring and restarts. Labels are read here and
/// nowhere else.
///
/// # Errors
/// When the run has no clusters yet, or a file cannot be read or written.
pub fn evaluate(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if session.is_done(Stage::Evaluate) {
        return Ok(());
    }
    if !session.is_done(Stage::Cluster) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
    }
    let assignments = read_assignments(&session.dir.assignments())?;
    let found: Vec<i32> = assignments.iter().map(|a| a.cluster).collect();
    let n_clusters = sizes(&assignments).len().max(1);
    let labels = images.labels();
    let labels = labels.as_deref();
    let mut rows = Vec::new();
    if images.all_pictures() {
        let image_size = images.cache.image_size();
        let pixels = Pixels::new(PixelsConfig { image_size, ..PixelsConfig::default() });
        let codes = frozen_codes_of_all(&pixels, &images.cache, observer)?;
        rows.push(baseline("pixels", session, &codes, pixels.dim(), n_clusters, labels)?);
    }
    if session.config.images.embeddings.is_none() {
        networks(session, images, n_clusters, labels, &mut rows, observer)?;
    }
    let (codes, dim) = codes(session, images)?;
    if !session.config.cluster.is_plain(images.len()) && !shown_as_network(session)? {
        rows.push(baseline("codes", session, &codes, dim, n_clusters, labels)?);
    }
    let prepared = prepare(codes, dim, &session.config.cluster);
    let prepared = RowsView::new(&prepared.rows, dim)?;
    let mut own = quality("final", prepared, &found, labels)?;
    if let Some(trust) = map_trust(session, prepared)? {
        own.figures.insert("trustworthiness".to_owned(), trust);
        observer.note(&format!("map: trustworthiness {trust:.3} (1: neighbours there are neighbours in truth)"));
    }
    rows.push(own);
    write_quality(&session.dir.evaluation(), &rows)?;
    Ok(session.mark_done(Stage::Evaluate)?)
}

/// Whether the codes that were clustered stand among those of the networks already.
fn shown_as_network(session: &Session) -> Result<bool, StageError> {
    let config = &session.config;
    let trained = config.aggregate.epochs > 0 || config.pretrain.epochs > 0;
    let is_start = config.images.embeddings.is_none() && config.frozen.is_none() && !trained;
    Ok(choice::read(session)?.is_some_and(|choice| choice.compared.len() > 1 || is_start))
}

/// Unit codes of the network that the run began with: those that were kept, or anew.
fn starting_codes(
    session: &Session,
    images: &Images,
    device: &Device,
    observer: &dyn Observer,
) -> Result<(Vec<f32>, usize), StageError> {
    // After an auto-encoder, the untouched codes are its.
    if !session.is_done(Stage::Pretrain)
        && let Some(codes) = choice::kept(session, images, CodeKind::Untouched)?
    {
        return Ok(codes);
    }
    let encoder = starting_encoder(&session.config, device, observer)?;
    Ok((unit_codes(&encoder, session, images, observer), encoder.config().merged_dim()))
}

/// k-means on the codes of the networks that the run's encoder came from.
fn networks(
    session: &Session,
    images: &Images,
    n_clusters: usize,
    labels: Option<&[i32]>,
    rows: &mut Vec<Quality>,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let device = Device::flex();
    // An encoder that is never trained has no earlier self to be compared with.
    if session.config.frozen.is_none() {
        let (codes, dim) = starting_codes(session, images, &device, observer)?;
        let name = match session.config.weights {
            WeightsSource::None => "untrained",
            WeightsSource::BuiltIn => "built-in encoder",
            WeightsSource::File(_) => "given weights",
        };
        rows.push(baseline(name, session, &codes, dim, n_clusters, labels)?);
    }
    if session.is_done(Stage::Pretrain) {
        let encoder = pretrained_encoder(session, &device, observer)?;
        let codes = unit_codes(&encoder, session, images, observer);
        rows.push(baseline("autoencoder", session, &codes, encoder.config().merged_dim(), n_clusters, labels)?);
    }
    let compared = choice::read(session)?.map(|choice| choice.compared).unwrap_or_default();
    for &kind in &compared {
        // The untouched codes stand above as those of the given weights; a single kind is the final one.
        if kind != CodeKind::Untouched
            && compared.len() > 1
            && let Some((codes, dim)) = choice::kept(session, images, kind)?
        {
            rows.push(baseline(kind.name(), session, &codes, dim, n_clusters, labels)?);
        }
    }
    Ok(())
}

/// Trustworthiness of the map, if there is one of these images and they are enough to ask.
fn map_trust(session: &Session, rows: RowsView<'_>) -> Result<Option<f64>, StageError> {
    let path = session.dir.map();
    if !path.exists() || rows.len() <= 2 * MAP_NEIGHBORS {
        return Ok(None);
    }
    let map = read_npy::<f32>(&path)?;
    if map.shape != [rows.len(), 2] {
        return Ok(None);
    }
    let places = RowsView::new(&map.data, 2)?;
    Ok(Some(sampled_trustworthiness(rows, places, MAP_NEIGHBORS, MAP_SAMPLE, session.config.seed)?))
}

fn baseline(
    name: &str,
    session: &Session,
    codes: &[f32],
    dim: usize,
    n_clusters: usize,
    labels: Option<&[i32]>,
) -> Result<Quality, StageError> {
    let rows = prepare(codes.to_vec(), dim, &session.config.cluster).rows;
    let rows = RowsView::new(&rows, dim)?;
    let run = k_means(session, n_clusters).fit(rows)?;
    let found: Vec<i32> = run.assignments.iter().map(|&a| a as i32).collect();
    quality(name, rows, &found, labels)
}

fn quality(name: &str, rows: RowsView<'_>, found: &[i32], labels: Option<&[i32]>) -> Result<Quality, StageError> {
    let mut figures = BTreeMap::new();
    let mut put = |name: &str, figure: f64| figures.insert(name.to_owned(), figure);
    // One cluster, or as many as images, has no silhouette.
    if let Ok(silhouette) = silhouette(rows, found, Metric::Cosine) {
        put("silhouette", silhouette);
    }
    if let Some(labels) = labels {
        let agreement = agreement(labels, found)?;
        let neighbors = nearest_others(rows, VOTERS.min(rows.len() - 1), Metric::Cosine)?;
        put("acc", agreement.accuracy);
        put("nmi", agreement.nmi);
        put("ari", agreement.ari);
        put("ami", agreement.ami);
        put("purity", agreement.purity);
        put("knn", knn_accuracy(&neighbors, labels, labels)?);
    }
    Ok(Quality { codes: name.to_owned(), figures })
}
