//! The recipe: what the stage over the memory bank does by default, from scratch and from weights that know photographs.
//!
//! Chosen by trials on two of the labelled sets; `benches/RESULTS.md` has every step of it.

use super::{
    AggregateConfig, Architecture, BankStart, CloseIn, ClusterConfig, Decay, EncoderConfig, HeadStart, ImagesConfig,
    NormStatistics, Objective, PretrainConfig, Refresh, RunConfig, SgdSettings, Variant, WeightsSource,
};
use sporeprint_images::ViewConfig;

/// Temperature of the instance objective: at the paper's 0.07 every image is pushed from its look-alikes.
const INSTANCE_TEMPERATURE: f32 = 0.5;
/// Temperature of Local Aggregation on folders of thousands instead of a million.
const AGGREGATION_TEMPERATURE: f32 = 0.2;
/// Background neighbours that are few enough for any folder and many enough to push from.
const BACKGROUND: std::ops::RangeInclusive<usize> = 64..=4096;

impl AggregateConfig {
    /// From weights drawn from the seed: instance recognition with feature decorrelation, then a little Local Aggregation. Length
    /// pays: on 2000 images a third of these epochs ended 8 points of NMI lower.
    pub fn from_scratch() -> Self {
        Self {
            epochs: 120,
            warmup_epochs: 96,
            batch_size: 32,
            sgd: SgdSettings {
                learning_rate: 0.05,
                momentum: 0.9,
                weight_decay: 5e-4,
                warm_up: 1.0,
                decay: Decay::Cosine,
            },
            decorrelation: 1.0,
            norm: NormStatistics::Batch,
            ..Self::fine_tuning()
        }
    }

    /// From weights that know photographs: Local Aggregation alone, briefly and at a low learning rate.
    pub fn fine_tuning() -> Self {
        Self {
            objective: Objective::LocalAggregation,
            epochs: 12,
            warmup_epochs: 0,
            batch_size: 64,
            sgd: SgdSettings {
                learning_rate: 0.01,
                momentum: 0.9,
                weight_decay: 5e-4,
                warm_up: 1.0,
                decay: Decay::Cosine,
            },
            temperature: None,
            mixing_rate: 0.5,
            background_neighbors: None,
            close_in: CloseIn::Bank,
            overlap: 0.10,
            centroids: None,
            clusterings: 3,
            clustering_rounds: 20,
            refresh: Refresh::Epochs(1),
            variant: Variant::Authors,
            bank: BankStart::Codes,
            noise: None,
            decorrelation: 0.0,
            no_views: false,
            fewest_close: 2,
            largest_close: 0.3,
            guard: true,
            codes: None,
            head: HeadStart::Principal,
            norm: NormStatistics::Choose,
            average: 1.0,
            half_size: 0.0,
            small_crops: 0,
        }
    }

    /// Temperature of an objective.
    pub fn temperature(&self, objective: Objective) -> f32 {
        self.temperature.unwrap_or(match objective {
            Objective::Instance => INSTANCE_TEMPERATURE,
            Objective::LocalAggregation | Objective::ClusterHardness => AGGREGATION_TEMPERATURE,
        })
    }

    /// Whether any epoch has the instance objective.
    pub(super) fn has_instance_epochs(&self) -> bool {
        match self.objective {
            Objective::Instance => self.epochs > 0,
            Objective::LocalAggregation => self.epochs > 0 && self.warmup_epochs > 0,
            Objective::ClusterHardness => false,
        }
    }

    /// Whether any epoch has Local Aggregation.
    pub(super) fn has_local_epochs(&self) -> bool {
        self.objective == Objective::LocalAggregation && self.epochs > self.warmup_epochs
    }

    /// Background neighbours for a folder of `n_images`: a quarter, 64 to 4096, unless given.
    pub fn background_neighbors(&self, n_images: usize) -> usize {
        let extra = usize::from(self.variant == Variant::Article);
        let usual = (n_images / 4).clamp(*BACKGROUND.start(), *BACKGROUND.end());
        (self.background_neighbors.unwrap_or(usual).max(1) + extra).min(n_images)
    }
}

/// A VGG-16 of a quarter of the channels with a 128-d head: on two cores it learns in minutes what the whole one needs hours for.
fn small_network() -> EncoderConfig {
    EncoderConfig { architecture: Architecture::Vgg16Bn, width: 0.25, head_dim: Some(128), ..EncoderConfig::default() }
}

impl Default for RunConfig {
    /// The settings of a run without any: the codes of the encoder that comes with the program, untouched.
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            images: ImagesConfig::default(),
            encoder: EncoderConfig { head_dim: small_network().head_dim, ..EncoderConfig::built_in() },
            frozen: None,
            weights: WeightsSource::BuiltIn,
            // What it learns does not help the codes of a folder of thousands (`benches/RESULTS.md`).
            pretrain: PretrainConfig { epochs: 0, ..PretrainConfig::default() },
            // Training takes ten times as long as all else and is left aside on most folders: who wants it says so.
            aggregate: AggregateConfig { epochs: 0, ..AggregateConfig::default() },
            views: ViewConfig::default(),
            code_views: 3,
            ignore: Vec::new(),
            cluster: ClusterConfig::default(),
        }
    }
}

impl Default for AggregateConfig {
    /// As [`RunConfig::default`] has it: few steps and small ones, and close neighbours that are few and right, since the codes
    /// know so much that wrong ones cost more than right ones bring.
    fn default() -> Self {
        let usual = Self::fine_tuning();
        Self {
            epochs: 5,
            batch_size: 32,
            sgd: SgdSettings { learning_rate: 0.005, weight_decay: 1e-4, ..usual.sgd },
            close_in: CloseIn::Umap,
            overlap: 0.045,
            norm: NormStatistics::Frozen,
            ..usual
        }
    }
}

impl RunConfig {
    /// A start from weights drawn from the seed: a small VGG-16 without the auto-encoder.
    pub fn from_scratch() -> Self {
        Self { aggregate: AggregateConfig::from_scratch(), ..Self::from_weights() }
    }

    /// A start from weights of a file, which is still to be named: the same network, trained by the recipe for weights that know
    /// photographs.
    pub fn from_weights() -> Self {
        Self {
            encoder: small_network(),
            weights: WeightsSource::None,
            aggregate: AggregateConfig::fine_tuning(),
            code_views: 1,
            ..Self::default()
        }
    }

    /// These settings for an architecture that is asked for: built as published, a VGG with its auto-encoder first.
    #[must_use]
    pub fn as_published(self, architecture: Architecture) -> Self {
        let encoder = EncoderConfig::published(architecture);
        let mut pretrain = PretrainConfig::default();
        if !architecture.has_decoder() {
            pretrain.epochs = 0;
        }
        Self { encoder, pretrain, ..self }
    }
}
