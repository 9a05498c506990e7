//! How good the clusters are: against labels where there are any, beside baselines that anyone would try first.

use std::collections::BTreeMap;

use burn::tensor::Device;
use sporeprint_cluster::{
    Metric, Neighbors, RowsView, Silent, agreement, knn_accuracy, modularity, nearest_others_of,
    sampled_trustworthiness, silhouette,
};

use super::choice::{self, codes_before_training};
use super::cluster::{Clustered, codes, grouper, read_grouping};
use super::codes::unit_codes;
use super::images::root;
use super::train::{pretrained_encoder, starting_encoder};
use super::{Images, Labelled, StageError};
use crate::config::CodeKind;
use crate::config::{PixelsConfig, WeightsSource};
use crate::encoder::{FrozenEncoder, Pixels};
use crate::grouping::{Grouper, Grouping, MAPPED, Prepared, sizes};
use crate::progress::Observer;
use crate::run::tables::{Quality, write_quality};
use crate::run::{Origin, Session, Stage};
use crate::train::frozen_codes_of_all;

/// Neighbours on the map that are looked up in truth, and images whose neighbours are.
const MAP_NEIGHBORS: usize = 10;
const MAP_SAMPLE: usize = 2000;
/// Neighbours that vote in the k-NN accuracy, and images whose label is voted on.
const VOTERS: usize = 20;
const VOTED_ON: usize = 10_000;

/// What groupings are judged by.
struct Judge<'a> {
    session: &'a Session,
    grouper: Grouper<'a>,
    /// Clusters that every baseline gets.
    n_clusters: usize,
    /// Who was near whom before training: modularity compares groupings of different codes by it. Silhouettes are each of its
    /// own codes.
    near: Neighbors,
    labelled: Option<&'a Labelled>,
}

/// Writes `evaluation.json`: the run's own clusters beside k-means on the codes of each network and, where there are labels to
/// tell, on pixels.
///
/// Each baseline gets as many clusters as the run has, and the same centring and restarts. Labels are read here and
/// nowhere else; where only some images have one, figures against labels are of those.
///
/// # Errors
/// When the run has no clusters yet, or a file cannot be read or written.
pub fn evaluate(
    session: &mut Session,
    images: &Images,
    clustered: Option<&Clustered>,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    if session.is_done(Stage::Evaluate) {
        return Ok(());
    }
    if !session.is_done(Stage::Cluster) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
    }
    let grouper = grouper(session, observer);
    let read;
    let grouping = match clustered {
        Some(clustered) => &clustered.grouping,
        None => {
            read = read_grouping(session, images, observer)?;
            &read
        }
    };
    let near = match codes_before_training(session, images, observer)? {
        Some((before, dim)) => grouper.nearest(&Prepared::new(before, dim, grouper.config), MAPPED)?,
        None => grouping.neighbors.first(MAPPED.min(grouping.neighbors.k())),
    };
    let prepared = grouping.prepared.view()?;
    let n_clusters = sizes(&grouping.labels).len().max(1);
    let labelled = images.labelled();
    let judge = Judge { session, grouper, n_clusters, near, labelled: labelled.as_ref() };
    let mut rows = Vec::new();
    if labelled.is_some() && images.all_pictures() {
        let image_size = images.cache.image_size();
        let pixels = Pixels::new(PixelsConfig { image_size, ..PixelsConfig::default() });
        let codes = frozen_codes_of_all(&pixels, &images.cache, observer)?;
        rows.push(judge.baseline("pixels", codes, pixels.dim())?);
    }
    let kinds = choice::read(session)?.map(|choice| choice.compared).unwrap_or_default();
    let is_network = session.config.images.embeddings.is_none();
    if is_network {
        rows.extend(networks(&judge, images, &kinds, observer)?);
    }
    let shown = is_network && (kinds.len() > 1 || is_as_it_began(session, &kinds));
    if !session.config.cluster.is_plain(images.len()) && !shown {
        rows.push(judge.k_means_on("codes", prepared)?);
    }
    let mut own = judge.quality("final", prepared, &grouping.labels)?;
    if let Some(trust) = map_trust(grouping, session.config.seed)? {
        own.figures.insert("trustworthiness".to_owned(), trust);
        observer.note(&format!("map: trustworthiness {trust:.3} (1: neighbours there are neighbours in truth)"));
    }
    rows.push(own);
    write_quality(&session.dir.evaluation(), &rows)?;
    Ok(session.mark_done(Stage::Evaluate)?)
}

/// Whether the run is clustered by the codes of the network that it began with: nothing was trained, or what was trained was
/// left out.
fn is_as_it_began(session: &Session, kinds: &[CodeKind]) -> bool {
    let began = session.origin().is_some_and(Origin::is_as_it_began);
    session.config.frozen.is_none() && began && kinds == [CodeKind::Backbone]
}

