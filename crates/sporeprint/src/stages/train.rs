//! The two trained stages and the codes that come out of them.

use std::io::Write;
use std::time::Duration;

use burn::tensor::Device;

use super::adapt;
use super::choice;
use super::codes::{before_training, weights};
use super::images::root;
use super::{Images, StageError};
use crate::batch::{Source, denormalise, load};
use crate::config::WeightsSource;
use crate::config::{CodeKind, RunConfig};
use crate::encoder::BuildEncoder;
use crate::encoder::OpenFrozen;
use crate::encoder::{AutoEncoder, Encoder, Mode, Weights};
use crate::images::{CodeView, RgbView, pair_sheet, save_png};
use crate::progress::Observer;
use crate::run::tables::{Metric, MetricsLog, write_embeddings};
use crate::run::{Session, Stage, write_atomically, write_npy};
use crate::train::{Aggregation, EpochLoop, Pretraining, Setup, TrainError, remove_all};

/// Images in the picture of reconstructions.
const RECONSTRUCTED: usize = 16;

/// Only a VGG has the pooling indices that the decoder needs.
fn has_decoder(config: &RunConfig) -> bool {
    config.encoder.architecture.has_decoder()
}

fn training_device() -> Device {
    Device::flex().autodiff()
}

/// The encoder before any training of ours: drawn from the seed, or other people's weights.
pub(super) fn starting_encoder(
    config: &RunConfig,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Encoder, StageError> {
    let encoder = config.encoder.init(device, config.seed)?;
    match &config.weights {
        WeightsSource::None => Ok(encoder),
        WeightsSource::BuiltIn => Ok(encoder.with_built_in_weights()?.0),
        WeightsSource::File(path) => {
            let (encoder, report) = encoder.with_weights(path)?;
            let mut parts = Vec::new();
            if !report.ignored.is_empty() {
                parts.push(format!("{} tensors of the file are not needed", report.ignored.len()));
            }
            if !report.fresh.is_empty() {
                parts.push(format!("{} of the network are new", report.fresh.len()));
            }
            parts.iter().for_each(|part| observer.note(&format!("weights of {}: {part}", path.display())));
            Ok(encoder)
        }
    }
}

/// Trains the auto-encoder and writes its weights and a picture of reconstructions.
///
/// # Errors
/// See [`StageError`]; stopped or killed, the run goes on from its newest checkpoint.
pub fn pretrain(
    session: &mut Session,
    images: &Images,
    interval: Duration,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let config = &session.config;
    if config.frozen.is_some()
        || session.is_done(Stage::Pretrain)
        || config.pretrain.epochs == 0
        || !has_decoder(config)
    {
        return Ok(());
    }
    let device = training_device();
    let network = AutoEncoder {
        encoder: starting_encoder(config, &device, observer)?,
        ..config.encoder.init_auto_encoder(&device, config.seed)?
    };
    let settings = &config.pretrain;
    let views = settings.views.then(|| config.training_views());
    let mut learner = Pretraining::new(
        network,
        settings.sgd.optimiser(),
        &images.cache,
        views.as_ref(),
        settings.freeze_encoder,
        config.seed,
        device,
    );
    let stage = epoch_loop(session, images, Stage::Pretrain, interval);
    stage.run(&mut learner, true, observer).map_err(|e| named(e, &stage, images))?;
    let network = learner.into_network();
    network.save(&session.dir.autoencoder())?;
    draw_reconstructions(&network, session, images)?;
    session.mark_done(Stage::Pretrain)?;
    Ok(remove_all(&session.dir.checkpoints(), "pretrain")?)
}

/// Trains the encoder over the memory bank and writes its weights.
///
/// # Errors
/// See [`StageError`]; stopped or killed, the run goes on from its newest checkpoint.
pub fn aggregate(
    session: &mut Session,
    images: &Images,
    interval: Duration,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    if session.is_done(Stage::Aggregate) {
        return Ok(());
    }
    refuse_codes(session)?;
    if session.config.frozen.is_some() {
        return fit_frozen(session, images, observer);
    }
    let config = &session.config;
    let device = training_device();
    let encoder = pretrained_encoder(session, &device, observer)?;
    // What knew photographs before may know this folder better than after, so it is kept.
    let encoder = adapt::start(session, encoder, images, &device, observer)?;
    let settings = &config.aggregate;
    if settings.epochs == 0 {
        encoder.save(&session.dir.encoder())?;
        return Ok(session.mark_done(Stage::Aggregate)?);
    }
    let n_clusters = match config.cluster.n_clusters {
        crate::config::ClusterCount::Fixed(k) => k,
        crate::config::ClusterCount::Auto => (images.len() / 20).clamp(1, 80),
    };
    let views = config.training_views();
    let setup = Setup { config: settings, views: &views, cache: &images.cache, n_clusters, seed: config.seed, device };
    let mut learner = Aggregation::new(encoder, setup, observer);
    let adapted = settings.guard && session.dir.adapted().exists();
    let objection = if adapted { Some(adapt::OBJECTION.to_owned()) } else { learner.objection()? };
    if let Some(why) = objection {
        observer.note(&format!("the encoder is left as it is, Local Aggregation would harm it: {why}"));
        let mut log = MetricsLog::open(&session.dir.metrics(), session.metrics_before(Stage::Aggregate))?;
        log.append(&Metric::new("aggregate", 0.0).text("left_out", &why))?;
        let start = weights(&session.dir, before_training(&session.dir));
        if start.exists() {
            // The same bytes say that nothing was trained.
            let bytes = fs_err::read(start)?;
            write_atomically(&session.dir.encoder(), |out| out.write_all(&bytes))?;
        } else {
            learner.into_encoder().save(&session.dir.encoder())?;
        }
        return Ok(session.mark_done(Stage::Aggregate)?);
    }
    let stage = epoch_loop(session, images, Stage::Aggregate, interval);
    stage.run(&mut learner, true, observer).map_err(|e| named(e, &stage, images))?;
    learner.into_encoder().save(&session.dir.encoder())?;
    session.mark_done(Stage::Aggregate)?;
    Ok(remove_all(&session.dir.checkpoints(), "aggregate")?)
}

/// What stands in the place of training where the encoder is never trained.
fn fit_frozen(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if let Some(frozen) = &session.config.frozen {
        observer.note(&format!("{} is never trained: auto-encoder and aggregation are left out", frozen.name()));
        let view = CodeView::averaged(1, &session.config.ignore)[0];
        frozen.fit(&images.cache, view, session.config.seed, &session.dir.encoder(), observer)?;
    }
    Ok(session.mark_done(Stage::Aggregate)?)
}

/// The encoder that aggregation starts from: the auto-encoder's, if there is one.
pub(super) fn pretrained_encoder(
    session: &Session,
    device: &Device,
    observer: &dyn Observer,
) -> Result<Encoder, StageError> {
    let config = &session.config;
    if session.is_done(Stage::Pretrain) {
        let network = config.encoder.init_auto_encoder(device, config.seed)?;
        return Ok(network.with_weights(&session.dir.autoencoder())?.0.encoder);
    }
    if config.pretrain.epochs > 0 && has_decoder(config) {
        let run = root(&session.dir);
        return Err(StageError::NotYet { run, missing: "auto-encoder", verb: "pretrain PHOTOS --out DIR" });
    }
    starting_encoder(config, device, observer)
}

/// Writes the unit codes of all images in index order.
///
/// # Errors
/// When the run has no trained encoder yet, or the disk is full.
pub fn embed(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if session.is_done(Stage::Embed) {
        return Ok(());
    }
    refuse_codes(session)?;
    if !session.is_done(Stage::Aggregate) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "encoder", verb: "aggregate RUN" });
    }
    let (codes, dim) = choice::choose(session, images, observer)?;
    keep_codes(session, images, &codes, dim)
}

