//! What turns the pictures of a run into codes: the trained network, or an encoder that is never trained.

use std::path::PathBuf;

use burn::tensor::Device;

use super::fusion::Fusion;
use super::images::root;
use super::{Images, StageError};
use crate::config::CodeKind;
use crate::encoder::BuildEncoder;
use crate::encoder::OpenFrozen;
use crate::encoder::{Encoder, FrozenEncoder, Weights};
use crate::progress::Observer;
use crate::run::{Origin, RunDir, Session};
use crate::train::{frozen_unit_codes_of_all, unit_codes_of_all};

/// An encoder ready to be asked for codes.
#[derive(Debug)]
pub(super) enum CodeSource {
    /// In evaluation mode: its head's codes, or its merged feature maps.
    Network(Encoder, CodeKind),
    /// The merged feature maps of the network before training and after it.
    Ensemble(Box<[Encoder; 2]>),
    /// The network's merged feature maps beside features that need no training.
    Fused(Encoder, Box<Fusion>),
    /// Never trained.
    Frozen(Box<dyn FrozenEncoder>),
}

impl CodeSource {
    /// The encoder that the run's stages left behind, asked for one kind of codes. A frozen encoder has one kind only.
    pub(super) fn of_kind(session: &Session, kind: CodeKind) -> Result<Self, StageError> {
        let config = &session.config;
        if let Some(frozen) = &config.frozen {
            return Ok(Self::Frozen(frozen.open(config.weights.file(), &session.dir.encoder())?));
        }
        let dir = &session.dir;
        let network = |kind: CodeKind| -> Result<Encoder, StageError> {
            Ok(config.encoder.init(&Device::flex(), config.seed)?.with_weights(&weights(dir, kind))?.0)
        };
        Ok(match kind {
            CodeKind::Ensemble => {
                let before = origin(session)?.before_training().ok_or_else(|| no_such_codes(session, kind))?;
                Self::Ensemble(Box::new([network(before)?, network(kind)?]))
            }
            CodeKind::Fused => Self::Fused(network(kind)?, Box::new(Fusion::open(&session.newest(RunDir::fusion))?)),
            _ => Self::Network(network(kind)?, kind),
        })
    }

    pub(super) fn dim(&self) -> usize {
        match self {
            Self::Network(encoder, CodeKind::Head) => encoder.dim(),
            Self::Network(encoder, _) => encoder.config().merged_dim(),
            Self::Ensemble(encoders) => encoders.iter().map(|encoder| encoder.config().merged_dim()).sum(),
            Self::Fused(_, fusion) => fusion.dim(),
            Self::Frozen(encoder) => encoder.dim(),
        }
    }

    /// Unit rows in index order, `[n_images, dim]`.
    pub(super) fn unit_codes(
        &self,
        session: &Session,
        images: &Images,
        observer: &dyn Observer,
    ) -> Result<Vec<f32>, StageError> {
        let config = &session.config;
        match self {
            Self::Network(encoder, CodeKind::Head) => {
                let batch_size = config.aggregate.batch_size;
                Ok(unit_codes_of_all(encoder, &images.cache, batch_size, &config.averaged_views(), observer))
            }
            Self::Network(encoder, _) => Ok(unit_codes(encoder, session, images, observer)),
            Self::Ensemble(encoders) => {
                let [before, after] = encoders.each_ref().map(|encoder| unit_codes(encoder, session, images, observer));
                Ok(concatenate(&before, &after, encoders[0].config().merged_dim()))
            }
            Self::Fused(encoder, fusion) => {
                fusion.join(&unit_codes(encoder, session, images, observer), images, config, observer)
            }
            Self::Frozen(encoder) => {
                Ok(frozen_unit_codes_of_all(encoder.as_ref(), &images.cache, &config.averaged_views(), observer)?)
            }
        }
    }
}

/// What became of the run's encoder.
///
/// # Errors
/// When its stages have not begun.
pub(super) fn origin(session: &Session) -> Result<&Origin, StageError> {
    let not_yet = || StageError::NotYet { run: root(&session.dir), missing: "encoder", verb: "aggregate RUN" };
    session.origin().ok_or_else(not_yet)
}

/// Codes are asked for that the run does not have.
pub(super) fn no_such_codes(session: &Session, kind: CodeKind) -> StageError {
    let has = session.origin().map_or_else(Vec::new, |origin| CodeKind::available(origin, &session.config));
    let has: Vec<&str> = has.into_iter().map(CodeKind::name).collect();
    StageError::NoSuchCodes { kind: kind.name(), has: has.join(", ") }
}

/// The newest weights that a kind of codes comes from.
pub(super) fn weights(dir: &RunDir, kind: CodeKind) -> PathBuf {
    match kind {
        CodeKind::Untouched => dir.untouched(),
        CodeKind::Adapted => dir.adapted(),
        CodeKind::Backbone | CodeKind::Ensemble | CodeKind::Head | CodeKind::Fused => dir.encoder(),
    }
}

/// Two kinds of unit codes as one: unit rows `[n, 2 dim]` whose cosines are the mean of both. A row that is zero in one of them,
/// a picture without content, stays half of a unit.
///
/// # Shapes
/// - before, after: `[n, dim]`
pub(super) fn concatenate(before: &[f32], after: &[f32], dim: usize) -> Vec<f32> {
    let share = std::f32::consts::FRAC_1_SQRT_2;
    let pairs = before.chunks_exact(dim).zip(after.chunks_exact(dim));
    pairs.flat_map(|(before, after)| before.iter().chain(after).map(|x| x * share)).collect()
}

/// The merged feature maps of a network as unit rows, `[n_images, merged_dim]`.
pub(super) fn unit_codes(encoder: &Encoder, session: &Session, images: &Images, observer: &dyn Observer) -> Vec<f32> {
    let (encoder, config) = (encoder.clone().without_head(), &session.config);
    unit_codes_of_all(&encoder, &images.cache, config.aggregate.batch_size, &config.averaged_views(), observer)
}

#[cfg(test)]
mod tests {
    use super::concatenate;

    #[test]
    fn cosines_of_codes_beside_each_other_are_the_mean_of_both() {
        let (before, after) = ([1.0, 0.0, 0.6, 0.8], [0.0, 1.0, 0.0, 1.0]);
        let rows = concatenate(&before, &after, 2);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert_eq!(rows.len(), 8);
        assert!((dot(&rows[..4], &rows[..4]) - 1.0).abs() <= 1e-6);
        assert!((dot(&rows[..4], &rows[4..]) - (0.6 + 1.0) / 2.0).abs() <= 1e-6);
    }
}
