//! A weight file opened: which tensors it holds, and each one's values when asked for.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use super::error::WeightsError;
use super::{pickle, zip};

/// Number types that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F32,
    F16,
    Bf16,
    F64,
    /// Read only as far as its size goes; counters are of this kind.
    Other(usize),
}

impl Number {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F64 => 8,
            Self::Other(bytes) => bytes,
        }
    }
}

/// One tensor of a file: where its values lie. `start` counts bytes, `strides` count values.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) number: Number,
    pub(crate) start: usize,
}

/// A file in memory with its table of tensors, every one of which lies within it.
#[derive(Debug)]
pub(crate) struct WeightFile {
    pub(crate) path: PathBuf,
    bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

/// What a reader of one format found wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    Damaged(String),
    Refused(String),
}

impl Fault {
    pub(crate) fn damaged<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self::Damaged(reason.into()))
    }
}

impl WeightFile {
    /// Reads the file and its table. The format is told by the content, not by the name.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::from_bytes(path, fs_err::read(path)?)
    }

    /// The file of these bytes, known in errors as `path`.
    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, WeightsError> {
        let path = path.to_owned();
        let entries = if zip::is_archive(&bytes) {
            zip::entries(&bytes)
        } else if pickle::is_legacy(&bytes) {
            pickle::legacy_entries(&bytes)
        } else if bytes.get(8) == Some(&b'{') {
            safetensors_entries(&bytes)
        } else {
            return Err(WeightsError::Format { path });
        };
        match entries {
            Ok(entries) => Ok(Self { path, bytes, entries }),
            Err(Fault::Damaged(reason)) => Err(WeightsError::Damaged { path, reason }),
            Err(Fault::Refused(global)) => Err(WeightsError::Refused { path, global }),
        }
    }

    /// A text that stands beside the tensors of a safetensors file.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).ok()?;
        header.metadata().as_ref()?.get(key).cloned()
    }

    /// A tensor's values in row-major order as f32.
    pub(crate) fn values(&self, entry: &Entry) -> Result<Vec<f32>, WeightsError> {
        let convert: fn(&[u8]) -> f32 = match entry.number {
            Number::F32 => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Number::F16 => |b| half::f16::from_le_bytes([b[0], b[1]]).to_f32(),
            Number::Bf16 => |b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            Number::F64 => |b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
            Number::Other(bytes) => {
                let (path, name) = (self.path.clone(), entry.name.clone());
                return Err(WeightsError::Type { path, name, found: format!("of {bytes} bytes, not a float") });
            }
        };
        let width = entry.number.bytes();
        let count = entry.shape.iter().product();
        if entry.strides == row_major(&entry.shape) {
            let bytes = &self.bytes[entry.start..entry.start + count * width];
            return Ok(bytes.chunks_exact(width).map(convert).collect());
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; entry.shape.len()];
        for _ in 0..count {
            let offset: usize = index.iter().zip(&entry.strides).map(|(i, stride)| i * stride).sum();
            let start = entry.start + offset * width;
            values.push(convert(&self.bytes[start..start + width]));
            advance(&mut index, &entry.shape);
        }
        Ok(values)
    }
}

/// The next index in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (position, extent) in index.iter_mut().zip(shape).rev() {
        *position += 1;
        if *position < *extent {
            return;
        }
        *position = 0;
    }
}

/// Strides of a row-major tensor.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

fn safetensors_entries(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| Fault::Damaged(error.to_string()))?;
    let base = bytes.as_ptr() as usize;
    let entry = |(name, view): (String, safetensors::tensor::TensorView<'_>)| Entry {
        name,
        shape: view.shape().to_vec(),
        strides: row_major(view.shape()),
        number: match view.dtype() {
            Dtype::F32 => Number::F32,
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F64 => Number::F64,
            other => Number::Other(other.bitsize() / 8),
        },
        start: view.data().as_ptr() as usize - base,
    };
    Ok(file.tensors().into_iter().map(entry).collect())
}
