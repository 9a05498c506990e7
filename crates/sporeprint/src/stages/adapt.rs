//! Whether weights that know photographs start with their own batch-norm statistics or with the folder's.

use burn::tensor::Device;

use super::choice::compare;
use super::codes::unit_codes;
use super::{Images, StageError};
use crate::config::{CodeKind, NormStatistics};
use crate::encoder::{Encoder, Weights, WeightsSource};
use crate::progress::Observer;
use crate::run::{Session, Stage};
use crate::train::adapted;

/// Images below which statistics of the folder say little.
const FEWEST: usize = 100;
/// What the stability must gain: 0.04 where the folder's statistics were the better ones, 0.01 and less where they were not.
const MARGIN: f64 = 0.02;

/// Why Local Aggregation is left out where the folder's statistics were taken: neighbours are then wrong too often. On the set
/// where that happened it took most of what they had gained, while the codes looked ever more stable.
pub(super) const OBJECTION: &str = "these photographs are of another make than those that the weights were learnt from (batch \
                                    norm was taken from the folder), so that too many near codes are of other kinds";

/// The encoder that aggregation starts from: with the folder's statistics where the settings say so, or where its codes are
/// the more stable ones under resampling. Writes `untouched.safetensors`, and `adapted.safetensors` if that was taken;
/// where the former is there already, the latter says what was decided.
///
/// # Errors
/// When the codes cannot be compared, or the disk is full.
pub(super) fn start(
    session: &Session,
    encoder: Encoder,
    images: &Images,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Encoder, StageError> {
    let config = &session.config;
    if config.weights == WeightsSource::None {
        return Ok(encoder);
    }
    let (untouched, path) = (session.dir.untouched(), session.dir.adapted());
    if !untouched.exists() {
        let try_it = match config.aggregate.norm {
            NormStatistics::Batch | NormStatistics::Frozen => false,
            NormStatistics::Adapted => true,
            NormStatistics::Choose => images.len() >= FEWEST,
        };
        if try_it {
            let other = adapted(&encoder, &images.cache, &config.views, config.seed, observer);
            if config.aggregate.norm == NormStatistics::Adapted
                || is_better(session, &encoder, &other, images, observer)?
            {
                other.save(&path)?;
            }
        }
        // Written last: what is there says that the decision has been made.
        encoder.save(&untouched)?;
    }
    if path.exists() {
        return Ok(config.encoder.init(device, config.seed)?.with_weights(&path)?.0);
    }
    Ok(encoder)
}

/// Lets the next start decide anew.
///
/// # Errors
/// When a file cannot be removed.
pub(super) fn forget(session: &Session) -> Result<(), StageError> {
    for path in [session.dir.untouched(), session.dir.adapted()] {
        if path.exists() {
            fs_err::remove_file(path)?;
        }
    }
    Ok(())
}

fn is_better(
    session: &Session,
    encoder: &Encoder,
    other: &Encoder,
    images: &Images,
    observer: &dyn Observer,
) -> Result<bool, StageError> {
    let dim = encoder.config().merged_dim();
    let codes = [encoder, other].map(|encoder| (unit_codes(encoder, session, images, observer), dim));
    let kinds = [CodeKind::Untouched, CodeKind::Adapted];
    let scores = compare(session, images.len(), &kinds, &codes, Stage::Aggregate)?;
    let [own, folder] = &scores[..] else { return Ok(false) };
    let better = folder.score > own.score + MARGIN;
    let verdict = if better { "are taken from this folder" } else { "stay those of the weights" };
    observer.note(&format!(
        "batch norm's statistics {verdict} (stability of the codes {:.3} with the folder's, {:.3} without)",
        folder.stability, own.stability
    ));
    Ok(better)
}
