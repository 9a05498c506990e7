//! Settings of a run: each default with its reason, checked once before any work, kept as `config.toml`.

mod aggregate;
mod cluster;
mod codes;
mod error;
mod frozen;
mod network;
mod recipe;
mod schedule;
mod sgd;
mod train_encoder;
mod weights_source;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sporeprint_images::{CacheConfig, CodeView, Factor, ViewConfig, content_hash};

use crate::Stage;
use error::check;

pub use aggregate::{AggregateConfig, BankStart, HeadStart, NormStatistics, Objective, Refresh, Variant};
pub use cluster::{ClusterConfig, ClusterCount, Geometry, HeadObjective, Method, Space};
pub use codes::CodeKind;
pub use error::ConfigError;
pub use frozen::{FrozenConfig, OnnxConfig, PixelsConfig, SimpleConfig, TokenCode, VisionTransformerConfig};
pub use network::{
    Architecture, EncoderConfig, Family, Merge, NetworkError, RESNET18, RESNET34, RESNET50, ResNetPlan, Stem, VGG11,
    VGG13, VGG16, VGG19, VggStage, scaled,
};
pub use recipe::{base_of, from_toml, overlaid};
pub use schedule::{LearningRate, Schedule};
pub use sgd::{Decay, SgdConfig, SgdSettings};
pub use train_encoder::TrainEncoderConfig;
pub use weights_source::WeightsSource;

/// Everything that decides the result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the program that resolved these settings.
    pub version: String,
    /// Source of every random choice.
    pub seed: u64,
    /// Where the images come from.
    pub images: ImagesConfig,
    /// The network.
    pub encoder: EncoderConfig,
    /// An encoder that is never trained, in the place of `encoder`, which then decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FrozenConfig>,
    /// Where the network's first weights come from.
    pub weights: WeightsSource,
    /// The auto-encoder stage.
    pub pretrain: PretrainConfig,
    /// The stage over the memory bank.
    pub aggregate: AggregateConfig,
    /// What a view of an image may change.
    pub views: ViewConfig,
    /// Views of each image whose unit codes are averaged, 1 to 3: the image, its mirror image, its middle.
    pub code_views: usize,
    /// What should not tell pictures apart, neither in training nor in codes.
    pub ignore: Vec<Factor>,
    /// The clusters at the end.
    pub cluster: ClusterConfig,
}

/// Where the images come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImagesConfig {
    /// Files, folders and manifests, as given.
    pub paths: Vec<PathBuf>,
    /// File of codes that the run was made from, instead of images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<PathBuf>,
    /// List of the files behind those codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<PathBuf>,
    /// What was added to the run later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<PathBuf>,
    /// Labels for evaluation: none, the first sub-folder, or a column of a table.
    pub labels: Labels,
}

/// Where labels come from. They are only ever used to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// No labels.
    #[default]
    None,
    /// The name of the first folder under the given path, as torchvision's `ImageFolder` has it.
    FromDirs,
    /// A CSV table with the columns `filename` and `label` (or `class`).
    Table(PathBuf),
}

/// Settings of the auto-encoder stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainConfig {
    /// Passes over all images; 0 leaves the stage out.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Optimiser.
    pub sgd: SgdSettings,
    /// Trains the decoder only.
    pub freeze_encoder: bool,
    /// Seed of the weights and of the shuffling follows the run's; views are drawn as for aggregation when set.
    pub views: bool,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            images: ImagesConfig::default(),
            encoder: recipe::small_network(),
            frozen: None,
            weights: WeightsSource::default(),
            // What it learns does not help the codes of a folder of thousands (`benches/RESULTS.md`).
            pretrain: PretrainConfig { epochs: 0, ..PretrainConfig::default() },
            aggregate: AggregateConfig::default(),
            views: ViewConfig::default(),
            code_views: 1,
            ignore: Vec::new(),
            cluster: ClusterConfig::default(),
        }
    }
}

impl Default for PretrainConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 16,
            // The full VGG runs away from 0.1 within ten steps; at lower rates the codes still all take one direction,
            // for the pooling indices carry the picture.
            sgd: SgdSettings { warm_up: 1.0, ..SgdSettings::new(0.005) },
            freeze_encoder: false,
            views: false,
        }
    }
}

impl RunConfig {
    /// Side of the square pictures that the encoder sees, in pixels.
    pub fn image_size(&self) -> usize {
        self.frozen.as_ref().map_or(self.encoder.image_size, FrozenConfig::image_size)
    }

    /// How photographs become the pictures that the encoder takes.
    pub fn cache(&self) -> CacheConfig {
        self.frozen.as_ref().map_or_else(|| CacheConfig::new(self.encoder.image_size), FrozenConfig::cache)
    }

