//! Whether weights that know photographs start with their own batch-norm statistics or with the folder's.

use burn::tensor::Device;

use super::{Images, StageError};
use crate::config::NormStatistics;
use crate::config::WeightsSource;
use crate::encoder::BuildEncoder;
use crate::encoder::{Encoder, Weights};
use crate::progress::Observer;
use crate::run::Session;
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
/// another make than those of the weights. Writes `untouched.safetensors`, and `adapted.safetensors` if that was taken;
/// where the former is there already, the latter says what was decided.
///
/// # Errors
/// When files cannot be read or written.
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
            let other = adapted(&encoder, &images.cache, &config.training_views(), config.seed, observer);
            let shift = first_layer_shift(&encoder, &other);
            let take = config.aggregate.norm == NormStatistics::Adapted || shift.abs() > SHIFT;
            if take {
                other.save(&path)?;
            } else {
                observer.note(&words(take, shift));
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

/// Why the run has codes with the folder's statistics; nothing where it has none.
///
/// # Errors
/// When weights cannot be read.
pub(super) fn reason(session: &Session) -> Result<Option<String>, StageError> {
    if !session.dir.adapted().exists() {
        return Ok(None);
    }
    let read = |path| -> Result<Encoder, StageError> {
        let encoder = session.config.encoder.init(&Device::flex(), session.config.seed)?;
        Ok(encoder.with_weights(path)?.0)
    };
    let shift = first_layer_shift(&read(&session.dir.untouched())?, &read(&session.dir.adapted())?);
    Ok(Some(words(true, shift)))
}

fn words(taken: bool, shift: f64) -> String {
    let verdict = if taken { "are taken from this folder" } else { "stay those of the weights" };
    format!(
        "batch norm's statistics {verdict}: edges and grain vary {:.2} times as much as in the photographs that the weights were \
         learnt from (another make: below {:.2} or above {:.2})",
        shift.exp(),
        (-SHIFT).exp(),
        SHIFT.exp()
    )
}