/// Takes another kind of the run's codes than it was clustered by: as it lies among those that were compared, or computed anew
/// where images were added since. The clusters are those of the old codes until they are made anew.
///
/// # Errors
/// When the run has no such codes, which leaves it as it was; otherwise as [`embed`].
pub fn take_codes(
    session: &mut Session,
    images: &Images,
    kind: CodeKind,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    refuse_codes(session)?;
    session.config.aggregate.codes = Some(kind);
    let kept = choice::take_kept(session, images, kind)?;
    session.save_config()?;
    let Some((codes, dim)) = kept else {
        session.redo_from(Stage::Embed)?;
        return embed(session, images, observer);
    };
    // Lines of the clustering that is taken back go; those of the comparison stay.
    drop(MetricsLog::open(&session.dir.metrics(), session.metrics_before(Stage::Cluster))?);
    session.redo_from(Stage::Embed)?;
    choice::write_asked_for(session, kind)?;
    keep_codes(session, images, &codes, dim)
}

fn keep_codes(session: &mut Session, images: &Images, codes: &[f32], dim: usize) -> Result<(), StageError> {
    write_npy(&session.dir.embeddings(), &[images.len(), dim], codes)?;
    write_embeddings(&session.dir.embeddings_parquet(), codes, dim)?;
    Ok(session.mark_done(Stage::Embed)?)
}

