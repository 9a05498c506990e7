//! Flags of the clusters, and the verbs over them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CodesArg, RunVerb};

#[derive(Debug, Args)]
#[command(next_help_heading = "Clusters")]
pub(crate) struct ClusterArgs {
    /// Number of clusters, or auto
    #[arg(short = 'k', long, value_name = "N|auto")]
    pub(crate) n_clusters: Option<String>,
    /// How rows become clusters
    #[arg(long, value_enum)]
    pub(crate) method: Option<MethodArg>,
    /// What the method sees; umap for kmeans of 100 to 100000 images and for hdbscan, else codes. Spectral clustering is --space spectral
    #[arg(long, value_enum)]
    pub(crate) space: Option<SpaceArg>,
    /// What near means: direction (unit codes without their mean), or distance of the codes as they are
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricArg>,
    /// k-means runs, of which the best is kept
    #[arg(long, value_name = "N")]
    pub(crate) n_init: Option<usize>,
    /// Columns of the space: principal components, UMAP columns or eigenvectors
    #[arg(long, value_name = "N")]
    pub(crate) components: Option<usize>,
    /// Train a head on the finished codes, in seconds, and keep it where neighbours are then together more often
    #[arg(long, value_enum)]
    pub(crate) head: Option<HeadArg>,
    /// Layers of that head, 1 or 2
    #[arg(long, value_name = "N")]
    pub(crate) head_layers: Option<usize>,
    /// Neighbours of each image in the graphs of diffusion, spectral, umap and consensus
    #[arg(long, value_name = "K")]
    pub(crate) graph_neighbors: Option<usize>,
    /// Rounds of diffusion
    #[arg(long, value_name = "N")]
    pub(crate) diffusion_rounds: Option<usize>,
    /// Weight of the neighbours in each round of diffusion
    #[arg(long, value_name = "0..1")]
    pub(crate) diffusion_strength: Option<f32>,
    /// Fewest images of a cluster of hdbscan; a hundredth of all unless given, 5 to 100
    #[arg(long, value_name = "N")]
    pub(crate) min_cluster_size: Option<usize>,
    /// Room of balanced clusters above an even share
    #[arg(long, value_name = "SHARE")]
    pub(crate) slack: Option<f64>,
    /// Partitions that a consensus is taken of
    #[arg(long, value_name = "N")]
    pub(crate) partitions: Option<usize>,
    /// More kinds of codes of the same images (.npy, .parquet, .csv, .safetensors), joined as averaged graphs
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) features: Vec<PathBuf>,
    /// Images above which k-means goes by mini-batches (500000)
    #[arg(long, value_name = "N")]
    pub(crate) mini_batch_above: Option<usize>,
    /// Images above which neighbours are searched approximately; exactly unless given. What is found is measured
    #[arg(long, value_name = "N")]
    pub(crate) approximate_above: Option<usize>,
    /// Sort the images into clusters/<id>/ of the run, as links or copies
    #[arg(long, value_enum)]
    pub(crate) sort: Option<SortArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeadArg {
    /// No head
    None,
    /// Names clusters, the same for neighbours (SCAN)
    Scan,
    /// The same with TEMI's loss, for clusters of uneven size
    Temi,
    /// New codes by Local Aggregation, clustered anew
    LocalAggregation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodArg {
    /// k-means; by mini-batches for very many images
    Kmeans,
    /// k-means of directions
    Spherical,
    /// Mini-batch k-means
    Minibatch,
    /// k-means in two levels, for thousands of clusters
    Hierarchical,
    /// k-means with clusters of bounded size
    Balanced,
    /// Agglomerative, Ward's linkage
    Ward,
    /// Agglomerative, average linkage
    Average,
    /// By density: finds the number itself, leaves noise (-1)
    Hdbscan,
    /// Agreement of many k-means partitions
    Consensus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpaceArg {
    /// The codes
    Codes,
    /// Principal components, half whitened
    Pca,
    /// Codes after diffusion over the graph of mutual neighbours
    Diffusion,
    /// Eigenvectors of that graph
    Spectral,
    /// UMAP
    Umap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricArg {
    Cosine,
    Euclidean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    Links,
    Copies,
}

/// Codes that were made elsewhere.
#[derive(Debug, Args)]
pub(crate) struct EmbeddingsArgs {
    /// Codes made elsewhere: .npy, .safetensors, .parquet, or .csv with filename,embedding_0,..
    #[arg(long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// The images behind the codes: one path per line in the order of the rows, or a .csv with filename (and label)
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    pub(crate) paths: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterVerb {
    /// The run directory; with --embeddings it is made by this verb, at --out
    #[arg(value_name = "RUN", required_unless_present = "embeddings", conflicts_with = "embeddings")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) codes: EmbeddingsArgs,
    /// With --embeddings: the run directory to write
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-run", requires = "embeddings")]
    pub(crate) out: PathBuf,
    /// With --embeddings: replace the run that is there
    #[arg(long, requires = "embeddings")]
    pub(crate) overwrite: bool,
    /// With --embeddings: labels to compare with, from-dirs or a CSV with the columns filename and label
    #[arg(long, value_name = "from-dirs|FILE.csv", requires = "embeddings")]
    pub(crate) labels: Option<String>,
    /// With --embeddings: source of every random choice
    #[arg(long, value_name = "N", requires = "embeddings")]
    pub(crate) seed: Option<u64>,
    /// Of a run that was trained: take other codes than those it was clustered by
    #[arg(long = "codes", value_enum, value_name = "CODES", conflicts_with = "embeddings")]
    pub(crate) kind: Option<CodesArg>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AssignVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// New images: files, folders or lists
    #[arg(value_name = "PATH", required_unless_present = "embeddings", conflicts_with = "embeddings")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) codes: AddedCodes,
}

/// The same with a name for the list that does not meet the images' own.
#[derive(Debug, Args)]
pub(crate) struct AddedCodes {
    /// Codes of new images instead, made as those of the run were
    #[arg(long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// The images behind those codes, as for `cluster --embeddings`
    #[arg(long = "paths", value_name = "FILE", requires = "embeddings")]
    pub(crate) names: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AddVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// New images: files, folders or lists; those that the run has already are left as they are
    #[arg(value_name = "PATH", required_unless_present = "embeddings", conflicts_with = "embeddings")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) codes: AddedCodes,
    /// Cluster all images anew afterwards; matched clusters keep their ids, new ones append
    #[arg(long)]
    pub(crate) recluster: bool,
}
