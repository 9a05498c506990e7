//! Settings of the clusters at the end.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterCount {
    /// Chosen by the program, with evidence.
    Auto,
    /// Given.
    Fixed(usize),
}

/// How rows become clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// k-means; by mini-batches above [`ClusterConfig::mini_batch_above`] rows.
    #[default]
    Kmeans,
    /// k-means of directions.
    Spherical,
    /// Mini-batch k-means whatever the number of rows.
    Minibatch,
    /// k-means in two levels, for thousands of clusters.
    Hierarchical,
    /// k-means with clusters of bounded size.
    Balanced,
    /// Agglomerative, Ward's linkage.
    Ward,
    /// Agglomerative, average linkage.
    Average,
    /// By density; finds the number of clusters itself and leaves noise (-1).
    Hdbscan,
    /// Many k-means partitions agreed upon: co-association of neighbours, then spectral clustering.
    Consensus,
}

/// What the method sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The codes as they are.
    Codes,
    /// Principal components, half whitened.
    Pca,
    /// The codes after some rounds of diffusion over the graph of mutual neighbours.
    Diffusion,
    /// Eigenvectors of that graph; with k-means this is spectral clustering.
    Spectral,
    /// UMAP.
    Umap,
}

/// What near means among the codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Geometry {
    /// Direction counts: rows are scaled to unit length, their mean taken off (see [`ClusterConfig::center`]) and scaled
    /// again.
    #[default]
    Cosine,
    /// Rows are taken as they are.
    Euclidean,
}

/// What a head on the final codes learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadObjective {
    /// A cluster for each row, the same for its neighbours: SCAN's loss.
    Scan,
    /// The same by TEMI's loss, which does not force clusters of one size.
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

    /// The first setting outside its range: flag, what was found, what can be given, hint.
    pub(super) fn fault(&self) -> Option<(&'static str, String, &'static str, &'static str)> {
        let needs_graph = matches!(self.space, Some(Space::Codes | Space::Pca)) && !self.features.is_empty();
        let zero = |flag, value: usize, hint| (value == 0).then(|| (flag, value.to_string(), "1 or more", hint));
        let strength = self.diffusion_strength;
        zero("--n-init", self.n_init, "10 is usual")
            .or_else(|| zero("--components", self.components.unwrap_or(1), "10 to 50 are usual"))
            .or_else(|| zero("--graph-neighbors", self.graph_neighbors, "10 to 30 are usual"))
            .or_else(|| zero("--partitions", self.n_partitions, "20 is usual"))
            .or_else(|| match self.n_clusters {
                ClusterCount::Fixed(k) if k == 0 => {
                    Some(("--n-clusters", k.to_string(), "1 or more, or auto", "give the number of groups you expect"))
                }
                _ => None,
            })
            .or_else(|| {
                let bad = !(1..=2).contains(&self.head_layers);
                bad.then(|| ("--head-layers", self.head_layers.to_string(), "1 or 2", "1 is usual"))
            })
            .or_else(|| {
                let both = self.head.is_some() && self.method == Method::Hdbscan;
                let hint = "heads give every row a cluster: leave --head out, or take another method";
                both.then(|| ("--head", "a head after --method hdbscan".to_owned(), "none there", hint))
            })
            .or_else(|| {
                let size = self.min_cluster_size.filter(|&size| size < 2)?;
                Some(("--min-cluster-size", size.to_string(), "2 or more", "5 to 50 are usual"))
            })
            .or_else(|| {
                let outside = !(0.0..=1.0).contains(&strength);
                outside.then(|| ("--diffusion-strength", strength.to_string(), "0 to 1", "0.5 is usual"))
            })
            .or_else(|| {
                let bad = !(self.slack.is_finite() && self.slack >= 0.0);
                bad.then(|| ("--slack", self.slack.to_string(), "0 or more", "0.1 is usual"))
            })
            .or_else(|| {
                needs_graph.then(|| {
                    let found = format!("{} file(s)", self.features.len());
                    let hint = "kinds of codes are joined as graphs: add --space diffusion, spectral or umap";
                    ("--features", found, "a space that is made from a graph", hint)
                })
            })
    }
}
