//! The stage over the memory bank: instance recognition, Local Aggregation or cluster hardness.

mod crops;
mod head;
mod learner;

use std::time::Duration;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use sporeprint_cluster::{Init, KMeans, Rng, RowsView, nearest};

use self::crops::Crop;
use self::head::from_principal_components;
pub(super) use self::head::principal_components;
use super::average::WeightAverage;
use super::close_space::close_space;
use super::embed::codes_of_all;
use super::epochs::{Position, TrainError};
use super::monitor::{ControlSums, Trouble};
use super::proportions::Proportions;
use super::sgd::{InTraining, Sgd};
use crate::bank::MemoryBank;
use crate::batch;
use crate::config::{AggregateConfig, BankStart, HeadStart, Objective, Refresh, Variant};
use crate::encoder::Encoder;
use crate::images::{CodeView, ImageCache, ViewConfig};
use crate::loss::{
    ClusterHardness, CodeLoss, NoiseContrast, Target, UnitCodes, decorrelation, instance_nce, instance_softmax,
    local_aggregation,
};
use crate::neighbors::{Clusterings, NeighborSets};
use crate::progress::{Observer, Silent};

/// Up to here the exact softmax over the bank is affordable.
const EXACT_SOFTMAX_IMAGES: usize = 100_000;
/// Noise rows per image above.
const NOISE_ROWS: usize = 4096;
/// In the authors' code, which keeps the logarithm of an empty set finite.
pub(super) const EPSILON: f32 = 1e-7;

/// An encoder in training against its memory bank.
pub struct Aggregation<'a> {
    encoder: InTraining<Encoder>,
    sgd: Sgd,
    bank: MemoryBank,
    clusterings: Option<Clusterings>,
    hardness: Option<Hardness>,
    average: Option<WeightAverage>,
    clock: Clock,
    /// Kinds of trouble that the person has read of.
    told: Vec<Trouble>,
    state: State,
    setup: Setup<'a>,
}

/// Where the time of an epoch goes; not part of a checkpoint.
#[derive(Debug, Default)]
struct Clock {
    views: Duration,
    steps: Duration,
}

/// What does not change while training.
#[derive(Clone)]
pub struct Setup<'a> {
    /// Settings of the stage.
    pub config: &'a AggregateConfig,
    /// What a view may change.
    pub views: &'a ViewConfig,
    /// The images.
    pub cache: &'a ImageCache,
    /// Clusters of the cluster-hardness objective.
    pub n_clusters: usize,
    /// Seed of the run.
    pub seed: u64,
    /// A device that records gradients.
    pub device: Device,
}

/// Centres, their momentum and their target.
#[derive(Debug)]
struct Hardness {
    centres: ClusterHardness,
    momentum: Option<Vec<f32>>,
    target: Target,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    sums: ControlSums,
    contrast: Option<(f64, f32)>,
    /// Sizes of the neighbour sets, once Local Aggregation has begun.
    proportions: Option<Proportions>,
    /// Why Local Aggregation was left out, in words that are said at the epoch's end.
    left_out: Option<String>,
    /// Steps in the moving average of the weights.
    averaged: u64,
}

impl<'a> Aggregation<'a> {
    /// Prepares training: the bank is primed with evaluation-mode codes, or drawn on the sphere.
    pub fn new(encoder: Encoder, setup: Setup<'a>, observer: &dyn Observer) -> Self {
        let config = setup.config;
        let encoder = match config.head {
            HeadStart::Principal => from_principal_components(encoder, &setup, observer),
            HeadStart::Random => encoder,
        };
        let dim = encoder.dim();
        let bank = match config.bank {
            BankStart::Random => {
                MemoryBank::random(setup.cache.n_images(), dim, Rng::for_stage(setup.seed, "bank", 0).next_u64())
            }
            BankStart::Codes => {
                MemoryBank::primed(codes_of_all(&encoder, setup.cache, config.batch_size, observer), dim)
            }
        };
        let sgd = Sgd::new(config.sgd.optimiser());
        let steps_per_epoch = setup.cache.n_images().div_ceil(config.batch_size);
        let decay = 1.0 - 1.0 / (config.average * steps_per_epoch as f64).max(1.0);
        let average = (config.average > 0.0).then(|| WeightAverage::new(&encoder, decay));
        let clock = Clock::default();
        let encoder = InTraining::new(encoder);
        let (told, state) = (Vec::new(), State::default());
        Self { encoder, sgd, bank, clusterings: None, hardness: None, average, clock, told, state, setup }
    }

    /// The encoder that gives the final codes: with the moving average of the weights, where one was kept.
    pub fn into_encoder(self) -> Encoder {
        match self.average {
            Some(average) => average.applied(self.encoder.into_inner()),
            None => self.encoder.into_inner(),
        }
    }

