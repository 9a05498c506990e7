//! Training with labels.

use burn::tensor::Device;

use super::super::train::named;
use super::{STAGE, StageError, Training, with_weights};
use crate::progress::Observer;
use crate::run::tables::write_classes;
use crate::train::{Classification, LabelledSet, remove_all};

/// Trains the network to name the labels, and gives these.
pub(super) fn train(training: &Training<'_>, observer: &dyn Observer) -> Result<Vec<String>, StageError> {
    let Training { config, images, dir, .. } = *training;
    let names: Vec<Option<&str>> = images.entries.iter().map(|e| e.label.as_deref()).collect();
    let classes = classes_of(names.iter().copied())?;
    let class_of = |name: &Option<&str>| classes.binary_search_by(|c| c.as_str().cmp(name.unwrap_or(""))).unwrap_or(0);
    let numbers: Vec<u32> = names.iter().map(|name| class_of(name) as u32).collect();
    let set = LabelledSet::split(&images.cache, numbers, classes.len(), config.hold_out, config.seed);
    write_classes(&dir.root().join("classes.csv"), &classes)?;
    observer.note(&format!(
        "{} images of {} classes, {} kept apart; {} of width {} at {} px",
        set.train.len(),
        classes.len(),
        set.held_out.len(),
        config.encoder.architecture,
        config.encoder.width,
        config.encoder.image_size
    ));
    let device = Device::flex().autodiff();
    let mut network = config.encoder.clone();
    network.head_dim = Some(classes.len());
    let network = with_weights(&network, &config.weights, config.seed, &device)?;
    let epochs = training.epoch_loop(set.train.len())?;
    let mut learner = Classification::new(network, set, config, device);
    epochs.run(&mut learner, true, observer).map_err(|error| named(error, STAGE, "sgd.learning_rate", images))?;
    learner.into_network().without_head().save_described(&dir.encoder(), None)?;
    remove_all(&dir.checkpoints(), epochs.stage)?;
    Ok(classes)
}

/// The names of the classes, sorted.
///
/// # Errors
/// When there are fewer than two, or a label is missing.
pub(super) fn classes_of<'a>(labels: impl Iterator<Item = Option<&'a str>> + Clone) -> Result<Vec<String>, StageError> {
    let mut classes: Vec<String> = labels.clone().flatten().map(str::to_owned).collect();
    classes.sort_unstable();
    classes.dedup();
    let unlabelled = labels.filter(Option::is_none).count();
    if classes.len() < 2 || unlabelled > 0 {
        return Err(StageError::TooFewClasses { n_classes: classes.len(), unlabelled });
    }
    Ok(classes)
}
