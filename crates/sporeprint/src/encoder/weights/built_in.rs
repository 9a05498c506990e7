//! The encoder that comes with the program, and the classifier that its authors trained with it.

use std::path::Path;

use burn::tensor::Device;

use super::file::WeightFile;
use super::{LoadReport, WeightsError, find_classifier, load};
use crate::encoder::{Encoder, Linear};

/// `weights/MODEL_CARD.md` says whose they are, how they were trained on, and how well they do.
static BYTES: &[u8] = include_bytes!("../../../weights/efficientnet-lite0.safetensors");

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

/// The classifier of ImageNet's 1000 kinds that the built-in weights were trained with, if it takes codes of this dimension.
///
/// # Errors
/// - the weights in the program are damaged
pub fn built_in_classifier(dim: usize, device: &Device) -> Result<Option<Linear>, WeightsError> {
    find_classifier(&open()?, dim, device)
}

fn open() -> Result<WeightFile, WeightsError> {
    WeightFile::from_bytes(Path::new(NAME), BYTES.to_vec())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{BYTES, built_in_classifier, open};
    use crate::config::EncoderConfig;
    use crate::encoder::weights::description;
    use crate::encoder::{BuildEncoder, Weights};

    #[test]
    fn the_built_in_encoder_is_small_whole_and_finite() {
        assert!(BYTES.len() <= 10_000_000, "{} bytes", BYTES.len());
        let config = EncoderConfig::built_in();
        assert_eq!(description(&open().expect("whole")).expect("readable"), Some(config.clone()));
        let encoder = config.init(&Device::flex(), 0).expect("can be built");
        let (encoder, mut report) = encoder.with_built_in_weights().expect("fits");
        report.ignored.sort_unstable();
        assert_eq!(report.ignored, ["classifier.bias", "classifier.weight"]);
        let classifier = built_in_classifier(encoder.dim(), &Device::flex()).expect("whole").expect("there");
        assert_eq!(classifier.n_out(), 1000);
        assert!(report.fresh.is_empty(), "{report:?}");
        for tensor in encoder.named_tensors() {
            assert!(tensor.data.iter().all(|x| x.is_finite()), "{}", tensor.name);
            let constant = tensor.data.iter().all(|x| x == &tensor.data[0]);
            assert!(!constant, "{} was not trained", tensor.name);
        }
    }
}
