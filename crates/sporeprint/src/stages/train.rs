//! The two trained stages and the codes that come out of them.

use std::io::Write;
use std::time::Duration;

use burn::tensor::Device;

use super::adapt;
use super::choice::{self, Kept};
use super::cluster::{Clustered, make_clusters};
use super::codes::weights;
use super::images::root;
use super::{Images, StageError};
use crate::batch::{Source, denormalize, load};
use crate::config::WeightsSource;
use crate::config::{CodeKind, RunConfig};
use crate::encoder::BuildEncoder;
use crate::encoder::OpenFrozen;
use crate::encoder::{AutoEncoder, Encoder, Mode, Weights};
use crate::images::{CodeView, RgbView, pair_sheet, save_png};
use crate::progress::{Observer, Silent};
use crate::run::tables::{LogLine, MetricsLog, write_embeddings};
use crate::run::{Origin, RunDir, Session, Stage, Training, write_atomically, write_npy};
use crate::train::{Aggregation, EpochLoop, Pretraining, Setup, TrainError, remove_all};

/// Images in the picture of reconstructions.
const RECONSTRUCTED: usize = 16;

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
    if session.is_done(Stage::Pretrain) || !config.has_auto_encoder() {
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
    let setting = "pretrain.sgd.learning_rate";
    stage.run(&mut learner, true, observer).map_err(|e| named(e, stage.stage, setting, images))?;
    let network = learner.into_network();
    network.save(&session.dir.autoencoder())?;
    draw_reconstructions(&network, session, images)?;
    session.mark_done(Stage::Pretrain)?;
    Ok(remove_all(&session.dir.checkpoints(), "pretrain")?)
}

/// Trains the encoder over the memory bank, writes its weights, and then into the run's origin what became of it.
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
    let device = training_device();
    let encoder = pretrained_encoder(session, &device, observer)?;
    // What knew photographs before may know this folder better than after, so it is kept.
    let (encoder, origin) = adapt::start(session, encoder, images, &device, observer)?;
    let (config, settings) = (&session.config, &session.config.aggregate);
    if settings.epochs == 0 {
        encoder.save(&session.dir.encoder())?;
        return Ok(session.mark_trained(origin)?);
    }
    let n_clusters = match config.cluster.n_clusters {
        crate::config::ClusterCount::Fixed(k) => k,
        crate::config::ClusterCount::Auto => (images.len() / 20).clamp(1, 80),
    };
    let views = config.training_views();
    let setup = Setup { config: settings, views: &views, cache: &images.cache, n_clusters, seed: config.seed, device };
    let mut learner = Aggregation::new(encoder, setup, observer);
    let adapted = settings.guard && origin.is_adapted();
    let objection = if adapted { Some(adapt::OBJECTION.to_owned()) } else { learner.objection()? };
    if let Some(why) = objection {
        observer.note(&format!("the encoder is left as it is, Local Aggregation would harm it: {why}"));
        let mut log = MetricsLog::cut_to(&session.dir.metrics(), session.metrics_before(Stage::Aggregate))?;
        log.append(&LogLine::new("aggregate", 0.0).text("left_out", &why))?;
        match origin.before_training() {
            // The learner's has a head already.
            Some(kind) => {
                let bytes = fs_err::read(weights(&session.dir, kind))?;
                write_atomically(&session.dir.encoder(), |out| out.write_all(&bytes))?;
            }
            None => learner.into_encoder().save(&session.dir.encoder())?,
        }
        return Ok(session.mark_trained(Origin { training: Training::LeftOut { why }, ..origin })?);
    }
    let stage = epoch_loop(session, images, Stage::Aggregate, interval);
    stage
        .run(&mut learner, true, observer)
        .map_err(|e| named(e, stage.stage, "aggregate.sgd.learning_rate", images))?;
    learner.into_encoder().save(&session.dir.encoder())?;
    session.mark_trained(Origin { training: Training::Done, ..origin })?;
    Ok(remove_all(&session.dir.checkpoints(), "aggregate")?)
}

/// Trains the encoder of a run over the memory bank anew, by its settings, which may have changed. The training works in the run
/// itself, so that it can be gone on with: once it has begun, what it replaces is no longer marked as done.
///
/// # Errors
/// When the settings do not fit the images or the weights to start from are gone, which leaves the run as it was; otherwise as
/// [`aggregate`].
pub fn aggregate_anew(
    session: &mut Session,
    images: &Images,
    interval: Duration,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    refuse_codes(session)?;
    session.config.check_images(images.len())?;
    pretrained_encoder(session, &Device::flex(), &Silent)?;
    session.redo_from(Stage::Aggregate);
    session.save()?;
    remove_all(&session.dir.checkpoints(), name_of(Stage::Aggregate))?;
    aggregate(session, images, interval, observer)
}

