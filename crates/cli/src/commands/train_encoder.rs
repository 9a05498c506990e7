//! `train-encoder`: labelled photographs to weights that know photographs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use sporeprint::config::Stem;
use sporeprint::config::{Labels, TrainEncoderConfig};
use sporeprint::progress::Observer;
use sporeprint::run::RunDir;
use sporeprint::stages;

use super::run::{existing, interval};
use crate::Outcome;
use crate::args::StemArg;
use crate::progress::Talk;
use crate::settings::{self, set};

#[derive(Debug, Args)]
pub(crate) struct TrainEncoderVerb {
    /// Folders with one sub-folder per class, files or lists
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The folder to write weights, settings and curves into
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-encoder")]
    out: PathBuf,
    /// Go on with the training that is there
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace the training that is there
    #[arg(long)]
    overwrite: bool,
    /// Take settings from a file (a `train-encoder.toml` is one); flags given here win
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Labels to learn: from-dirs, or a CSV with the columns filename and label
    #[arg(long, value_name = "from-dirs|FILE.csv", default_value = "from-dirs")]
    labels: String,
    /// Source of every random choice
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seconds between checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    checkpoint_every: f64,
    /// Encoder: resnet18, resnet34, resnet50, or a VGG
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// Factor on the number of channels
    #[arg(long, value_name = "FACTOR")]
    width: Option<f64>,
    /// First layers of a ResNet
    #[arg(long, value_enum)]
    stem: Option<StemArg>,
    /// Side of the square images in pixels
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
    /// Passes over all images
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Of these, passes at the start with smaller views
    #[arg(long, value_name = "N")]
    small_epochs: Option<usize>,
    /// Side of the smaller views in pixels
    #[arg(long, value_name = "PIXELS")]
    small_size: Option<usize>,
    /// Images per step
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Learning rate at the start
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Share of the label spread over all classes, but for the last passes
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f32>,
    /// Weight of instance recognition beside the labels
    #[arg(long, value_name = "WEIGHT")]
    instance_weight: Option<f32>,
    /// Decay of the moving average of the weights
    #[arg(long, value_name = "DECAY")]
    average: Option<f64>,
    /// Share of the images kept apart to see how well others are recognised
    #[arg(long, value_name = "SHARE")]
    hold_out: Option<f64>,
}

pub(crate) fn train_encoder(args: &TrainEncoderVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let config = resolve(args)?;
    let labels: Labels = settings::labels(&args.labels)?;
    let trained = stages::train_encoder(
        &config,
        (&args.paths, &labels),
        &RunDir::new(&args.out),
        existing(args.resume, args.overwrite),
        interval(args.checkpoint_every)?,
        talk,
    )?;
    talk.note(&format!("`sporeprint run PHOTOS --weights {}` starts from these weights", trained.weights.display()));
    say(&trained, json)?;
    Ok(if trained.n_skipped == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

fn say(trained: &stages::TrainedEncoder, json: bool) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let weights = &trained.weights;
    if json {
        let summary = serde_json::json!({
            "weights": weights, "n_images": trained.n_images, "n_skipped": trained.n_skipped, "classes": trained.classes,
        });
        writeln!(out, "{summary:#}")?;
    } else {
        writeln!(
            out,
            "{} images of {} classes\nweights  {}",
            trained.n_images,
            trained.classes.len(),
            weights.display()
        )?;
    }
    Ok(())
}

fn resolve(args: &TrainEncoderVerb) -> Result<TrainEncoderConfig> {
    let mut config = match &args.config {
        None => TrainEncoderConfig::default(),
        Some(path) => read(path)?,
    };
    if let Some(name) = &args.encoder {
        config.encoder.architecture = name.parse().with_context(|| format!("--encoder {name}"))?;
    }
    if let Some(stem) = args.stem {
        config.encoder.stem = Stem::from(stem);
    }
    set(&mut config.seed, args.seed);
    set(&mut config.encoder.width, args.width);
    set(&mut config.encoder.image_size, args.image_size);
    if let Some(epochs) = args.epochs {
        // The share of passes with smaller views stays, unless their number is given too.
        config.small_epochs = config.small_epochs * epochs / config.epochs.max(1);
        config.epochs = epochs;
    }
    set(&mut config.small_epochs, args.small_epochs);
    set(&mut config.small_size, args.small_size);
    set(&mut config.batch_size, args.batch_size);
    set(&mut config.sgd.learning_rate, args.learning_rate);
    set(&mut config.label_smoothing, args.label_smoothing);
    set(&mut config.instance_weight, args.instance_weight);
    set(&mut config.average, args.average);
    set(&mut config.hold_out, args.hold_out);
    config.check()?;
    Ok(config)
}

fn read(path: &Path) -> Result<TrainEncoderConfig> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).with_context(|| format!("cannot read the settings in {}", path.display()))
}

impl From<StemArg> for Stem {
    fn from(stem: StemArg) -> Self {
        match stem {
            StemArg::Standard => Self::Standard,
            StemArg::Small => Self::Small,
            StemArg::SmallStrided => Self::SmallStrided,
        }
    }
}
