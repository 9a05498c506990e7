//! From flags as typed, and a settings file if one is given, to checked settings.

mod cluster;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sporeprint::config::{Architecture, EncoderConfig, FrozenConfig, Merge, TokenCode, WeightsSource};
use sporeprint::config::{BankStart, CodeKind, Labels, NormStatistics, Objective, Refresh, RunConfig, Variant};
use sporeprint::encoder::OpenFrozen;
use sporeprint::encoder::described_encoder;
use sporeprint::hub::{Hub, HubReference};
use sporeprint::images::Factor;
use sporeprint::progress::Observer;

use crate::args::{
    AggregateArgs, BankArg, CodesArg, MergeArg, NetworkArgs, NormArg, ObjectiveArg, PretrainArgs, RunArgs, TokensArg,
    VariantArg,
};

pub(crate) use cluster::cluster;

/// Settings of `run` and `pretrain`: defaults, then the file, then the flags.
pub(crate) fn resolve(args: &RunArgs, observer: &dyn Observer) -> Result<RunConfig> {
    let mut config = match &args.config {
        None => match args.network.weights.as_deref() {
            None if !shapes_network(&args.network) => RunConfig::built_in(),
            Some("builtin") => RunConfig::built_in(),
            weights => {
                let pretrained = weights.is_some_and(|weights| weights != "none");
                as_published(RunConfig::starting(pretrained), &args.network)
            }
        },
        Some(path) => {
            let text = fs_err::read_to_string(path)?;
            toml_from(&text).with_context(|| format!("cannot read the settings in {}", path.display()))?
        }
    };
    config.version = env!("CARGO_PKG_VERSION").to_owned();
    config.images.paths = args.paths.iter().map(|p| absolute(p)).collect::<Result<_>>()?;
    set(&mut config.seed, args.seed);
    if let Some(text) = &args.labels {
        config.images.labels = labels(text)?;
    }
    network(&mut config, &args.network, observer)?;
    pretrain(&mut config, &args.pretrain);
    aggregate(&mut config, &args.aggregate)?;
    cluster(&mut config, &args.cluster)?;
    if args.fast {
        (config.pretrain.epochs, config.aggregate.epochs) = (0, 0);
    }
    config.check()?;
    Ok(config)
}

/// Whether flags ask for another network than the built-in one.
fn shapes_network(args: &NetworkArgs) -> bool {
    args.encoder.is_some() || args.width.is_some() || args.stem.is_some()
}

/// Width, head and auto-encoder of the default network mean nothing for one that is named, be it of the same architecture.
pub(crate) fn as_published(config: RunConfig, args: &NetworkArgs) -> RunConfig {
    match args.encoder.as_deref().map(str::parse::<Architecture>) {
        Some(Ok(architecture)) => config.as_published(architecture),
        // No encoder that is trained, or no encoder at all, which is said when it is set.
        Some(Err(_)) | None => config,
    }
}

fn toml_from(text: &str) -> Result<RunConfig> {
    sporeprint::config::from_toml(text).map_err(Into::into)
}

/// Paths are kept absolute, so that every later verb finds the images from wherever it is called.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

pub(crate) fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}

/// A file, or the file in the cache that a model of a hub is downloaded to once.
pub(crate) fn weights(text: &str, observer: &dyn Observer) -> Result<PathBuf> {
    if HubReference::is_meant_by(text) {
        return Ok(Hub::from_environment().fetch(&text.parse()?, observer)?);
    }
    absolute(Path::new(text))
}

/// `from-dirs` or a table.
pub(crate) fn labels(text: &str) -> Result<Labels> {
    Ok(match text {
        "none" => Labels::None,
        "from-dirs" => Labels::FromDirs,
        path => Labels::Table(absolute(Path::new(path))?),
    })
}