/// What stands in the place of training where the encoder is never trained.
fn fit_frozen(session: &mut Session, images: &Images, observer: &dyn Observer) -> Result<(), StageError> {
    if let Some(frozen) = &session.config.frozen {
        observer.note(&format!("{} is never trained: auto-encoder and aggregation are left out", frozen.name()));
        let view = CodeView::averaged(1, &session.config.ignore)[0];
        frozen.fit(&images.cache, view, session.config.seed, &session.dir.encoder(), observer)?;
    }
    let origin = Origin::of(&session.config.weights);
    Ok(session.mark_trained(origin)?)
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
    if config.has_auto_encoder() {
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
    session.anew(Stage::Embed, |session| {
        session.outdate(&[RunDir::candidates, RunDir::fusion]);
        let (codes, dim) = choice::choose(session, images, observer)?;
        keep_codes(session, images, &codes, dim)
    })
}

/// Which codes are to be clustered anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodesWanted {
    /// Those that were clustered.
    Same,
    /// Those that the program chooses, after others had been asked for.
    Chosen,
    /// Of this kind.
    Of(CodeKind),
}

/// Clusters a run anew by its settings, which may have changed, and by another kind of its codes if one is named: as it lies
/// among those that were compared, or computed anew where images were added since.
///
/// # Errors
/// When the run has no such codes, otherwise as [`embed`] and [`cluster`](super::cluster()); codes and clusters are then as they were.
pub fn cluster_anew(
    session: &mut Session,
    images: &Images,
    wanted: CodesWanted,
    observer: &dyn Observer,
) -> Result<Clustered, StageError> {
    session.config.check_images(images.len())?;
    let kind = match wanted {
        CodesWanted::Same => {
            embed(session, images, observer)?;
            return session.anew(Stage::Cluster, |session| make_clusters(session, images, observer));
        }
        CodesWanted::Chosen => {
            return session.anew(Stage::Embed, |session| {
                embed(session, images, observer)?;
                make_clusters(session, images, observer)
            });
        }
        CodesWanted::Of(kind) => kind,
    };
    refuse_codes(session)?;
    session.config.aggregate.codes = Some(kind);
    let kept = choice::find_kept_codes(session, images, kind)?;
    session.anew(Stage::Embed, |session| {
        match kept {
            None => embed(session, images, observer)?,
            Some(Kept { codes, dim, choice }) => {
                choice::write(session, &choice)?;
                keep_codes(session, images, &codes, dim)?;
            }
        }
        make_clusters(session, images, observer)
    })
}

fn keep_codes(session: &mut Session, images: &Images, codes: &[f32], dim: usize) -> Result<(), StageError> {
    write_npy(&session.out().embeddings(), &[images.len(), dim], codes)?;
    write_embeddings(&session.out().embeddings_parquet(), codes, dim)?;
    Ok(session.mark_done(Stage::Embed)?)
}

/// A run that was made from codes has no images to train on or to encode.
fn refuse_codes(session: &Session) -> Result<(), StageError> {
    if session.config.images.embeddings.is_some() {
        return Err(StageError::FromEmbeddings { run: root(&session.dir) });
    }
    Ok(())
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

/// A loss that is not finite, with the names of the batch's images and the setting of the learning rate.
pub(super) fn named(error: TrainError, stage: &'static str, setting: &'static str, images: &Images) -> StageError {
    match error {
        TrainError::NotFinite { images: batch, at } => StageError::NotFinite {
            stage,
            epoch: at.epoch + 1,
            batch: at.batch + 1,
            images: batch.iter().map(|&i| images.entries[i as usize].name.clone()).collect(),
            setting,
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
    let normalization = session.config.encoder.normalization();
    let originals = load(&images.cache, &shown, Source::Fixed(CodeView::WHOLE), normalization, &Device::flex());
    let drawn = network.valid().forward(originals, Mode::Evaluate).images;
    let values: Vec<f32> = drawn.into_data().try_into_vec().expect("images are f32");
    let size = images.cache.image_size();
    let drawn: Vec<Vec<u8>> =
        values.chunks_exact(3 * size * size).map(|image| denormalize(image, normalization)).collect();
    let originals: Vec<_> = shown.iter().map(|&i| images.cache.eval(i as usize)).collect();
    let pairs: Vec<_> = originals
        .iter()
        .zip(&drawn)
        .map(|(original, drawn)| (original.view(), RgbView::new(size, size, drawn)))
        .collect();
    Ok(save_png(&session.dir.reconstructions(), &pair_sheet(&pairs, n.min(8)))?)
}
