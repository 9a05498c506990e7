//! Which encoder, how wide, and what its code is.

mod architecture;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use architecture::{
    Architecture, EFFICIENTNET_LITE0, EFFICIENTNET_LITE1, EFFICIENTNET_LITE2, EFFICIENTNET_LITE3, EFFICIENTNET_LITE4,
    EfficientNetPlan, Family, MobileStage, Normalization, RESNET18, RESNET34, RESNET50, ResNetPlan, VGG11, VGG13,
    VGG16, VGG19, VggStage, scaled,
};

use super::FrozenConfig;

/// How a feature map becomes a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The mean over height and width: one number per channel, for images of any size.
    #[default]
    Mean,
    /// All numbers, by channel, row and column.
    Flatten,
}

/// How a ResNet begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 7x7 of stride 2, then pooling, as published for 224 pixels: the map has a 32nd of the image's side.
    #[default]
    Standard,
    /// 3x3 of stride 1 without pooling, for images of 32 to 64 pixels: an 8th.
    Small,
    /// 3x3 of stride 2 without pooling, for images of 64 to 128 pixels, at a quarter of the price: a 16th.
    SmallStrided,
}

impl Stem {
    /// Kernel, stride and padding of the first convolution.
    pub fn convolution(self) -> [usize; 3] {
        match self {
            Self::Standard => [7, 2, 3],
            Self::Small => [3, 1, 1],
            Self::SmallStrided => [3, 2, 1],
        }
    }

    /// Whether a 3x3 pooling of stride 2 follows.
    pub fn pools(self) -> bool {
        self == Self::Standard
    }

    /// Side of the image over that of the last map.
    pub fn reduction(self) -> usize {
        8 * self.convolution()[1] * if self.pools() { 2 } else { 1 }
    }
}

/// An encoder before it has weights.
///
/// Saved as part of `config.toml`; every later command builds the same network from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderConfig {
    /// Which network.
    pub architecture: Architecture,
    /// Factor on every channel count: 1 is the published network, whose weights fit only there.
    pub width: f64,
    /// From feature map to code.
    pub merge: Merge,
    /// Side of the square images, in pixels. Only a flattened code depends on it.
    pub image_size: usize,
    /// First layers of a ResNet; other families have no choice.
    pub stem: Stem,
    /// Dimension of a linear head behind the merged code (the paper's 128), or none (the article).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
}

impl Default for EncoderConfig {
    /// A network as published, by default the article's, at 64 pixels. What a run takes is [`RunConfig::default`](super::RunConfig).
    fn default() -> Self {
        Self {
            architecture: Architecture::Vgg16Bn,
            width: 1.0,
            merge: Merge::Mean,
            image_size: 64,
            stem: Stem::Standard,
            head_dim: None,
        }
    }
}

impl EncoderConfig {
    /// The network whose weights come with the program, without a head.
    pub fn built_in() -> Self {
        Self::published(Architecture::EfficientNetLite0)
    }

    /// A network as published, at the size of pictures that it was published for where that differs from the usual one.
    pub fn published(architecture: Architecture) -> Self {
        let usual = Self { architecture, ..Self::default() };
        match architecture.family() {
            Family::Vgg(_) | Family::ResNet(_) => usual,
            Family::EfficientNet(plan) => Self { image_size: plan.image_size, ..usual },
        }
    }

    /// Refuses what cannot be built; the other methods expect a configuration that passed.
    ///
    /// # Errors
    /// - a width that is not a positive finite number
    /// - an image size of 0, or for a VGG one that 32 does not divide
    /// - a head of dimension 0
    pub fn check(&self) -> Result<(), NetworkError> {
        if !(self.width.is_finite() && self.width > 0.0) {
            return Err(NetworkError::Width { found: self.width });
        }
        let step = match self.architecture.family() {
            Family::Vgg(_) => 32,
            Family::ResNet(_) | Family::EfficientNet(_) => 1,
        };
        if self.image_size == 0 || !self.image_size.is_multiple_of(step) {
            let below = (self.image_size / step * step).max(step);
            let (architecture, found) = (self.architecture, self.image_size);
            return Err(NetworkError::ImageSize { architecture, found, step, below, above: below + step });
        }
        if self.head_dim == Some(0) {
            return Err(NetworkError::Head);
        }
        Ok(())
    }

    /// Channels, height and width of the feature map.
    pub fn map_shape(&self) -> [usize; 3] {
        let (channels, side) = match self.architecture.family() {
            Family::Vgg(stages) => {
                (stages.last().map_or(3, |stage| scaled(stage.channels, self.width)), self.image_size / 32)
            }
            Family::ResNet(plan) => (
                scaled(ResNetPlan::CHANNELS[3], self.width) * plan.expansion(),
                self.image_size.div_ceil(self.stem.reduction()),
            ),
            Family::EfficientNet(_) => {
                (scaled(EfficientNetPlan::LAST, self.width), self.image_size.div_ceil(EfficientNetPlan::REDUCTION))
            }
        };
        [channels, side, side]
    }

    /// What is done to pixels before the network sees them.
    pub fn normalization(&self) -> Normalization {
        self.architecture.normalization()
    }

    /// Dimension of a code: the head's, or without one the merged map's.
    pub fn dim(&self) -> usize {
        self.head_dim.unwrap_or_else(|| self.merged_dim())
    }

    /// Dimension of a merged code, before any head.
    pub fn merged_dim(&self) -> usize {
        let [channels, height, width] = self.map_shape();
        match self.merge {
            Merge::Mean => channels,
            Merge::Flatten => channels * height * width,
        }
    }

    /// Refuses a network that has no mirror.
    ///
    /// # Errors
    /// - a network without pooling indices, which only a VGG has
    pub fn check_decoder(&self) -> Result<(), NetworkError> {
        if self.architecture.has_decoder() {
            return Ok(());
        }
        Err(NetworkError::NoDecoder { architecture: self.architecture })
    }
}

/// Why a configuration cannot be built.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum NetworkError {
    #[error(
        "`encoder.architecture` is {name}, an unknown architecture, expected one of {}; never trained: {}, a file \
         MODEL.onnx\nhint: vgg16-bn is the article's",
        Architecture::ALL.map(|(name, _)| name).join(", "),
        FrozenConfig::NAMES.join(", ")
    )]
    UnknownArchitecture { name: String },
    #[error(
        "`encoder.width` is {found}, expected a positive number\nhint: 1 is the published network, 0.5 half its channels"
    )]
    Width { found: f64 },
    #[error(
        "`encoder.image_size` is {found}, expected a positive multiple of {step} for {architecture}\nhint: try {below} or \
         {above}"
    )]
    ImageSize { architecture: Architecture, found: usize, step: usize, below: usize, above: usize },
    #[error("`encoder.head_dim` is 0, expected 1 or more\nhint: put it back for codes without a head")]
    Head,
    #[error(
        "`encoder.architecture = {architecture}`: the auto-encoder needs pooling indices, which only the VGGs have\n\
         hint: name a VGG, such as `encoder.architecture = vgg16-bn`; `weights = none` without a name takes a small one"
    )]
    NoDecoder { architecture: Architecture },
}
