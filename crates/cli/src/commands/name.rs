//! `name` and `rename`: words for the clusters of a run.

use std::io::Write;

use anyhow::Result;
use sporeprint::progress::Observer;
use sporeprint::run::tables::NameRow;
use sporeprint::run::{RunDir, Session};
use sporeprint::stages::{self, Pictures, Words};

use super::run::outcome;
use crate::Outcome;
use crate::args::{NameVerb, RenameVerb};
use crate::progress::Talk;
use crate::settings;

/// Prints the table that it also writes to `names.csv`.
pub(crate) fn name(args: &NameVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let words = Words::read(&args.words, &args.template)?;
    let session = Session::open(RunDir::new(&args.run.run))?;
    let images = stages::reopen(&session)?;
    let weights = args.weights.as_deref().map(|text| settings::weights(text, talk)).transpose()?;
    let scratch = tempfile::tempdir()?;
    let cache = scratch.path().join("cache");
    let rows = stages::name_clusters(&session, &images, &words, weights.as_deref(), &cache, talk)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{:#}", serde_json::to_value(&rows)?)?;
    } else {
        let word = |row: &NameRow| row.word.clone().unwrap_or_default();
        let width = rows.iter().map(|row| word(row).chars().count()).max().unwrap_or(0).max(4);
        writeln!(out, "cluster  images  {:width$}  cosine  share  stands out by", "name")?;
        for row in rows.iter().filter(|row| row.word.is_some()) {
            let (share, cosine) = (100.0 * row.share.unwrap_or_default(), row.similarity.unwrap_or_default());
            let (word, distinctive) = (word(row), row.distinctive.as_deref().unwrap_or_default());
            writeln!(
                out,
                "{:7}  {:6}  {word:width$}  {cosine:6.3}  {share:4.0}%  {distinctive}",
                row.cluster, row.size
            )?;
        }
    }
    let n_given = rows.iter().filter(|row| row.given().is_some()).count();
    if n_given > 0 {
        talk.note(&format!("{n_given} clusters keep the names that were given to them"));
    }
    talk.note(&format!("wrote {}", session.dir.names().display()));
    if session.dir.report().exists() {
        stages::report(&session, &images, None, talk)?;
    }
    Ok(outcome(&images))
}

/// Writes the name into `names.csv` and the report, where there is one.
pub(crate) fn rename(args: &RenameVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let session = Session::open(RunDir::new(&args.run.run))?;
    let row = stages::rename(&session, args.cluster, &args.name)?;
    if json {
        writeln!(std::io::stdout().lock(), "{:#}", serde_json::to_value(&row)?)?;
    }
    talk.note(&match &row {
        Some(row) => format!("cluster {} is called {:?} ({})", args.cluster, row.name, row.origin.as_str()),
        None => format!("cluster {} has no name", args.cluster),
    });
    if session.dir.report().exists() {
        stages::report_again(&session, &Pictures::open(&session.dir)?, talk)?;
    }
    Ok(Outcome::Done)
}
