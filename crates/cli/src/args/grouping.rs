//! Verbs over clusters that are there.

use std::path::PathBuf;

use clap::{Arg, Args, ValueEnum};
use sporeprint::stages::Unlike;

use super::RunVerb;
use super::flag::{Flags, Given, flag};
use super::settings::{ClusterFlags, labels};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    /// Links to the photographs
    Links,
    /// Copies of them
    Copies,
}

/// Group the photographs of a run anew, or codes made elsewhere
///
/// What is not given stays as the run's settings say, the number of clusters too: `-k auto` lets the program choose it, and
/// `--unset` puts others back. What is given becomes the run's settings. With --embeddings, a run is made, and what is not given is
/// as in `run`.
#[derive(Debug, Args)]
pub(crate) struct ClusterVerb {
    /// The run directory
    #[arg(value_name = "RUN", required_unless_present = "images.embeddings", conflicts_with = "images.embeddings")]
    pub(crate) run: Option<PathBuf>,
    /// Sort the photographs into clusters/<id>/ of the run as well
    #[arg(long, value_enum)]
    pub(crate) sort: Option<SortArg>,
    #[command(flatten)]
    pub(crate) codes: EmbeddingsArgs,
    #[command(flatten)]
    pub(crate) settings: Given<ClusterFlags>,
}

/// Codes that were made elsewhere.
#[derive(Debug, Args)]
#[command(next_help_heading = "Codes made elsewhere")]
pub(crate) struct EmbeddingsArgs {
    /// Codes: .npy, .safetensors, .parquet, or .csv with filename,embedding_0,..
    #[arg(id = "images.embeddings", long = "embeddings", value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// The images behind the codes: one path per line in the order of the rows, or a .csv with filename (and label)
    #[arg(id = "images.names", long = "paths", value_name = "FILE", requires = "images.embeddings")]
    pub(crate) paths: Option<PathBuf>,
    /// The run directory to write
    #[arg(short, long, value_name = "DIR", default_value = "sporeprint-run", requires = "images.embeddings")]
    pub(crate) out: PathBuf,
    /// Replace the run that is there
    #[arg(long, requires = "images.embeddings")]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) settings: Given<EmbeddingsFlags>,
}

/// Settings of a run of codes beside those of its clusters.
#[derive(Debug)]
pub(crate) struct EmbeddingsFlags;

impl Flags for EmbeddingsFlags {
    fn flags() -> Vec<Arg> {
        let flags = [
            labels("Labels to compare with: from-dirs, or a CSV with the columns filename and label"),
            flag::<u64>("seed", "seed", "N", "Source of every random choice"),
        ];
        flags.map(|flag| flag.requires("images.embeddings").help_heading("Codes made elsewhere")).to_vec()
    }
}

#[derive(Debug, Args)]
pub(crate) struct AssignVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// New photographs: files, folders or lists
    #[arg(value_name = "PATH", required_unless_present = "images.embeddings", conflicts_with = "images.embeddings")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) codes: AddedCodes,
    /// Share of new photographs of the run's own kinds that may be marked as unlike all clusters: more marks more of other kinds
    /// too, 0 none
    #[arg(long, value_name = "SHARE", default_value_t)]
    pub(crate) unlike: Unlike,
}

/// The same with a name for the list that does not meet the images' own.
#[derive(Debug, Args)]
pub(crate) struct AddedCodes {
    /// Codes of new images instead, made as those of the run were
    #[arg(id = "images.embeddings", long = "embeddings", value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// The images behind those codes, as for `cluster --embeddings`
    #[arg(id = "images.names", long = "paths", value_name = "FILE", requires = "images.embeddings")]
    pub(crate) names: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AddVerb {
    #[command(flatten)]
    pub(crate) run: RunVerb,
    /// New photographs: files, folders or lists; those that the run has already are left as they are
    #[arg(value_name = "PATH", required_unless_present = "images.embeddings", conflicts_with = "images.embeddings")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) codes: AddedCodes,
    /// Share of new photographs of the run's own kinds that may be marked as unlike all clusters: more marks more of other kinds
    /// too, 0 none
    #[arg(long, value_name = "SHARE", default_value_t)]
    pub(crate) unlike: Unlike,
    /// Cluster all images anew afterwards; matched clusters keep their ids, new ones append
    #[arg(long)]
    pub(crate) recluster: bool,
}