pub(crate) fn network(config: &mut RunConfig, args: &NetworkArgs, observer: &dyn Observer) -> Result<()> {
    match args.weights.as_deref() {
        None => {}
        Some("none") => config.weights = WeightsSource::None,
        Some("builtin") => {
            if shapes_network(args) {
                bail!("--weights builtin has a network of its own\nhint: leave --encoder, --width and --stem out");
            }
            let built_in = RunConfig::built_in();
            (config.weights, config.encoder, config.code_views) =
                (built_in.weights, built_in.encoder, built_in.code_views);
        }
        Some(text) => {
            let path = weights(text, observer)?;
            // A file that says what its network is needs no other flags.
            if let Some(described) = described_encoder(&path).context("--weights")? {
                config.encoder = EncoderConfig { head_dim: config.encoder.head_dim, ..described };
            }
            config.weights = WeightsSource::File(path);
        }
    }
    if let Some(name) = &args.encoder {
        config.frozen = FrozenConfig::by_name(name);
        if config.frozen.is_none() {
            let architecture: Architecture = name.parse()?;
            if architecture != config.encoder.architecture {
                // Width, stem and head of one network mean nothing for another: it is built as published.
                config.encoder = config.clone().as_published(architecture).encoder;
            }
        }
    }
    if let Some(frozen) = &mut config.frozen {
        frozen_only(frozen.name(), args)?;
        if let Some(image_size) = args.image_size {
            frozen.set_image_size(image_size);
        }
    }
    if let Some(model) = config.frozen.as_mut().and_then(FrozenConfig::model_mut) {
        *model = absolute(model)?;
    }
    let (mean, deviation) =
        (three("--pixel-mean", &args.pixel_mean)?, three("--pixel-deviation", &args.pixel_deviation)?);
    if mean.is_some() || deviation.is_some() {
        let taken = config.frozen.as_mut().is_some_and(|frozen| frozen.set_pixel_statistics(mean, deviation));
        if !taken {
            bail!(
                "--pixel-mean and --pixel-deviation say something to --encoder MODEL.onnx only\nhint: leave them out"
            );
        }
    }
    if let Some(tokens) = args.tokens {
        let tokens = match tokens {
            TokensArg::Class => TokenCode::Class,
            TokensArg::Patches => TokenCode::Patches,
            TokensArg::Both => TokenCode::Both,
        };
        let taken = config.frozen.as_mut().is_some_and(|frozen| frozen.set_tokens(tokens));
        if !taken {
            bail!("--tokens says something to --encoder dinov2 or MODEL.onnx only\nhint: leave --tokens out");
        }
    }
    set(&mut config.code_views, args.code_views);
    let encoder = &mut config.encoder;
    if args.stem.is_some() && encoder.architecture.has_decoder() {
        let name = encoder.architecture;
        bail!(
            "--stem says nothing to --encoder {name}\nhint: leave it out, or name a ResNet, such as --encoder resnet18"
        );
    }
    set(&mut encoder.width, args.width);
    set(&mut encoder.stem, args.stem.map(Into::into));
    set(&mut encoder.image_size, args.image_size);
    if let Some(merge) = args.merge {
        encoder.merge = match merge {
            MergeArg::Mean => Merge::Mean,
            MergeArg::Flatten => Merge::Flatten,
        };
    }
    if args.head_dim.is_some() {
        encoder.head_dim = args.head_dim;
    }
    if let Some(frozen) = &mut config.frozen {
        frozen.bind(config.weights.file())?;
    }
    Ok(())
}

fn three(flag: &str, values: &[f32]) -> Result<Option<[f32; 3]>> {
    match values {
        [] => Ok(None),
        &[red, green, blue] => Ok(Some([red, green, blue])),
        _ => bail!(
            "{flag} has {} numbers, expected 3: red, green, blue\nhint: for instance {flag} 0.5,0.5,0.5",
            values.len()
        ),
    }
}

