//! How long a run would take, from what was measured.

use serde::Serialize;

use super::{Measurement, Work};
use crate::config::{ClusterCount, CodeKind, NormStatistics, Refresh, RunConfig};
use crate::run::Origin;

/// Clusters where their number is to be found.
pub(super) const CLUSTERS: usize = 20;
/// Rounds of k-means that a clustering of codes takes as a rule.
const ROUNDS: f64 = 30.0;
/// Numbers of clusters that are tried where the number is to be found.
const TRIED: f64 = 20.0;

/// A run that is thought of.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRun<'a> {
    /// Its settings.
    pub run: &'a RunConfig,
    /// Its photographs.
    pub n_images: usize,
}

/// Seconds of each part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Reading the photographs.
    pub decode: f64,
    /// The auto-encoder stage.
    pub pretrain: f64,
    /// The stage over the memory bank, with its clusterings.
    pub aggregate: f64,
    /// Codes of all images, before that stage and after it.
    pub encode: f64,
    /// The clusters at the end.
    pub cluster: f64,
    /// All of it.
    pub total: f64,
}

impl Estimate {
    /// Adds up the run's work at the measured speeds. Pages, tables and checkpoints come on top, a few seconds.
    pub fn new(plan: PlannedRun<'_>, measured: &[Measurement]) -> Self {
        let PlannedRun { run, n_images } = plan;
        let n_clusters = clusters_measured(run, n_images);
        let of = |work: Work| measured.iter().find(|m| m.work == work);
        let per_item = |work: Work| of(work).map_or(0.0, |m| 1.0 / m.per_second);
        let images = n_images as f64;
        let decode = images * per_item(Work::Decode);
        let pretrain = images * run.pretrain.epochs as f64 * per_item(Work::AutoEncoder);
        // A step was measured with a small bank: the search among all codes is added.
        let step = per_item(Work::Aggregate) + per_item(Work::Neighbors);
        let pairs = per_item(Work::KMeans) / n_clusters.max(1) as f64;
        let refreshes = match run.aggregate.refresh {
            Refresh::Epochs(n) => run.aggregate.epochs.saturating_sub(run.aggregate.warmup_epochs) as f64 / n as f64,
            Refresh::Steps(n) => {
                let steps = n_images.div_ceil(run.aggregate.batch_size) * run.aggregate.epochs;
                steps as f64 / n as f64
            }
        };
        let clustering = pairs
            * images
            * (run.aggregate.centroids.unwrap_or((n_images / 20).max(1)) * run.aggregate.clusterings) as f64;
        let aggregate = images * run.aggregate.epochs as f64 * step
            + refreshes * run.aggregate.clustering_rounds as f64 * clustering;
        let encode = passes(run) as f64 * images * per_item(Work::Encode);
        let wanted = match run.cluster.n_clusters {
            ClusterCount::Fixed(k) => k as f64,
            ClusterCount::Auto => TRIED * n_clusters as f64,
        };
        let cluster = pairs * images * wanted * ROUNDS * run.cluster.n_init as f64;
        let total = decode + pretrain + aggregate + encode + cluster;
        Self { decode, pretrain, aggregate, encode, cluster, total }
    }
}

/// How often every image is encoded: for each kind of codes that is not made of others, over all views; for the bank and its head;
/// and twice to take statistics of batch norm from the folder.
fn passes(run: &RunConfig) -> usize {
    let origin = Origin::expected(run);
    let kinds = CodeKind::available(&origin, run);
    let is_encoded = |kind: &&CodeKind| !matches!(kind, CodeKind::Ensemble | CodeKind::Fused);
    let primed = if origin.is_trained() { 2 } else { 0 };
    let may_adapt = matches!(run.aggregate.norm, NormStatistics::Adapted | NormStatistics::Choose);
    let adapting = if may_adapt && origin.knows_photographs() && run.frozen.is_none() { 2 } else { 0 };
    kinds.iter().filter(is_encoded).count() * run.averaged_views().len() + primed + adapting
}

/// Clusters of the k-means that is measured.
pub(super) fn clusters_measured(run: &RunConfig, n_images: usize) -> usize {
    match run.cluster.n_clusters {
        ClusterCount::Fixed(k) => k.clamp(1, n_images),
        ClusterCount::Auto => CLUSTERS.min(n_images),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(work: Work, per_second: f64) -> Measurement {
        Measurement { work, items: 1, seconds: 1.0 / per_second, per_second, gflops: None, peak_bytes: None }
    }

    #[test]
    fn images_are_encoded_once_for_each_kind_of_codes_and_view() {
        let mut run = RunConfig::default();
        assert_eq!(passes(&run), 3);
        run.aggregate.epochs = 5;
        // Untouched, backbone and head over three views; the bank and its head.
        assert_eq!(passes(&run), 3 * 3 + 2);
        run.aggregate.norm = NormStatistics::Adapted;
        assert_eq!(passes(&run), 4 * 3 + 2 + 2);
        run.aggregate.epochs = 0;
        run.aggregate.norm = NormStatistics::Frozen;
        assert_eq!(passes(&run), 3);
    }

    #[test]
    fn twice_the_epochs_take_twice_as_long() {
        let mut run = RunConfig::from_scratch();
        (run.pretrain.epochs, run.aggregate.epochs) = (3, 0);
        let speeds = [measured(Work::Decode, 100.0), measured(Work::AutoEncoder, 50.0), measured(Work::Encode, 200.0)];
        let estimate = |run: &RunConfig| Estimate::new(PlannedRun { run, n_images: 1000 }, &speeds);
        let once = estimate(&run);
        assert!((once.pretrain - 60.0).abs() <= 1e-9, "{once:?}");
        assert!((once.total - (10.0 + 60.0 + 5.0)).abs() <= 1e-9, "{once:?}");
        run.pretrain.epochs = 6;
        assert!((estimate(&run).pretrain - 120.0).abs() <= 1e-9);
    }
}
