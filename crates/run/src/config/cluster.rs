//! Settings of the clusters at the end.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::{at_least, check, not_negative};

/// Number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterCount {
    /// Chosen by the program, with evidence.
    Auto,
    /// Given.
    Fixed(usize),
}

/// A word that says no [`ClusterCount`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number or auto")]
pub struct NoClusterCount;

impl FromStr for ClusterCount {
    type Err = NoClusterCount;

    /// `auto` or a number.
    fn from_str(text: &str) -> Result<Self, NoClusterCount> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Fixed).map_err(|_| NoClusterCount) }
    }
}

/// How rows become clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// k-means; by mini-batches for very many images.
    #[default]
    Kmeans,
    /// k-means of directions.
    Spherical,
    /// k-means that looks at samples, whatever the number of images.
    Minibatch,
    /// k-means in two levels, for thousands of clusters.
    Hierarchical,
    /// k-means with clusters of bounded size.
    Balanced,
    /// Agglomerative, by Ward's linkage.
    Ward,
    /// Agglomerative, by average linkage.
    Average,
    /// By density: finds the number of clusters itself and leaves noise (-1).
    Hdbscan,
    /// What many groupings by k-means agree upon.
    Consensus,
}

/// What the method sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The codes as they are.
    Codes,
    /// Principal components, half whitened.
    Pca,
    /// The codes after some rounds of diffusion over the graph of mutual neighbours.
    Diffusion,
    /// Eigenvectors of that graph: with kmeans, spectral clustering.
    Spectral,
    /// UMAP of the codes, which draws near ones together.
    Umap,
}

/// What near means among the codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Geometry {
    /// When they point the same way: unit codes, from which their mean is taken off.
    #[default]
    Cosine,
    /// When they are close as they are.
    Euclidean,
}

/// What a head on the final codes learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum HeadObjective {
    /// A cluster for each image, the same for its neighbours (SCAN).
    Scan,
    /// The same by TEMI's loss, for clusters of uneven size.
    Temi,
    /// New codes by Local Aggregation over a memory bank, which are then clustered.
    LocalAggregation,
}

/// Rows of which UMAP makes the space of k-means unless another is asked for.
const UMAP_PAYS: std::ops::RangeInclusive<usize> = 100..=100_000;

/// Settings of the clusters at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// How many. HDBSCAN finds the number itself and does not look at it.
    pub n_clusters: ClusterCount,
    /// How rows become clusters.
    pub method: Method,
    /// What the method sees; unset: see [`ClusterConfig::space`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// What near means among the codes.
    pub metric: Geometry,
    /// k-means runs, of which the best is kept.
    pub n_init: usize,
    /// Rounds of each run.
    pub max_iter: usize,
    /// Subtracts the mean code before normalising: codes behind a ReLU all lie in one orthant.
    pub center: bool,
    /// Columns of the space; unset: 32 principal components, 10 of UMAP, as many eigenvectors as clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// A head that is trained on the codes and kept where it holds neighbours together better than the method alone; unset: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadObjective>,
    /// Layers of that head, 1 or 2.
    pub head_layers: usize,
    /// Neighbours of each row in the graphs of diffusion, spectral, UMAP and consensus.
    pub graph_neighbors: usize,
    /// Rounds of diffusion.
    pub diffusion_rounds: usize,
    /// Weight of the neighbours in a round of diffusion, 0 to 1.
    pub diffusion_strength: f32,
    /// Fewest rows of a cluster of HDBSCAN; unset: a hundredth of the rows, 5 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cluster_size: Option<usize>,
    /// Room above an even share in balanced clusters.
    pub slack: f64,
    /// Partitions that a consensus is taken of.
    pub n_partitions: usize,
    /// Rows above which k-means goes by mini-batches.
    pub mini_batch_above: usize,
    /// Rows above which neighbours are searched approximately; unset: always exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_above: Option<usize>,
    /// Files with more kinds of codes for the same rows, whose graphs are averaged with that of the codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<PathBuf>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            n_clusters: ClusterCount::Auto,
            method: Method::default(),
            space: None,
            metric: Geometry::default(),
            n_init: 10,
            max_iter: 100,
            center: true,
            components: None,
            head: None,
            head_layers: 1,
            // UMAP's default; 10 to 30 hardly differ on a thousand photographs.
            graph_neighbors: 15,
            diffusion_rounds: 3,
            diffusion_strength: 0.5,
            min_cluster_size: None,
            slack: 0.1,
            n_partitions: 20,
            // Full rounds of 500 000 rows and 1000 clusters take a minute on two cores.
            mini_batch_above: 500_000,
            approximate_above: None,
            features: Vec::new(),
        }
    }
}

impl ClusterConfig {
    /// What the method sees for `n` rows. Unless set, k-means and HDBSCAN see UMAP: on five sets of photographs that was better
    /// than the codes on each. Its rounds are serial, so above 100 000 rows k-means takes the codes; so it does below 100 rows,
    /// whose neighbours are strangers, and so do the other methods.
    #[must_use]
    pub fn space(&self, n: usize) -> Space {
        let usual = match self.method {
            Method::Hdbscan => Space::Umap,
            Method::Kmeans if UMAP_PAYS.contains(&n) => Space::Umap,
            _ if !self.features.is_empty() => Space::Umap,
            _ => Space::Codes,
        };
        self.space.unwrap_or(usual)
    }

    /// Whether `n` codes are clustered by plain k-means, as every baseline is.
    #[must_use]
    pub fn is_plain(&self, n: usize) -> bool {
        self.method == Method::Kmeans && self.space(n) == Space::Codes
    }

    /// What the method sees whatever the number of rows; nothing where that decides.
    pub(super) fn only_space(&self) -> Option<Space> {
        (self.space(0) == self.space(*UMAP_PAYS.start())).then(|| self.space(0))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let hint = "give the number of groups you expect";
        if let ClusterCount::Fixed(k) = self.n_clusters {
            check(k >= 1, "cluster.n_clusters", k, "1 or more, or auto", hint)?;
        }
        at_least(1, "cluster.n_init", self.n_init, "10 is usual")?;
        at_least(1, "cluster.max_iter", self.max_iter, "100 is usual")?;
        at_least(1, "cluster.components", self.components.unwrap_or(1), "10 to 50 are usual")?;
        at_least(1, "cluster.graph_neighbors", self.graph_neighbors, "10 to 30 are usual")?;
        at_least(1, "cluster.n_partitions", self.n_partitions, "20 is usual")?;
        at_least(2, "cluster.min_cluster_size", self.min_cluster_size.unwrap_or(2), "5 to 50 are usual")?;
        let (layers, strength) = (self.head_layers, self.diffusion_strength);
        check((1..=2).contains(&layers), "cluster.head_layers", layers, "1 or 2", "1 is usual")?;
        check((0.0..=1.0).contains(&strength), "cluster.diffusion_strength", strength, "0 to 1", "0.5 is usual")?;
        not_negative("cluster.slack", self.slack, "0.1 is usual")?;
        let both = self.head.is_some() && self.method == Method::Hdbscan;
        let hint = "heads give every row a cluster: leave `cluster.head` out, or take another `cluster.method`";
        check(!both, "cluster.head", "a head after hdbscan", "none there", hint)?;
        let no_graph = matches!(self.space, Some(Space::Codes | Space::Pca)) && !self.features.is_empty();
        let found = format!("{} file(s)", self.features.len());
        let hint = "kinds of codes are joined as graphs: take `cluster.space` diffusion, spectral or umap, or put \
                    `cluster.features` back";
        check(!no_graph, "cluster.features", found, "a space that is made from a graph", hint)
    }
}
