//! `report`: the pages of a run anew, figures for papers, event files; or pages that grow while another process works.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use sporeprint::progress::Observer;
use sporeprint::run::tables::{read_metrics, read_skipped};
use sporeprint::run::{EventFile, RunDir, Session, SessionError};
use sporeprint::stages::{self, Pictures};

use crate::Outcome;
use crate::args::ReportVerb;
use crate::progress::Talk;

/// How often a watched run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn report(args: &ReportVerb, talk: &Talk) -> Result<Outcome> {
    let dir = RunDir::new(&args.run.run);
    let session = if args.watch { watch(&dir, talk)? } else { Some(Session::open(dir)?) };
    // Stopped by the person, with the run still at work.
    let Some(session) = session else { return Ok(Outcome::Done) };
    let pictures = Pictures::open(&session.dir)?;
    stages::report_again(&session, &pictures, talk)?;
    if let Some(dir) = &args.figures {
        let written = stages::figures(&session.dir, &pictures, dir)?;
        talk.note(&format!("{} figures in {}", written.len(), dir.display()));
    }
    if args.tensorboard {
        let mut events = EventFile::create(&session.dir.tensorboard())?;
        read_metrics(&session.dir.metrics())?.iter().try_for_each(|metric| events.add(metric))?;
        talk.note(&format!("wrote {}", session.dir.tensorboard().display()));
    }
    let skipped = session.dir.skipped();
    let complete = !skipped.exists() || read_skipped(&skipped)?.is_empty();
    Ok(if complete { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Renews the pages whenever the run's tables change, until nobody works in it any more.
fn watch(dir: &RunDir, talk: &Talk) -> Result<Option<Session>> {
    let mut shown = None;
    while !talk.interrupted() {
        match Session::open(dir.clone()) {
            Err(SessionError::InUse { .. }) => {}
            other => return Ok(Some(other?)),
        }
        let state = state(dir);
        if dir.images().exists() && shown.as_ref() != Some(&state) {
            let first = shown.is_none();
            // Tables that the run is just replacing may disagree for a moment; the next look sees them whole.
            match Pictures::open(dir).and_then(|pictures| stages::growing_report(dir, &|index| pictures.get(index))) {
                Ok(page) if first => talk.note(&format!("growing report: {}", page.display())),
                Ok(_) => {}
                Err(error) => talk.note(&format!("not renewed this time: {error}")),
            }
            shown = Some(state);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// When each of the files that pages are made from was last written.
fn state(dir: &RunDir) -> Vec<Option<(u64, SystemTime)>> {
    let files =
        [dir.images(), dir.metrics(), dir.reconstructions(), dir.assignments(), dir.clusters_csv(), dir.evaluation()];
    let look = |path: &std::path::PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    files.iter().map(look).collect()
}
