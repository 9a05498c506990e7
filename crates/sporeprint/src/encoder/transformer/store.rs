//! The tensors of one tower in a file, taken one by one; what is missing or left is listed in one message.

use std::collections::BTreeMap;

use super::names::{Tower, read_name};
use crate::encoder::weights::{Entry, WeightFile};
use crate::encoder::{ImportError, WeightsError};

/// Tensors by their timm-like names.
pub(super) struct Store<'a> {
    file: &'a WeightFile,
    entries: BTreeMap<String, &'a Entry>,
    error: ImportError,
}

impl<'a> Store<'a> {
    pub(super) fn new(file: &'a WeightFile, tower: Tower) -> Self {
        let named = |entry: &'a Entry| match read_name(&entry.name) {
            Some((found, name)) if found == tower => Some((name, entry)),
            _ => None,
        };
        let error = ImportError { missing: Vec::new(), unexpected: Vec::new(), misshapen: Vec::new() };
        Self { file, entries: file.entries.iter().filter_map(named).collect(), error }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A tensor's shape without leading axes of 1.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.entries.get(name).map(|entry| trimmed(&entry.shape).to_vec())
    }

    /// Blocks are numbered from 0: how many there are, at most one per tensor.
    pub(super) fn depth(&self) -> usize {
        let number = |name: &String| name.strip_prefix("blocks.")?.split('.').next()?.parse::<usize>().ok();
        self.entries.keys().filter_map(number).max().map_or(0, |last| last.saturating_add(1).min(self.entries.len()))
    }

    /// A tensor's values; none, and a word in the message of [`finish`](Self::finish), where it does not fit.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        match self.entries.remove(name) {
            Some(entry) if trimmed(&entry.shape) == trimmed(shape) => return self.file.values(entry),
            Some(entry) => self.error.misshapen.push((entry.name.clone(), entry.shape.clone(), shape.to_vec())),
            None => self.error.missing.push(name.to_owned()),
        }
        Ok(Vec::new())
    }

    /// As [`take`](Self::take), or nothing where the file has no such tensor.
    pub(super) fn take_if_there(&mut self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, WeightsError> {
        if self.has(name) { self.take(name, shape).map(Some) } else { Ok(None) }
    }

    /// One message with everything that did not fit.
    pub(super) fn finish(mut self, hint: &str) -> Result<(), WeightsError> {
        self.error.unexpected = self.entries.values().map(|entry| entry.name.clone()).collect();
        let ImportError { missing, unexpected, misshapen } = &self.error;
        if missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() {
            return Ok(());
        }
        Err(misfit(self.file, self.error, hint))
    }

    /// For a file in which not even the first tensors are found.
    pub(super) fn not_this(self, missing: &[&str], hint: &str) -> WeightsError {
        let missing = missing.iter().map(|name| (*name).to_owned()).collect();
        let unexpected = self.file.entries.iter().take(5).map(|entry| entry.name.clone()).collect();
        misfit(self.file, ImportError { missing, unexpected, misshapen: Vec::new() }, hint)
    }
}

fn misfit(file: &WeightFile, source: ImportError, hint: &str) -> WeightsError {
    let source = Box::new(source);
    WeightsError::Misfit { path: file.path.clone(), source, hint: format!("\nhint: {hint}") }
}

fn trimmed(shape: &[usize]) -> &[usize] {
    let ones = shape.iter().take_while(|extent| **extent == 1).count();
    &shape[ones..]
}
