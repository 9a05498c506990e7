//! The command line, as typed; `settings.rs` turns it into checked settings.

mod cluster;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::bench::BenchVerb;
use crate::commands::name::NameVerb;
use crate::commands::train_encoder::TrainEncoderVerb;

pub(crate) use cluster::{
    AddVerb, AddedCodes, AssignVerb, ClusterArgs, ClusterVerb, HeadArg, MethodArg, MetricArg, SortArg, SpaceArg,
};

/// Group a folder of unlabelled photographs by what they show.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, max_term_width = 100, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Threads to use; all cores unless given
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print a summary as JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do everything: read the images, train, cluster, report
    Run(RunArgs),
    /// Read the images and train the auto-encoder
    Pretrain(RunArgs),
    /// Train the encoder over the memory bank, from the auto-encoder of a run
    Aggregate(AggregateVerb),
    /// Write the codes of all images of a run
    Embed(RunVerb),
    /// Group the codes of a run, or codes made elsewhere
    Cluster(ClusterVerb),
    /// Say to which clusters of a run new images belong, as CSV on stdout
    #[command(alias = "predict")]
    Assign(AssignVerb),
    /// Take new images into a run: the clusters stay, ids are kept
    Add(AddVerb),
    /// Compare the clusters of a run with labels
    Evaluate(EvaluateVerb),
    /// Name the clusters of a run by the nearest of given words (CLIP)
    Name(NameVerb),
    /// Write the pages of a run anew
    Report(ReportVerb),
    /// Try many settings on a folder and rank them without labels
    Sweep(crate::commands::sweep::SweepVerb),
    /// Train an encoder on labelled photographs, to start from on others
    TrainEncoder(TrainEncoderVerb),
    /// Measure this machine, and say how long a run would take on it
    Bench(BenchVerb),
    /// Draw labelled mushrooms, run everything on them and say how well it went
    Demo(DemoVerb),
}

/// A run directory.
#[derive(Debug, Args)]
pub(crate) struct RunVerb {
    /// The run directory
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Files, folders (with all below them) or lists (.txt, .csv) of images
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The run directory to write
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-run")]
    pub(crate) out: PathBuf,
    /// Go on with the run that is there
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Replace the run that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Take settings from a file; flags given here win
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Labels to compare with: from-dirs, or a CSV with the columns filename and label
    #[arg(long, value_name = "from-dirs|FILE.csv")]
    pub(crate) labels: Option<String>,
    /// Source of every random choice
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Cluster by what the weights know already: no training on these images
    #[arg(long, conflicts_with_all = ["pretrain_epochs", "aggregate_epochs", "warmup_epochs"])]
    pub(crate) fast: bool,
    /// Do not open the report in a browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Seconds between checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    pub(crate) checkpoint_every: f64,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) pretrain: PretrainArgs,
    #[command(flatten)]
    pub(crate) aggregate: AggregateArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "While it works")]
