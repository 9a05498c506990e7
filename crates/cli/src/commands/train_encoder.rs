//! `train-encoder`: labelled photographs to weights that know photographs.

use anyhow::{Context, Result};
use sporeprint::config::{Labels, TrainEncoderConfig};
use sporeprint::progress::Observer;
use sporeprint::run::RunDir;
use sporeprint::stages;

use super::run::{existing, interval};
use crate::Outcome;
use crate::args::TrainEncoderVerb;
use crate::progress::Talk;
use crate::settings;

pub(crate) fn train_encoder(args: &TrainEncoderVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let config = resolve(args)?;
    let labels = labels(&args.labels)?;
    let trained = stages::train_encoder(
        &config,
        (&args.paths, &labels),
        &RunDir::new(&args.out),
        existing(args.resume, args.overwrite),
        interval(args.checkpoint_every)?,
        talk,
    )?;
    talk.note(&format!("`sporeprint run PHOTOS --weights {}` starts from these weights", trained.weights.display()));
    print_summary(&trained, json)?;
    Ok(if trained.n_skipped == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

fn print_summary(trained: &stages::TrainedEncoder, json: bool) -> Result<()> {
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

fn labels(text: &str) -> Result<Labels> {
    let labels = match text.parse()? {
        Labels::Table(path) => Labels::Table(settings::absolute(&path)?),
        other => other,
    };
    labels.check_file()?;
    Ok(labels)
}

fn resolve(args: &TrainEncoderVerb) -> Result<TrainEncoderConfig> {
    let usual = match &args.config {
        None => TrainEncoderConfig::default(),
        Some(path) => {
            let text = fs_err::read_to_string(path)?;
            toml::from_str(&text).with_context(|| format!("cannot read the settings in {}", path.display()))?
        }
    };
    let mut config = usual.with(&args.settings.settings())?;
    if args.settings.settings().get("small_epochs").is_none() {
        // The share of passes with smaller views stays, unless their number is given too.
        config.small_epochs = usual.small_epochs * config.epochs / usual.epochs.max(1);
    }
    config.check()?;
    Ok(config)
}
