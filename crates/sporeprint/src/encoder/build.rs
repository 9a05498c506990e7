//! From settings to a network with its first weights.

use burn::tensor::Device;

use super::{AutoEncoder, Decoder, Encoder};
use crate::config::{EncoderConfig, Family, NetworkError};

/// What can be built from the settings of a network.
pub trait BuildEncoder {
    /// Builds the encoder with torchvision's initial weights, drawn from `seed`.
    ///
    /// # Errors
    /// - as [`EncoderConfig::check`]
    fn init(&self, device: &Device, seed: u64) -> Result<Encoder, NetworkError>;

    /// Builds encoder and mirrored decoder, both drawn from `seed`; the encoder is that of [`init`](Self::init).
    ///
    /// # Errors
    /// - as [`EncoderConfig::check`]
    /// - a network without pooling indices, which only a VGG has
    fn init_auto_encoder(&self, device: &Device, seed: u64) -> Result<AutoEncoder, NetworkError>;
}

impl BuildEncoder for EncoderConfig {
    fn init(&self, device: &Device, seed: u64) -> Result<Encoder, NetworkError> {
        self.check()?;
        Ok(Encoder::init(self, device, seed))
    }

    fn init_auto_encoder(&self, device: &Device, seed: u64) -> Result<AutoEncoder, NetworkError> {
        let Family::Vgg(stages) = self.architecture.family() else {
            return Err(NetworkError::NoDecoder { architecture: self.architecture });
        };
        let encoder = self.init(device, seed)?;
        Ok(AutoEncoder { encoder, decoder: Decoder::init(stages, self.width, device, seed) })
    }
}
