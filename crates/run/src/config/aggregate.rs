//! Settings of the stage over the memory bank.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CodeKind, SgdSettings};

/// What the second stage minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Local Aggregation: near photographs come nearer (Zhuang et al. 2019).
    #[default]
    LocalAggregation,
    /// Instance recognition: each photograph is told from all others (Wu et al. 2018).
    Instance,
    /// Cluster hardness (deep embedded clustering, Xie et al. 2016).
    ClusterHardness,
}

/// The form of Local Aggregation where published implementations differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Bank updated after the loss, `epsilon` 1e-7.
    #[default]
    Authors,
    /// Bank updated before the loss, `k + 1` background neighbours, no `epsilon`.
    Article,
}

/// How the memory bank starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum BankStart {
    /// The codes that the network has for the images before training.
    #[default]
    Codes,
    /// Random directions, as published.
    Random,
}

/// How a linear head behind the encoder starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadStart {
    /// The first principal components of the folder's own codes, so that the head keeps what the encoder tells apart.
    #[default]
    Principal,
    /// Drawn from the seed, as published.
    Random,
}

/// Statistics that batch norm takes while the stage over the memory bank trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum NormStatistics {
    /// Those of each batch; the running ones follow.
    #[default]
    Batch,
    /// Those that came with the weights.
    // Codes that rest on the statistics of a small folder's views can be worse even where nothing else has changed
    // (`benches/RESULTS.md`).
    Frozen,
    /// Those of the folder, taken once before training.
    Adapted,
    /// Adapted where the pictures are of another make (enlarged, blurred, noisy) than those of the weights, else frozen.
    // For weights of which nobody knows whether they have seen such pictures.
    Choose,
}

/// Where the clusterings that give close neighbours are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum CloseIn {
    /// The bank's rows as they are, as published.
    #[default]
    Bank,
    /// UMAP of the bank, made anew each time: fewer and righter close neighbours, where the codes know what is alike. Folders of more
    /// than 20 000 images take the bank.
    Umap,
}

/// When close neighbours and targets are computed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// At the start of every n-th epoch.
    Epochs(usize),
    /// Before every n-th step.
    Steps(usize),
}

/// A word that says no [`Refresh`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of epochs such as 2, or of steps such as 10-steps")]
pub struct NoRefresh;

impl FromStr for Refresh {
    type Err = NoRefresh;

    /// `2` for epochs, `10-steps` for steps.
    fn from_str(text: &str) -> Result<Self, NoRefresh> {
        match text.strip_suffix("-steps") {
            Some(number) => number.parse().map(Self::Steps),
            None => text.parse().map(Self::Epochs),
        }
        .map_err(|_| NoRefresh)
    }
}

/// Settings of the stage over the memory bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AggregateConfig {
    /// What is minimised.
    pub objective: Objective,
    /// Passes over all images; 0 leaves the stage out.
    pub epochs: usize,
    /// Passes with the instance objective before Local Aggregation; the paper takes 10.
    pub warmup_epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Optimiser.
    pub sgd: SgdSettings,
    /// Temperature, the paper's tau; unset: 0.5 for the instance objective, 0.2 for Local Aggregation.
    pub temperature: Option<f32>,
    /// Weight of the new code in the bank's moving average.
    pub mixing_rate: f32,
    /// Background neighbours, the paper's k; unset: a quarter of the images.
    pub background_neighbors: Option<usize>,
    /// Where the clusterings are made.
    pub close_in: CloseIn,
    /// Share of the background neighbours that should be close ones.
    pub overlap: f64,
    /// Centroids of each clustering, the paper's m; unset: as many as give that overlap, measured.
    pub centroids: Option<usize>,
    /// Clusterings, the paper's H.
    pub clusterings: usize,
    /// Rounds of each clustering.
    pub clustering_rounds: usize,
    /// When the clusterings are made anew.
    pub refresh: Refresh,
    /// The published form to follow.
    pub variant: Variant,
    /// How the bank starts.
    pub bank: BankStart,
    /// Noise rows per image of the instance objective; unset: exact softmax up to 100 000 images, 4096 above.
    pub noise: Option<usize>,
    /// Weight of feature decorrelation (IDFD) beside the instance objective.
    pub decorrelation: f32,
    /// Takes the whole image instead of views.
    pub no_views: bool,
    /// Fewest other close neighbours: images with fewer get their most similar background neighbours.
    pub fewest_close: usize,
    /// Largest share of the background neighbours that may be close ones; of more the most similar stay.
    pub largest_close: f32,
    /// Leaves Local Aggregation out, and says so, where what can be measured without labels speaks against it.
    pub guard: bool,
    /// Which codes are clustered; unset: chosen by the program, which says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<CodeKind>,
    /// How a linear head starts.
    pub head: HeadStart,
    /// Statistics of batch norm.
    pub norm: NormStatistics,
    /// Epochs that the moving average of the weights looks back, which gives the final codes; 0: the last weights.
    pub average: f64,
    /// Share of the epochs, at the start, that see images of half the side.
    pub half_size: f64,
    /// Half-size crops of each visit beside the full one, each at a quarter of its price.
    pub small_crops: usize,
}
