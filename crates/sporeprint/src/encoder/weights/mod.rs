//! Weights from files and into files.
//!
//! Reads `.safetensors` and what `torch.save` writes, from torchvision, timm, the article and this program; nothing
//! in a file is executed. Writes safetensors under torchvision's names:
//!
//! ```python
//! import torch, torchvision
//! from safetensors.torch import load_file
//! tensors = load_file("encoder.safetensors")
//! features = {k.removeprefix("features."): v for k, v in tensors.items() if k.startswith("features.")}
//! network = torchvision.models.vgg16_bn().features.eval(); network.load_state_dict(features)
//! ```
//!
//! That is for a VGG-16 as published; for a ResNet as published
//! `torchvision.models.resnet18().load_state_dict(tensors, strict=False)` takes all but `fc` and `head`. `docs/encoders.md` has the
//! lines for the narrower network of a default run.

mod built_in;
mod error;
mod file;
mod names;
mod pickle;
mod zip;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub use built_in::built_in_classifier;
pub use error::WeightsError;

use crate::config::{Architecture, EncoderConfig, Family};

use super::{AutoEncoder, Encoder, ImportError, Linear, NamedTensor, export, import};
pub(crate) use file::{Entry, WeightFile};
use names::{Found, read_name, torch_name};

/// What reading a weight file left aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors of the file that the network has no use for: a classifier, a decoder, a head.
    pub ignored: Vec<String>,
    /// Tensors of the network that the file does not have and that keep their initial values: a head, a decoder.
    pub fresh: Vec<String>,
}

/// A network whose tensors have names that other programs know.
pub trait Weights: Module {
    /// Which architecture the names belong to.
    fn architecture(&self) -> Architecture;

    /// Parts that may be missing on either side, by the start of their names.
    fn optional(&self) -> &'static [&'static str];

    /// Every tensor under torchvision's name, running statistics included.
    fn named_tensors(&self) -> Vec<NamedTensor> {
        let architecture = self.architecture();
        let rename = |tensor: NamedTensor| NamedTensor { name: torch_name(&tensor.name, architecture), ..tensor };
        export(self).into_iter().map(rename).collect()
    }

    /// Writes [`named_tensors`](Self::named_tensors) as safetensors: whole under its name, or not at all.
    ///
    /// # Errors
    /// - the file cannot be written
    fn save(&self, path: &Path) -> Result<(), WeightsError> {
        save_tensors(path, &self.named_tensors())
    }

    /// The network with a file's weights.
    ///
    /// # Errors
    /// - the file is not readable, not of a known format, damaged, or asks for anything but tensors
    /// - tensors are missing, unexpected or of another shape, all of them listed
    fn with_weights(self, path: &Path) -> Result<(Self, LoadReport), WeightsError>
    where
        Self: Sized,
    {
        load(self, &WeightFile::open(path)?)
    }
}

impl Weights for Encoder {
    fn architecture(&self) -> Architecture {
        self.config().architecture
    }

    /// A head may be new, and a file may hold a head or a decoder that is not wanted.
    fn optional(&self) -> &'static [&'static str] {
        &["head.", "decoder."]
    }
}

impl Weights for AutoEncoder {
    fn architecture(&self) -> Architecture {
        self.encoder.config().architecture
    }

    /// The article starts from an ImageNet encoder and a new decoder.
    fn optional(&self) -> &'static [&'static str] {
        &["head.", "decoder."]
    }
}

/// Writes tensors as safetensors in a temporary file beside `path`, which it then becomes.
///
/// # Errors
/// - the file cannot be written, or two tensors have one name
pub fn save_tensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), WeightsError> {
    save(path, tensors, Dtype::F32, None)
}