/// A run that was made from codes has no images to train on or to encode.
fn refuse_codes(session: &Session) -> Result<(), StageError> {
    if session.config.images.embeddings.is_some() {
        return Err(StageError::FromEmbeddings { run: root(&session.dir) });
    }
    Ok(())
}

/// Removes the checkpoints of a stage that is to be done anew, and what it decided before its first step.
///
/// # Errors
/// When a file cannot be removed.
pub fn forget_checkpoints(session: &Session, stage: Stage) -> Result<(), StageError> {
    if stage == Stage::Aggregate {
        adapt::forget(session)?;
    }
    Ok(remove_all(&session.dir.checkpoints(), name_of(stage))?)
}

fn name_of(stage: Stage) -> &'static str {
    if stage == Stage::Pretrain { "pretrain" } else { "aggregate" }
}

fn epoch_loop(session: &Session, images: &Images, stage: Stage, interval: Duration) -> EpochLoop {
    let config = &session.config;
    let (sgd, epochs, batch_size) = if stage == Stage::Pretrain {
        (&config.pretrain.sgd, config.pretrain.epochs, config.pretrain.batch_size)
    } else {
        (&config.aggregate.sgd, config.aggregate.epochs, config.aggregate.batch_size)
    };
    EpochLoop {
        stage: name_of(stage),
        n_images: images.len(),
        batch_size,
        epochs,
        seed: config.seed,
        learning_rate: sgd.learning_rate(epochs),
        fingerprint: format!("images {}, settings {}", images.cache.fingerprint(), config.fingerprint(stage)),
        checkpoints: session.dir.checkpoints(),
        interval,
        metrics: session.dir.metrics(),
        metrics_before: session.metrics_before(stage),
    }
}

/// A loss that is not finite, with the names of the batch's images.
fn named(error: TrainError, stage: &EpochLoop, images: &Images) -> StageError {
    match error {
        TrainError::NotFinite { images: batch, at } => StageError::NotFinite {
            stage: stage.stage,
            epoch: at.epoch + 1,
            batch: at.batch + 1,
            images: batch.iter().map(|&i| images.entries[i as usize].name.clone()).collect(),
            setting: if stage.stage == "pretrain" {
                "pretrain.sgd.learning_rate"
            } else {
                "aggregate.sgd.learning_rate"
            },
        },
        other => other.into(),
    }
}

/// Originals above what the auto-encoder made of them.
fn draw_reconstructions(network: &AutoEncoder, session: &Session, images: &Images) -> Result<(), StageError> {
    use burn::module::Module;
    let n = RECONSTRUCTED.min(images.len());
    let step = images.len() / n;
    let shown: Vec<u32> = (0..n).map(|i| (i * step) as u32).collect();
    let originals = load(&images.cache, &shown, Source::Fixed(CodeView::WHOLE), &Device::flex());
    let drawn = network.valid().forward(originals, Mode::Evaluate).images;
    let values: Vec<f32> = drawn.into_data().try_into_vec().expect("images are f32");
    let size = images.cache.image_size();
    let drawn: Vec<Vec<u8>> = values.chunks_exact(3 * size * size).map(denormalise).collect();
    let originals = shown.iter().map(|&i| images.cache.eval(i as usize));
    let pairs: Vec<_> = originals
        .zip(&drawn)
        .map(|(original, drawn)| (RgbView::new(size, size, original), RgbView::new(size, size, drawn)))
        .collect();
    Ok(save_png(&session.dir.reconstructions(), &pair_sheet(&pairs, n.min(8)))?)
}
