//! Fills the table of clusters on labelled photographs: every recipe, set and seed, one line of JSON per kind of codes.
//!
//! Usage: `quality --data DIR --out DIR [--sets a,b] [--recipes a,b] [--seeds N] [--budget small|large|VIEWS]
//! [--weights builtin|FILE] [--with FILE.toml] [--as NAME] [--table]`.
//! `DIR/<set>/images/<kind>/` holds the photographs. What `OUT/results.jsonl` has already is not done again, and a run that was
//! stopped goes on from its checkpoint, so the same command is given until it has nothing left to do. `--with` lays settings
//! over every recipe (named by `--as`); `--table` only prints what is there.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

mod measure;
mod recipes;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sporeprint::config::{ClusterCount, Labels, RunConfig};
use sporeprint::config::{FrozenConfig, WeightsSource};
use sporeprint::progress::Observer;
use sporeprint::run::tables::read_assignments;
use sporeprint::run::{Existing, RunDir, Session, read_npy};
use sporeprint::stages;

use measure::{Figures, diffused, measure};
use recipes::Recipe;

/// Between checkpoints.
const INTERVAL: Duration = Duration::from_secs(60);

/// Any error, in words.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One line of the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    recipe: String,
    set: String,
    seed: u64,
    budget: usize,
    codes: String,
    /// Seconds of the whole run, on however busy a machine.
    seconds: f64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Default)]
struct Args {
    data: PathBuf,
    out: PathBuf,
    sets: Vec<String>,
    recipes: Vec<String>,
    seeds: u64,
    budget: usize,
    weights: WeightsSource,
    with: Option<PathBuf>,
    name: Option<String>,
    table: bool,
}

impl Args {
    /// A recipe's name in results and table.
    fn shown(&self, recipe: &str) -> String {
        let start = match &self.weights {
            WeightsSource::None => "",
            WeightsSource::BuiltIn => "built-in, ",
            WeightsSource::File(_) => "weights, ",
        };
        let changed = self.name.as_ref().map_or_else(String::new, |name| format!(":{name}"));
        format!("{start}{recipe}{changed}")
    }
}

