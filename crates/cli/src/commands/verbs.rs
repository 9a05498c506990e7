//! The verbs over a run directory: one stage each, done anew.

use anyhow::{Result, bail};
use sporeprint::progress::Observer;
use sporeprint::run::tables::neutralise;
use sporeprint::run::{RunDir, Session, Stage};
use sporeprint::stages::{self, Images};

use super::run::{interval, outcome, redo};
use super::summary;
use crate::Outcome;
use crate::args::{AggregateVerb, AssignVerb, ClusterVerb, EvaluateVerb, ReportVerb, RunVerb, SortArg};
use crate::progress::Talk;
use crate::settings;

fn open(verb: &RunVerb) -> Result<(Session, Images)> {
    let session = Session::open(RunDir::new(&verb.run))?;
    let images = stages::reopen(&session)?;
    Ok((session, images))
}

pub(crate) fn aggregate(args: &AggregateVerb, talk: &Talk) -> Result<Outcome> {
    let interval = interval(args.checkpoint_every)?;
    let (mut session, images) = open(&args.run)?;
    if let Some(frozen) = &session.config.frozen {
        bail!(
            "the encoder of this run, {}, is never trained\nhint: `sporeprint embed RUN` makes its codes anew",
            frozen.name()
        );
    }
    settings::aggregate(&mut session.config, &args.aggregate)?;
    session.config.check()?;
    if !args.resume {
        redo(&mut session, Stage::Aggregate)?;
        stages::forget_checkpoints(&session, Stage::Aggregate)?;
    }
    stages::aggregate(&mut session, &images, interval, talk)?;
    talk.note(&format!("wrote {}", session.dir.encoder().display()));
    Ok(outcome(&images))
}

pub(crate) fn embed(args: &RunVerb, talk: &Talk) -> Result<Outcome> {
    let (mut session, images) = open(args)?;
    redo(&mut session, Stage::Embed)?;
    stages::embed(&mut session, &images, talk)?;
    talk.note(&format!("wrote {}", session.dir.embeddings().display()));
    Ok(outcome(&images))
}

pub(crate) fn cluster(args: &ClusterVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let (mut session, images) = open(&args.run)?;
    settings::cluster(&mut session.config, &args.cluster)?;
    session.config.check()?;
    redo(&mut session, Stage::Cluster)?;
    stages::cluster(&mut session, &images, talk)?;
    stages::evaluate(&mut session, &images, talk)?;
    if let Some(how) = args.cluster.sort {
        stages::sort_into_folders(&session, &images, how == SortArg::Copies)?;
    }
    stages::report(&session, &images, talk)?;
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}

pub(crate) fn assign(args: &AssignVerb, talk: &Talk) -> Result<Outcome> {
    let session = Session::open(RunDir::new(&args.run.run))?;
    let scratch = tempfile::tempdir()?;
    let (new, skipped) = stages::assign(&session, &args.paths, &scratch.path().join("cache"), talk)?;
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["path", "cluster", "nearest", "distance", "margin"])?;
    for image in &new {
        let cluster = image.cluster.map_or("unknown".to_owned(), |cluster| cluster.to_string());
        let path = image.path.display().to_string();
        let numbers = [image.nearest.to_string(), image.distance.to_string(), image.margin.to_string()];
        out.write_record([neutralise(&path).as_ref(), &cluster, &numbers[0], &numbers[1], &numbers[2]])?;
    }
    out.flush()?;
    skipped.iter().for_each(|s| talk.note(&format!("skipped {}: {}", s.path.display(), s.reason)));
    Ok(if skipped.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

pub(crate) fn evaluate(args: &EvaluateVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let (mut session, mut images) = open(&args.run)?;
    if let Some(text) = &args.labels {
        images.relabel(&settings::labels(text)?, &session.config)?;
        stages::save_labels(&session, &images)?;
    }
    session.redo_from(Stage::Evaluate)?;
    stages::evaluate(&mut session, &images, talk)?;
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}

pub(crate) fn report(args: &ReportVerb, talk: &Talk) -> Result<Outcome> {
    let (session, images) = open(&args.run)?;
    stages::report(&session, &images, talk)?;
    if let Some(dir) = &args.figures {
        let written = stages::figures(&session, &images, dir)?;
        talk.note(&format!("{} figures in {}", written.len(), dir.display()));
    }
    Ok(outcome(&images))
}
