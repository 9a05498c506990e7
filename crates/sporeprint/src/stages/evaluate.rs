//! How good the clusters are: against labels where there are any, beside baselines that anyone would try first.

use std::collections::BTreeMap;

use burn::tensor::Device;
use sporeprint_cluster::{Metric, RowsView, agreement, knn_accuracy, nearest_others, silhouette};

use super::cluster::{centred, k_means};
use super::codes::unit_codes;
use super::images::root;
use super::train::{pretrained_encoder, starting_encoder};
use super::{Images, StageError};
use crate::encoder::{FrozenEncoder, Pixels, PixelsConfig, WeightsSource};
use crate::progress::Observer;
use crate::run::tables::{Quality, read_assignments, write_quality};
use crate::run::{Session, Stage, read_npy};
use crate::train::frozen_codes_of_all;

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
    let n_clusters = found.iter().max().map_or(1, |&last| last.max(0) as usize + 1);
    let labels = images.labels();
    let labels = labels.as_deref();
    let device = Device::flex();
    let mut rows = Vec::new();
    let image_size = images.cache.image_size();
    let pixels = Pixels::new(PixelsConfig { image_size, ..PixelsConfig::default() });
    let codes = frozen_codes_of_all(&pixels, &images.cache, observer)?;
    rows.push(baseline("pixels", session, &codes, pixels.dim(), n_clusters, labels)?);
    // An encoder that is never trained has no earlier self to be compared with.
    if session.config.frozen.is_none() {
        let untrained = starting_encoder(&session.config, &device, observer)?;
        let codes = unit_codes(&untrained, session, images, observer);
        let name = if session.config.weights != WeightsSource::None { "given weights" } else { "untrained" };
        rows.push(baseline(name, session, &codes, untrained.dim(), n_clusters, labels)?);
    }
    if session.is_done(Stage::Pretrain) {
        let encoder = pretrained_encoder(session, &device, observer)?;
        let codes = unit_codes(&encoder, session, images, observer);
        rows.push(baseline("autoencoder", session, &codes, encoder.dim(), n_clusters, labels)?);
    }
    let codes = read_npy::<f32>(&session.dir.embeddings())?;
    let (centred, _) = centred(&codes.data, codes.shape[1]);
    rows.push(quality("final", RowsView::new(&centred, codes.shape[1])?, &found, labels)?);
    write_quality(&session.dir.evaluation(), &rows)?;
    Ok(session.mark_done(Stage::Evaluate)?)
}

fn baseline(
    name: &str,
    session: &Session,
    codes: &[f32],
    dim: usize,
    n_clusters: usize,
    labels: Option<&[i32]>,
) -> Result<Quality, StageError> {
    let (rows, _) = centred(codes, dim);
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
