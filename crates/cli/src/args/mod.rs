//! The command line, as typed: every flag of every verb.

mod flag;
mod grouping;
mod help;
mod run;
mod settings;
mod tools;
mod words;

use clap::{Parser, Subcommand};

pub(crate) use grouping::{AddVerb, AddedCodes, AssignVerb, ClusterVerb, SortArg};
pub(crate) use help::command;
pub(crate) use run::{AggregateVerb, DemoVerb, EvaluateVerb, ListenArgs, OutputArgs, ReportVerb, RunArgs, RunVerb};
pub(crate) use tools::{BenchVerb, NameVerb, RenameVerb, SweepVerb, TrainEncoderVerb};
pub(crate) use words::{in_flags, of_error};

/// Groups a folder of photographs by what they show, without labels: it looks at each photograph with a small neural network, trains
/// that on the folder where this helps, and clusters what it says.
///
/// What comes out is a folder with a table (which photograph is in which cluster) and a report to look at in a browser. Nothing
/// leaves this machine, and your photographs are never changed.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Verb,
    /// Processor cores to use [default: all]
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere")]
    pub(crate) threads: Option<usize>,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// Print the summary as JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Group photographs: read them, train, cluster, write table and report
    Run(RunArgs),
    /// Draw labelled mushrooms, group them and say how well that went
    Demo(DemoVerb),
    /// Group the photographs of a run anew, or codes made elsewhere
    Cluster(ClusterVerb),
    /// Name the clusters of a run by the nearest of given words (CLIP)
    Name(NameVerb),
    /// Call a cluster of a run by a name of your own
    Rename(RenameVerb),
    /// Write the report of a run anew, or pictures for papers
    Report(ReportVerb),
    /// Compare the clusters of a run with labels
    Evaluate(EvaluateVerb),
    /// Say to which clusters of a run new photographs belong, as CSV
    #[command(alias = "predict")]
    Assign(AssignVerb),
    /// Take new photographs into a run: its clusters stay
    Add(AddVerb),
    /// First step of `run` alone: read the photographs and train a network to draw them
    Pretrain(RunArgs),
    /// Next step alone: train the network of a run on its photographs
    Aggregate(AggregateVerb),
    /// Next step alone: write the codes of all photographs of a run
    Embed(RunVerb),
    /// Try many settings on a folder and rank them without labels
    Sweep(SweepVerb),
    /// Measure this machine, and say how long a run would take on it
    Bench(BenchVerb),
    /// Train a network on labelled photographs, to start from on others
    TrainEncoder(TrainEncoderVerb),
}
