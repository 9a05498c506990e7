//! `name`: words for the clusters of a run.

use std::io::Write;

use anyhow::Result;
use sporeprint::progress::Observer;
use sporeprint::run::{RunDir, Session};
use sporeprint::stages::{self, Words};

use super::run::outcome;
use crate::Outcome;
use crate::args::NameVerb;
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
        let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
        writeln!(out, "cluster  images  {:width$}  cosine  share  stands out by", "name")?;
        for row in &rows {
            let (share, cosine) = (100.0 * row.share, row.similarity);
            let name = format!("{:width$}", row.name);
            writeln!(
                out,
                "{:7}  {:6}  {name}  {cosine:6.3}  {share:4.0}%  {}",
                row.cluster, row.size, row.distinctive
            )?;
        }
    }
    talk.note(&format!("wrote {}", session.dir.names().display()));
    if session.dir.report().exists() {
        stages::report(&session, &images, None, talk)?;
    }
    Ok(outcome(&images))
}
