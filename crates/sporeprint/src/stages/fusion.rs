//! Learnt and simple codes as one: they err differently, so together they often do better than either.

use std::path::Path;

use super::{Images, StageError};
use crate::config::RunConfig;
use crate::config::WeightsSource;
use crate::encoder::{FrozenEncoder, FrozenError, NamedTensor, Simple, read_tensors, save_tensors};
use crate::images::CodeView;
use crate::progress::Observer;
use crate::rows::normalize;
use crate::train::frozen_unit_codes_of_all;

/// Weight of the simple block against the learnt one, where the network knew photographs before.
const BESIDE_KNOWLEDGE: f32 = 0.5;
/// The views after which a network that began without knowledge weighs as much as simple features, which weigh up to twice
/// as much before (`benches/RESULTS.md`).
const VIEWS_TO_EQUAL: f32 = 160_000.0;

/// Weight of the simple block in a run with these settings.
fn weight(config: &RunConfig, n_images: usize) -> f32 {
    match config.weights {
        WeightsSource::None => (VIEWS_TO_EQUAL / (config.aggregate.epochs * n_images) as f32).clamp(1.0, 2.0),
        WeightsSource::BuiltIn | WeightsSource::File(_) => BESIDE_KNOWLEDGE,
    }
}

/// Simple features of this folder, and the mean of its learnt codes.
#[derive(Debug)]
pub(super) struct Fusion {
    simple: Simple,
    /// Mean unit code, `[dim]`.
    mean: Vec<f32>,
    weight: f32,
}

impl Fusion {
    /// Learns what joining needs from the run's images and their learnt unit codes.
    pub(super) fn fit(images: &Images, learnt: &[f32], dim: usize, config: &RunConfig) -> Result<Self, StageError> {
        let mut sums = vec![0.0f64; dim];
        learnt.chunks_exact(dim).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x)));
        let n = images.len().max(1) as f64;
        let mean = sums.iter().map(|sum| (sum / n) as f32).collect();
        let weight = weight(config, images.len());
        let view = CodeView::averaged(1, &config.ignore)[0];
        Ok(Self { simple: Simple::fit(&images.cache, view, config.seed)?, mean, weight })
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), StageError> {
        let mut tensors = self.simple.tensors();
        for (name, data) in [("learnt.mean", self.mean.clone()), ("weight", vec![self.weight])] {
            tensors.push(NamedTensor { name: name.to_owned(), shape: vec![data.len()], data });
        }
        Ok(save_tensors(path, &tensors)?)
    }

    pub(super) fn open(path: &Path) -> Result<Self, StageError> {
        let tensors = read_tensors(path)?;
        let damaged = || FrozenError::NotFitted { path: path.to_owned() };
        let find = |name: &str| tensors.iter().find(|t| t.name == name).map(|t| t.data.clone()).ok_or_else(damaged);
        let weight = find("weight")?.first().copied().ok_or_else(damaged)?;
        let simple = Simple::from_tensors(&tensors).ok_or_else(damaged)?;
        Ok(Self { simple, mean: find("learnt.mean")?, weight })
    }

    pub(super) fn dim(&self) -> usize {
        self.mean.len() + self.simple.dim()
    }

    /// Unit rows `[n, dim]`: the learnt code without the folder's mean, scaled to unit length, beside the simple one times its
    /// weight.
    ///
    /// # Shapes
    /// - learnt: `[n, learnt dim]`, unit rows
    pub(super) fn join(
        &self,
        learnt: &[f32],
        images: &Images,
        config: &RunConfig,
        observer: &dyn Observer,
    ) -> Result<Vec<f32>, StageError> {
        let views = CodeView::averaged(1, &config.ignore);
        let simple = frozen_unit_codes_of_all(&self.simple, &images.cache, &views, observer)?;
        let (learnt_dim, simple_dim) = (self.mean.len(), self.simple.dim());
        let mut out = Vec::with_capacity(images.len() * self.dim());
        for (learnt, simple) in learnt.chunks_exact(learnt_dim).zip(simple.chunks_exact(simple_dim)) {
            let mut row: Vec<f32> = learnt.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
            normalize(&mut row);
            row.extend(simple);
            row[learnt_dim..].iter_mut().for_each(|x| *x *= self.weight);
            normalize(&mut row);
            out.extend(row);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_a_network_learnt_the_less_simple_features_weigh() {
        let mut config = RunConfig::from_scratch();
        let mut at = |epochs| {
            config.aggregate.epochs = epochs;
            weight(&config, 1000)
        };
        let found = [0, 80, 128, 160, 500].map(&mut at);
        assert_eq!(found, [2.0, 2.0, 1.25, 1.0, 1.0]);
        assert_eq!(weight(&RunConfig::default(), 1000), BESIDE_KNOWLEDGE);
    }
}
