//! The `sporeprint` command: arguments and glue around the library.

mod args;
mod commands;
mod listen;
mod progress;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use sporeprint::hub::HubError;
use sporeprint::stages::StageError;

use args::{Cli, Command};
use progress::Talk;

/// What a command that did its work reports.
pub(crate) enum Outcome {
    /// All of it.
    Done,
    /// All of it but for images that could not be read.
    SomeSkipped,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match work(&cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeSkipped) => ExitCode::from(3),
        // Whoever read the table has seen enough of it, as with `| head`.
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", progress::safe(&in_words(&error)));
            ExitCode::from(if is_interrupted(&error) { 130 } else { 1 })
        }
    }
}

/// Whether the person asked to stop, in a stage or in a download.
fn is_interrupted(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref().is_some_and(StageError::is_interrupted)
            || cause.downcast_ref().is_some_and(HubError::is_interrupted)
    })
}

fn closed_pipe(error: &anyhow::Error) -> bool {
    let io = |cause: &(dyn std::error::Error + 'static)| {
        let csv = cause.downcast_ref::<csv::Error>().map(csv::Error::kind);
        match (cause.downcast_ref::<std::io::Error>(), csv) {
            (Some(error), _) | (_, Some(csv::ErrorKind::Io(error))) => error.kind() == std::io::ErrorKind::BrokenPipe,
            _ => false,
        }
    };
    error.chain().any(io)
}

fn work(cli: &Cli) -> anyhow::Result<Outcome> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = cli.threads {
        anyhow::ensure!(threads >= 1, "--threads is 0, expected 1 or more\nhint: leave it out to use all cores");
        pool = pool.num_threads(threads);
    }
    let pool = pool.build()?;
    progress::stop_on_ctrl_c()?;
    let talk = Talk::new(cli.quiet);
    // Inside the pool, so that no kernel has to wake its workers from outside.
    pool.install(|| command(cli, &talk))
}

fn command(cli: &Cli, talk: &Talk) -> anyhow::Result<Outcome> {
    match &cli.command {
        Command::Run(args) => commands::run::run(args, cli.json, talk),
        Command::Pretrain(args) => commands::run::pretrain(args, talk),
        Command::Aggregate(args) => commands::verbs::aggregate(args, talk),
        Command::Embed(args) => commands::verbs::embed(args, talk),
        Command::Cluster(args) => commands::grouping::cluster(args, cli.json, talk),
        Command::Assign(args) => commands::grouping::assign(args, talk),
        Command::Add(args) => commands::grouping::add(args, cli.json, talk),
        Command::Evaluate(args) => commands::verbs::evaluate(args, cli.json, talk),
        Command::Name(args) => commands::name::name(args, cli.json, talk),
        Command::Report(args) => commands::report::report(args, talk),
        Command::Sweep(args) => commands::sweep::sweep(args, cli.json, talk),
        Command::TrainEncoder(args) => commands::train_encoder::train_encoder(args, cli.json, talk),
        Command::Bench(args) => commands::bench::bench(args, cli.json, talk),
        Command::Demo(args) => commands::demo::demo(args, cli.json, talk),
    }
}

/// The error with its causes in one line, each said once, and the hints below.
fn in_words(error: &anyhow::Error) -> String {
    let (mut what, mut hints) = (String::new(), String::new());
    for cause in error.chain().map(ToString::to_string) {
        let (cause, hint) = cause.split_once("\nhint:").unwrap_or((&cause, ""));
        if !what.contains(cause) {
            what = if what.is_empty() { cause.to_owned() } else { format!("{what}: {cause}") };
        }
        if !hint.is_empty() && !hints.contains(hint) {
            hints += &format!("\nhint:{hint}");
        }
    }
    what + &hints
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use sporeprint::hub::HubError;
    use sporeprint::stages::StageError;
    use sporeprint::train::TrainError;

    use super::{in_words, is_interrupted};

    #[test]
    fn whoever_stops_a_stage_or_a_download_gets_the_exit_code_of_that() {
        let reference = Box::new("hf:facebook/dinov2-small".parse().expect("a name"));
        let download = anyhow::Error::from(HubError::Interrupted { reference });
        assert!(is_interrupted(&download) && is_interrupted(&download.context("--weights hf:facebook/dinov2-small")));
        assert!(is_interrupted(&StageError::from(TrainError::Interrupted).into()));
        assert!(!is_interrupted(&anyhow!("disk full")));
    }

    #[test]
    fn causes_are_said_once_and_hints_come_last() {
        let full = anyhow!("disk full").context("cannot write a.npy: disk full\nhint: make space").context("--out run");
        assert_eq!(in_words(&full), "--out run: cannot write a.npy: disk full\nhint: make space");
        assert_eq!(in_words(&anyhow!("no images in a\nhint: give a folder")), "no images in a\nhint: give a folder");
    }
}
