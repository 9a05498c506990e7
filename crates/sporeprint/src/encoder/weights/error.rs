//! Why weights could not be read or written.

use std::path::PathBuf;

use thiserror::Error;

use crate::encoder::ImportError;

/// Why a weight file could not be read, did not fit or could not be written.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum WeightsError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(
        "{path}: neither a safetensors file nor one that torch.save wrote\n\
         hint: save the weights with `torch.save(model.state_dict(), PATH)`"
    )]
    Format { path: PathBuf },
    #[error("{path}: damaged or truncated: {reason}\nhint: copy or download the file again")]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{path}: refused: it asks to load `{global}`, and only tensors and dictionaries are read\n\
         hint: save the weights with `torch.save(model.state_dict(), PATH)`"
    )]
    Refused { path: PathBuf, global: String },
    #[error("{path}: {name}: type {found} is not read, expected f32, f16, bf16 or f64")]
    Type { path: PathBuf, name: String, found: String },
    #[error("{path}: {source}{hint}")]
    Misfit { path: PathBuf, source: Box<ImportError>, hint: String },
    #[error("{path}: cannot be written: {reason}")]
    Write { path: PathBuf, reason: String },
}
