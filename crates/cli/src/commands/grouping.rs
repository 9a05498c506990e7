//! `cluster`, `assign` and `add`: codes to clusters, and new images into them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sporeprint::config::{ClusterCount, Method, Overlay};
use sporeprint::embeddings::Embeddings;
use sporeprint::progress::Observer;
use sporeprint::run::text::{neutralise, visible};
use sporeprint::run::{Existing, RunDir, Session};
use sporeprint::stages::{self, Clustered, CodesWanted, Images, NewImage};

use super::run::outcome;
use super::summary;
use crate::Outcome;
use crate::args::{AddVerb, AddedCodes, AssignVerb, ClusterVerb, SortArg};
use crate::progress::Talk;
use crate::settings;

pub(crate) fn cluster(args: &ClusterVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let (mut session, images, codes_wanted) = match (&args.run, &args.codes.embeddings) {
        (Some(run), _) => reopen(run, args, talk)?,
        (None, Some(file)) => {
            let (session, images) = import(file, args, talk)?;
            (session, images, CodesWanted::Same)
        }
        (None, None) => anyhow::bail!("found neither RUN nor --embeddings, expected one of them"),
    };
    let clustered = stages::cluster_anew(&mut session, &images, codes_wanted, talk)?;
    show(&mut session, &images, clustered, args.sort, talk)?;
    summary::print(&session, &images, json)?;
    Ok(outcome(&images))
}

fn reopen(run: &Path, args: &ClusterVerb, talk: &Talk) -> Result<(Session, Images, CodesWanted)> {
    let mut session = Session::open(RunDir::new(run))?;
    let images = stages::reopen(&session)?;
    let flags = args.settings.settings();
    let config = session.config.with(&flags)?;
    config.check_files()?;
    config.check_images(images.len())?;
    let kept = flags.get("cluster.n_clusters").is_none() && config.cluster.method != Method::Hdbscan;
    if let (ClusterCount::Fixed(k), true) = (config.cluster.n_clusters, kept) {
        talk.note(&format!(
            "{k} clusters, as the run's settings say; `cluster.n_clusters = auto` lets the program choose"
        ));
    }
    let chooses_again = config.aggregate.codes.is_none() && session.config.aggregate.codes.is_some();
    let wanted = match config.aggregate.codes.filter(|_| flags.get("aggregate.codes").is_some()) {
        Some(kind) => CodesWanted::Of(kind),
        None if chooses_again => CodesWanted::Chosen,
        None => CodesWanted::Same,
    };
    session.config = config;
    Ok((session, images, wanted))
}

/// Makes a run of codes.
fn import(file: &Path, args: &ClusterVerb, talk: &Talk) -> Result<(Session, Images)> {
    let (mut flags, more) = (args.settings.settings(), args.codes.settings.settings());
    for (setting, value) in more.leaves() {
        flags.set(&setting, value.clone());
    }
    settings::set_path(&mut flags, "images.embeddings", file)?;
    if let Some(names) = &args.codes.paths {
        settings::set_path(&mut flags, "images.names", names)?;
    }
    let config = settings::resolve(Overlay::default(), flags, talk)?;
    // Read before an older run is removed: a file that does not fit must cost nothing.
    let embeddings = Embeddings::read(file, args.codes.paths.as_deref())?;
    config.check_images(embeddings.len())?;
    let existing = if args.codes.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let out = &args.codes.out;
    let mut session =
        Session::start(RunDir::new(out), config, existing).with_context(|| format!("--out {}", out.display()))?;
    let images = stages::import(&mut session, embeddings, talk)?;
    Ok((session, images))
}

/// Measures and shows the clusters of a run.
fn show(
    session: &mut Session,
    images: &Images,
    clustered: Clustered,
    sort: Option<SortArg>,
    talk: &Talk,
) -> Result<()> {
    stages::evaluate(session, images, Some(&clustered), talk)?;
    if let Some(how) = sort {
        stages::sort_into_folders(session, images, how == SortArg::Copies)?;
    }
    Ok(stages::report(session, images, Some(clustered), talk)?)
}

pub(crate) fn assign(args: &AssignVerb, talk: &Talk) -> Result<Outcome> {
    let session = Session::open(RunDir::new(&args.run.run))?;
    let (new, skipped) = match codes(&args.codes)? {
        Some((_, embeddings)) => (stages::assign_embeddings(&session, embeddings, args.unlike, talk)?, Vec::new()),
        None => {
            let scratch = tempfile::tempdir()?;
            stages::assign(&session, &args.paths, args.unlike, &scratch.path().join("cache"), talk)?
        }
    };
    print(&new)?;
    let n_unknown = new.iter().filter(|image| image.cluster.is_none()).count();
    if n_unknown > 0 {
        talk.note(&format!("{n_unknown} of {} are unlike every cluster (unknown)", new.len()));
    }
    skipped.iter().for_each(|s| talk.note(&visible(&format!("skipped {}: {}", s.path.display(), s.reason))));
    Ok(if skipped.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// A table gets names as they are, a terminal gets them harmless.
fn print(new: &[NewImage]) -> Result<()> {
    let terminal = std::io::stdout().is_terminal();
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["path", "cluster", "nearest", "distance", "margin", "p_value"])?;
    for image in new {
        let cluster = image.cluster.map_or("unknown".to_owned(), |cluster| cluster.to_string());
        let mut path = image.path.display().to_string();
        if terminal {
            path = visible(&path);
        }
        let [nearest, distance, margin] =
            [image.nearest.to_string(), image.distance.to_string(), image.margin.to_string()];
        let p_value = format!("{:.4}", image.p_value);
        out.write_record([neutralise(&path).as_ref(), &cluster, &nearest, &distance, &margin, &p_value])?;
    }
    Ok(out.flush()?)
}

pub(crate) fn add(args: &AddVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let mut session = Session::open(RunDir::new(&args.run.run))?;
    let images = stages::reopen(&session)?;
    let (images, added) = match codes(&args.codes)? {
        Some((file, embeddings)) => stages::add_embeddings(&mut session, images, file, &embeddings, args.unlike, talk)?,
        None => stages::add(&mut session, images, &args.paths, args.unlike, talk)?,
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
        let clustered = stages::cluster_anew(&mut session, &images, CodesWanted::Same, talk)?;
        show(&mut session, &images, clustered, None, talk)?;
    } else if added.n_new > 0 {
        if images.labelled().is_some() {
            stages::evaluate(&mut session, &images, None, talk)?;
        } else if session.dir.evaluation().exists() {
            // Its figures are those of the images before.
            fs_err::remove_file(session.dir.evaluation())?;
        }
        stages::report(&session, &images, None, talk)?;
    }
    summary::print(&session, &images, json)?;
    Ok(if added.n_skipped == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Codes that were made elsewhere, if they are given, with the file's absolute path.
fn codes(args: &AddedCodes) -> Result<Option<(PathBuf, Embeddings)>> {
    let Some(file) = &args.embeddings else { return Ok(None) };
    Ok(Some((settings::absolute(file)?, Embeddings::read(file, args.names.as_deref())?)))
}