    /// Why Local Aggregation from these codes would do harm, before anything is trained; nothing where it should help, where
    /// another objective comes first, or where the settings do not want to know.
    ///
    /// # Errors
    /// When the codes cannot be clustered.
    pub fn objection(&self) -> Result<Option<String>, TrainError> {
        let config = self.setup.config;
        if !config.guard || config.warmup_epochs > 0 || config.objective != Objective::LocalAggregation {
            return Ok(None);
        }
        let rows = RowsView::new(self.bank.rows(), self.bank.dim())?;
        Ok(Proportions::fit(rows, config, self.setup.seed, 0)?.objection(config, self.bank.n_images()))
    }

    fn objective(&self, epoch: usize) -> Objective {
        let config = self.setup.config;
        let warming_up = epoch < config.warmup_epochs || self.state.left_out.is_some();
        if config.objective == Objective::LocalAggregation && warming_up {
            Objective::Instance
        } else {
            config.objective
        }
    }

    /// Clusterings of the bank, in proportions that are measured when Local Aggregation begins and kept right afterwards.
    fn cluster_the_bank(&mut self, at: Position) -> Result<(), TrainError> {
        let (config, seed) = (self.setup.config, self.setup.seed);
        let rows = RowsView::new(self.bank.rows(), self.bank.dim())?;
        let sizes = match self.state.proportions {
            Some(sizes) => sizes,
            None => {
                let sizes = Proportions::fit(rows, config, seed, at.step)?;
                if let (true, Some(why)) = (config.guard, sizes.objection(config, rows.len())) {
                    self.state.left_out = Some(why);
                    return Ok(());
                }
                sizes
            }
        };
        let space = close_space(rows, config, seed, at.step)?;
        let found = clusterings(space.rows(rows), config, sizes.centroids, seed, at.step)?;
        self.state.proportions = Some(Proportions::measure(rows, &found, sizes.background, sizes.centroids)?);
        self.clusterings = Some(found);
        Ok(())
    }

    /// Clusterings or target, when it is time for new ones.
    fn refresh(&mut self, at: Position) -> Result<(), TrainError> {
        let due = match self.setup.config.refresh {
            // An epoch that opens a stage of the objective refreshes whatever its number.
            Refresh::Epochs(n) => at.batch == 0 && at.epoch.is_multiple_of(n),
            Refresh::Steps(n) => at.step.is_multiple_of(n as u64),
        };
        match self.objective(at.epoch) {
            Objective::LocalAggregation if due || self.clusterings.is_none() => self.cluster_the_bank(at)?,
            Objective::ClusterHardness if due || self.hardness.is_none() => {
                let (cache, batch_size) = (self.setup.cache, self.setup.config.batch_size);
                let codes = codes_of_all(&self.encoder, cache, batch_size, &Silent);
                let dim = self.encoder.dim();
                let (centres, momentum) = match self.hardness.take() {
                    Some(old) => (old.centres, old.momentum),
                    None => {
                        let k_means = KMeans {
                            seed: self.setup.seed,
                            n_init: 20,
                            ..KMeans::new(self.setup.n_clusters.min(cache.n_images()))
                        };
                        let run = k_means.fit(RowsView::new(&codes, dim)?, &sporeprint_cluster::Silent)?;
                        (ClusterHardness::new(run.centroids.into_data(), dim), None)
                    }
                };
                let target = Target::sharpen(&centres.soft_assignments(&codes), centres.n_clusters());
                self.hardness = Some(Hardness { centres, momentum, target });
            }
            _ => {}
        }
        Ok(())
    }

    /// Losses and gradients of each crop over the bank, which is updated here with the first one's codes, after the losses
    /// (the article: before).
    fn over_the_bank(
        &mut self,
        crops: &[UnitCodes],
        images: &[u32],
        at: Position,
    ) -> Result<Vec<CodeLoss>, TrainError> {
        let config = self.setup.config;
        let article = config.variant == Variant::Article;
        let mut movement = 0.0;
        if article {
            movement = self.bank.update(images, crops[0].rows(), config.mixing_rate);
        }
        let mut losses = Vec::with_capacity(crops.len());
        let mut first_sets = None;
        for codes in crops {
            match (self.objective(at.epoch), &self.clusterings, self.state.proportions) {
                (Objective::LocalAggregation, Some(clusterings), Some(sizes)) => {
                    let bank = RowsView::new(self.bank.rows(), self.bank.dim())?;
                    let queries = RowsView::new(codes.rows(), codes.dim())?;
                    let background = nearest(queries, bank, sizes.background, sporeprint_cluster::Metric::Dot)?;
                    let sets = NeighborSets::intersect(images, background, clusterings).bounded(
                        images,
                        config.fewest_close,
                        config.largest_close,
                    );
                    let epsilon = if article { 0.0 } else { EPSILON };
                    let temperature = config.temperature(Objective::LocalAggregation);
                    losses.push(local_aggregation(codes, &self.bank, &sets, temperature, epsilon).code_loss);
                    first_sets.get_or_insert(sets);
                }
                _ => losses.push(self.instance(codes, images, at)),
            }
        }
        if !article {
            movement = self.bank.update(images, crops[0].rows(), config.mixing_rate);
        }
        if let Some(sets) = first_sets {
            self.state.sums.add(images, &sets, movement);
        }
        Ok(losses)
    }