    /// Checks every setting that does not depend on the images.
    ///
    /// # Errors
    /// The first setting that cannot work, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        match &self.frozen {
            Some(frozen) => frozen.check()?,
            None => self.encoder.check()?,
        }
        let a = &self.aggregate;
        for (flag, batch) in [("--pretrain-batch-size", self.pretrain.batch_size), ("--batch-size", a.batch_size)] {
            check(
                batch >= 2,
                flag,
                batch,
                "2 or more",
                "batch norm needs more than one image to take statistics over",
            )?;
        }
        for (flag, sgd) in [("--pretrain-learning-rate", &self.pretrain.sgd), ("--learning-rate", &a.sgd)] {
            let rate = sgd.learning_rate;
            check(rate.is_finite() && rate > 0.0, flag, rate, "a positive number", "0.01 is a good start")?;
            let momentum = sgd.momentum;
            check((0.0..1.0).contains(&momentum), "--momentum", momentum, "0 or more, under 1", "0.9 is usual")?;
            let decay = sgd.weight_decay;
            check(decay.is_finite() && decay >= 0.0, "--weight-decay", decay, "0 or more", "1e-4 is usual")?;
        }
        let t = a.temperature.unwrap_or(1.0);
        check(t.is_finite() && t > 0.0, "--temperature", t, "a positive number", "the paper takes 0.07")?;
        let mixing = a.mixing_rate;
        check(mixing > 0.0 && mixing <= 1.0, "--mixing-rate", mixing, "over 0, at most 1", "the paper takes 0.5")?;
        check(a.clusterings >= 1, "--clusterings", a.clusterings, "1 or more", "3 to 10 are usual")?;
        let (Refresh::Epochs(every) | Refresh::Steps(every)) = a.refresh;
        check(every >= 1, "--refresh", every, "1 or more", "once per epoch is usual")?;
        let share = a.largest_close;
        check(share > 0.0 && share <= 1.0, "largest_close", share, "over 0, at most 1", "0.3 is usual")?;
        let average = a.average;
        check(average.is_finite() && average >= 0.0, "--average", average, "0 or more", "1 looks back one epoch")?;
        let half = a.half_size;
        check((0.0..=1.0).contains(&half), "--half-size", half, "0 to 1", "0.5 is half of the epochs")?;
        let views = self.code_views;
        check(
            (1..=3).contains(&views),
            "--code-views",
            views,
            "1 to 3",
            "3 takes the mirror image and the middle too",
        )?;
        if let Some((flag, found, expected, hint)) = self.cluster.fault() {
            return Err(ConfigError::Value { flag, found, expected: expected.to_owned(), hint });
        }
        Ok(())
    }

    /// What a view of training may change, with what is to be ignored.
    pub fn training_views(&self) -> ViewConfig {
        self.views.clone().ignoring(&self.ignore)
    }

    /// The views of each image whose codes are averaged.
    pub fn averaged_views(&self) -> Vec<CodeView> {
        CodeView::averaged(self.code_views, &self.ignore)
    }

    /// A digest of the settings that decide what a stage computes, to tell whose a checkpoint is.
    pub fn fingerprint(&self, stage: Stage) -> String {
        let mut decisive = self.clone();
        decisive.images = ImagesConfig::default();
        if stage == Stage::Pretrain {
            decisive.aggregate = AggregateConfig::default();
        }
        if decisive.aggregate.objective != Objective::ClusterHardness {
            decisive.cluster = ClusterConfig::default();
        }
        let text = serde_json::to_string(&decisive).expect("settings serialise");
        format!("{:016x}", content_hash(text.as_bytes(), 0))
    }

    /// Checks the settings against the number of images found.
    ///
    /// # Errors
    /// When there are too few images for what is asked.
    pub fn check_images(&self, n_images: usize) -> Result<(), ConfigError> {
        if self.images.embeddings.is_some() {
            let hint = "there is nothing to group";
            check(n_images >= 2, "--embeddings", format!("{n_images} row(s)"), "2 or more", hint)?;
        } else {
            let hint = "give more photographs, or check the path";
            check(n_images >= 2, "PATH", format!("{n_images} readable image(s)"), "2 or more", hint)?;
        }
        if let ClusterCount::Fixed(k) = self.cluster.n_clusters {
            let expected = format!("at most the number of images, {n_images}");
            check(k <= n_images, "--n-clusters", k, &expected, "lower it, or use -k auto")?;
        }
        let expected = format!("at most the number of images, {n_images}");
        if let Some(m) = self.aggregate.centroids {
            check((1..=n_images).contains(&m), "--centroids", m, &expected, "about a tenth of the images is usual")?;
        }
        if let Some(k) = self.aggregate.background_neighbors {
            let hint = "a quarter of the images is usual";
            check((1..=n_images).contains(&k), "--background-neighbors", k, &expected, hint)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_survive_a_round_trip_through_toml() {
        let config = RunConfig::default();
        config.check().expect("defaults work");
        let text = toml::to_string(&config).expect("serialises");
        assert_eq!(toml::from_str::<RunConfig>(&text).expect("reads back"), config);
    }

    #[test]
    fn the_published_protocols_are_settings_that_work() {
        for text in [include_str!("../../../../configs/article.toml"), include_str!("../../../../configs/paper.toml")] {
            let config = from_toml(text).expect("a settings file");
            config.check().expect("settings that work");
            assert_ne!(config.aggregate, AggregateConfig::default());
        }
    }

    #[test]
    fn an_image_size_that_cannot_be_halved_is_named_with_its_flag() {
        let encoder = EncoderConfig { image_size: 100, ..EncoderConfig::default() };
        let config = RunConfig { encoder, ..RunConfig::default() };
        let error = config.check().expect_err("100 is not a multiple of 32").to_string();
        assert!(error.contains("--image-size") && error.contains("100") && error.contains("32"), "{error}");
    }

    #[test]
    fn more_clusters_than_images_are_refused() {
        let mut config = RunConfig::default();
        config.cluster.n_clusters = ClusterCount::Fixed(11);
        assert!(config.check_images(10).expect_err("11 > 10").to_string().contains("--n-clusters is 11"));
        assert!(config.check_images(1).expect_err("one image").to_string().contains("1 readable image"));
    }

    #[test]
    fn background_neighbors_never_exceed_the_images() {
        let article =
            AggregateConfig { variant: Variant::Article, background_neighbors: Some(10), ..Default::default() };
        assert_eq!(article.background_neighbors(10), 10);
        for n_images in [2, 50, 5000, 100_000] {
            let found = AggregateConfig::default().background_neighbors(n_images);
            assert!((1..=n_images).contains(&found), "{found} of {n_images}");
        }
    }
}
