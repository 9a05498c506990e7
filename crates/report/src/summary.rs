//! Figures of a run that several pages need, computed from the tables.

use std::collections::BTreeMap;

use super::ReportData;
use sporeprint_run::tables::NameOrigin;

/// One cluster as the pages show it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterSummary {
    pub(crate) id: i32,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// Whether nobody gave that name, nor the word.
    pub(crate) is_suggested: bool,
    pub(crate) size: usize,
    pub(crate) spread: f32,
    pub(crate) medoid: u32,
    pub(crate) nearest: Vec<i32>,
    /// First of its images in [`Summary::order`].
    pub(crate) start: usize,
    /// Images marked as odd.
    pub(crate) odd: usize,
    /// Commonest label and its share of the labelled images.
    pub(crate) top_label: Option<(String, f64)>,
}

/// Figures of the whole run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    /// Images by cluster (noise last), then distance, then index: the order of the pictures in the sheets.
    pub(crate) order: Vec<u32>,
    /// Clusters by falling size, noise last.
    pub(crate) clusters: Vec<ClusterSummary>,
    /// Distinct labels, sorted.
    pub(crate) labels: Vec<String>,
    /// Position in `labels` of each image's label.
    pub(crate) label_ids: Vec<i32>,
}

/// Images on the card of a cluster.
pub(crate) const CARD_CELLS: usize = 5;

/// An image whose oddness is at least this is marked.
const ODD: f32 = 1.;

impl Summary {
    pub(crate) fn new(data: &ReportData) -> Self {
        let n = data.n_images();
        let cluster = |index: u32| data.assignments.get(index as usize).map_or(-1, |row| row.cluster);
        let distance = |index: u32| data.assignments.get(index as usize).map_or(0., |row| row.distance);
        let mut order: Vec<u32> = (0..n as u32).collect();
        // As unsigned numbers, noise (-1) comes last.
        let key = |index: u32| cluster(index) as u32;
        order.sort_by(|&a, &b| key(a).cmp(&key(b)).then(distance(a).total_cmp(&distance(b))).then(a.cmp(&b)));

        let mut labels: Vec<String> = data.images.iter().filter_map(|image| image.label.clone()).collect();
        labels.sort();
        labels.dedup();
        let label_id = |label: &Option<String>| {
            label.as_ref().and_then(|label| labels.binary_search(label).ok()).map_or(-1, |id| id as i32)
        };
        let label_ids: Vec<i32> = data.images.iter().map(|image| label_id(&image.label)).collect();

        let known: BTreeMap<i32, _> = data.clusters.iter().map(|row| (row.cluster, row)).collect();
        let names: BTreeMap<i32, _> = data.names.iter().map(|row| (row.cluster, row)).collect();
        let mut clusters = Vec::new();
        let mut start = 0;
        for images in order.chunk_by(|&a, &b| cluster(a) == cluster(b)) {
            let id = cluster(images[0]);
            let row = known.get(&id);
            if !data.assignments.is_empty() {
                clusters.push(ClusterSummary {
                    id,
                    name: names.get(&id).map(|row| row.name.clone()),
                    is_suggested: names.get(&id).is_some_and(|row| row.origin == NameOrigin::Suggested),
                    size: images.len(),
                    spread: row.map_or_else(
                        || (images.iter().map(|&i| f64::from(distance(i))).sum::<f64>() / images.len() as f64) as f32,
                        |row| row.spread,
                    ),
                    medoid: row.map_or(images[0], |row| row.medoid),
                    nearest: row.map_or_else(Vec::new, |row| row.nearest.clone()),
                    start,
                    odd: images.iter().filter(|&&i| data.assignments[i as usize].outlier >= ODD).count(),
                    top_label: top_label(images, &label_ids, &labels),
                });
            }
            start += images.len();
        }
        clusters.sort_by_key(|cluster| (cluster.id < 0, std::cmp::Reverse(cluster.size), cluster.id));
        Self { order, clusters, labels, label_ids }
    }

