//! The networks that can be built, as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NetworkError;

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
    /// Every architecture with its name in settings.
    pub const ALL: [(&'static str, Self); 7] = [
        ("vgg11-bn", Self::Vgg11Bn),
        ("vgg13-bn", Self::Vgg13Bn),
        ("vgg16-bn", Self::Vgg16Bn),
        ("vgg19-bn", Self::Vgg19Bn),
        ("resnet18", Self::ResNet18),
        ("resnet34", Self::ResNet34),
        ("resnet50", Self::ResNet50),
    ];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, architecture)| *architecture == self).map_or("", |(name, _)| name)
    }

    /// Whether it has a decoder: pooling indices, by which images are drawn from codes.
    pub fn has_decoder(self) -> bool {
        match self.family() {
            Family::Vgg(_) => true,
            Family::ResNet(_) => false,
        }
    }

    /// What it is made of.
    pub fn family(self) -> Family {
        match self {
            Self::Vgg11Bn => Family::Vgg(VGG11),
            Self::Vgg13Bn => Family::Vgg(VGG13),
            Self::Vgg16Bn => Family::Vgg(VGG16),
            Self::Vgg19Bn => Family::Vgg(VGG19),
            Self::ResNet18 => Family::ResNet(&RESNET18),
            Self::ResNet34 => Family::ResNet(&RESNET34),
            Self::ResNet50 => Family::ResNet(&RESNET50),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = NetworkError;

    fn from_str(name: &str) -> Result<Self, NetworkError> {
        let wanted = name.replace('_', "-");
        Self::ALL
            .iter()
            .find(|(known, _)| *known == wanted)
            .map(|(_, architecture)| *architecture)
            .ok_or_else(|| NetworkError::UnknownArchitecture { name: name.to_owned() })
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> Self {
        architecture.name().to_owned()
    }
}

impl TryFrom<String> for Architecture {
    type Error = NetworkError;

    fn try_from(name: String) -> Result<Self, NetworkError> {
        name.parse()
    }
}

/// The families of networks, each with the numbers that tell its members apart. A new family is a new variant: the compiler
/// lists what it needs.
#[derive(Clone, Copy, Debug)]
pub enum Family {
    /// 3x3 convolutions in stages, each closed by a pooling that remembers its maxima: the only one with a decoder.
    Vgg(&'static [VggStage]),
    /// Residual blocks.
    ResNet(&'static ResNetPlan),
}

/// One stage of a VGG: so many convolutions of so many channels, then a 2x2 max-pool.
#[derive(Clone, Copy, Debug)]
pub struct VggStage {
    /// Channels of each convolution's output.
    pub channels: usize,
    /// How many convolutions.
    pub depth: usize,
}

const fn stages(depths: [usize; 5]) -> [VggStage; 5] {
    let [a, b, c, d, e] = depths;
    [
        VggStage { channels: 64, depth: a },
        VggStage { channels: 128, depth: b },
        VggStage { channels: 256, depth: c },
        VggStage { channels: 512, depth: d },
        VggStage { channels: 512, depth: e },
    ]
}

/// torchvision's `vgg11_bn.features`.
pub const VGG11: &[VggStage] = &stages([1, 1, 2, 2, 2]);
/// torchvision's `vgg13_bn.features`.
pub const VGG13: &[VggStage] = &stages([2, 2, 2, 2, 2]);
/// torchvision's `vgg16_bn.features`, the article's encoder.
pub const VGG16: &[VggStage] = &stages([2, 2, 3, 3, 3]);
/// torchvision's `vgg19_bn.features`.
pub const VGG19: &[VggStage] = &stages([2, 2, 4, 4, 4]);

/// A ResNet's blocks.
#[derive(Clone, Copy, Debug)]
pub struct ResNetPlan {
    /// Blocks in each of the four stages.
    pub depths: [usize; 4],
    /// Blocks of 1x1, 3x3, 1x1 with four times the channels at the end, instead of two 3x3.
    pub bottleneck: bool,
}

/// torchvision's `resnet18`.
pub const RESNET18: ResNetPlan = ResNetPlan { depths: [2, 2, 2, 2], bottleneck: false };
/// torchvision's `resnet34`.
pub const RESNET34: ResNetPlan = ResNetPlan { depths: [3, 4, 6, 3], bottleneck: false };
/// torchvision's `resnet50`.
pub const RESNET50: ResNetPlan = ResNetPlan { depths: [3, 4, 6, 3], bottleneck: true };

impl ResNetPlan {
    /// Channels of the four stages, before a bottleneck's factor.
    pub const CHANNELS: [usize; 4] = [64, 128, 256, 512];

    /// A bottleneck's factor on the channels that leave a block.
    pub fn expansion(&self) -> usize {
        if self.bottleneck { 4 } else { 1 }
    }
}

/// A channel count under a width factor, at least 1.
pub fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width).round() as usize).max(1)
}