fn main() -> Outcome<()> {
    let args = parse(std::env::args().skip(1))?;
    let results = args.out.join("results.jsonl");
    if !args.table {
        let pool = rayon::ThreadPoolBuilder::new().build()?;
        pool.install(|| fill(&args, &results))?;
    }
    print!("{}", table::table(&read(&results)?));
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Outcome<Args> {
    let mut args = Args { seeds: 1, budget: recipes::SMALL, ..Args::default() };
    let list = |text: String| text.split(',').map(str::to_owned).collect();
    while let Some(word) = words.next() {
        if word == "--table" {
            args.table = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word}: found no value behind it"))?;
        match word.as_str() {
            "--data" => args.data = value.into(),
            "--out" => args.out = value.into(),
            "--sets" => args.sets = list(value),
            "--recipes" => args.recipes = list(value),
            "--seeds" => args.seeds = value.parse()?,
            "--budget" => {
                args.budget = match value.as_str() {
                    "small" => recipes::SMALL,
                    "large" => recipes::LARGE,
                    views => views.parse()?,
                }
            }
            "--weights" => {
                args.weights = match WeightsSource::from(value) {
                    WeightsSource::File(path) => WeightsSource::File(std::path::absolute(path)?),
                    named => named,
                }
            }
            "--with" => args.with = Some(value.into()),
            "--as" => args.name = Some(value),
            other => return Err(format!("unknown word {other}; the head of the source lists what is known").into()),
        }
    }
    if args.sets.is_empty() {
        args.sets = ["tiny10", "grocery10"].map(str::to_owned).to_vec();
    }
    if args.recipes.is_empty() {
        let fits = |name: &&str| args.weights == WeightsSource::None || recipes::can_begin_with_weights(name);
        args.recipes = recipes::NAMES.into_iter().filter(fits).map(str::to_owned).collect();
    }
    Ok(args)
}

fn fill(args: &Args, results: &Path) -> Outcome<()> {
    fs_err::create_dir_all(&args.out)?;
    // Fine-tuning has its own length.
    let budget = if args.weights == WeightsSource::None { args.budget } else { 0 };
    for set in &args.sets {
        for name in &args.recipes {
            for seed in 0..args.seeds {
                let recipe = Recipe::named(name, &args.weights)?;
                let shown = args.shown(name);
                let done = read(results)?;
                let is_done = |l: &Line| (&l.recipe, &l.set, l.seed, l.budget) == (&shown, set, seed, budget);
                if done.iter().any(is_done) {
                    continue;
                }
                let started = Instant::now();
                let found = match recipe {
                    Recipe::Simple => simple(args, set, seed)?,
                    Recipe::Trained(config) => trained(args, &shown, set, seed, budget, *config)?,
                };
                let seconds = started.elapsed().as_secs_f64();
                let mut file = fs_err::OpenOptions::new().create(true).append(true).open(results)?;
                for (codes, figures) in found {
                    let (recipe, set) = (shown.clone(), set.clone());
                    let line = Line { recipe, set, seed, budget, codes, seconds, figures };
                    eprintln!("{}", table::line(&line));
                    writeln!(file, "{}", serde_json::to_string(&line)?)?;
                }
            }
        }
    }
    Ok(())
}

fn read(results: &Path) -> Outcome<Vec<Line>> {
    if !results.exists() {
        return Ok(Vec::new());
    }
    let text = fs_err::read_to_string(results)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A run directory's session and images.
fn open(args: &Args, run: &str, set: &str, mut config: RunConfig) -> Outcome<(Session, stages::Images)> {
    config.images.paths = vec![std::path::absolute(args.data.join(set).join("images"))?];
    config.images.labels = Labels::FromDirs;
    let kinds = fs_err::read_dir(&config.images.paths[0])?.flatten().filter(|entry| entry.path().is_dir()).count();
    config.cluster.n_clusters = ClusterCount::Fixed(kinds);
    let dir = RunDir::new(args.out.join("runs").join(run));
    let mut session = Session::start(dir, config, Existing::Resume)?;
    let images = stages::scan(&mut session, &Lines)?;
    Ok((session, images))
}

/// One label for each image.
fn labels(images: &stages::Images) -> Outcome<Vec<i32>> {
    let labelled = images.labelled().filter(|labelled| labelled.labels.len() == images.len());
    Ok(labelled.ok_or("every photograph needs a label")?.labels)
}

fn simple(args: &Args, set: &str, seed: u64) -> Outcome<Vec<(String, Figures)>> {
    let (session, images) = open(args, &format!("simple-{set}"), set, recipes::small_network(&WeightsSource::None))?;
    let labels = labels(&images)?;
    let mut found = Vec::new();
    for (name, rows) in measure::simple_codes(&images, seed)? {
        let dim = rows.len() / images.len();
        found.push((name.to_owned(), measure(&rows, dim, &labels, seed)?));
        found.push((format!("{name}, diffused"), measure(&diffused(&rows, dim)?, dim, &labels, seed)?));
    }
    drop(session);
    let config = RunConfig { frozen: FrozenConfig::by_name("simple"), ..recipes::small_network(&WeightsSource::None) };
    let (mut session, images) =
        open(args, &format!("simple-clusters-{set}-{seed}"), set, RunConfig { seed, ..config })?;
    stages::aggregate(&mut session, &images, INTERVAL, &Lines)?;
    stages::embed(&mut session, &images, &Lines)?;
    found.push(clusters(&mut session, &images, &labels)?);
    Ok(found)
}

/// What the program itself would end with: the run's codes, grouped as it groups by default.
fn clusters(session: &mut Session, images: &stages::Images, labels: &[i32]) -> Outcome<(String, Figures)> {
    stages::cluster(session, images, &Lines)?;
    let found = read_assignments(&session.dir.assignments())?;
    let found: Vec<i32> = found.iter().map(|assignment| assignment.cluster).collect();
    let codes = read_npy::<f32>(&session.dir.embeddings())?;
    Ok(("clusters of the run".to_owned(), measure::agree(&codes.data, codes.shape[1], labels, &found)?))
}

fn trained(
    args: &Args,
    name: &str,
    set: &str,
    seed: u64,
    budget: usize,
    mut config: RunConfig,
) -> Outcome<Vec<(String, Figures)>> {
    config.seed = seed;
    let path = args.data.join(set).join("images");
    let n_images = stages::count(&[path])?;
    recipes::spend(&mut config, budget, n_images);
    if let Some(file) = &args.with {
        config = config.with(&sporeprint::config::Overlay::from_toml(&fs_err::read_to_string(file)?)?)?;
    }
    let (mut session, images) =
        open(args, &format!("{}-{set}-{seed}-{budget}", name.replace([':', ',', ' '], "-")), set, config)?;
    stages::pretrain(&mut session, &images, INTERVAL, &Lines)?;
    stages::aggregate(&mut session, &images, INTERVAL, &Lines)?;
    stages::embed(&mut session, &images, &Lines)?;
    let labels = labels(&images)?;
    let mut found = Vec::new();
    let mut kinds: Vec<PathBuf> =
        fs_err::read_dir(session.dir.candidates())?.flatten().map(|entry| entry.path()).collect();
    kinds.sort();
    let mut blocks = measure::simple_codes(&images, seed)?;
    let simple = blocks.pop().map(|(_, rows)| rows).ok_or("simple codes exist")?;
    kinds.push(session.dir.embeddings());
    for file in &kinds {
        let codes = read_npy::<f32>(file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let kind = if stem == "embeddings" { "final" } else { stem.as_ref() };
        let dim = codes.shape[1];
        found.push((kind.to_owned(), measure(&codes.data, dim, &labels, seed)?));
        found.push((format!("{kind}, diffused"), measure(&diffused(&codes.data, dim)?, dim, &labels, seed)?));
        if !["untouched", "backbone", "head"].contains(&kind) {
            continue;
        }
        for weight in [0.5, 1.0, 2.0] {
            let joined = measure::joined(&codes.data, dim, &simple, images.len(), weight);
            let dim = joined.len() / images.len();
            found.push((format!("{kind} + {weight} simple"), measure(&joined, dim, &labels, seed)?));
            let smooth = diffused(&joined, dim)?;
            found.push((format!("{kind} + {weight} simple, diffused"), measure(&smooth, dim, &labels, seed)?));
        }
    }
    found.push(clusters(&mut session, &images, &labels)?);
    Ok(found)
}

/// Says on stderr what a person should read, and nothing else.
struct Lines;

impl Observer for Lines {
    fn begin(&self, _what: &str, _total: u64) {}
    fn advance(&self, _done: u64, _detail: &str) {}
    fn end(&self) {}
    fn note(&self, text: &str) {
        eprintln!("  {text}");
    }
    fn interrupted(&self) -> bool {
        false
    }
}
