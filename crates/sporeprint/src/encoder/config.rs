//! Which encoder, how wide, and what its code is.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{AutoEncoder, Decoder, Encoder, FrozenConfig, resnet, vgg};

/// The networks that can be built, under torchvision's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Architecture {
    /// VGG-11 with batch norm.
    Vgg11Bn,
    /// VGG-13 with batch norm.
    Vgg13Bn,
    /// VGG-16 with batch norm: the article's network.
    Vgg16Bn,
    /// VGG-19 with batch norm.
    Vgg19Bn,
    /// ResNet-18, of two-convolution blocks.
    ResNet18,
    /// ResNet-34, of two-convolution blocks.
    ResNet34,
    /// ResNet-50, of bottleneck blocks: the Local Aggregation paper's best.
    ResNet50,
}

impl Architecture {
    /// Every architecture with the name that `--encoder` takes.
    pub const ALL: [(&'static str, Self); 7] = [
        ("vgg11-bn", Self::Vgg11Bn),
        ("vgg13-bn", Self::Vgg13Bn),
        ("vgg16-bn", Self::Vgg16Bn),
        ("vgg19-bn", Self::Vgg19Bn),
        ("resnet18", Self::ResNet18),
        ("resnet34", Self::ResNet34),
        ("resnet50", Self::ResNet50),
    ];

    /// The name that `--encoder` takes and `config.toml` keeps.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, architecture)| *architecture == self).map_or("", |(name, _)| name)
    }

    /// Whether it is a VGG: it has a decoder, and always the same first layers.
    pub fn is_vgg(self) -> bool {
        self.vgg_stages().is_some()
    }

    /// The VGG's stages, or nothing for a ResNet.
    pub(crate) fn vgg_stages(self) -> Option<&'static [vgg::Stage]> {
        match self {
            Self::Vgg11Bn => Some(vgg::VGG11),
            Self::Vgg13Bn => Some(vgg::VGG13),
            Self::Vgg16Bn => Some(vgg::VGG16),
            Self::Vgg19Bn => Some(vgg::VGG19),
            Self::ResNet18 | Self::ResNet34 | Self::ResNet50 => None,
        }
    }

    /// The ResNet's blocks, or nothing for a VGG.
    pub(crate) fn resnet_plan(self) -> Option<&'static resnet::Plan> {
        match self {
            Self::ResNet18 => Some(&resnet::RESNET18),
            Self::ResNet34 => Some(&resnet::RESNET34),
            Self::ResNet50 => Some(&resnet::RESNET50),
            Self::Vgg11Bn | Self::Vgg13Bn | Self::Vgg16Bn | Self::Vgg19Bn => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        let wanted = name.replace('_', "-");
        Self::ALL
            .iter()
            .find(|(known, _)| *known == wanted)
            .map(|(_, architecture)| *architecture)
            .ok_or_else(|| ConfigError::UnknownArchitecture { name: name.to_owned() })
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> Self {
        architecture.name().to_owned()
    }
}

impl TryFrom<String> for Architecture {
    type Error = ConfigError;

    fn try_from(name: String) -> Result<Self, ConfigError> {
        name.parse()
    }
}

/// How a feature map becomes a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The mean over height and width: one value per channel, the same dimension for every image size.
    #[default]
    Mean,
    /// All values in the order channel, row, column.
    Flatten,
    /// The values of `Flatten`, kept as a map `[channels, height, width]` where they are written out.
    None,
}

/// How a ResNet begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) fn convolution(self) -> [usize; 3] {
        match self {
            Self::Standard => [7, 2, 3],
            Self::Small => [3, 1, 1],
            Self::SmallStrided => [3, 2, 1],
        }
    }

    /// Whether a 3x3 pooling of stride 2 follows.
    pub(crate) fn pools(self) -> bool {
        self == Self::Standard
    }

    /// Side of the image over that of the last map.
    fn reduction(self) -> usize {
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
    /// First layers of a ResNet; VGGs have no choice.
    pub stem: Stem,
    /// Dimension of a linear head behind the merged code (the paper's 128), or none (the article).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
}

