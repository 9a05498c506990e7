//! Checkpoints: everything a stage needs to go on as if it had never stopped, in one safetensors file.
//!
//! A file is written under a temporary name, flushed to the disk and renamed, so that a killed process leaves either
//! the old checkpoint or the new one. The newest two are kept: should the newest be damaged, the one before serves.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Serialize, de::DeserializeOwned};

use crate::encoder::NamedTensor;
use crate::run::write_atomically;

/// How many checkpoints of a stage stay on the disk.
const KEPT: usize = 2;

/// Weights and rows by name, labels by name, and the small state as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Weights, momentum buffers, bank rows.
    pub tensors: Vec<NamedTensor>,
    /// Cluster labels and other whole numbers.
    pub labels: Vec<(String, Vec<u32>)>,
    /// Position, sums and settings as JSON.
    pub state: String,
}

/// The newest readable checkpoint with its path, if there is one, and warnings about damaged ones.
pub type Newest = (Option<(PathBuf, Checkpoint)>, Vec<String>);

/// Why a checkpoint was not read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not what this program wrote.
    #[error("damaged checkpoint {}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint belongs to other images or settings.
    #[error(
        "checkpoint {} does not fit this run: {differs}\nhint: use the settings it was made with, or `overwrite` to \
         start anew",
        path.display()
    )]
    DoesNotFit {
        /// The file.
        path: PathBuf,
        /// Each setting that differs, with both values.
        differs: String,
    },
}

impl Checkpoint {
    /// State as JSON text.
    ///
    /// # Panics
    /// Never for the plain structs of this crate: they have string keys and no failing serialisers.
    pub fn set_state(&mut self, state: &impl Serialize) {
        self.state = serde_json::to_string(state).expect("a plain struct serialises");
    }

    /// Reads the state back.
    ///
    /// # Errors
    /// When the JSON is not that of a `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.state)
    }

    /// The rows named `name`, taken out.
    pub fn take(&mut self, name: &str) -> Option<NamedTensor> {
        let at = self.tensors.iter().position(|t| t.name == name)?;
        Some(self.tensors.swap_remove(at))
    }

    /// All tensors whose name starts with `prefix`, taken out, without the prefix and in their order.
    pub fn take_prefixed(&mut self, prefix: &str) -> Vec<NamedTensor> {
        let (found, rest) = std::mem::take(&mut self.tensors).into_iter().partition(|t| t.name.starts_with(prefix));
        self.tensors = rest;
        let found: Vec<NamedTensor> = found;
        found.into_iter().map(|t| NamedTensor { name: t.name[prefix.len()..].to_owned(), ..t }).collect()
    }

    /// Adds tensors under a prefix.
    pub fn put_prefixed(&mut self, prefix: &str, tensors: Vec<NamedTensor>) {
        let named = tensors.into_iter().map(|t| NamedTensor { name: format!("{prefix}{}", t.name), ..t });
        self.tensors.extend(named);
    }

    /// The labels named `name`.
    pub fn labels(&self, name: &str) -> Option<&[u32]> {
        self.labels.iter().find(|(n, _)| n == name).map(|(_, l)| l.as_slice())
    }

    /// Bytes of the file: equal for equal content.
    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut views = Vec::new();
        for t in &self.tensors {
            let view = TensorView::new(Dtype::F32, t.shape.clone(), bytemuck::cast_slice(&t.data));
            views.push((t.name.clone(), view.map_err(|e| e.to_string())?));
        }
        for (name, labels) in &self.labels {
            let view = TensorView::new(Dtype::U32, vec![labels.len()], bytemuck::cast_slice(labels));
            views.push((format!("labels.{name}"), view.map_err(|e| e.to_string())?));
        }
        let metadata = HashMap::from([("state".to_owned(), self.state.clone())]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path)?;
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let state = (header.metadata().as_ref().and_then(|m| m.get("state")).cloned())
            .ok_or_else(|| damaged("found no state in its header".to_owned()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let mut checkpoint = Self { state, ..Self::default() };
        let mut names: Vec<_> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        for name in names {
            let view = file.tensor(&name).map_err(|e| damaged(e.to_string()))?;
            match (view.dtype(), name.strip_prefix("labels.")) {
                (Dtype::F32, None) => {
                    let data = bytemuck::pod_collect_to_vec(view.data());
                    checkpoint.tensors.push(NamedTensor { name, shape: view.shape().to_vec(), data });
                }
                (Dtype::U32, Some(label)) => {
                    let labels = bytemuck::pod_collect_to_vec(view.data());
                    checkpoint.labels.push((label.to_owned(), labels));
                }
                (dtype, _) => return Err(damaged(format!("tensor {name} has type {dtype:?}, expected F32"))),
            }
        }
        Ok(checkpoint)
    }

    /// Writes the checkpoint number `step` of a stage and removes all but the newest two.
    ///
    /// # Errors
    /// When the disk is full or not writable; older checkpoints are then still there.
    pub fn write(&self, dir: &Path, stage: &str, step: u64) -> Result<(), CheckpointError> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{stage}-{step:09}.safetensors"));
        let bytes = self.to_bytes().map_err(|reason| CheckpointError::Damaged { path: path.clone(), reason })?;
        write_atomically(&path, |out| out.write_all(&bytes))?;
        let mut steps = steps_of(dir, stage)?;
        steps.retain(|(found, _)| *found <= step);
        for (_, old) in steps.iter().rev().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The newest readable checkpoint of a stage, with warnings about damaged ones.
    ///
    /// # Errors
    /// When the folder cannot be read, or every checkpoint there is damaged.
    pub fn newest(dir: &Path, stage: &str) -> Result<Newest, CheckpointError> {
        let mut warnings = Vec::new();
        let mut last_error = None;
        for (_, path) in steps_of(dir, stage)?.into_iter().rev() {
            match Self::read(&path) {
                Ok(checkpoint) => return Ok((Some((path, checkpoint)), warnings)),
                Err(error) => {
                    warnings.push(format!("{error}; trying the one before"));
                    last_error = Some(error);
                }
            }
        }
        last_error.map_or(Ok((None, warnings)), Err)
    }
}

