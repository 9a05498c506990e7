//! Settings of a run: each default with its reason, made by one function ([`RunConfig::resolve`]), checked once before any work, kept
//! as `config.toml`.

mod aggregate;
mod check;
mod cluster;
mod codes;
mod error;
mod frozen;
mod names;
mod network;
mod overlay;
mod recipe;
mod resolve;
mod schedule;
mod sgd;
mod teacher;
mod train_encoder;
mod unheard;
mod weights_source;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sporeprint_images::{CacheConfig, CodeView, Factor, ViewConfig, content_hash};

use crate::Stage;
use error::check;

pub use aggregate::{
    AggregateConfig, BankStart, CloseIn, HeadStart, NoRefresh, NormStatistics, Objective, Refresh, Variant,
};
pub use cluster::{ClusterConfig, ClusterCount, Geometry, HeadObjective, Method, NoClusterCount, Space};
pub use codes::CodeKind;
pub use error::{ConfigError, Unheard};
pub use frozen::{FrozenConfig, OnnxConfig, PixelsConfig, SimpleConfig, TokenCode, VisionTransformerConfig};
pub use names::setting_names;
pub use network::{
    Architecture, EFFICIENTNET_LITE0, EFFICIENTNET_LITE1, EFFICIENTNET_LITE2, EFFICIENTNET_LITE3, EFFICIENTNET_LITE4,
    EfficientNetPlan, EncoderConfig, Family, Merge, MobileStage, NetworkError, Normalization, RESNET18, RESNET34,
    RESNET50, ResNetPlan, Stem, VGG11, VGG13, VGG16, VGG19, VggStage, scaled,
};
pub use overlay::Overlay;
pub use schedule::{LearningRate, Schedule};
pub use sgd::{Decay, SgdConfig, SgdSettings};
pub use teacher::TeacherConfig;
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

impl std::str::FromStr for Labels {
    type Err = std::convert::Infallible;

    /// `none`, `from-dirs` or the path of a table.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            "from-dirs" => Self::FromDirs,
            path => Self::Table(path.into()),
        })
    }
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
            check(n_images >= 2, "images.embeddings", format!("{n_images} row(s)"), "2 or more", hint)?;
        } else {
            let hint = "give more photographs, or check the path";
            check(n_images >= 2, "images.paths", format!("{n_images} readable image(s)"), "2 or more", hint)?;
        }
        if let ClusterCount::Fixed(k) = self.cluster.n_clusters {
            let expected = format!("at most the number of images, {n_images}");
            check(k <= n_images, "cluster.n_clusters", k, &expected, "lower it, or take `cluster.n_clusters = auto`")?;
        }
        let expected = format!("at most the number of images, {n_images}");
        if let Some(m) = self.aggregate.centroids {
            let hint = "about a tenth of the images is usual";
            check((1..=n_images).contains(&m), "aggregate.centroids", m, &expected, hint)?;
        }
        if let Some(k) = self.aggregate.background_neighbors {
            let hint = "a quarter of the images is usual";
            check((1..=n_images).contains(&k), "aggregate.background_neighbors", k, &expected, hint)?;
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
            let file = Overlay::from_toml(text).expect("a settings file");
            let config = RunConfig::resolve(&file, &Overlay::default()).expect("settings that work");
            assert_ne!(config.aggregate, AggregateConfig::default());
        }
    }

    #[test]
    fn an_image_size_that_cannot_be_halved_is_named() {
        let encoder = EncoderConfig { image_size: 100, ..EncoderConfig::default() };
        let config = RunConfig { encoder, ..RunConfig::from_scratch() };
        let error = config.check().expect_err("100 is not a multiple of 32").to_string();
        assert!(error.contains("`encoder.image_size`") && error.contains("100") && error.contains("32"), "{error}");
    }

    #[test]
    fn more_clusters_than_images_are_refused() {
        let mut config = RunConfig::default();
        config.cluster.n_clusters = ClusterCount::Fixed(11);
        assert!(config.check_images(10).expect_err("11 > 10").to_string().contains("`cluster.n_clusters` is 11"));
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