impl Default for EncoderConfig {
    /// The article's encoder at 64 pixels.
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
    /// Refuses what cannot be built; the other methods expect a configuration that passed.
    ///
    /// # Errors
    /// - a width that is not a positive finite number
    /// - an image size of 0, or for a VGG one that 32 does not divide
    /// - a head of dimension 0
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.width.is_finite() && self.width > 0.0) {
            return Err(ConfigError::Width { found: self.width });
        }
        let step = if self.architecture.is_vgg() { 32 } else { 1 };
        if self.image_size == 0 || !self.image_size.is_multiple_of(step) {
            let below = (self.image_size / step * step).max(step);
            let (architecture, found) = (self.architecture, self.image_size);
            return Err(ConfigError::ImageSize { architecture, found, step, below, above: below + step });
        }
        if self.head_dim == Some(0) {
            return Err(ConfigError::Head);
        }
        Ok(())
    }

    /// Channels, height and width of the feature map.
    pub fn map_shape(&self) -> [usize; 3] {
        let (channels, side) = match (self.architecture.vgg_stages(), self.architecture.resnet_plan()) {
            (Some(stages), _) => (vgg::map_channels(stages, self.width), self.image_size / 32),
            (None, Some(plan)) => (plan.map_channels(self.width), self.image_size.div_ceil(self.stem.reduction())),
            (None, None) => (0, 0),
        };
        [channels, side, side]
    }

    /// Shape of one image's code: one number, or three for [`Merge::None`] without a head.
    pub fn code_shape(&self) -> Vec<usize> {
        match (self.head_dim, self.merge) {
            (Some(dim), _) => vec![dim],
            (None, Merge::None) => self.map_shape().to_vec(),
            (None, Merge::Mean | Merge::Flatten) => vec![self.merged_dim()],
        }
    }

    /// Dimension of a code: the product of [`code_shape`](Self::code_shape).
    pub fn dim(&self) -> usize {
        self.code_shape().iter().product()
    }

    /// Dimension of a merged code, before any head.
    pub fn merged_dim(&self) -> usize {
        let [channels, height, width] = self.map_shape();
        match self.merge {
            Merge::Mean => channels,
            Merge::Flatten | Merge::None => channels * height * width,
        }
    }

    /// Fewest images that a training batch may hold: batch norm needs two values per channel.
    pub fn smallest_batch(&self) -> usize {
        let [_, height, width] = self.map_shape();
        if height * width > 1 { 1 } else { 2 }
    }

    /// Builds the encoder with torchvision's initial weights, drawn from `seed`.
    ///
    /// # Errors
    /// - as [`check`](Self::check)
    pub fn init(&self, device: &Device, seed: u64) -> Result<Encoder, ConfigError> {
        self.check()?;
        Ok(Encoder::init(self, device, seed))
    }

    /// Builds encoder and mirrored decoder, both drawn from `seed`; the encoder is that of [`init`](Self::init).
    ///
    /// # Errors
    /// - as [`check`](Self::check)
    /// - a network without pooling indices (ResNet)
    pub fn init_auto_encoder(&self, device: &Device, seed: u64) -> Result<AutoEncoder, ConfigError> {
        let stages = self.decoder_stages()?;
        let encoder = self.init(device, seed)?;
        Ok(AutoEncoder { encoder, decoder: Decoder::init(stages, self.width, device, seed) })
    }

    /// Refuses a network that has no mirror.
    ///
    /// # Errors
    /// - a network without pooling indices (ResNet)
    pub fn check_decoder(&self) -> Result<(), ConfigError> {
        self.decoder_stages().map(|_| ())
    }

    fn decoder_stages(&self) -> Result<&'static [vgg::Stage], ConfigError> {
        self.architecture.vgg_stages().ok_or(ConfigError::NoDecoder { architecture: self.architecture })
    }
}

/// Why a configuration cannot be built.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum ConfigError {
    #[error(
        "--encoder {name}: unknown architecture, expected one of {}; never trained: {}\nhint: `vgg16-bn` is the \
         article's",
        Architecture::ALL.map(|(name, _)| name).join(", "),
        FrozenConfig::NAMES.join(", ")
    )]
    UnknownArchitecture { name: String },
    #[error("--width {found}: expected a positive number\nhint: 1 is the published network, 0.5 half its channels")]
    Width { found: f64 },
    #[error("--image-size {found}: {architecture} expects a positive multiple of {step}\nhint: try {below} or {above}")]
    ImageSize { architecture: Architecture, found: usize, step: usize, below: usize, above: usize },
    #[error("--head-dim 0: expected at least 1\nhint: leave it out for codes without a head")]
    Head,
    #[error(
        "--encoder {architecture}: the auto-encoder needs pooling indices, which only the VGGs have\n\
         hint: name a VGG, such as `--encoder vgg16-bn`; `--weights none` without `--encoder` takes a small one"
    )]
    NoDecoder { architecture: Architecture },
}
