//! `train-encoder`: photographs with labels or a teacher to weights that know photographs.

use anyhow::{Context, Result, bail};
use sporeprint::config::{
    EncoderConfig, FrozenConfig, Labels, Overlay, TeacherConfig, TrainEncoderConfig, WeightsSource,
};
use sporeprint::encoder::described_encoder;
use sporeprint::progress::Observer;
use sporeprint::run::RunDir;
use sporeprint::stages;

use super::run::{existing, interval};
use crate::Outcome;
use crate::args::TrainEncoderVerb;
use crate::progress::Talk;
use crate::settings;

pub(crate) fn train_encoder(args: &TrainEncoderVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let config = resolve(args, talk)?;
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
        let classes = trained.classes.len();
        let of_classes = if classes > 0 { format!(" of {classes} classes") } else { String::new() };
        writeln!(out, "{} images{of_classes}\nweights  {}", trained.n_images, weights.display())?;
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

fn resolve(args: &TrainEncoderVerb, talk: &Talk) -> Result<TrainEncoderConfig> {
    let given = args.settings.settings();
    let mut usual = match &args.config {
        None => TrainEncoderConfig::default(),
        Some(path) => {
            let text = fs_err::read_to_string(path)?;
            toml::from_str(&text).with_context(|| format!("cannot read the settings in {}", path.display()))?
        }
    };
    let weights = args.weights.as_deref().map(|word| source(word, talk)).transpose()?;
    if let Some(word) = &args.teacher {
        let teacher = teacher(word, args.teacher_encoder.as_deref(), talk)?;
        let named = given.get("encoder.architecture").is_some();
        let start = weights.clone().unwrap_or(if named { WeightsSource::None } else { WeightsSource::BuiltIn });
        usual = match args.config {
            // What the file says of the pupil stays.
            Some(_) => TrainEncoderConfig { teacher: Some(teacher), ..usual },
            None => TrainEncoderConfig::taught(network_of(&start, &given)?, start, teacher),
        };
    }
    if let Some(weights) = weights {
        usual.weights = weights;
    }
    if usual.teacher.is_none()
        && let Some(flag) = ["teacher.sizes", "teacher.coarse", "teacher.coarsest", "teacher.scores"]
            .into_iter()
            .find(|setting| given.get(setting).is_some())
    {
        bail!("found --{}, which needs --teacher\nhint: add --teacher FILE, or builtin", &flag["teacher.".len()..]);
    }
    let mut config = usual.with(&given)?;
    if given.get("small_epochs").is_none() {
        // The share of passes with smaller views stays, unless their number is given too.
        config.small_epochs = usual.small_epochs * config.epochs / usual.epochs.max(1);
    }
    config.check()?;
    Ok(config)
}

/// Where weights come from; those of a hub are downloaded once.
fn source(word: &str, talk: &Talk) -> Result<WeightsSource> {
    Ok(match word.parse()? {
        WeightsSource::File(_) => WeightsSource::File(settings::weights(word, talk)?),
        other => other,
    })
}

/// The network that weights are of, if they say so, and else the one that is named, as published.
fn network_of(weights: &WeightsSource, given: &Overlay) -> Result<EncoderConfig> {
    let described = match weights {
        WeightsSource::BuiltIn => Some(EncoderConfig::built_in()),
        WeightsSource::File(path) => described_encoder(path).context("--weights")?,
        WeightsSource::None => None,
    };
    let named = given.get("encoder.architecture").and_then(|name| name.as_str()).map(str::parse).transpose()?;
    Ok(match (described, named) {
        (Some(network), _) => network,
        (None, Some(architecture)) => EncoderConfig::published(architecture),
        (None, None) => bail!("--weights does not say of which network it is\nhint: add --encoder NAME"),
    })
}

/// The teacher that a word or a file stands for.
fn teacher(word: &str, name: Option<&str>, talk: &Talk) -> Result<TeacherConfig> {
    if let Some(onnx) = FrozenConfig::by_name(word) {
        return Ok(TeacherConfig::frozen(onnx, WeightsSource::None));
    }
    let weights = source(word, talk)?;
    if let Some(frozen) = name.and_then(FrozenConfig::by_name) {
        return Ok(TeacherConfig::frozen(frozen, weights));
    }
    let network = match (&weights, name) {
        (_, Some(name)) => EncoderConfig::published(name.parse()?),
        (WeightsSource::BuiltIn, None) => EncoderConfig::built_in(),
        (WeightsSource::File(path), None) => described_encoder(path).context("--teacher")?.with_context(|| {
            format!("{} does not say of which encoder it is\nhint: add --teacher-encoder NAME", path.display())
        })?,
        (WeightsSource::None, None) => {
            bail!(
                "found --teacher none, expected weights, an ONNX model or builtin\nhint: leave --teacher out to learn labels"
            )
        }
    };
    Ok(TeacherConfig::network(network, weights))
}