/// Removes every checkpoint of a stage, when its results stand in their own files.
pub fn remove_all(dir: &Path, stage: &str) -> std::io::Result<()> {
    steps_of(dir, stage)?.into_iter().try_for_each(|(_, path)| fs::remove_file(path))
}

fn steps_of(dir: &Path, stage: &str) -> std::io::Result<Vec<(u64, PathBuf)>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let step = (path.file_name().and_then(|n| n.to_str()))
            .and_then(|n| n.strip_prefix(stage)?.strip_prefix('-')?.strip_suffix(".safetensors")?.parse().ok());
        found.extend(step.map(|step: u64| (step, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(step: f32) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            tensors: vec![NamedTensor { name: "bank".into(), shape: vec![2, 2], data: vec![step, 1.0, -0.0, 1e-38] }],
            labels: vec![("clusterings".into(), vec![0, 1, 1])],
            state: String::new(),
        };
        checkpoint.set_state(&serde_json::json!({"epoch": 3}));
        checkpoint
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        example(1.0).write(dir.path(), "aggregate", 7).expect("written");
        let (found, warnings) = Checkpoint::newest(dir.path(), "aggregate").expect("read");
        assert_eq!((found.expect("there").1, warnings), (example(1.0), vec![]));
    }

    #[test]
    fn the_newest_two_stay_and_a_damaged_one_is_passed_over() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for step in 1..=3 {
            example(step as f32).write(dir.path(), "pretrain", step).expect("written");
        }
        let steps: Vec<u64> = steps_of(dir.path(), "pretrain").expect("listed").into_iter().map(|s| s.0).collect();
        assert_eq!(steps, [2, 3]);
        let newest = dir.path().join("pretrain-000000003.safetensors");
        let bytes = fs::read(&newest).expect("read");
        fs::write(&newest, &bytes[..bytes.len() / 2]).expect("cut");
        let (found, warnings) = Checkpoint::newest(dir.path(), "pretrain").expect("read");
        assert_eq!(found.expect("the one before").1, example(2.0));
        assert!(warnings[0].contains("damaged") && warnings[0].contains("000000003"), "{warnings:?}");
    }

    #[test]
    fn a_stage_without_checkpoints_has_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(Checkpoint::newest(&dir.path().join("none"), "x").expect("read").0.is_none());
    }
}