impl Encoder {
    /// Writes the weights as half-precision numbers in half the space, a classifier under timm's name `classifier`, and the network's
    /// settings beside them, so that [`described_encoder`] needs nothing but the file.
    ///
    /// # Errors
    /// - as [`save_tensors`]
    pub fn save_described(&self, path: &Path, classifier: Option<&Linear>) -> Result<(), WeightsError> {
        let text = serde_json::to_string(self.config())
            .map_err(|error| WeightsError::Write { path: path.to_owned(), reason: error.to_string() })?;
        let mut tensors = self.named_tensors();
        if let Some(classifier) = classifier {
            let named = |tensor: NamedTensor| NamedTensor { name: format!("classifier.{}", tensor.name), ..tensor };
            tensors.extend(export(classifier).into_iter().map(named));
        }
        save(path, &tensors, Dtype::F16, Some(HashMap::from([(DESCRIPTION.to_owned(), text)])))
    }
}

/// The linear classifier that a weight file holds beside an encoder, if it has one that takes codes of this dimension.
///
/// # Errors
/// - the file cannot be read or is damaged
pub fn classifier_of(path: &Path, dim: usize, device: &Device) -> Result<Option<Linear>, WeightsError> {
    find_classifier(&WeightFile::open(path)?, dim, device)
}

fn find_classifier(file: &WeightFile, dim: usize, device: &Device) -> Result<Option<Linear>, WeightsError> {
    let of_classifier = |entry: &&Entry| names::is_classifier(&entry.name);
    let weight =
        file.entries.iter().filter(of_classifier).find(|entry| entry.shape.len() == 2 && entry.shape[1] == dim);
    let Some(weight) = weight else { return Ok(None) };
    let n_classes = weight.shape[0];
    let bias = file.entries.iter().filter(of_classifier).find(|entry| entry.shape == [n_classes]);
    let Some(bias) = bias else { return Ok(None) };
    Ok(Some(Linear {
        weight: super::layers::trained(file.values(weight)?, [n_classes, dim], device),
        bias: super::layers::trained(file.values(bias)?, [n_classes], device),
    }))
}

/// Where a file of [`Encoder::save_described`] keeps the network's settings.
const DESCRIPTION: &str = "sporeprint.encoder";

/// The settings of the network whose weights a file holds, if the file says so.
///
/// # Errors
/// - the file cannot be read, or its settings are not those of a network
pub fn described_encoder(path: &Path) -> Result<Option<EncoderConfig>, WeightsError> {
    description(&WeightFile::open(path)?)
}

