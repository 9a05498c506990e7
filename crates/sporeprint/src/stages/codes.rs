//! What turns the pictures of a run into codes: the trained network, or an encoder that is never trained.

use burn::tensor::Device;

use super::choice;
use super::fusion::Fusion;
use super::{Images, StageError};
use crate::config::CodeKind;
use crate::encoder::{Encoder, FrozenEncoder, Weights};
use crate::progress::Observer;
use crate::run::Session;
use crate::train::{frozen_unit_codes_of_all, unit_codes_of_all};

/// An encoder ready to be asked for codes.
#[derive(Debug)]
pub(super) enum CodeSource {
    /// In evaluation mode: its head's codes, or its merged feature maps.
    Network(Encoder, CodeKind),
    /// The network's merged feature maps beside features that need no training.
    Fused(Encoder, Box<Fusion>),
    /// Never trained.
    Frozen(Box<dyn FrozenEncoder>),
}

impl CodeSource {
    /// The encoder that the run's stages left behind, asked for the codes that the run is clustered by.
    pub(super) fn of_run(session: &Session) -> Result<Self, StageError> {
        Self::of_kind(session, choice::kind(session)?)
    }

    /// The same, asked for one kind of codes. A frozen encoder has one kind only.
    pub(super) fn of_kind(session: &Session, kind: CodeKind) -> Result<Self, StageError> {
        let config = &session.config;
        if let Some(frozen) = &config.frozen {
            return Ok(Self::Frozen(frozen.open(config.weights.file(), &session.dir.encoder())?));
        }
        let encoder = config.encoder.init(&Device::flex(), config.seed)?;
        let weights = match kind {
            CodeKind::Untouched => session.dir.untouched(),
            CodeKind::Adapted => session.dir.adapted(),
            CodeKind::Backbone | CodeKind::Head | CodeKind::Fused => session.dir.encoder(),
        };
        let encoder = encoder.with_weights(&weights)?.0;
        if kind == CodeKind::Fused {
            return Ok(Self::Fused(encoder, Box::new(Fusion::open(&session.dir.fusion())?)));
        }
        Ok(Self::Network(encoder, kind))
    }

    pub(super) fn dim(&self) -> usize {
        match self {
            Self::Network(encoder, CodeKind::Head) => encoder.dim(),
            Self::Network(encoder, _) => encoder.config().merged_dim(),
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
                Ok(unit_codes_of_all(encoder, &images.cache, batch_size, config.code_views, observer))
            }
            Self::Network(encoder, _) => Ok(unit_codes(encoder, session, images, observer)),
            Self::Fused(encoder, fusion) => {
                fusion.join(&unit_codes(encoder, session, images, observer), images, observer)
            }
            Self::Frozen(encoder) => {
                Ok(frozen_unit_codes_of_all(encoder.as_ref(), &images.cache, config.code_views, observer)?)
            }
        }
    }
}

/// The merged feature maps of a network as unit rows, `[n_images, merged_dim]`.
pub(super) fn unit_codes(encoder: &Encoder, session: &Session, images: &Images, observer: &dyn Observer) -> Vec<f32> {
    let (encoder, config) = (encoder.clone().without_head(), &session.config);
    unit_codes_of_all(&encoder, &images.cache, config.aggregate.batch_size, config.code_views, observer)
}