    fn pixels(&self, crop: &Crop, images: &[u32], epoch: usize) -> Tensor<4> {
        let Setup { cache, seed, device, .. } = &self.setup;
        let normalization = self.encoder.config().normalization();
        match &crop.views {
            None => batch::load(cache, images, batch::Source::Fixed(CodeView::WHOLE), normalization, device),
            Some(views) => {
                let draw = [*seed, epoch as u64, crop.number as u64];
                batch::load_views(cache, images, crop.size, views, draw, normalization, device)
            }
        }
    }

    fn instance(&mut self, codes: &UnitCodes, images: &[u32], at: Position) -> CodeLoss {
        let config = self.setup.config;
        let temperature = config.temperature(Objective::Instance);
        let n_images = self.bank.n_images();
        let n_noise = config.noise.or((n_images > EXACT_SOFTMAX_IMAGES).then_some(NOISE_ROWS));
        let mut loss = match n_noise {
            None => instance_softmax(codes, images, &self.bank, temperature),
            Some(n_noise) => {
                let mut rng = Rng::for_stage(self.setup.seed, "noise", at.step);
                let noise: Vec<u32> = (0..n_noise * images.len()).map(|_| rng.below(n_images) as u32).collect();
                let (normaliser, temperature) = *self.state.contrast.get_or_insert_with(|| {
                    let similarities: Vec<f32> = noise
                        .iter()
                        .enumerate()
                        .map(|(at, &other)| {
                            codes.row(at / n_noise).iter().zip(self.bank.row(other)).map(|(a, b)| a * b).sum()
                        })
                        .collect();
                    let estimate = NoiseContrast::estimate(&similarities, n_images, temperature);
                    (estimate.normaliser, estimate.temperature)
                });
                instance_nce(codes, images, &noise, &self.bank, NoiseContrast { normaliser, temperature })
            }
        };
        if config.decorrelation > 0.0 {
            let extra = decorrelation(codes);
            loss.loss += config.decorrelation * extra.loss;
            loss.gradient.iter_mut().zip(&extra.gradient).for_each(|(g, e)| *g += config.decorrelation * e);
        }
        loss
    }

    /// Loss and gradient of cluster hardness; `take_step` moves the centres once the encoder's loss is known finite.
    fn hardness(&mut self, codes: &[f32], images: &[u32], learning_rate: f64) -> CodeLoss {
        let momentum = self.setup.config.sgd.momentum as f32;
        let hardness = self.hardness.as_mut().expect("refreshed before the first step");
        let gradient = hardness.centres.step(codes, images, &hardness.target);
        if gradient.loss.is_finite() {
            let buffer = match hardness.momentum.take() {
                None => gradient.centres,
                Some(mut buffer) => {
                    buffer.iter_mut().zip(&gradient.centres).for_each(|(b, g)| *b = momentum * *b + g);
                    buffer
                }
            };
            hardness.centres.centres.iter_mut().zip(&buffer).for_each(|(c, b)| *c -= learning_rate as f32 * b);
            hardness.momentum = Some(buffer);
        }
        CodeLoss { loss: gradient.loss, gradient: gradient.codes }
    }
}

/// `H` k-means runs on the rows with `centroids` clusters, each from a seed of its own.
///
/// # Errors
/// When the rows cannot be clustered.
pub fn clusterings(
    rows: RowsView<'_>,
    config: &AggregateConfig,
    centroids: usize,
    seed: u64,
    step: u64,
) -> Result<Clusterings, sporeprint_cluster::Error> {
    let n_images = rows.len();
    let k_means = KMeans { init: Init::Random, max_iter: config.clustering_rounds, ..KMeans::new(centroids) };
    let first = step * config.clusterings as u64;
    let seeds: Vec<u64> =
        (first..first + config.clusterings as u64).map(|n| Rng::for_stage(seed, "clusterings", n).next_u64()).collect();
    let runs = k_means.fit_each(rows, &seeds, &sporeprint_cluster::Silent)?;
    let labels = runs.iter().flat_map(|run| run.labels.iter().map(|&label| label as u32)).collect();
    Ok(Clusterings::new(labels, n_images))
}