/// Unit codes of the network that the run began with: those that are there, or anew.
fn starting_codes(
    session: &Session,
    images: &Images,
    kinds: &[CodeKind],
    device: &Device,
    observer: &dyn Observer,
) -> Result<(Vec<f32>, usize), StageError> {
    if is_as_it_began(session, kinds) {
        return codes(session, images);
    }
    // After an auto-encoder, the untouched codes are its.
    if !session.is_done(Stage::Pretrain)
        && let Some(codes) = choice::read_codes(session, images, CodeKind::Untouched)?
    {
        return Ok(codes);
    }
    let encoder = starting_encoder(&session.config, device, observer)?;
    Ok((unit_codes(&encoder, session, images, observer), encoder.config().merged_dim()))
}

/// k-means on the codes of the networks that the run's encoder came from, and on every kind of codes that it has.
fn networks(
    judge: &Judge<'_>,
    images: &Images,
    kinds: &[CodeKind],
    observer: &dyn Observer,
) -> Result<Vec<Quality>, StageError> {
    let (session, device) = (judge.session, Device::flex());
    let mut rows = Vec::new();
    // An encoder that is never trained has no earlier self to be compared with.
    if session.config.frozen.is_none() {
        let (codes, dim) = starting_codes(session, images, kinds, &device, observer)?;
        let name = match session.config.weights {
            WeightsSource::None => "untrained",
            WeightsSource::BuiltIn => "built-in encoder",
            WeightsSource::File(_) => "given weights",
        };
        rows.push(judge.baseline(name, codes, dim)?);
    }
    if session.is_done(Stage::Pretrain) {
        let encoder = pretrained_encoder(session, &device, observer)?;
        let codes = unit_codes(&encoder, session, images, observer);
        rows.push(judge.baseline("autoencoder", codes, encoder.config().merged_dim())?);
    }
    // The untouched codes stand above as those of the given weights; a single kind is the final one.
    for &kind in kinds.iter().filter(|&&kind| kind != CodeKind::Untouched && kinds.len() > 1) {
        if let Some((codes, dim)) = choice::read_codes(session, images, kind)? {
            rows.push(judge.baseline(kind.name(), codes, dim)?);
        }
    }
    Ok(rows)
}

/// Trustworthiness of the map, if there is one of these images and they are enough to ask.
fn map_trust(grouping: &Grouping, seed: u64) -> Result<Option<f64>, StageError> {
    let rows = grouping.prepared.view()?;
    match &grouping.map {
        Some(map) if rows.len() > 2 * MAP_NEIGHBORS && map.len() == 2 * rows.len() => {
            let places = RowsView::new(map, 2)?;
            Ok(Some(sampled_trustworthiness(rows, places, MAP_NEIGHBORS, MAP_SAMPLE, seed)?))
        }
        _ => Ok(None),
    }
}

impl Judge<'_> {
    /// k-means on codes as they come from their network.
    fn baseline(&self, name: &str, codes: Vec<f32>, dim: usize) -> Result<Quality, StageError> {
        self.k_means_on(name, Prepared::new(codes, dim, self.grouper.config).view()?)
    }

    /// k-means on prepared codes.
    fn k_means_on(&self, name: &str, rows: RowsView<'_>) -> Result<Quality, StageError> {
        let run = self.grouper.k_means(self.n_clusters).fit(rows, &Silent)?;
        self.quality(name, rows, &run.labels)
    }

    /// Figures of a grouping of some codes.
    fn quality(&self, name: &str, rows: RowsView<'_>, found: &[i32]) -> Result<Quality, StageError> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, figure: f64| figures.insert(name.to_owned(), figure);
        put("modularity", modularity(&self.near, &noise_alone(found))?);
        // One cluster, or as many as images, has no silhouette.
        if let Ok(silhouette) = silhouette(rows, found, Metric::Cosine) {
            put("silhouette", silhouette);
        }
        if let Some(labelled) = self.labelled {
            let labels = &labelled.labels;
            let agreement = agreement(labels, &labelled.of(found))?;
            put("acc", agreement.accuracy);
            put("nmi", agreement.nmi);
            put("ari", agreement.ari);
            put("ami", agreement.ami);
            put("purity", agreement.purity);
            // A single image has nobody to vote on it.
            if labels.len() > 1 {
                put("knn", labelled.with_rows(rows, |rows| votes(rows, labels))?);
            }
        }
        let n_labelled = self.labelled.map(|labelled| labelled.labels.len());
        Ok(Quality { codes: name.to_owned(), n_labelled, figures })
    }
}

/// Labels in which each image of the noise, -1, is a cluster of its own.
fn noise_alone(found: &[i32]) -> Vec<i32> {
    found.iter().enumerate().map(|(i, &cluster)| if cluster < 0 { -1 - i as i32 } else { cluster }).collect()
}

/// Share of images whose neighbours vote for their label: of all, or of ten thousand evenly spaced among more.
fn votes(rows: RowsView<'_>, labels: &[i32]) -> Result<f64, StageError> {
    let (n, asked) = (rows.len(), rows.len().min(VOTED_ON));
    let ids: Vec<u32> = (0..asked).map(|i| (i * n / asked) as u32).collect();
    let theirs: Vec<i32> = ids.iter().map(|&id| labels[id as usize]).collect();
    let neighbors = nearest_others_of(rows, &ids, VOTERS.min(n - 1), Metric::Cosine)?;
    Ok(knn_accuracy(&neighbors, &theirs, labels)?)
}
