//! The verbs over a run directory: one stage each, done anew.

use anyhow::{Result, bail};
use sporeprint::config::{AggregateConfig, Labels};
use sporeprint::progress::Observer;
use sporeprint::run::{RunDir, Session, Stage};
use sporeprint::stages::{self, Images, Probe, StageError};

use super::run::{finish, interval, outcome};
use super::summary;
use crate::Outcome;
use crate::args::{AggregateVerb, EvaluateVerb, RunVerb};
use crate::listen::Listener;
use crate::progress::Talk;

fn open(verb: &RunVerb) -> Result<(Session, Images)> {
    let session = Session::open(RunDir::new(&verb.run))?;
    let images = stages::reopen(&session)?;
    Ok((session, images))
}

pub(crate) fn aggregate(args: &AggregateVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let interval = interval(args.checkpoint_every)?;
    let (mut session, images) = open(&args.run)?;
    if let Some(frozen) = &session.config.frozen {
        bail!(
            "the encoder of this run, {}, is never trained\nhint: `sporeprint embed RUN` makes its codes anew",
            frozen.name()
        );
    }
    let mut flags = args.settings.settings();
    let may_train = session.config.images.embeddings.is_none();
    if may_train && session.config.aggregate.epochs == 0 && flags.get("aggregate.epochs").is_none() {
        // A run leaves the stage out unless it is asked for, as it is here.
        flags.set("aggregate.epochs", AggregateConfig::default().epochs as i64);
    }
    session.config = session.config.with(&flags)?;
    session.config.check_images(images.len())?;
    let pictures = |index: usize| images.picture(index);
    let listener = Listener::new(&args.listen, talk, &session.dir, &pictures)?;
    if args.resume {
        stages::aggregate(&mut session, &images, interval, &listener)?;
    } else {
        stages::aggregate_anew(&mut session, &images, interval, &listener)?;
    }
    talk.note(&format!("wrote {}", session.dir.encoder().display()));
    stages::embed(&mut session, &images, &listener)?;
    finish(&mut session, &images, None, &listener)?;
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}

pub(crate) fn embed(args: &RunVerb, talk: &Talk) -> Result<Outcome> {
    let (mut session, images) = open(args)?;
    let had_clusters = session.is_done(Stage::Cluster);
    session.redo_from(Stage::Embed);
    stages::embed(&mut session, &images, talk)?;
    if had_clusters {
        let run = session.dir.root().display();
        talk.note(&format!(
            "the clusters are of the codes before; `sporeprint cluster {run}` makes them anew, by the same ids"
        ));
    }
    talk.note(&format!("wrote {}", session.dir.embeddings().display()));
    Ok(outcome(&images))
}

pub(crate) fn evaluate(args: &EvaluateVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let probes = args.probe.iter().map(|name| name.parse()).collect::<Result<Vec<Probe>, _>>()?;
    let (mut session, mut images) = open(&args.run)?;
    let labels = args.labels.settings().get("images.labels").cloned();
    if let Some(labels) = &labels {
        let labels: Labels = labels.clone().try_into()?;
        labels.check_file()?;
        images.relabel(&labels, &session.config)?;
    }
    if !probes.is_empty() && images.labelled().is_none() {
        return Err(StageError::NoLabels.into());
    }
    session.redo_from(Stage::Evaluate);
    stages::evaluate(&mut session, &images, None, talk)?;
    if labels.is_some() {
        stages::save_labels(&session, &images)?;
    }
    if !probes.is_empty() {
        stages::probe(&session, &images, &probes)?;
    }
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}