pub(crate) struct ListenArgs {
    /// Write the report from the start and let it grow; open pages renew themselves
    #[arg(long)]
    pub(crate) watch: bool,
    /// Write TensorBoard event files into tensorboard/ of the run
    #[arg(long)]
    pub(crate) tensorboard: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Encoder: vgg11-bn, vgg13-bn, vgg16-bn, vgg19-bn, resnet18, resnet34, resnet50; never trained: pixels, dinov2, clip, a file MODEL.onnx
    #[arg(long, value_name = "NAME")]
    pub(crate) encoder: Option<String>,
    /// Factor on the number of channels
    #[arg(long, value_name = "FACTOR")]
    pub(crate) width: Option<f64>,
    /// Side of the square images in pixels
    #[arg(long, value_name = "PIXELS")]
    pub(crate) image_size: Option<usize>,
    /// Views of each image whose codes are averaged: 1 the centre square, 2 its mirror image too, 3 its middle too
    /// [default: 3 with the built-in encoder, else 1]
    #[arg(long, value_name = "1..3")]
    pub(crate) code_views: Option<usize>,
    /// First layers of a ResNet
    #[arg(long, value_enum)]
    pub(crate) stem: Option<StemArg>,
    /// From feature map to code
    #[arg(long, value_enum)]
    pub(crate) merge: Option<MergeArg>,
    /// ONNX: mean of red, green and blue to take off pixels of 0 to 1; the model's sidecar or ImageNet's unless given
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    pub(crate) pixel_mean: Vec<f32>,
    /// ONNX: what is divided by then
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    pub(crate) pixel_deviation: Vec<f32>,
    /// Which tokens of a vision transformer make the code
    #[arg(long, value_enum)]
    pub(crate) tokens: Option<TokensArg>,
    /// Dimension of a linear head behind the encoder (the paper: 128)
    #[arg(long, value_name = "DIM")]
    pub(crate) head_dim: Option<usize>,
    /// Weights to start from: builtin (unless another network is asked for), none, a .safetensors, .pth or .pt file, or a
    /// model to download once
    #[arg(long, value_name = "builtin|none|FILE|hf:OWNER/REPO[/FILE]")]
    pub(crate) weights: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StemArg {
    /// 7x7 of stride 2 and pooling, as published
    Standard,
    /// 3x3, for images of 32 to 64 pixels
    Small,
    /// 3x3 of stride 2, for images of 64 to 128 pixels
    SmallStrided,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TokensArg {
    Class,
    Patches,
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MergeArg {
    Mean,
    Flatten,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Auto-encoder stage")]
pub(crate) struct PretrainArgs {
    /// Passes over all images; 0 leaves the stage out [default: 10 where --encoder names a VGG, and for `pretrain`; else 0]
    #[arg(long, value_name = "N")]
    pub(crate) pretrain_epochs: Option<usize>,
    /// Images per step
    #[arg(long, value_name = "N")]
    pub(crate) pretrain_batch_size: Option<usize>,
    /// Learning rate at the start
    #[arg(long, value_name = "RATE")]
    pub(crate) pretrain_learning_rate: Option<f64>,
    /// Train the decoder only
    #[arg(long)]
    pub(crate) freeze_encoder: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Aggregation stage")]
pub(crate) struct AggregateArgs {
    /// What to minimise
    #[arg(long, value_enum)]
    pub(crate) objective: Option<ObjectiveArg>,
    /// Passes over all images; 0 leaves the stage out
    #[arg(long, value_name = "N")]
    pub(crate) aggregate_epochs: Option<usize>,
    /// Of these, passes with the instance objective first (the paper: 10 of 200)
    #[arg(long, value_name = "N")]
    pub(crate) warmup_epochs: Option<usize>,
    /// Images per step
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Learning rate at the start
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Temperature (the paper's tau: 0.07) [default: 0.5 for instances, 0.2 for Local Aggregation]
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Weight of the new code in the memory bank (the paper: 0.5)
    #[arg(long, value_name = "RATE")]
    pub(crate) mixing_rate: Option<f32>,
    /// Background neighbours (the paper's k) [default: a quarter of the images]
    #[arg(long, value_name = "K")]
    pub(crate) background_neighbors: Option<usize>,
    /// Centroids of each clustering (the paper's m) [default: measured, for an overlap near a tenth]
    #[arg(long, value_name = "M")]
    pub(crate) centroids: Option<usize>,
    /// Clusterings (the paper's H)
    #[arg(long, value_name = "H")]
    pub(crate) clusterings: Option<usize>,
    /// Refresh clusterings every n epochs (`2`) or steps (`10-steps`)
    #[arg(long, value_name = "N|N-steps")]
    pub(crate) refresh: Option<String>,
    /// The published form to follow where they differ
    #[arg(long, value_enum)]
    pub(crate) variant: Option<VariantArg>,
    /// How the memory bank starts
    #[arg(long, value_enum)]
    pub(crate) bank: Option<BankArg>,
    /// Weight of feature decorrelation beside the instance objective
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) decorrelation: Option<f32>,
    /// Half-size crops of each visit beside the full one, each at a quarter of its price
    #[arg(long, value_name = "N")]
    pub(crate) small_crops: Option<usize>,
    /// Share of the epochs, at the start, that see images of half the side
    #[arg(long, value_name = "SHARE")]
    pub(crate) half_size: Option<f64>,
    /// Epochs that the moving average of the weights looks back; 0 takes the last weights
    #[arg(long, value_name = "EPOCHS")]
    pub(crate) average: Option<f64>,
    /// Statistics of batch norm [default: frozen from the built-in encoder, choose from other weights, batch from none]
    #[arg(long, value_enum)]
    pub(crate) norm: Option<NormArg>,
    /// Use Local Aggregation even where what can be measured speaks against it
    #[arg(long)]
    pub(crate) no_guard: bool,
    /// Which codes are clustered; unless given the program chooses, and says why
    #[arg(long, value_enum)]
    pub(crate) codes: Option<CodesArg>,
    /// Train on whole images instead of random views
    #[arg(long)]
    pub(crate) no_views: bool,
    /// What should not tell images apart: colour or rotation, in training and in codes; position, scale, background, in training
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ObjectiveArg {
    LocalAggregation,
    Instance,
    ClusterHardness,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NormArg {
    /// Those of each batch
    Batch,
    /// Those that came with the weights
    Frozen,
    /// Those of the folder, taken before training
    Adapted,
    /// Adapted where the pictures are of another make (enlarged, blurred) than those of the weights, else frozen
    Choose,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CodesArg {
    /// The encoder's before it was trained on the folder
    Untouched,
    /// The same with batch-norm statistics of the folder
    Adapted,
    /// The trained encoder's
    Backbone,
    /// The encoder's before training beside the trained one's
    Ensemble,
    /// The linear head's
    Head,
    /// The trained encoder's beside edges, colours and patches
    Fused,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum VariantArg {
    Authors,
    Article,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BankArg {
    Codes,
    Random,
}

#[derive(Debug, Args)]
pub(crate) struct AggregateVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Go on from the newest checkpoint of the stage
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seconds between checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    pub(crate) checkpoint_every: f64,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) aggregate: AggregateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Labels: from-dirs, or a CSV with the columns filename and label
    #[arg(long, value_name = "from-dirs|FILE.csv")]
    pub(crate) labels: Option<String>,
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
