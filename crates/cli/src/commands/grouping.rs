//! `cluster`, `assign` and `add`: codes to clusters, and new images into them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sporeprint::config::RunConfig;
use sporeprint::embeddings::Embeddings;
use sporeprint::progress::Observer;
use sporeprint::run::text::{neutralise, visible};
use sporeprint::run::{Existing, RunDir, Session, Stage};
use sporeprint::stages::{self, Images, NewImage};

use super::run::{outcome, redo};
use super::summary;
use crate::Outcome;
use crate::args::{AddVerb, AddedCodes, AssignVerb, ClusterVerb, SortArg};
use crate::progress::Talk;
use crate::settings;

pub(crate) fn cluster(args: &ClusterVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let (mut session, images) = match (&args.run, &args.codes.embeddings) {
        (Some(run), _) => reopen(run, args, talk)?,
        (None, Some(file)) => import(file, args, talk)?,
        (None, None) => anyhow::bail!("found neither RUN nor --embeddings, expected one of them"),
    };
    if !session.is_done(Stage::Embed) {
        stages::embed(&mut session, &images, talk)?;
    }
    regroup(&mut session, &images, args.cluster.sort, talk)?;
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}

fn reopen(run: &Path, args: &ClusterVerb, talk: &Talk) -> Result<(Session, Images)> {
    let mut session = Session::open(RunDir::new(run))?;
    let images = stages::reopen(&session)?;
    settings::cluster(&mut session.config, &args.cluster)?;
    session.config.check()?;
    match args.kind {
        Some(kind) => stages::take_codes(&mut session, &images, settings::code_kind(kind), talk)?,
        None => redo(&mut session, Stage::Cluster)?,
    }
    Ok((session, images))
}

/// Makes a run of codes.
fn import(file: &Path, args: &ClusterVerb, talk: &Talk) -> Result<(Session, Images)> {
    let mut config = RunConfig::default();
    config.images.embeddings = Some(settings::absolute(file)?);
    config.images.names = args.codes.paths.as_deref().map(settings::absolute).transpose()?;
    if let Some(text) = &args.labels {
        config.images.labels = settings::labels(text)?;
    }
    settings::set(&mut config.seed, args.seed);
    settings::cluster(&mut config, &args.cluster)?;
    config.check()?;
    // Read before an older run is removed: a file that does not fit must cost nothing.
    let embeddings = Embeddings::read(file, args.codes.paths.as_deref())?;
    config.check_images(embeddings.len())?;
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let mut session = Session::start(RunDir::new(&args.out), config, existing)
        .with_context(|| format!("--out {}", args.out.display()))?;
    let images = stages::import(&mut session, embeddings, talk)?;
    Ok((session, images))
}

/// Clusters, measures and shows the codes of a run.
fn regroup(session: &mut Session, images: &Images, sort: Option<SortArg>, talk: &Talk) -> Result<()> {
    stages::cluster(session, images, talk)?;
    stages::evaluate(session, images, talk)?;
    if let Some(how) = sort {
        stages::sort_into_folders(session, images, how == SortArg::Copies)?;
    }
    Ok(stages::report(session, images, talk)?)
}

pub(crate) fn assign(args: &AssignVerb, talk: &Talk) -> Result<Outcome> {
    let session = Session::open(RunDir::new(&args.run.run))?;
    let (new, skipped) = match codes(&args.codes)? {
        Some((_, embeddings)) => (stages::assign_embeddings(&session, embeddings)?, Vec::new()),
        None => {
            let scratch = tempfile::tempdir()?;
            stages::assign(&session, &args.paths, &scratch.path().join("cache"), talk)?
        }
    };
    print(&new)?;
    skipped.iter().for_each(|s| talk.note(&visible(&format!("skipped {}: {}", s.path.display(), s.reason))));
    Ok(if skipped.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// A table gets names as they are, a terminal gets them harmless.
fn print(new: &[NewImage]) -> Result<()> {
    let terminal = std::io::stdout().is_terminal();
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["path", "cluster", "nearest", "distance", "margin"])?;
    for image in new {
        let cluster = image.cluster.map_or("unknown".to_owned(), |cluster| cluster.to_string());
        let mut path = image.path.display().to_string();
        if terminal {
            path = visible(&path);
        }
        let numbers = [image.nearest.to_string(), image.distance.to_string(), image.margin.to_string()];
        out.write_record([neutralise(&path).as_ref(), &cluster, &numbers[0], &numbers[1], &numbers[2]])?;
    }
    Ok(out.flush()?)
}

pub(crate) fn add(args: &AddVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let mut session = Session::open(RunDir::new(&args.run.run))?;
    let images = stages::reopen(&session)?;
    let (images, added) = match codes(&args.codes)? {
        Some((file, embeddings)) => stages::add_embeddings(&mut session, images, file, &embeddings, talk)?,
        None => stages::add(&mut session, images, &args.paths, talk)?,
    };
    let mut said = vec![format!("{} new images", added.n_new)];
    if added.n_known > 0 {
        said.push(format!("{} were in the run already", added.n_known));
    }
    if added.n_skipped > 0 {
        said.push(format!("{} could not be read (see {})", added.n_skipped, session.dir.skipped().display()));
    }
    if added.n_unknown > 0 {
        said.push(format!("{} are unlike every cluster (-1); `cluster RUN` may find new ones", added.n_unknown));
    }
    talk.note(&said.join("; "));
    if args.recluster {
        redo(&mut session, Stage::Cluster)?;
        regroup(&mut session, &images, None, talk)?;
    } else if added.n_new > 0 {
        if images.labelled().is_some() {
            stages::evaluate(&mut session, &images, talk)?;
        } else if session.dir.evaluation().exists() {
            // Its figures are those of the images before.
            fs_err::remove_file(session.dir.evaluation())?;
        }
        stages::report(&session, &images, talk)?;
    }
    summary::print(&session, &images, json)?;
    Ok(if added.n_skipped == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Codes that were made elsewhere, if they are given, with the file's absolute path.
fn codes(args: &AddedCodes) -> Result<Option<(PathBuf, Embeddings)>> {
    let Some(file) = &args.embeddings else { return Ok(None) };
    Ok(Some((settings::absolute(file)?, Embeddings::read(file, args.names.as_deref())?)))
}
