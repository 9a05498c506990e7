//! Whether weights that know photographs start with their own batch-norm statistics or with the folder's.

use burn::tensor::Device;

use super::{Images, StageError};
use crate::config::NormStatistics;
use crate::encoder::BuildEncoder;
use crate::encoder::{Encoder, Weights};
use crate::progress::Observer;
use crate::run::{Norm, Origin, Session, Stage};
use crate::train::{adapted, first_layer_shift};

/// Images below which statistics of the folder say little.
const FEWEST: usize = 100;
/// How far the first layer's variances must be off (see [`first_layer_shift`]), a factor of 1.28. With an encoder that had seen no
/// blurred views, folders that were enlarged or blurred were off by 1.3 to 1.7 and gained much; five folders of photographs as
/// they are by 1.04 to 1.27 and gained nothing (`benches/RESULTS.md`).
const SHIFT: f64 = 0.25;

/// Why Local Aggregation is left out where the folder's statistics were taken: neighbours are then wrong too often. On the set
/// where that happened it took most of what they had gained, while the codes looked ever more stable.
pub(super) const OBJECTION: &str = "these photographs are of another make than those that the weights were learnt from (batch \
                                    norm was taken from the folder), so that too many near codes are of other kinds";

/// The encoder that aggregation starts from: with the folder's statistics where the settings say so, or where its pictures are of
/// another make than those of the weights. Writes `untouched.safetensors`, and `adapted.safetensors` if that was taken; then the
/// run's origin, which says that the decision has been made and how.
///
/// # Errors
/// When files cannot be read or written.
pub(super) fn start(
    session: &mut Session,
    encoder: Encoder,
    images: &Images,
    device: &Device,
    observer: &dyn Observer,
) -> Result<(Encoder, Origin), StageError> {
    let origin = match session.origin() {
        Some(origin) => origin.clone(),
        None => {
            let begun = Origin::of(&session.config.weights);
            let norm =
                if begun.knows_photographs() { decide(session, &encoder, images, observer)? } else { begun.norm };
            let origin = Origin { auto_encoder: session.is_done(Stage::Pretrain), norm, ..begun };
            session.set_origin(origin.clone())?;
            origin
        }
    };
    if !origin.is_adapted() {
        return Ok((encoder, origin));
    }
    let config = &session.config;
    Ok((config.encoder.init(device, config.seed)?.with_weights(&session.dir.adapted())?.0, origin))
}

/// Whose statistics are taken; the encoder is on the disk then. Decided anew, it ends in the same bytes.
fn decide(session: &Session, encoder: &Encoder, images: &Images, observer: &dyn Observer) -> Result<Norm, StageError> {
    let config = &session.config;
    encoder.save(&session.dir.untouched())?;
    let try_it = match config.aggregate.norm {
        NormStatistics::Batch | NormStatistics::Frozen => false,
        NormStatistics::Adapted => true,
        NormStatistics::Choose => images.len() >= FEWEST,
    };
    if !try_it {
        return Ok(Norm::Kept);
    }
    let other = adapted(encoder, &images.cache, &config.training_views(), config.seed, observer);
    let shift = first_layer_shift(encoder, &other);
    if config.aggregate.norm == NormStatistics::Adapted || shift.abs() > SHIFT {
        other.save(&session.dir.adapted())?;
        return Ok(Norm::Adapted { shift });
    }
    observer.note(&explain(false, shift));
    Ok(Norm::Kept)
}

/// Why the run has codes with the folder's statistics; nothing where it has none.
pub(super) fn reason(origin: &Origin) -> Option<String> {
    match origin.norm {
        Norm::Kept => None,
        Norm::Adapted { shift } => Some(explain(true, shift)),
    }
}

fn explain(taken: bool, shift: f64) -> String {
    let verdict = if taken { "are taken from this folder" } else { "stay those of the weights" };
    format!(
        "batch norm's statistics {verdict}: edges and grain vary {:.2} times as much as in the photographs that the weights were \
         learnt from (another make: below {:.2} or above {:.2})",
        shift.exp(),
        (-SHIFT).exp(),
        SHIFT.exp()
    )
}
