//! The networks that can be built, as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NetworkError;

/// The networks that can be built, under torchvision's and timm's names.
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
    /// EfficientNet-Lite0: the network that comes with the program.
    EfficientNetLite0,
    /// EfficientNet-Lite1, a tenth deeper.
    EfficientNetLite1,
    /// EfficientNet-Lite2, a tenth wider and a fifth deeper, for 260 pixels.
    EfficientNetLite2,
    /// EfficientNet-Lite3, for 280 pixels.
    EfficientNetLite3,
    /// EfficientNet-Lite4, for 300 pixels.
    EfficientNetLite4,
}

impl Architecture {
    /// Every architecture with its name in settings.
    pub const ALL: [(&'static str, Self); 12] = [
        ("vgg11-bn", Self::Vgg11Bn),
        ("vgg13-bn", Self::Vgg13Bn),
        ("vgg16-bn", Self::Vgg16Bn),
        ("vgg19-bn", Self::Vgg19Bn),
        ("resnet18", Self::ResNet18),
        ("resnet34", Self::ResNet34),
        ("resnet50", Self::ResNet50),
        ("efficientnet-lite0", Self::EfficientNetLite0),
        ("efficientnet-lite1", Self::EfficientNetLite1),
        ("efficientnet-lite2", Self::EfficientNetLite2),
        ("efficientnet-lite3", Self::EfficientNetLite3),
        ("efficientnet-lite4", Self::EfficientNetLite4),
    ];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, architecture)| *architecture == self).map_or("", |(name, _)| name)
    }

    /// Whether it has a decoder: pooling indices, by which images are drawn from codes.
    pub fn has_decoder(self) -> bool {
        match self.family() {
            Family::Vgg(_) => true,
            Family::ResNet(_) | Family::EfficientNet(_) => false,
        }
    }

    /// What the published weights expect to be done to pixels of 0 to 1.
    pub fn normalization(self) -> Normalization {
        match self.family() {
            Family::Vgg(_) | Family::ResNet(_) => Normalization::IMAGENET,
            Family::EfficientNet(_) => Normalization::SYMMETRIC,
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
            Self::EfficientNetLite0 => Family::EfficientNet(&EFFICIENTNET_LITE0),
            Self::EfficientNetLite1 => Family::EfficientNet(&EFFICIENTNET_LITE1),
            Self::EfficientNetLite2 => Family::EfficientNet(&EFFICIENTNET_LITE2),
            Self::EfficientNetLite3 => Family::EfficientNet(&EFFICIENTNET_LITE3),
            Self::EfficientNetLite4 => Family::EfficientNet(&EFFICIENTNET_LITE4),
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
    /// Inverted residual blocks around depthwise convolutions.
    EfficientNet(&'static EfficientNetPlan),
}

/// `(pixel / 255 - mean) / deviation`, per channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Subtracted from red, green and blue of 0 to 1.
    pub mean: [f32; 3],
    /// Divides what is left.
    pub deviation: [f32; 3],
}

impl Normalization {
    /// Mean and deviation over ImageNet, which torchvision's weights and most others expect.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

    /// Bytes to `(byte - 127) / 128`, as the authors of EfficientNet-Lite trained it. timm's transfers take
    /// `(byte - 127.5) / 127.5` for the same weights.
    pub const SYMMETRIC: Self = Self { mean: [127.0 / 255.0; 3], deviation: [128.0 / 255.0; 3] };
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

/// An EfficientNet without squeeze and excitation, and with ReLU6.
///
/// # Reference
/// Tan & Le 2019, arXiv:1905.11946; the Lite variants are of <https://github.com/tensorflow/tpu>
/// (`models/official/efficientnet/lite`): stem, last convolution and the depths of first and last stage do not grow.
#[derive(Clone, Copy, Debug)]
pub struct EfficientNetPlan {
    /// Factor on the channels of every stage, rounded to multiples of 8.
    pub width: f64,
    /// Factor on the depths of the stages between first and last, rounded up.
    pub depth: f64,
    /// Side of the pictures it was published for, in pixels.
    pub image_size: usize,
}

/// One stage of inverted residual blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MobileStage {
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Stride of the first block.
    pub stride: usize,
    /// Channels inside a block over those that enter it; 1 leaves the first convolution out.
    pub expansion: usize,
    /// Channels that leave a block.
    pub channels: usize,
    /// Blocks.
    pub depth: usize,
}

const fn stage(kernel: usize, stride: usize, expansion: usize, channels: usize, depth: usize) -> MobileStage {
    MobileStage { kernel, stride, expansion, channels, depth }
}

/// EfficientNet-B0's stages.
const MOBILE_STAGES: [MobileStage; 7] = [
    stage(3, 1, 1, 16, 1),
    stage(3, 2, 6, 24, 2),
    stage(5, 2, 6, 40, 2),
    stage(3, 2, 6, 80, 3),
    stage(5, 1, 6, 112, 3),
    stage(5, 2, 6, 192, 4),
    stage(3, 1, 6, 320, 1),
];

/// timm's `tf_efficientnet_lite0`.
pub const EFFICIENTNET_LITE0: EfficientNetPlan = EfficientNetPlan { width: 1.0, depth: 1.0, image_size: 224 };
/// timm's `tf_efficientnet_lite1`.
pub const EFFICIENTNET_LITE1: EfficientNetPlan = EfficientNetPlan { width: 1.0, depth: 1.1, image_size: 240 };
/// timm's `tf_efficientnet_lite2`.
pub const EFFICIENTNET_LITE2: EfficientNetPlan = EfficientNetPlan { width: 1.1, depth: 1.2, image_size: 260 };
/// timm's `tf_efficientnet_lite3`.
pub const EFFICIENTNET_LITE3: EfficientNetPlan = EfficientNetPlan { width: 1.2, depth: 1.4, image_size: 280 };
/// timm's `tf_efficientnet_lite4`.
pub const EFFICIENTNET_LITE4: EfficientNetPlan = EfficientNetPlan { width: 1.4, depth: 1.8, image_size: 300 };

impl EfficientNetPlan {
    /// Channels of the first convolution.
    pub const STEM: usize = 32;
    /// Channels of the last convolution: the dimension of a code.
    pub const LAST: usize = 1280;
    /// Side of the image over that of the last map.
    pub const REDUCTION: usize = 32;

    /// The stages of this member.
    pub fn stages(&self) -> [MobileStage; 7] {
        let (first, last) = (0, MOBILE_STAGES.len() - 1);
        let mut place = 0;
        MOBILE_STAGES.map(|stage| {
            let grows = place != first && place != last;
            place += 1;
            let depth = if grows { (stage.depth as f64 * self.depth).ceil() as usize } else { stage.depth };
            MobileStage { channels: self.channels(stage.channels), depth, ..stage }
        })
    }

    /// A number of channels times the width, to the nearest multiple of 8 that does not lose more than a tenth.
    fn channels(&self, channels: usize) -> usize {
        const DIVISOR: usize = 8;
        let exact = channels as f64 * self.width;
        let rounded = ((exact as usize + DIVISOR / 2) / DIVISOR * DIVISOR).max(DIVISOR);
        if (rounded as f64) < 0.9 * exact { rounded + DIVISOR } else { rounded }
    }
}

/// A channel count under a width factor, at least 1.
pub fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width).round() as usize).max(1)
}
