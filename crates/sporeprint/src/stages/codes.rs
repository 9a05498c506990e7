//! What turns the pictures of a run into codes: the trained network, or an encoder that is never trained.

use burn::tensor::Device;

use super::{Images, StageError};
use crate::encoder::{Encoder, FrozenEncoder, Weights};
use crate::progress::Observer;
use crate::run::Session;
use crate::train::{codes_of_all, frozen_codes_of_all};

/// An encoder ready to be asked for codes.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one value per run; a box would show in every match")]
pub(super) enum CodeSource {
    /// In evaluation mode.
    Network(Encoder),
    /// Never trained.
    Frozen(Box<dyn FrozenEncoder>),
}

impl CodeSource {
    /// The encoder that the run's stages left behind.
    pub(super) fn of_run(session: &Session) -> Result<Self, StageError> {
        let config = &session.config;
        if let Some(frozen) = &config.frozen {
            return Ok(Self::Frozen(frozen.open(config.weights.file(), &session.dir.encoder())?));
        }
        let encoder = config.encoder.init(&Device::flex(), config.seed)?;
        Ok(Self::Network(encoder.with_weights(&session.dir.encoder())?.0))
    }

    pub(super) fn dim(&self) -> usize {
        match self {
            Self::Network(encoder) => encoder.dim(),
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
        match self {
            Self::Network(encoder) => Ok(unit_codes(encoder, session, images, observer)),
            Self::Frozen(encoder) => {
                let codes = frozen_codes_of_all(encoder.as_ref(), &images.cache, observer)?;
                Ok(normalised(codes, encoder.dim()))
            }
        }
    }
}

/// The unit codes of a network.
pub(super) fn unit_codes(encoder: &Encoder, session: &Session, images: &Images, observer: &dyn Observer) -> Vec<f32> {
    let codes = codes_of_all(encoder, &images.cache, session.config.aggregate.batch_size, observer);
    normalised(codes, encoder.dim())
}

fn normalised(mut codes: Vec<f32>, dim: usize) -> Vec<f32> {
    codes.chunks_exact_mut(dim).for_each(|row| {
        crate::bank::normalise(row);
    });
    codes
}