fn description(file: &WeightFile) -> Result<Option<EncoderConfig>, WeightsError> {
    let Some(text) = file.metadata(DESCRIPTION) else { return Ok(None) };
    let damaged =
        |error: serde_json::Error| WeightsError::Damaged { path: file.path.clone(), reason: error.to_string() };
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

fn save(
    path: &Path,
    tensors: &[NamedTensor],
    number: Dtype,
    metadata: Option<HashMap<String, String>>,
) -> Result<(), WeightsError> {
    let failed = |reason: String| WeightsError::Write { path: path.to_owned(), reason };
    let to_bytes = |tensor: &NamedTensor| match number {
        Dtype::F16 => tensor.data.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
        _ => bytemuck::cast_slice::<f32, u8>(&tensor.data).to_vec(),
    };
    let values: Vec<Vec<u8>> = tensors.iter().map(to_bytes).collect();
    let mut views = BTreeMap::new();
    for (tensor, bytes) in tensors.iter().zip(&values) {
        let view = TensorView::new(number, tensor.shape.clone(), bytes)
            .map_err(|error| failed(format!("{}: {error}", tensor.name)))?;
        if views.insert(tensor.name.as_str(), view).is_some() {
            return Err(failed(format!("two tensors are named {}", tensor.name)));
        }
    }
    let bytes = safetensors::serialize(views, metadata).map_err(|error| failed(error.to_string()))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs_err::write(&temporary, bytes).and_then(|()| fs_err::rename(&temporary, path));
    if written.is_err() {
        // Nothing half written stays behind; what matters is the first error.
        let _ = fs_err::remove_file(&temporary);
    }
    Ok(written?)
}

/// Reads every f32, f16, bf16 or f64 tensor of a file, names as they stand there.
///
/// # Errors
/// - as [`Weights::with_weights`], names and shapes apart; also tensors of another type
pub fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>, WeightsError> {
    let file = WeightFile::open(path)?;
    file.entries
        .iter()
        .map(|entry| {
            Ok(NamedTensor { name: entry.name.clone(), shape: entry.shape.clone(), data: file.values(entry)? })
        })
        .collect()
}

fn load<W: Weights>(network: W, file: &WeightFile) -> Result<(W, LoadReport), WeightsError> {
    let architecture = network.architecture();
    let optional = network.optional();
    let is_optional = |name: &str| optional.iter().any(|part| name.starts_with(part));
    let mut own = export(&network);
    // From torchvision's name to the place in `own`; what is left in the end is missing.
    let mut wanted: BTreeMap<String, usize> =
        own.iter().enumerate().map(|(place, tensor)| (torch_name(&tensor.name, architecture), place)).collect();
    let mut report = LoadReport::default();
    let mut misfit = ImportError { missing: Vec::new(), unexpected: Vec::new(), misshapen: Vec::new() };
    for entry in &file.entries {
        let name = match read_name(&entry.name, architecture) {
            Found::Tensor(name) => name,
            Found::Counter => continue,
            Found::Classifier => {
                report.ignored.push(entry.name.clone());
                continue;
            }
        };
        match wanted.remove(&name) {
            Some(place) if own[place].shape == entry.shape => own[place].data = file.values(entry)?,
            Some(place) => misfit.misshapen.push((name, entry.shape.clone(), own[place].shape.clone())),
            None if is_optional(&name) => report.ignored.push(entry.name.clone()),
            None => misfit.unexpected.push(entry.name.clone()),
        }
    }
    // A decoder is new as a whole or read as a whole; half of one is a mistake.
    for part in optional {
        let of_part = |name: &&String| name.starts_with(part);
        let whole = export_count(&own, architecture, part);
        if wanted.keys().filter(of_part).count() == whole {
            report.fresh.extend(wanted.keys().filter(of_part).cloned());
            wanted.retain(|name, _| !name.starts_with(part));
        }
    }
    misfit.missing = wanted.into_keys().collect();
    if misfit.missing.is_empty() && misfit.unexpected.is_empty() && misfit.misshapen.is_empty() {
        let network = import(network, &own).map_err(|source| misfit_error(file, source, architecture))?;
        Ok((network, report))
    } else {
        Err(misfit_error(file, misfit, architecture))
    }
}

fn export_count(own: &[NamedTensor], architecture: Architecture, part: &str) -> usize {
    own.iter().filter(|tensor| torch_name(&tensor.name, architecture).starts_with(part)).count()
}

fn misfit_error(file: &WeightFile, source: ImportError, architecture: Architecture) -> WeightsError {
    let holds = |part: &str| file.entries.iter().any(|entry| entry.name.contains(part));
    let family = architecture.family();
    let resnet = holds("layer1.") && !matches!(family, Family::ResNet(_));
    let vgg = holds("features.") && !holds("features.0.0.") && !matches!(family, Family::Vgg(_));
    let efficientnet = (holds("conv_stem.") || holds("features.0.0.")) && !matches!(family, Family::EfficientNet(_));
    let other_family = if resnet {
        Some("a ResNet's weights, for instance `encoder.architecture = resnet18`")
    } else if vgg {
        Some("a VGG's weights, for instance `encoder.architecture = vgg16-bn`")
    } else if efficientnet {
        Some("an EfficientNet's weights, for instance `encoder.architecture = efficientnet-lite0`")
    } else {
        None
    };
    let hint = if let Some(theirs) = other_family {
        &format!("\nhint: these are {theirs}")
    } else if holds("features.") && !holds("running_mean") {
        "\nhint: these are a VGG's weights without batch norm; use those of a `_bn` network"
    } else if source.missing.is_empty() && source.unexpected.is_empty() {
        "\nhint: the same network at another width or stem; check `encoder.width` and `encoder.stem`"
    } else {
        "\nhint: weights of another architecture or depth; check `encoder.architecture`"
    };
    WeightsError::Misfit { path: file.path.clone(), source: Box::new(source), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests;
