//! `sweep`: many settings on one folder, ranked without labels.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use sporeprint::config::ClusterCount;
use sporeprint::progress::Observer;
use sporeprint::run::tables::read_quality;
use sporeprint::run::{Existing, RunDir, Session, Stage, write_atomically};
use sporeprint::stages;
use sporeprint::sweep::{Sweep, Trial, in_words, rank_correlation};

use crate::Outcome;
use crate::args::SweepVerb;
use crate::progress::Talk;
use crate::settings;

/// Figures of one trial, by name; larger is better for all of them.
struct Row {
    number: usize,
    changes: String,
    figures: BTreeMap<String, f64>,
}

/// Figures that need no labels; trials are ranked by the first that they have. Modularity is judged on neighbours before training
/// and only there where all trials began with the same codes; the others rise with training by themselves.
const UNLABELLED: [&str; 4] = ["modularity", "stability", "silhouette", "support"];
/// Figures against labels.
const LABELLED: [&str; 3] = ["nmi", "ari", "acc"];

pub(crate) fn sweep(args: &SweepVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let text = fs_err::read_to_string(&args.sweep)?;
    let named = || format!("{}", args.sweep.display());
    let sweep = Sweep::from_toml(&text).with_context(named)?;
    let mut fixed = args.labels.settings();
    let paths = args.paths.iter().map(|path| Ok(settings::absolute(path)?.display().to_string()));
    fixed.set("images.paths", paths.collect::<Result<Vec<String>>>()?);
    fixed.set("cluster.n_clusters", toml::Value::try_from(ClusterCount::Fixed(args.n_clusters))?);
    let trials = sweep.trials(&fixed).with_context(named)?;
    trials.first().map_or(Ok(()), |trial| trial.config.check_files())?;
    talk.note(&format!("{} trials in {}", trials.len(), args.out.display()));
    for trial in &trials {
        talk.note(&format!("trial {} of {}: {}", trial.number + 1, trials.len(), in_words(&trial.changes)));
        run(trial, &args.out, talk)?;
    }
    let rows = rank(&trials, args, talk)?;
    write_table(&rows, &args.out.join("sweep.csv"))?;
    print(&rows, json)?;
    Ok(Outcome::Done)
}

fn directory(out: &Path, number: usize) -> RunDir {
    RunDir::new(out.join(format!("trial-{number:03}")))
}

/// One trial, or what is left of it.
fn run(trial: &Trial, out: &Path, talk: &Talk) -> Result<()> {
    let mut session = Session::start(directory(out, trial.number), trial.config.clone(), Existing::Resume)?;
    if session.is_done(Stage::Evaluate) {
        return Ok(());
    }
    let images = stages::scan(&mut session, talk)?;
    let interval = std::time::Duration::from_secs(120);
    stages::pretrain(&mut session, &images, interval, talk)?;
    stages::aggregate(&mut session, &images, interval, talk)?;
    stages::embed(&mut session, &images, talk)?;
    let clustered = stages::cluster(&mut session, &images, talk)?;
    stages::evaluate(&mut session, &images, clustered.as_ref(), talk)?;
    Ok(())
}

/// Every trial's figures, best first.
fn rank(trials: &[Trial], args: &SweepVerb, talk: &Talk) -> Result<Vec<Row>> {
    talk.note("comparing the trials without labels");
    let runs: Vec<RunDir> = trials.iter().map(|trial| directory(&args.out, trial.number)).collect();
    let scores = stages::compare_runs(&runs, args.n_clusters)?;
    let mut rows = Vec::new();
    for (trial, mut figures) in trials.iter().zip(scores) {
        let quality = read_quality(&directory(&args.out, trial.number).evaluation())?;
        if let Some(last) = quality.iter().find(|quality| quality.codes == "final") {
            figures.extend(LABELLED.iter().filter_map(|name| Some(((*name).to_owned(), *last.figures.get(*name)?))));
        }
        rows.push(Row { number: trial.number, changes: in_words(&trial.changes), figures });
    }
    if let Some(by) = columns(&rows).first() {
        rows.sort_by(|a, b| b.figures[*by].total_cmp(&a.figures[*by]).then(a.number.cmp(&b.number)));
    }
    Ok(rows)
}

fn columns(rows: &[Row]) -> Vec<&'static str> {
    let known = |name: &&&str| rows.first().is_some_and(|row| row.figures.contains_key(**name));
    UNLABELLED.iter().chain(&LABELLED).filter(known).copied().collect()
}

fn write_table(rows: &[Row], path: &Path) -> Result<()> {
    let columns = columns(rows);
    let mut text = format!("rank,trial,settings,{}\n", columns.join(","));
    for (rank, row) in rows.iter().enumerate() {
        let figures: Vec<String> = columns.iter().map(|c| format!("{:.4}", row.figures[*c])).collect();
        text +=
            &format!("{},{},\"{}\",{}\n", rank + 1, row.number, row.changes.replace('"', "\"\""), figures.join(","));
    }
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}

/// The ranking, and how well each figure's order agrees with that by NMI.
fn print(rows: &[Row], json: bool) -> Result<()> {
    let columns = columns(rows);
    let column = |name: &str| rows.iter().map(|row| row.figures[name]).collect::<Vec<f64>>();
    let agreement: BTreeMap<&str, f64> = if columns.contains(&"nmi") {
        let with = |name: &'static str| Some((name, rank_correlation(&column(name), &column("nmi"))?));
        UNLABELLED.iter().filter_map(|name| with(name)).collect()
    } else {
        BTreeMap::new()
    };
    let mut out = std::io::stdout().lock();
    if json {
        let trials: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({ "trial": row.number, "settings": row.changes, "figures": row.figures }))
            .collect();
        let by = columns.first();
        let summary = serde_json::json!({ "ranked_by": by, "ranking": trials, "rank_correlation_with_nmi": agreement });
        writeln!(out, "{summary:#}")?;
        return Ok(());
    }
    write!(out, "{:>4} {:>5}", "rank", "trial")?;
    columns.iter().try_for_each(|name| write!(out, "{name:>12}"))?;
    writeln!(out, "  settings")?;
    for (rank, row) in rows.iter().enumerate() {
        write!(out, "{:>4} {:>5}", rank + 1, row.number)?;
        columns.iter().try_for_each(|name| write!(out, "{:>12.3}", row.figures[*name]))?;
        writeln!(out, "  {}", row.changes)?;
    }
    if let Some(by) = columns.first() {
        writeln!(out, "ranked without labels, by {by}")?;
    }
    if !agreement.is_empty() {
        let words: Vec<String> = agreement.iter().map(|(name, r)| format!("{name} {r:.2}")).collect();
        writeln!(out, "rank correlation with NMI: {}", words.join(", "))?;
    }
    Ok(())
}
