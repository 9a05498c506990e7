//! Codes in a safetensors file.

use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::{Embeddings, EmbeddingsError};

/// Name that is looked for where a file holds several tables.
const NAME: &str = "embeddings";

/// Reads the only tensor of two dimensions, or the one called `embeddings`.
pub(super) fn read(path: &Path) -> Result<Embeddings, EmbeddingsError> {
    let unfit = |found: String, expected: &str, hint| EmbeddingsError::Unfit {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        hint,
    };
    let bytes = fs_err::read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| unfit(error.to_string(), "a safetensors file", "write it again with safetensors"))?;
    let mut tables: Vec<_> = file.tensors().into_iter().filter(|(_, tensor)| tensor.shape().len() == 2).collect();
    if tables.len() > 1 {
        tables.retain(|(name, _)| name == NAME);
    }
    let [(name, tensor)] = tables.as_slice() else {
        let names: Vec<String> =
            file.tensors().into_iter().map(|(name, tensor)| format!("{name} {:?}", tensor.shape())).collect();
        let found = format!("tensors {}", names.join(", "));
        return Err(unfit(
            found,
            "one tensor of shape [rows, numbers per row]",
            "save the codes under the name embeddings",
        ));
    };
    let data = tensor.data();
    let rows: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        Dtype::F16 => data.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks::<2>().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        other => {
            let found = format!("tensor {name} of type {other:?}");
            return Err(unfit(found, "F16, BF16, F32 or F64", "convert it to float32 before it is saved"));
        }
    };
    Ok(Embeddings { rows, dim: tensor.shape()[1], files: None })
}
