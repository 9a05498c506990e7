use std::path::PathBuf;

use crate::config::ConfigError;
use crate::images::{CacheError, DrawError, FindError, ManifestError};
use crate::run::tables::TableError;
use crate::run::{NpyError, SessionError};
use crate::train::{CheckpointError, TrainError};

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The run directory cannot be worked in.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The images cannot be found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The labels cannot be read.
    #[error(transparent)]
    Labels(#[from] ManifestError),
    /// The cache cannot be made or does not fit.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A setting cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network cannot be built.
    #[error(transparent)]
    Encoder(#[from] crate::config::NetworkError),
    /// The frozen encoder cannot be opened or run.
    #[error(transparent)]
    Frozen(#[from] crate::encoder::FrozenError),
    /// Weights cannot be read or do not fit.
    #[error(transparent)]
    Weights(#[from] crate::encoder::WeightsError),
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A table cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An array cannot be read or written.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// Neighbours or clusters cannot be computed.
    #[error(transparent)]
    Cluster(#[from] sporeprint_cluster::Error),
    /// The codes cannot be grouped.
    #[error(transparent)]
    Grouping(#[from] crate::grouping::GroupingError),
    /// The pages cannot be written.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// A picture cannot be written.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A stage is asked for whose forerunner has not run.
    #[error("the run in {} has no {missing}\nhint: `sporeprint {verb}` makes it", run.display())]
    NotYet {
        /// The run directory.
        run: PathBuf,
        /// What is missing.
        missing: &'static str,
        /// The verb that makes it.
        verb: &'static str,
    },
    /// A run made from codes is asked to look at images.
    #[error(
        "the run in {} was made from codes and has no encoder to look at images with\nhint: give their codes by \
         `images.embeddings`, made as those of the run were",
        run.display()
    )]
    FromEmbeddings {
        /// The run directory.
        run: PathBuf,
    },
    /// A run made from images is asked to take codes.
    #[error("the run in {} was made from images\nhint: give the images, they are encoded as the others were", run.display())]
    FromImages {
        /// The run directory.
        run: PathBuf,
    },
    /// Codes of another width than the run's.
    #[error("codes of {found} numbers, expected {expected} as in {}\nhint: make them as those of the run were", run.display())]
    Width {
        /// The run directory.
        run: PathBuf,
        /// Their width.
        found: usize,
        /// The run's.
        expected: usize,
    },
    /// Not one code for each image.
    #[error(
        "{}: found {found} rows, expected {expected}, one for each image\nhint: an `add` that was stopped is ended by the \
         same `add`; else make the codes again with `sporeprint embed RUN`",
        path.display()
    )]
    Rows {
        /// The array.
        path: PathBuf,
        /// Its rows.
        found: usize,
        /// Images of the run.
        expected: usize,
    },
    /// Codes from outside cannot be used.
    #[error(transparent)]
    Embeddings(#[from] crate::embeddings::EmbeddingsError),
    /// Nothing to read.
    #[error("found no images in {paths}\nhint: give a folder with JPEG, PNG, WebP, GIF, BMP or TIFF files")]
    NoImages {
        /// Where it was looked for.
        paths: String,
    },
    /// Labels to train with are missing.
    #[error(
        "found {n_classes} classes and {unlabelled} images without a label, expected two classes or more and a label \
         for every image\nhint: give a folder with one sub-folder per class, or `images.labels = FILE.csv`"
    )]
    TooFewClasses {
        /// Classes found.
        n_classes: usize,
        /// Images without one.
        unlabelled: usize,
    },
    /// Codes are asked for that the run does not have.
    #[error(
        "`aggregate.codes = {kind}`: the run has none, only {has}\nhint: take one of these; what training and `weights` left \
         behind decides which there are"
    )]
    NoSuchCodes {
        /// What was asked for.
        kind: &'static str,
        /// What there is.
        has: String,
    },
    /// A measure of codes that is not known.
    #[error("`probe` is {found}, an unknown measure, expected linear or knn\nhint: `probe = linear,knn` takes both")]
    Probe {
        /// What was asked for.
        found: String,
    },
    /// A share of images that cannot be marked.
    #[error(
        "`unlike` is {found}, expected a share from 0 to below 1\nhint: `unlike = 0.05`, or 5%, also \
         marks about one in twenty images of the run's own kinds"
    )]
    Unlike {
        /// What was asked for.
        found: String,
    },
    /// A measure against labels without any.
    #[error(
        "the images have no labels to measure codes by\nhint: give them by `images.labels = from-dirs` or `images.labels = FILE.csv`"
    )]
    NoLabels,
    /// A sentence without a place for a word.
    #[error(
        "`template` is {found:?} and has no place for the word\nhint: write {{}} where it goes, as in \"a photo of a {{}}\""
    )]
    Template {
        /// The sentence.
        found: String,
    },
    /// A list of words without any.
    #[error("{}: no words in it\nhint: write one word or phrase on each line", path.display())]
    NoWords {
        /// The list.
        path: PathBuf,
    },
    /// No network that knows words.
    #[error(
        "naming clusters needs a CLIP model, and this run has none\nhint: give one by `weights = FILE` or \
         `weights = hf:openai/clip-vit-base-patch32`"
    )]
    NoClip,
    /// A name is given to a cluster that is not there.
    #[error(
        "found no cluster {found} in {}, expected one of its {n}, up to {last}\nhint: clusters.csv lists them; noise has no name",
        run.display()
    )]
    NoCluster {
        /// The run directory.
        run: PathBuf,
        /// What was asked for.
        found: i32,
        /// How many there are.
        n: usize,
        /// The largest id.
        last: i32,
    },
    /// A name that would not fit on a line.
    #[error(
        "found {found:?} as a name, expected text without line breaks and other control characters\nhint: a word or two will do"
    )]
    ClusterName {
        /// The name.
        found: String,
    },
    /// A photograph of the run that cannot be read any more.
    #[error("{}: cannot be read any more, but the run has it\nhint: put it back, or make the run anew", path.display())]
    Gone {
        /// The photograph.
        path: PathBuf,
    },
    /// The loss became NaN or infinite.
    #[error(
        "the loss of {stage} is not finite in epoch {epoch}, batch {batch}; its images are:\n  {}\nhint: the last \
         checkpoint is kept; lower `{setting}` and start anew with `overwrite`, or look at these images",
        images.iter().map(|name| crate::run::text::visible(name)).collect::<Vec<_>>().join("\n  ")
    )]
    NotFinite {
        /// The stage.
        stage: &'static str,
        /// Epoch, from 1.
        epoch: usize,
        /// Batch, from 1.
        batch: usize,
        /// Names of the batch's images.
        images: Vec<String>,
        /// The setting of the learning rate.
        setting: &'static str,
    },
}

impl StageError {
    /// Whether the person asked to stop, rather than something going wrong.
    pub fn is_interrupted(&self) -> bool {
        use sporeprint_cluster::Error::Cancelled;
        match self {
            Self::Train(TrainError::Interrupted | TrainError::Cluster(Cancelled { .. }))
            | Self::Cluster(Cancelled { .. }) => true,
            Self::Grouping(error) => error.is_interrupted(),
            _ => false,
        }
    }
}
