//! Vision transformers: the size of their pictures, and which tokens make the code.

use serde::{Deserialize, Serialize};

/// Which tokens of a vision transformer make the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum TokenCode {
    /// The class token: what the network was trained to describe a picture by.
    #[default]
    Class,
    /// The mean of the patch tokens.
    Patches,
    /// Class token, then mean of the patch tokens, as DINOv2's own linear probe takes them.
    Both,
}

/// Settings of a a vision transformer; everything else is read from the weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VisionTransformerConfig {
    /// Side of the square pictures, in pixels.
    pub image_size: usize,
    /// Which tokens make the code.
    pub tokens: TokenCode,
    /// Digest of the weights that a run was made with; other ones are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Default for VisionTransformerConfig {
    /// 224 pixels, as DINOv2 and CLIP are used.
    fn default() -> Self {
        Self { image_size: 224, tokens: TokenCode::default(), digest: None }
    }
}
