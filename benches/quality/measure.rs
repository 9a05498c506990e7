//! How well k-means on some codes agrees with labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sporeprint::encoder::simple::{Block, COLOUR_DIM, HOG_DIM, PatchDictionary, colour_histogram, hog, join, shrink};
use sporeprint::stages::Images;
use sporeprint_cluster::{
    KMeans, Metric, RowsView, Silent, agreement, diffuse, knn_accuracy, mutual_graph, nearest_others,
};

use crate::Outcome;

/// Runs of k-means whose figures are averaged.
const SEEDS: u64 = 3;
/// Neighbours that vote.
const VOTERS: usize = 20;

/// Percentages, mean of three k-means runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) acc: f64,
    pub(crate) nmi: f64,
    pub(crate) ari: f64,
    pub(crate) ami: f64,
    pub(crate) knn: f64,
    /// Share of the largest cluster.
    pub(crate) largest: f64,
    /// Share of images alone in their cluster.
    pub(crate) singletons: f64,
}

/// Centred unit rows, as the program clusters them.
fn centred(rows: &[f32], dim: usize) -> Vec<f32> {
    let n = (rows.len() / dim) as f64;
    let mut mean = vec![0.0f64; dim];
    rows.chunks_exact(dim).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x) / n));
    let mut out: Vec<f32> =
        rows.chunks_exact(dim).flat_map(|row| row.iter().zip(&mean).map(|(&x, m)| x - *m as f32)).collect();
    out.chunks_exact_mut(dim).for_each(|row| {
        sporeprint::rows::normalize(row);
    });
    out
}

/// Clusters codes into as many groups as there are kinds and compares them.
pub(crate) fn measure(rows: &[f32], dim: usize, labels: &[i32], seed: u64) -> Outcome<Figures> {
    let rows = centred(rows, dim);
    let rows = RowsView::new(&rows, dim)?;
    let kinds = labels.iter().max().map_or(1, |&last| last as usize + 1);
    let mut sum = Figures { knn: knn(rows, labels)?, ..Figures::default() };
    for run in 0..SEEDS {
        let run = KMeans { n_init: 10, seed: seed * SEEDS + run, ..KMeans::new(kinds) }.fit(rows, &Silent)?;
        sum.add(labels, &run.labels, 100.0 / SEEDS as f64)?;
    }
    Ok(sum)
}

/// Compares clusters that are there already.
pub(crate) fn agree(rows: &[f32], dim: usize, labels: &[i32], found: &[i32]) -> Outcome<Figures> {
    let rows = centred(rows, dim);
    let mut figures = Figures { knn: knn(RowsView::new(&rows, dim)?, labels)?, ..Figures::default() };
    figures.add(labels, found, 100.0)?;
    Ok(figures)
}

fn knn(rows: RowsView<'_>, labels: &[i32]) -> Outcome<f64> {
    let neighbors = nearest_others(rows, VOTERS.min(rows.len() - 1), Metric::Cosine)?;
    Ok(100.0 * knn_accuracy(&neighbors, labels, labels)?)
}

impl Figures {
    /// Adds the figures of one clustering times `share`.
    fn add(&mut self, labels: &[i32], found: &[i32], share: f64) -> Outcome<()> {
        let agreement = agreement(labels, found)?;
        self.acc += share * agreement.accuracy;
        self.nmi += share * agreement.nmi;
        self.ari += share * agreement.ari;
        self.ami += share * agreement.ami;
        let mut sizes = BTreeMap::<i32, usize>::new();
        found.iter().for_each(|&cluster| *sizes.entry(cluster).or_default() += 1);
        let n = found.len() as f64;
        self.largest += share * sizes.values().max().copied().unwrap_or(0) as f64 / n;
        self.singletons += share * sizes.values().filter(|&&size| size == 1).count() as f64 / n;
        Ok(())
    }
}

/// Three rounds of diffusion over the mutual graph of 15 neighbours.
pub(crate) fn diffused(rows: &[f32], dim: usize) -> Outcome<Vec<f32>> {
    let rows = centred(rows, dim);
    let rows = RowsView::new(&rows, dim)?;
    let graph = mutual_graph(&nearest_others(rows, 15.min(rows.len() - 1), Metric::Cosine)?);
    Ok(diffuse(rows, &graph, 3, 0.5)?.into_data())
}

/// Pixels, HOG, colours and patches of every image, and their combinations; the last is the one that is joined to learnt
/// codes.
pub(crate) fn simple_codes(images: &Images, seed: u64) -> Outcome<Vec<(&'static str, Vec<f32>)>> {
    let side = images.cache.image_size();
    let picture = |i: usize| shrink(&images.cache.eval(i).data, side);
    let pixels: Vec<f32> = (0..images.len()).flat_map(picture).collect();
    let each = |f: &dyn Fn(&[f32]) -> Vec<f32>| -> Vec<f32> {
        pixels.chunks_exact(pixels.len() / images.len()).flat_map(f).collect()
    };
    let (edges, colours) = (each(&hog), each(&|p| colour_histogram(p)));
    let dictionary = PatchDictionary::learn(images.len(), &picture, seed)?;
    let patches = each(&|p| dictionary.encode(p));
    let block = |rows, dim| Block { rows, dim, weight: 1.0 };
    let (e, c, p) = (block(&edges, HOG_DIM), block(&colours, COLOUR_DIM), block(&patches, dictionary.dim()));
    let (both, all) = (join(&[e, c]), join(&[e, c, p]));
    Ok(vec![
        ("pixels", pixels),
        ("hog + patches", join(&[e, p])),
        ("colour + patches", join(&[c, p])),
        ("hog", edges),
        ("colour", colours),
        ("patches", patches),
        ("hog + colour", both),
        ("simple", all),
    ])
}

/// Learnt codes beside simple ones, unit rows each, the simple ones times `weight`.
pub(crate) fn joined(codes: &[f32], dim: usize, simple: &[f32], n: usize, weight: f32) -> Vec<f32> {
    let learnt = centred(codes, dim);
    let simple_dim = simple.len() / n;
    let simple = centred(simple, simple_dim);
    join(&[Block { rows: &learnt, dim, weight: 1.0 }, Block { rows: &simple, dim: simple_dim, weight }])
}
