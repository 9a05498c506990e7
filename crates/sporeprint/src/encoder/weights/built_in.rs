//! The encoder that comes with the program.

use std::path::Path;

use super::file::WeightFile;
use super::{LoadReport, WeightsError, load};
use crate::encoder::Encoder;

/// Trained by `train-encoder`; `weights/MODEL_CARD.md` says on what, how and how well.
static BYTES: &[u8] = include_bytes!("../../../weights/resnet18-w32.safetensors");

/// Name of the built-in weights in errors; no such file is read.
const NAME: &str = "built-in encoder";

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

    use super::{BYTES, open};
    use crate::config::EncoderConfig;
    use crate::encoder::weights::description;
    use crate::encoder::{BuildEncoder, Weights};

    #[test]
    fn the_built_in_encoder_is_small_whole_and_finite() {
        assert!(BYTES.len() <= 10_000_000, "{} bytes", BYTES.len());
        let config = EncoderConfig::built_in();
        assert_eq!(description(&open().expect("whole")).expect("readable"), Some(config.clone()));
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
