//! The encoder that comes with the program.

use std::path::{Path, PathBuf};

use super::file::WeightFile;
use super::{LoadReport, WeightsError, description, load};
use crate::encoder::{Encoder, EncoderConfig};

/// Trained by `train-encoder`; `weights/MODEL_CARD.md` says on what, how and how well.
static BYTES: &[u8] = include_bytes!("../../../../../weights/resnet18-w32.safetensors");

/// Name of the built-in weights in errors; no such file is read.
const NAME: &str = "built-in encoder";

/// The settings of the built-in network.
///
/// # Errors
/// - never, unless the program was built with a damaged file
pub fn built_in_encoder() -> Result<EncoderConfig, WeightsError> {
    description(&open()?)?.ok_or_else(|| {
        let reason = "it does not say what its network is".to_owned();
        WeightsError::Damaged { path: PathBuf::from(NAME), reason }
    })
}

impl Encoder {
    /// The encoder with the built-in weights.
    ///
    /// # Errors
    /// - the encoder is not the built-in network, all misfits listed
    pub fn with_built_in_weights(self) -> Result<(Self, LoadReport), WeightsError> {
        load(self, &open()?)
    }
}

fn open() -> Result<WeightFile, WeightsError> {
    WeightFile::from_bytes(Path::new(NAME), BYTES.to_vec())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{BYTES, built_in_encoder};
    use crate::encoder::Weights;

    #[test]
    fn the_built_in_encoder_is_small_whole_and_finite() {
        assert!(BYTES.len() <= 10_000_000, "{} bytes", BYTES.len());
        let config = built_in_encoder().expect("it says what it is");
        let encoder = config.init(&Device::flex(), 0).expect("can be built");
        let (encoder, report) = encoder.with_built_in_weights().expect("fits");
        assert!(report.ignored.is_empty() && report.fresh.is_empty(), "{report:?}");
        for tensor in encoder.named_tensors() {
            assert!(tensor.data.iter().all(|x| x.is_finite()), "{}", tensor.name);
            let constant = tensor.data.iter().all(|x| x == &tensor.data[0]);
            assert!(!constant, "{} was not trained", tensor.name);
        }
    }
}