/// Flags that shape a trained network mean nothing to an encoder that is never trained.
fn frozen_only(name: &str, args: &NetworkArgs) -> Result<()> {
    let given = [
        ("--width", args.width.is_some()),
        ("--stem", args.stem.is_some()),
        ("--merge", args.merge.is_some()),
        ("--head-dim", args.head_dim.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        bail!("{flag} says nothing to --encoder {name}, which is never trained\nhint: leave {flag} out");
    }
    Ok(())
}

pub(crate) fn pretrain(config: &mut RunConfig, args: &PretrainArgs) {
    let pretrain = &mut config.pretrain;
    set(&mut pretrain.epochs, args.pretrain_epochs);
    set(&mut pretrain.batch_size, args.pretrain_batch_size);
    set(&mut pretrain.sgd.learning_rate, args.pretrain_learning_rate);
    pretrain.freeze_encoder |= args.freeze_encoder;
}

/// Flags of the aggregation stage over settings that are there already.
pub(crate) fn aggregate(config: &mut RunConfig, args: &AggregateArgs) -> Result<()> {
    let stage = &mut config.aggregate;
    if let Some(objective) = args.objective {
        stage.objective = match objective {
            ObjectiveArg::LocalAggregation => Objective::LocalAggregation,
            ObjectiveArg::Instance => Objective::Instance,
            ObjectiveArg::ClusterHardness => Objective::ClusterHardness,
        };
    }
    set(&mut stage.epochs, args.aggregate_epochs);
    set(&mut stage.warmup_epochs, args.warmup_epochs);
    set(&mut stage.batch_size, args.batch_size);
    set(&mut stage.sgd.learning_rate, args.learning_rate);
    stage.temperature = args.temperature.or(stage.temperature);
    set(&mut stage.mixing_rate, args.mixing_rate);
    stage.background_neighbors = args.background_neighbors.or(stage.background_neighbors);
    stage.centroids = args.centroids.or(stage.centroids);
    set(&mut stage.clusterings, args.clusterings);
    if let Some(text) = &args.refresh {
        stage.refresh = refresh(text)?;
    }
    if let Some(variant) = args.variant {
        stage.variant = match variant {
            VariantArg::Authors => Variant::Authors,
            VariantArg::Article => Variant::Article,
        };
    }
    if let Some(bank) = args.bank {
        stage.bank = match bank {
            BankArg::Codes => BankStart::Codes,
            BankArg::Random => BankStart::Random,
        };
    }
    set(&mut stage.decorrelation, args.decorrelation);
    set(&mut stage.small_crops, args.small_crops);
    set(&mut stage.half_size, args.half_size);
    set(&mut stage.average, args.average);
    if let Some(norm) = args.norm {
        stage.norm = match norm {
            NormArg::Batch => NormStatistics::Batch,
            NormArg::Frozen => NormStatistics::Frozen,
            NormArg::Adapted => NormStatistics::Adapted,
            NormArg::Choose => NormStatistics::Choose,
        };
    }
    stage.guard &= !args.no_guard;
    stage.codes = args.codes.map(code_kind).or(stage.codes);
    stage.no_views |= args.no_views;
    if !args.ignore.is_empty() {
        let factors = args.ignore.iter().map(|name| name.parse()).collect::<Result<Vec<Factor>, _>>();
        config.ignore = factors.context("--ignore")?;
    }
    Ok(())
}

fn refresh(text: &str) -> Result<Refresh> {
    let (number, steps) = match text.strip_suffix("-steps") {
        Some(number) => (number, true),
        None => (text, false),
    };
    let Ok(every) = number.parse() else {
        bail!("--refresh is {text:?}, expected a number of epochs such as 2, or of steps such as 10-steps");
    };
    Ok(if steps { Refresh::Steps(every) } else { Refresh::Epochs(every) })
}

/// The kind of codes that a flag names.
pub(crate) fn code_kind(codes: CodesArg) -> CodeKind {
    match codes {
        CodesArg::Untouched => CodeKind::Untouched,
        CodesArg::Adapted => CodeKind::Adapted,
        CodesArg::Backbone => CodeKind::Backbone,
        CodesArg::Ensemble => CodeKind::Ensemble,
        CodesArg::Head => CodeKind::Head,
        CodesArg::Fused => CodeKind::Fused,
    }
}
