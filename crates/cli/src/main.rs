//! The `sporeprint` command: arguments and glue around the library.

mod args;
mod commands;
mod listen;
mod progress;
mod settings;

use std::process::ExitCode;

use clap::FromArgMatches;
use sporeprint::hub::HubError;
use sporeprint::stages::StageError;

use args::{Cli, Verb};
use progress::Talk;

/// What a command that did its work reports.
pub(crate) enum Outcome {
    /// All of it.
    Done,
    /// All of it but for images that could not be read.
    SomeSkipped,
}

fn main() -> ExitCode {
    let matches = args::command().get_matches();
    let verb = matches.subcommand_name().unwrap_or_default();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match work(&cli, verb) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeSkipped) => ExitCode::from(3),
        // Whoever read the table has seen enough of it, as with `| head`.
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", progress::safe(&args::of_error(&error, verb)));
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

fn work(cli: &Cli, verb: &str) -> anyhow::Result<Outcome> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = cli.threads {
        anyhow::ensure!(threads >= 1, "--threads is 0, expected 1 or more\nhint: leave it out to use all cores");
        pool = pool.num_threads(threads);
    }
    let pool = pool.build()?;
    progress::stop_on_ctrl_c()?;
    let talk = Talk::new(cli.quiet, verb);
    // Inside the pool, so that no kernel has to wake its workers from outside.
    pool.install(|| command(cli, &talk))
}

fn command(cli: &Cli, talk: &Talk) -> anyhow::Result<Outcome> {
    match &cli.command {
        Verb::Run(args) => commands::run::run(args, cli.json, talk),
        Verb::Pretrain(args) => commands::run::pretrain(args, talk),
        Verb::Aggregate(args) => commands::verbs::aggregate(args, cli.json, talk),
        Verb::Embed(args) => commands::verbs::embed(args, talk),
        Verb::Cluster(args) => commands::grouping::cluster(args, cli.json, talk),
        Verb::Assign(args) => commands::grouping::assign(args, talk),
        Verb::Add(args) => commands::grouping::add(args, cli.json, talk),
        Verb::Evaluate(args) => commands::verbs::evaluate(args, cli.json, talk),
        Verb::Name(args) => commands::name::name(args, cli.json, talk),
        Verb::Rename(args) => commands::name::rename(args, cli.json, talk),
        Verb::Report(args) => commands::report::report(args, talk),
        Verb::Sweep(args) => commands::sweep::sweep(args, cli.json, talk),
        Verb::TrainEncoder(args) => commands::train_encoder::train_encoder(args, cli.json, talk),
        Verb::Bench(args) => commands::bench::bench(args, cli.json, talk),
        Verb::Demo(args) => commands::demo::demo(args, cli.json, talk),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use sporeprint::hub::HubError;
    use sporeprint::stages::StageError;
    use sporeprint::train::TrainError;

    use super::is_interrupted;

    #[test]
    fn whoever_stops_a_stage_or_a_download_gets_the_exit_code_of_that() {
        let reference = Box::new("hf:facebook/dinov2-small".parse().expect("a name"));
        let download = anyhow::Error::from(HubError::Interrupted { reference });
        assert!(is_interrupted(&download) && is_interrupted(&download.context("--weights hf:facebook/dinov2-small")));
        assert!(is_interrupted(&StageError::from(TrainError::Interrupted).into()));
        assert!(!is_interrupted(&anyhow!("disk full")));
    }
}
