//! Verbs that do not make a run, or make many.

use std::path::PathBuf;

use clap::{Arg, Args};
use sporeprint::config::{Architecture, Stem};

use super::RunVerb;
use super::flag::{Flags, Given, choice, flag, list};
use super::run::LabelFlags;
use super::settings::RunFlags;

#[derive(Debug, Args)]
pub(crate) struct BenchVerb {
    /// Say how long a run over so many photographs would take with these settings as well
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<usize>,
    /// Kinds of work to measure: decode, encode, auto-encoder, aggregate, k-means, neighbors [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Seconds for each kind of work
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Take the run's settings from a file; flags win over it
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Given<RunFlags>,
}

#[derive(Debug, Args)]
pub(crate) struct SweepVerb {
    /// What to try: [settings] for all trials, lists or ranges under [try], `trials` for a random search
    #[arg(value_name = "SWEEP.toml")]
    pub(crate) sweep: PathBuf,
    /// Photographs: files, folders (with all below them) or lists (.txt, .csv)
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where the trials' run directories go; trials that are done there are not done again
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-sweep")]
    pub(crate) out: PathBuf,
    /// Number of clusters, the same for every trial
    #[arg(short = 'k', long, value_name = "N")]
    pub(crate) n_clusters: usize,
    #[command(flatten)]
    pub(crate) labels: Given<LabelFlags>,
}

#[derive(Debug, Args)]
pub(crate) struct NameVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Words or phrases to choose from, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) words: PathBuf,
    /// The sentence that CLIP reads, {} for the word
    #[arg(long, value_name = "TEXT", default_value = "a photo of a {}")]
    pub(crate) template: String,
    /// A CLIP model, for runs of another encoder: a file, or hf:OWNER/REPO
    #[arg(long, value_name = "FILE|hf:OWNER/REPO")]
    pub(crate) weights: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RenameVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// Id of the cluster, as in the tables and the report
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: i32,
    /// What to call it; "" takes the name back
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct TrainEncoderVerb {
    /// Folders, files or lists; folders with one sub-folder per class where labels are learnt
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The folder to write weights, settings and curves into
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-encoder")]
    pub(crate) out: PathBuf,
    /// Go on with the training that is there
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Replace the training that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Take settings from a file (a `train-encoder.toml` is one); flags win over it
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Labels to learn: from-dirs, or a CSV with the columns filename and label
    #[arg(id = "images.labels", long = "labels", value_name = "from-dirs|FILE.csv", default_value = "from-dirs")]
    pub(crate) labels: String,
    /// Learn what another encoder says of the photographs, instead of labels: its weights, an ONNX model, or builtin
    #[arg(long, value_name = "FILE|hf:OWNER/REPO|builtin")]
    pub(crate) teacher: Option<String>,
    /// Which encoder the teacher's file is of, where it does not say so itself
    #[arg(long, value_name = "NAME", requires = "teacher")]
    pub(crate) teacher_encoder: Option<String>,
    /// Weights to start from [default: none; with a teacher, builtin]
    #[arg(long, value_name = "FILE|hf:OWNER/REPO|builtin|none")]
    pub(crate) weights: Option<String>,
    /// Seconds between two savings of what was learnt so far
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    pub(crate) checkpoint_every: f64,
    #[command(flatten)]
    pub(crate) settings: Given<TrainEncoderFlags>,
}

/// Settings of `train-encoder`, by their paths in its own file.
#[derive(Debug)]
pub(crate) struct TrainEncoderFlags;

impl Flags for TrainEncoderFlags {
    fn flags() -> Vec<Arg> {
        vec![
            flag::<u64>("seed", "seed", "N", "Source of every random choice"),
            flag::<Architecture>(
                "encoder.architecture",
                "encoder",
                "NAME",
                "Network: efficientnet-lite0 to 4, resnet18, resnet34, resnet50, or a VGG",
            ),
            flag::<f64>(
                "encoder.width",
                "width",
                "FACTOR",
                "Channels of the network, as a share of the published one's",
            ),
            choice::<Stem>("encoder.stem", "stem", None, "First layers of a ResNet"),
            flag::<usize>(
                "encoder.image_size",
                "image-size",
                "PIXELS",
                "Side that photographs are brought to, in pixels",
            ),
            flag::<usize>("epochs", "epochs", "N", "Passes over all photographs"),
            flag::<usize>("small_epochs", "small-epochs", "N", "Of these, passes at the start with smaller views"),
            flag::<usize>("small_size", "small-size", "PIXELS", "Side of the smaller views in pixels"),
            flag::<usize>("batch_size", "batch-size", "N", "Photographs in each step"),
            flag::<f64>("sgd.learning_rate", "learning-rate", "RATE", "Size of the first steps"),
            list::<usize>("teacher.sizes", "sizes", "PIXELS", "With a teacher: sides of the views, taken in turn"),
            flag::<f64>(
                "teacher.coarse",
                "coarse",
                "SHARE",
                "With a teacher: share of the views that are seen as through a smaller picture",
            ),
            flag::<usize>("teacher.coarsest", "coarsest", "PIXELS", "With a teacher: side of the smallest of those"),
            flag::<f64>(
                "teacher.scores",
                "scores",
                "WEIGHT",
                "With a teacher: weight of its class scores beside its codes",
            ),
            flag::<f64>(
                "label_smoothing",
                "label-smoothing",
                "SHARE",
                "Share of the label spread over all classes, but for the last passes",
            ),
            flag::<f64>(
                "instance_weight",
                "instance-weight",
                "WEIGHT",
                "Weight of telling single photographs apart, beside the labels",
            ),
            flag::<f64>("average", "average", "DECAY", "Decay of the moving average of the weights"),
            flag::<f64>(
                "hold_out",
                "hold-out",
                "SHARE",
                "Share of the photographs kept apart to see how well others are recognised",
            ),
        ]
    }
}
