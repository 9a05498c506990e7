//! `run` and `pretrain`: from paths to a run directory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sporeprint::config::{Overlay, PretrainConfig, RunConfig};
use sporeprint::progress::Observer;
use sporeprint::run::{Existing, RunDir, Session};
use sporeprint::stages::{self, Images};

use super::summary;
use crate::Outcome;
use crate::args::{OutputArgs, RunArgs, SortArg};
use crate::listen::Listener;
use crate::progress::Talk;
use crate::settings;

/// Everything: scan, pretrain, aggregate, embed, cluster, evaluate, report.
pub(crate) fn run(args: &RunArgs, json: bool, talk: &Talk) -> Result<Outcome> {
    let config = settings::resolve(settings::read(args.config.as_deref())?, flags(args)?, talk)?;
    let interval = interval(args.output.checkpoint_every)?;
    let (mut session, images) = begin(args, config, talk)?;
    let pictures = |index: usize| images.picture(index);
    let listener = Listener::new(&args.listen, talk, &session.dir, &pictures)?;
    let no_open = args.output.no_open;
    if args.listen.watch && !no_open {
        open_in_browser(&session.dir.report_index(), talk);
    }
    stages::make_codes(&mut session, &images, interval, &listener)?;
    finish(&mut session, &images, args.output.sort, &listener)?;
    summary::print(&session, &images, json)?;
    if !no_open && !args.listen.watch {
        open_in_browser(&session.dir.report_index(), talk);
    }
    Ok(outcome(&images))
}

/// Scan and auto-encoder only.
pub(crate) fn pretrain(args: &RunArgs, talk: &Talk) -> Result<Outcome> {
    let (file, mut flags) = (settings::read(args.config.as_deref())?, flags(args)?);
    if ["pretrain.epochs", "version"].iter().all(|name| file.get(name).is_none())
        && flags.get("pretrain.epochs").is_none()
    {
        // A run leaves the stage out unless it is asked for, as it is here.
        flags.set("pretrain.epochs", PretrainConfig::default().epochs as i64);
    }
    let config = settings::resolve(file, flags, talk)?;
    if config.pretrain.epochs == 0 {
        bail!("found 0 epochs for the auto-encoder, expected 1 or more\nhint: leave --fast or --pretrain-epochs 0 out");
    }
    let interval = interval(args.output.checkpoint_every)?;
    let (mut session, images) = begin(args, config, talk)?;
    let pictures = |index: usize| images.picture(index);
    let listener = Listener::new(&args.listen, talk, &session.dir, &pictures)?;
    stages::pretrain(&mut session, &images, interval, &listener)?;
    talk.note(&format!("wrote {}", session.dir.autoencoder().display()));
    Ok(outcome(&images))
}

/// What the flags say of the run's settings.
fn flags(args: &RunArgs) -> Result<Overlay> {
    let mut flags = args.settings.settings();
    let paths = args.paths.iter().map(|path| Ok(settings::absolute(path)?.display().to_string()));
    flags.set("images.paths", paths.collect::<Result<Vec<String>>>()?);
    // A file may be of a run that had other images, or codes.
    ["images.embeddings", "images.names", "images.added"].iter().try_for_each(|setting| flags.unset(setting))?;
    if args.fast {
        flags.set("pretrain.epochs", 0);
        flags.set("aggregate.epochs", 0);
    }
    Ok(flags)
}

/// What `--resume` and `--overwrite` say about work that is there.
pub(crate) fn existing(resume: bool, overwrite: bool) -> Existing {
    match (resume, overwrite) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Overwrite,
        _ => Existing::Refuse,
    }
}

fn begin(args: &RunArgs, config: RunConfig, talk: &Talk) -> Result<(Session, Images)> {
    let OutputArgs { out, resume, overwrite, .. } = &args.output;
    let existing = existing(*resume, *overwrite);
    // Looked for before an older run is removed: a path that leads nowhere must cost nothing.
    stages::check_paths(&config)?;
    let mut session =
        Session::start(RunDir::new(out), config, existing).with_context(|| format!("--out {}", out.display()))?;
    let images = stages::scan(&mut session, talk)?;
    talk.note(&stages::estimate(&session.config, &images)?);
    Ok((session, images))
}

/// What `run` and `demo` do once the encoder is trained.
pub(crate) fn finish(session: &mut Session, images: &Images, sort: Option<SortArg>, talk: &dyn Observer) -> Result<()> {
    let clustered = stages::cluster(session, images, talk)?;
    stages::evaluate(session, images, clustered.as_ref(), talk)?;
    if let Some(how) = sort {
        stages::sort_into_folders(session, images, how == SortArg::Copies)?;
    }
    stages::report(session, images, clustered, talk)?;
    Ok(())
}

pub(crate) fn interval(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .with_context(|| format!("--checkpoint-every is {seconds}, expected a number of seconds, 0 or more"))
}

pub(crate) fn outcome(images: &Images) -> Outcome {
    if images.n_skipped == 0 { Outcome::Done } else { Outcome::SomeSkipped }
}

/// Opens the report where a person is likely to be looking; elsewhere only its path is said.
pub(crate) fn open_in_browser(page: &Path, talk: &Talk) {
    use std::io::IsTerminal;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let display =
        cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|v| std::env::var_os(v).is_some());
    if !std::io::stderr().is_terminal() || !display {
        return;
    }
    let null = std::process::Stdio::null;
    let started = std::process::Command::new(opener).arg(page).stdout(null()).stderr(null()).spawn();
    if started.is_err() {
        talk.note(&format!("could not start {opener}; open {} yourself", page.display()));
    }
}
