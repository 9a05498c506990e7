//! Why a frozen encoder does not run.

use std::path::PathBuf;

use thiserror::Error;

use crate::encoder::WeightsError;

/// Why a frozen encoder cannot be opened, fitted or run.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum FrozenError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(
        "`encoder.architecture = {encoder}` needs weights\nhint: give `weights = FILE`, or `weights = {hub}` to download them once"
    )]
    NoWeights { encoder: &'static str, hub: &'static str },
    #[error(
        "{path}: not the weights that the run was made with: its bytes have changed\nhint: put the old file back, or make \
         the run anew with `overwrite`"
    )]
    OtherWeights { path: PathBuf },
    #[error(
        "{folder}: no vocabulary beside the weights, expected vocab.json and merges.txt, or tokenizer.json\nhint: download \
         them from where the weights came from; `weights = hf:OWNER/REPO` brings them along"
    )]
    NoVocabulary { folder: PathBuf },
    #[error("{path}: not a vocabulary of CLIP's kind: {reason}\nhint: take the file that belongs to the weights")]
    Vocabulary { path: PathBuf, reason: String },
    #[error(transparent)]
    Patches(#[from] crate::encoder::simple::PatchError),
    #[error(
        "{path}: does not hold what `encoder.architecture = simple` learns from a folder\nhint: make the run anew with `overwrite`"
    )]
    NotFitted { path: PathBuf },
    #[error(
        "{path}: not an ONNX model that can be used: {reason}\nhint: export it with fixed channels and square pictures, as `reference/onnx_export.py` does"
    )]
    Model { path: PathBuf, reason: String },
    #[error(
        "{path}: cannot be read as settings of pixels: {reason}\nhint: it takes image_mean, image_std, size and rescale_factor, as transformers writes them"
    )]
    Sidecar { path: PathBuf, reason: String },
    #[error(
        "ONNX Runtime, which runs ONNX models, was not found\nhint: `pip install onnxruntime` in the active Python \
         environment, or set ORT_DYLIB_PATH to the file of the library"
    )]
    NoOnnxRuntime,
    #[error(
        "{library}: cannot be used as ONNX Runtime: {reason}\nhint: `pip install --upgrade onnxruntime`, or set \
         ORT_DYLIB_PATH to the file of another one"
    )]
    OnnxRuntime { library: PathBuf, reason: String },
    #[error("`{setting}` is {found}, expected {expected}\nhint: {hint}")]
    Value { setting: &'static str, found: String, expected: String, hint: &'static str },
}

/// Checks one setting.
pub(crate) fn check_value(
    ok: bool,
    setting: &'static str,
    found: impl ToString,
    expected: impl ToString,
    hint: &'static str,
) -> Result<(), FrozenError> {
    if ok {
        return Ok(());
    }
    Err(FrozenError::Value { setting, found: found.to_string(), expected: expected.to_string(), hint })
}
