//! `run` and the verbs that do one of its steps.

use std::path::PathBuf;

use clap::Args;

use super::SortArg;
use super::flag::{Flags, Given};
use super::settings::{AggregateFlags, RunFlags, labels};

/// A run directory.
#[derive(Debug, Args)]
pub(crate) struct RunVerb {
    /// The run directory
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct RunArgs {
    /// Photographs: files, folders (with all below them) or lists (.txt, .csv)
    #[arg(id = "images.paths", value_name = "PATH", required = true, help_heading = "Input")]
    pub(crate) paths: Vec<PathBuf>,
    /// Take settings from a file, such as the config.toml of another run; flags win over it
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Train nothing: cluster by what the network knows already, in seconds
    #[arg(
        long,
        conflicts_with_all = ["pretrain.epochs", "aggregate.epochs", "aggregate.warmup_epochs"],
        help_heading = "Training on the photographs"
    )]
    pub(crate) fast: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) settings: Given<RunFlags>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// The folder to write, which later verbs call RUN
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-run")]
    pub(crate) out: PathBuf,
    /// Go on with the run that was stopped there
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Replace the run that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Sort the photographs into clusters/<id>/ of the run as well
    #[arg(long, value_enum)]
    pub(crate) sort: Option<SortArg>,
    /// Do not open the report in a browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Seconds between two savings of what was learnt so far
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    pub(crate) checkpoint_every: f64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ListenArgs {
    /// Write the report from the start and let it grow; open pages renew themselves
    #[arg(long)]
    pub(crate) watch: bool,
    /// Write TensorBoard event files into tensorboard/ of the run
    #[arg(long)]
    pub(crate) tensorboard: bool,
}

/// Settings that are not given stay those of the run.
#[derive(Debug, Args)]
pub(crate) struct AggregateVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Go on from what was saved last
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seconds between two savings of what was learnt so far
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    pub(crate) checkpoint_every: f64,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) settings: Given<AggregateFlags>,
}

/// Labels for figures.
#[derive(Debug)]
pub(crate) struct LabelFlags;

impl Flags for LabelFlags {
    fn flags() -> Vec<clap::Arg> {
        vec![labels(
            "Labels to compare with: from-dirs (the folders' names), or a CSV with the columns filename and label",
        )]
    }
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    #[command(flatten)]
    pub(crate) labels: Given<LabelFlags>,
    /// Measure the codes by the labels too: linear (classifier), knn (200 weighted neighbours)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) probe: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoVerb {
    /// Where to write the pictures and the run
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-demo")]
    pub(crate) out: PathBuf,
    /// Pictures to draw
    #[arg(long, value_name = "N", default_value_t = 360)]
    pub(crate) images: usize,
    /// Source of every random choice
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Replace what is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Do not open the report in a browser
    #[arg(long)]
    pub(crate) no_open: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Write pictures for papers and slides into this folder as well
    #[arg(long, value_name = "DIR")]
    pub(crate) figures: Option<PathBuf>,
    /// Keep the pages growing while another process works in the run, until it ends
    #[arg(long)]
    pub(crate) watch: bool,
    /// Write the figures of the run as a TensorBoard event file into its tensorboard/ as well
    #[arg(long)]
    pub(crate) tensorboard: bool,
}
