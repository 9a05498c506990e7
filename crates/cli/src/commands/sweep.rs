//! `sweep`: many settings on one folder, ranked without labels.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use sporeprint::config::ClusterCount;
use sporeprint::progress::Observer;
use sporeprint::run::tables::{read_images, read_quality};
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

/// Figures that need no labels; trials are ranked by the first that all of them have. Modularity is judged on neighbours before
/// training and only there where all trials kept the codes of before and began with the same; the others rise with training
/// by themselves.
const UNLABELLED: [&str; 4] = ["trial_modularity", "stability", "silhouette", "support"];
/// Figures against labels.
const LABELLED: [&str; 3] = ["nmi", "ari", "acc"];
/// Images below which no grouping can be resampled.
const FEWEST: usize = 4;

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
    let n_images = runs.first().map_or(Ok(0), |run| read_images(&run.images()).map(|rows| rows.len()))?;
    let scores = if n_images >= FEWEST && (2..n_images).contains(&args.n_clusters) {
        stages::compare_runs(&runs, args.n_clusters)?
    } else {
        talk.note(&format!(
            "{n_images} images in {} clusters cannot be compared without labels, which takes {FEWEST} images and 2 or more \
             clusters, fewer than images: the trials stand in their order",
            args.n_clusters
        ));
        vec![BTreeMap::new(); runs.len()]
    };
    let mut rows = Vec::new();
    for (trial, mut figures) in trials.iter().zip(scores) {
        let quality = read_quality(&directory(&args.out, trial.number).evaluation())?;
        if let Some(last) = quality.iter().find(|quality| quality.codes == "final") {
            figures.extend(LABELLED.iter().filter_map(|name| Some(((*name).to_owned(), *last.figures.get(*name)?))));
        }
        rows.push(Row { number: trial.number, changes: in_words(&trial.changes), figures });
    }
    if let Some(by) = ranked_by(&rows) {
        if by != UNLABELLED[0] {
            talk.note(&format!(
                "the trials did not all keep the same codes of before training, as where training is left out: they are ranked \
                 by {by}, which training raises by itself"
            ));
        }
        rows.sort_by(|a, b| b.figures[by].total_cmp(&a.figures[by]).then(a.number.cmp(&b.number)));
    }
    Ok(rows)
}

/// Figures that every trial has.
fn columns(rows: &[Row]) -> Vec<&'static str> {
    let known = |name: &&&str| rows.iter().all(|row| row.figures.contains_key(**name));
    UNLABELLED.iter().chain(&LABELLED).filter(known).copied().collect()
}

/// The figure that trials are ranked by, if any of those that need no labels is there.
fn ranked_by(rows: &[Row]) -> Option<&'static str> {
    columns(rows).first().copied().filter(|name| UNLABELLED.contains(name))
}

/// How well the order of each figure without labels agrees with that by NMI.
fn agreement(rows: &[Row]) -> BTreeMap<&'static str, f64> {
    let columns = columns(rows);
    if !columns.contains(&"nmi") {
        return BTreeMap::new();
    }
    let column = |name: &str| rows.iter().map(|row| row.figures[name]).collect::<Vec<f64>>();
    let with_nmi = |name: &'static str| Some((name, rank_correlation(&column(name), &column("nmi"))?));
    columns.into_iter().filter(|name| UNLABELLED.contains(name)).filter_map(with_nmi).collect()
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
    let (columns, agreement) = (columns(rows), agreement(rows));
    let mut out = std::io::stdout().lock();
    if json {
        let trials: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({ "trial": row.number, "settings": row.changes, "figures": row.figures }))
            .collect();
        let by = ranked_by(rows);
        let summary = serde_json::json!({ "ranked_by": by, "ranking": trials, "rank_correlation_with_nmi": agreement });
        writeln!(out, "{summary:#}")?;
        return Ok(());
    }
    write!(out, "{:>4} {:>5}", "rank", "trial")?;
    columns.iter().try_for_each(|name| write!(out, "{name:>18}"))?;
    writeln!(out, "  settings")?;
    for (rank, row) in rows.iter().enumerate() {
        write!(out, "{:>4} {:>5}", rank + 1, row.number)?;
        columns.iter().try_for_each(|name| write!(out, "{:>18.3}", row.figures[*name]))?;
        writeln!(out, "  {}", row.changes)?;
    }
    if let Some(by) = ranked_by(rows) {
        writeln!(out, "ranked without labels, by {by}")?;
    }
    if !agreement.is_empty() {
        let words: Vec<String> = agreement.iter().map(|(name, r)| format!("{name} {r:.2}")).collect();
        writeln!(out, "rank correlation with NMI: {}", words.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Vec<Row> {
        let figures = |trial: usize| names.iter().map(|name| ((*name).to_owned(), trial as f64)).collect();
        (0..3).map(|number| Row { number, changes: String::new(), figures: figures(number) }).collect()
    }

    #[test]
    fn trials_are_ranked_by_what_there_is() {
        assert_eq!(ranked_by(&rows(&["stability", "trial_modularity", "nmi"])), Some("trial_modularity"));
        assert_eq!(ranked_by(&rows(&["nmi", "silhouette", "stability"])), Some("stability"));
        assert_eq!(ranked_by(&rows(&["nmi", "ari"])), None);
        let mut uneven = rows(&["trial_modularity", "stability"]);
        uneven[2].figures.remove("trial_modularity");
        assert_eq!(ranked_by(&uneven), Some("stability"));
    }

    #[test]
    fn agreement_with_labels_is_of_the_figures_that_are_there() {
        let found = agreement(&rows(&["stability", "nmi", "acc"]));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("stability", 1.0)]);
        assert!(agreement(&rows(&["trial_modularity"])).is_empty());
    }
}
