//! From rows to labels by the method that the settings name.

use sporeprint_cluster::{
    BalancedKMeans, Codes, Hdbscan, HierarchicalKMeans, KMeans, Labels, Linkage, MiniBatchKMeans, Neighbors, Rng,
    RowsView, consensus_graph, modularity, nearest_others, spectral_embedding,
};

use super::{Grouper, GroupingError, Prepared};
use crate::config::{HeadObjective, Method};
use crate::progress::steps;
use crate::run::tables::LogLine;
use crate::train::CodesHead;

/// HDBSCAN looks for clusters of a hundredth of the rows, within these bounds.
const CLUSTER_SIZES: (usize, usize) = (5, 100);
/// Neighbours that make a row's surroundings dense: more call more rows noise.
const MIN_SAMPLES: usize = 5;

impl Grouper<'_> {
    /// k-means as the final clusters are made: k-means++, several runs, the best kept whole.
    pub fn k_means(&self, n_clusters: usize) -> KMeans {
        let config = self.config;
        let seed = Rng::for_stage(self.seed, "cluster", 0).next_u64();
        KMeans { n_init: config.n_init, max_iter: config.max_iter, seed, ..KMeans::new(n_clusters) }
    }

    /// Labels of the rows by the settings; noise is -1. HDBSCAN does not look at `n_clusters`. With what is to be logged.
    ///
    /// # Errors
    /// When the rows cannot be clustered so, or the person asks to stop.
    pub(super) fn partition(
        &self,
        prepared: &Prepared,
        n_clusters: usize,
        neighbors: &Neighbors,
        features: &[Prepared],
    ) -> Result<(Vec<i32>, Option<LogLine>), GroupingError> {
        let rows = prepared.view()?;
        let near = |block: &Prepared| self.nearest_exactly(block);
        let more = features.iter().map(near).collect::<Result<Vec<_>, _>>()?;
        let space = self.space(prepared, neighbors, &more)?;
        let seen = space.as_ref().map_or(rows, Codes::view);
        if self.config.method == Method::Hdbscan {
            return Ok((self.by_density(seen)?, None));
        }
        self.observer.begin("clusters", 0);
        let labels = self.by_number(seen, n_clusters, neighbors)?;
        self.observer.end();
        let (labels, line) = self.with_head(prepared, labels, n_clusters, neighbors)?;
        let mut ids = labels.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < n_clusters {
            self.observer.note(&format!("{n_clusters} clusters asked for, {} found: no more rows differ", ids.len()));
        }
        Ok((labels, line))
    }

    /// The neighbours in another kind of codes of the same images, as many as graphs take.
    fn nearest_exactly(&self, block: &Prepared) -> Result<Neighbors, GroupingError> {
        let rows = block.view()?;
        Ok(nearest_others(rows, self.config.graph_neighbors.min(rows.len() - 1), block.metric())?)
    }

    /// The labels, or those of the head that the settings ask for, whichever keep neighbours together better.
    ///
    /// Neighbours are those of the codes that the head started from, so that drawing rows together does not count for itself.
    fn with_head(
        &self,
        prepared: &Prepared,
        labels: Vec<i32>,
        n_clusters: usize,
        neighbors: &Neighbors,
    ) -> Result<(Vec<i32>, Option<LogLine>), GroupingError> {
        let (config, observer, rows) = (self.config, self.observer, prepared.view()?);
        let Some(objective) = config.head else { return Ok((labels, None)) };
        let near = neighbors.first(config.graph_neighbors.min(rows.len().saturating_sub(1)));
        if near.indices().is_empty() {
            return Ok((labels, None));
        }
        let seed = Rng::for_stage(self.seed, "head on codes", 0).next_u64();
        let head = CodesHead { objective, n_layers: config.head_layers, seed };
        observer.begin("head on the codes", 0);
        let found: Vec<i32> = if objective == HeadObjective::LocalAggregation {
            let (codes, dim) = head.codes(rows, &steps(observer))?;
            observer.end();
            // The head's codes are unit rows already, and have their own mean.
            let codes = Prepared::of_rows(codes, dim, prepared.metric());
            let near = nearest_others(codes.view()?, near.k(), prepared.metric())?;
            let space = self.space(&codes, &near, &[])?;
            self.by_number(space.as_ref().map_or(codes.view()?, Codes::view), n_clusters, &near)?
        } else {
            let found = head.labels(rows, &near, &labels, n_clusters, &steps(observer))?;
            observer.end();
            found
        };
        let (before, after) = (modularity(&near, &labels)?, modularity(&near, &found)?);
        let is_kept = after > before;
        let line = LogLine::new("head", 0.0).number("modularity_before", before).number("modularity", after);
        let line = line.number("kept", f64::from(u8::from(is_kept)));
        let verdict = if is_kept { "the head's clusters are taken" } else { "the head is left out" };
        observer.note(&format!(
            "{verdict}: neighbours are together by {after:.3} beyond chance with it, {before:.3} without"
        ));
        Ok((if is_kept { found } else { labels }, Some(line)))
    }

    fn by_density(&self, rows: RowsView<'_>) -> Result<Vec<i32>, GroupingError> {
        let observer = self.observer;
        let (fewest, most) = CLUSTER_SIZES;
        let size = self.config.min_cluster_size.unwrap_or((rows.len() / 100).clamp(fewest, most));
        let hdbscan = Hdbscan { min_cluster_size: size, min_samples: MIN_SAMPLES.min(size).min(rows.len()) };
        observer.begin("clusters", 0);
        let labels = hdbscan.fit(rows, &steps(observer))?.labels.into_vec();
        observer.end();
        let n_noise = labels.iter().filter(|&&label| label < 0).count();
        if n_noise == labels.len() {
            return Err(GroupingError::NoClusters { n_rows: labels.len(), min_cluster_size: size });
        }
        observer.note(&format!("{n_noise} of {} images are in no cluster (-1)", labels.len()));
        Ok(labels)
    }

    fn by_number(
        &self,
        rows: RowsView<'_>,
        n_clusters: usize,
        neighbors: &Neighbors,
    ) -> Result<Vec<i32>, GroupingError> {
        let (config, progress) = (self.config, &steps(self.observer));
        let start = self.k_means(n_clusters);
        let found = match config.method {
            Method::Kmeans if rows.len() <= config.mini_batch_above => start.fit(rows, progress)?,
            Method::Kmeans | Method::Minibatch => {
                MiniBatchKMeans { config: start, ..MiniBatchKMeans::new(n_clusters) }.fit(rows, progress)?
            }
            Method::Spherical => KMeans { spherical: true, ..start }.fit(rows, progress)?,
            Method::Hierarchical => {
                let levels = HierarchicalKMeans::new(n_clusters);
                let config = KMeans { n_init: start.n_init.min(3), seed: start.seed, ..levels.config.clone() };
                HierarchicalKMeans { config, ..levels }.fit(rows, progress)?
            }
            Method::Balanced => {
                BalancedKMeans { start, slack: config.slack, ..BalancedKMeans::new(n_clusters) }.fit(rows, progress)?
            }
            Method::Ward => return Ok(Linkage::Ward.fit(rows, progress)?.cut(n_clusters)?.into_vec()),
            Method::Average => return Ok(Linkage::Average.fit(rows, progress)?.cut(n_clusters)?.into_vec()),
            Method::Consensus => return self.consensus(rows, n_clusters, neighbors),
            // Finds its own number and has gone another way.
            Method::Hdbscan => return self.by_density(rows),
        };
        Ok(found.labels.into_vec())
    }

    /// Partitions of different fineness, the share of them in which neighbours are together as a graph, and that graph's
    /// spectral clusters.
    fn consensus(
        &self,
        rows: RowsView<'_>,
        n_clusters: usize,
        neighbors: &Neighbors,
    ) -> Result<Vec<i32>, GroupingError> {
        let (config, progress) = (self.config, &steps(self.observer));
        let mut partitions: Vec<Labels> = Vec::new();
        for at in 0..config.n_partitions {
            // As many clusters as wanted, half as many more, twice as many: finer ones tell where coarse ones err.
            let k = (n_clusters * (2 + at % 3) / 2).min(rows.len());
            let start = self.k_means(k);
            let run = KMeans { n_init: 1, seed: start.seed ^ (at as u64 + 1), ..start }.fit(rows, progress)?;
            partitions.push(run.labels);
        }
        let views: Vec<&[i32]> = partitions.iter().map(|labels| &**labels).collect();
        let near = neighbors.first(config.graph_neighbors.min(rows.len() - 1));
        let graph = consensus_graph(&near, &views)?;
        let vectors = spectral_embedding(&graph, n_clusters.min(rows.len()), self.seed)?;
        let run = self.k_means(n_clusters).fit(vectors.view(), progress)?;
        Ok(run.labels.into_vec())
    }
}
