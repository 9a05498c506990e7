//! What the method sees of the codes.

use sporeprint_cluster::{
    Codes, Graph, Metric, Neighbors, Pca, Silent, Umap, diffuse, fuse_graphs, local_scaling, mutual_graph,
    spectral_embedding,
};

use super::{Grouper, GroupingError, Prepared};
use crate::config::{ClusterCount, Method, Space};
use crate::progress::steps;

/// Principal components, UMAP columns and eigenvectors where nothing else is asked for.
const PCA_COMPONENTS: usize = 32;
const UMAP_COMPONENTS: usize = 10;
const EIGENVECTORS: usize = 20;

impl Grouper<'_> {
    /// The rows that the method sees, if they are not the codes themselves.
    pub(super) fn space(
        &self,
        prepared: &Prepared,
        neighbors: &Neighbors,
        more: &[Neighbors],
    ) -> Result<Option<Codes>, GroupingError> {
        let (config, seed, metric) = (self.config, self.seed, prepared.metric());
        let rows = prepared.view()?;
        let n = rows.len();
        let near = neighbors.first(config.graph_neighbors.min(n - 1));
        let graph = || -> Result<Graph, GroupingError> {
            let all: Vec<Graph> = std::iter::once(&near).chain(more).map(|list| graph_of(list, metric)).collect();
            Ok(fuse_graphs(&all)?)
        };
        let asked = |otherwise: usize| config.components.unwrap_or(otherwise).min(n);
        Ok(Some(match config.space(n) {
            Space::Codes => return Ok(None),
            Space::Pca => {
                let pca = Pca { n_components: asked(PCA_COMPONENTS), seed };
                pca.fit(rows, &Silent)?.transform(rows, 0.5)?
            }
            Space::Diffusion => diffuse(rows, &graph()?, config.diffusion_rounds, config.diffusion_strength)?,
            Space::Spectral => {
                let as_clusters = match config.n_clusters {
                    ClusterCount::Fixed(k) if config.method != Method::Hdbscan => k,
                    _ => EIGENVECTORS,
                };
                spectral_embedding(&graph()?, asked(as_clusters), seed)?
            }
            Space::Umap => {
                let umap =
                    Umap { n_components: asked(UMAP_COMPONENTS), min_dist: 0.0, metric, seed, ..Umap::default() };
                let lists: Vec<&Neighbors> = std::iter::once(&near).chain(more).collect();
                self.observer.begin("umap", 0);
                let found = umap.fit_neighbors(rows, &lists, &steps(self.observer))?;
                self.observer.end();
                found
            }
        }))
    }
}

/// The graph of mutual neighbours, weighted by similarity.
fn graph_of(neighbors: &Neighbors, metric: Metric) -> Graph {
    if metric == Metric::Euclidean { mutual_graph(&local_scaling(neighbors)) } else { mutual_graph(neighbors) }
}