    /// [`CARD_CELLS`] images for each cluster, in the order of the clusters: its medoid, then its nearest others; the medoid
    /// again where there are no more.
    pub(crate) fn cards(&self) -> Vec<u32> {
        let card = |cluster: &ClusterSummary| {
            let medoid = cluster.medoid;
            let others = self.order[cluster.start..cluster.start + cluster.size].iter().copied();
            let others = others.filter(move |&image| image != medoid).chain(std::iter::repeat(medoid));
            std::iter::once(medoid).chain(others).take(CARD_CELLS).collect::<Vec<u32>>()
        };
        self.clusters.iter().flat_map(card).collect()
    }

    /// Clusters without the noise.
    pub(crate) fn real(&self) -> impl Iterator<Item = &ClusterSummary> + Clone {
        self.clusters.iter().filter(|cluster| cluster.id >= 0)
    }

    pub(crate) fn n_clusters(&self) -> usize {
        self.real().count()
    }

    pub(crate) fn n_singletons(&self) -> usize {
        self.real().filter(|cluster| cluster.size == 1).count()
    }

    pub(crate) fn n_noise(&self) -> usize {
        self.clusters.iter().find(|cluster| cluster.id < 0).map_or(0, |cluster| cluster.size)
    }

    pub(crate) fn largest(&self) -> usize {
        self.real().map(|cluster| cluster.size).max().unwrap_or(0)
    }

    pub(crate) fn n_odd(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.odd).sum()
    }
}

fn top_label(images: &[u32], label_ids: &[i32], labels: &[String]) -> Option<(String, f64)> {
    let mut counts = BTreeMap::new();
    images
        .iter()
        .map(|&i| label_ids[i as usize])
        .filter(|&id| id >= 0)
        .for_each(|id| *counts.entry(id).or_insert(0) += 1);
    let labelled: usize = counts.values().sum();
    let (&id, &count) = counts.iter().max_by_key(|&(&id, &count)| (count, std::cmp::Reverse(id)))?;
    Some((labels[id as usize].clone(), count as f64 / labelled as f64))
}

/// Labels against clusters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confusion {
    /// Clusters of the columns: those that share a commonest label stand together, larger ones first.
    pub(crate) clusters: Vec<i32>,
    /// Images per label (as [`Summary::labels`]) and column.
    pub(crate) counts: Vec<Vec<usize>>,
    /// Images per label, in all clusters.
    pub(crate) totals: Vec<usize>,
}

impl Confusion {
    /// Counts the images of the `most` largest clusters.
    pub(crate) fn new(data: &ReportData, summary: &Summary, most: usize) -> Self {
        let mut columns: Vec<&ClusterSummary> = summary.clusters.iter().take(most).collect();
        let label = |cluster: &ClusterSummary| {
            cluster.top_label.as_ref().and_then(|(label, _)| summary.labels.binary_search(label).ok())
        };
        columns.sort_by_key(|cluster| {
            (cluster.id < 0, label(cluster).unwrap_or(usize::MAX), std::cmp::Reverse(cluster.size), cluster.id)
        });
        let clusters: Vec<i32> = columns.iter().map(|cluster| cluster.id).collect();
        let place: BTreeMap<i32, usize> = clusters.iter().enumerate().map(|(at, &id)| (id, at)).collect();
        let mut counts = vec![vec![0; clusters.len()]; summary.labels.len()];
        let mut totals = vec![0; summary.labels.len()];
        for (row, &label) in data.assignments.iter().zip(&summary.label_ids).filter(|(_, label)| **label >= 0) {
            totals[label as usize] += 1;
            if let Some(&column) = place.get(&row.cluster) {
                counts[label as usize][column] += 1;
            }
        }
        Self { clusters, counts, totals }
    }

    /// Share of a label's images that a column holds.
    pub(crate) fn share(&self, label: usize, column: usize) -> f64 {
        self.counts[label][column] as f64 / self.totals[label].max(1) as f64
    }
}
