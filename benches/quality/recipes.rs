//! What is compared: the article's protocol, then one step after another towards the program's default.

use sporeprint::config::{
    AggregateConfig, CodeKind, Decay, HeadStart, Objective, PretrainConfig, Refresh, RunConfig, Variant,
};
use sporeprint::config::{Architecture, EncoderConfig, WeightsSource};
use sporeprint::images::ViewConfig;

use crate::Outcome;

/// Every recipe, in the order of the table.
pub(crate) const NAMES: [&str; 9] =
    ["simple", "article", "mended", "views", "instance", "decorrelation", "aggregation", "small-crops", "default"];

/// Views of 64 pixels that the small network trains on in ten minutes on two slow cores, and in an hour.
pub(crate) const SMALL: usize = 80_000;
pub(crate) const LARGE: usize = 6 * SMALL;
/// The auto-encoder takes about twice as long for a view.
const AUTO_ENCODER_PRICE: usize = 2;

/// Something to measure.
pub(crate) enum Recipe {
    /// Features that need no training.
    Simple,
    /// A run with these settings.
    Trained(Box<RunConfig>),
}

impl Recipe {
    /// A recipe from random weights, or from others: then only what trains the small network has a meaning, for as long as
    /// fine-tuning takes.
    pub(crate) fn named(name: &str, weights: &WeightsSource) -> Outcome<Self> {
        if *weights != WeightsSource::None && !can_begin_with_weights(name) {
            return Err(format!("recipe {name} does not begin with weights; choose others by --recipes").into());
        }
        let network = small_network(weights);
        let config = match name {
            "simple" => return Ok(Self::Simple),
            "article" => article(),
            "mended" => mended(),
            "views" => {
                let mut config = mended();
                config.aggregate.no_views = false;
                config.views = ViewConfig::default();
                config
            }
            "instance" => instance(network, 0.07, 0.0),
            "decorrelation" => instance(network, 0.5, 1.0),
            "aggregation" => backbone(network),
            "small-crops" => {
                let mut config = network;
                config.aggregate.small_crops = 2;
                config
            }
            "default" => network,
            other => return Err(format!("unknown recipe {other}, expected one of {}", NAMES.join(", ")).into()),
        };
        Ok(Self::Trained(Box::new(config)))
    }
}

/// Whether a recipe trains the small network.
pub(crate) fn can_begin_with_weights(name: &str) -> bool {
    !["simple", "article", "mended", "views"].contains(&name)
}

/// Clustered by what the network learnt, alone.
fn backbone(mut config: RunConfig) -> RunConfig {
    config.aggregate.codes = Some(CodeKind::Backbone);
    config
}

/// The program's own settings for a start.
pub(crate) fn small_network(weights: &WeightsSource) -> RunConfig {
    match weights {
        WeightsSource::None => RunConfig::from_scratch(),
        WeightsSource::BuiltIn => RunConfig::default(),
        WeightsSource::File(_) => RunConfig { weights: weights.clone(), ..RunConfig::from_weights() },
    }
}

fn instance(mut config: RunConfig, temperature: f32, decorrelation: f32) -> RunConfig {
    config.aggregate.objective = Objective::Instance;
    config.aggregate.temperature = Some(temperature);
    config.aggregate.decorrelation = decorrelation;
    backbone(config)
}

/// The article's protocol as published, on a quarter of VGG-16's channels: bank before the loss, whole images, learning rate
/// that has fallen to a hundredth within the first epoch.
fn article() -> RunConfig {
    let mut config = RunConfig {
        encoder: EncoderConfig { architecture: Architecture::Vgg16Bn, width: 0.25, ..EncoderConfig::default() },
        views: ViewConfig::none(),
        pretrain: PretrainConfig::default(),
        ..RunConfig::from_scratch()
    };
    config.aggregate = AggregateConfig {
        epochs: 10,
        warmup_epochs: 0,
        batch_size: 32,
        temperature: Some(0.07),
        background_neighbors: Some(100),
        clusterings: 6,
        refresh: Refresh::Epochs(1),
        variant: Variant::Article,
        decorrelation: 0.0,
        no_views: true,
        fewest_close: 0,
        largest_close: 1.0,
        guard: false,
        codes: Some(CodeKind::Backbone),
        head: HeadStart::Random,
        average: 0.0,
        ..AggregateConfig::from_scratch()
    };
    config.aggregate.sgd.learning_rate = 0.01;
    config.aggregate.sgd.weight_decay = 0.0;
    config.aggregate.sgd.warm_up = 0.0;
    config.aggregate.sgd.decay = Decay::Step { every: 0.4, factor: 0.1 };
    config
}

/// The same with the defects mended: bank after the loss, learning rate over the whole stage, weight decay.
fn mended() -> RunConfig {
    let mut config = article();
    config.aggregate.variant = Variant::Authors;
    config.aggregate.sgd.weight_decay = 1e-4;
    config.aggregate.sgd.decay = Decay::Cosine;
    config
}

/// Sets the epochs so that so many views are spent: a third of them on the auto-encoder where there is one.
pub(crate) fn spend(config: &mut RunConfig, views: usize, n_images: usize) {
    if config.weights != WeightsSource::None {
        // Fine-tuning has its own length: more does not help.
        return;
    }
    let (auto_encoder, rest) =
        if config.pretrain.epochs > 0 { (views / 3 / AUTO_ENCODER_PRICE, views * 2 / 3) } else { (0, views) };
    config.pretrain.epochs = auto_encoder / n_images;
    // Each half-size crop costs a quarter, and so do the epochs at half the size.
    let price = (1.0 + 0.25 * config.aggregate.small_crops as f64) * (1.0 - 0.75 * config.aggregate.half_size);
    let epochs = (rest as f64 / price / n_images as f64).round().max(1.0) as usize;
    let share = config.aggregate.warmup_epochs as f64 / config.aggregate.epochs as f64;
    config.aggregate.epochs = epochs;
    config.aggregate.warmup_epochs = (share * epochs as f64).round() as usize;
    if config.aggregate.background_neighbors.is_some() {
        config.aggregate.centroids = Some(n_images / 10);
    }
}
