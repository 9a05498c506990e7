//! Settings as a person gives them, and how the command answers.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Example {
    dir: tempfile::TempDir,
}

impl Example {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        sporeprint::demo::write_demo(&dir.path().join("photos"), 24, 3).unwrap();
        Self { dir }
    }

    /// The command with these words, called where the photographs are.
    fn call(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sporeprint"));
        command.current_dir(self.dir.path()).args(words.split_whitespace()).output().unwrap()
    }

    /// The settings of a run that was made.
    fn settings(&self, run: &str) -> toml::Table {
        std::fs::read_to_string(self.path(run).join("config.toml")).unwrap().parse().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_success(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

fn check_failure(output: &Output, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_file_that_says_nothing_of_the_network_leaves_the_recipe_to_the_flags() {
    let example = Example::new();
    example.write("seed.toml", "seed = 3\n");
    let small = "run photos --no-open -k 2 --fast --weights none --image-size 32";
    check_success(&example.call(&format!("{small} --config seed.toml --out with")));
    check_success(&example.call(&format!("{small} --seed 3 --out without")));
    assert_eq!(example.settings("with"), example.settings("without"));
    // What a run wrote out is taken as it is.
    check_success(&example.call("run photos --no-open --config with/config.toml --out again"));
    assert_eq!(example.settings("with"), example.settings("again"));
    check_success(&example.call("run photos --no-open --config with/config.toml --out again --resume"));
}

#[test]
fn what_says_nothing_is_refused_by_its_flags_all_at_once_and_before_any_work() {
    let example = Example::new();
    let pixels = "run photos --encoder pixels --norm frozen --small-crops 3 --aggregate-epochs 5 --decorrelation 2";
    let words =
        ["4 settings", "--norm", "--small-crops", "--aggregate-epochs", "--decorrelation", "--encoder pixels", "hint:"];
    check_failure(&example.call(pixels), &words);
    let ward = "run photos --method ward --n-init 3 --slack 0.5 --partitions 7 --min-cluster-size 9 --diffusion-rounds 4 \
                --head-layers 2";
    let words = ["6 settings", "--n-init", "--slack", "--partitions", "--min-cluster-size", "--diffusion-rounds"];
    check_failure(&example.call(ward), &words);
    check_failure(&example.call("run photos --codes head --encoder pixels"), &["--codes is head", "never trained"]);
    check_failure(&example.call("run photos --codes adapted --fast"), &["--codes is adapted", "hint:"]);
    check_failure(&example.call("bench --method ward --slack 0.5"), &["--slack says nothing", "--method balanced"]);
    let vgg = "pretrain photos --pretrain-batch-size 4";
    check_failure(&example.call(vgg), &["efficientnet-lite0", "--encoder vgg16-bn", "--weights none"]);
    example.write("file.toml", "[aggregate.sgd]\nmomentum = 1.5\n");
    let words = ["aggregate.sgd.momentum in the settings file is 1.5", "0.9 is usual"];
    check_failure(&example.call("run photos --config file.toml"), &words);
    example.write("file.toml", "[cluster]\nslack = 0.5\n");
    check_failure(&example.call("run photos --config file.toml"), &["--slack says nothing"]);
    assert!(!example.path("sporeprint-run").exists());
}

#[test]
fn a_file_that_is_not_there_is_said_as_such_before_any_work() {
    let example = Example::new();
    for words in [
        "run photos --labels none.csv",
        "sweep sweep.toml photos -k 2 --labels none.csv",
        "train-encoder photos --labels none.csv",
        "cluster --embeddings codes.npy --labels none.csv",
    ] {
        example.write("sweep.toml", "[try]\n\"aggregate.temperature\" = [0.1, 0.2]\n");
        let words_said = ["--labels: there is no file", "none.csv", "from-dirs"];
        check_failure(&example.call(words), &words_said);
    }
    check_failure(&example.call("run photos --weights none.pth"), &["--weights: there is no file", "none.pth"]);
    check_success(&example.call("run photos --fast --no-open -k 2 --out run"));
    let before = std::fs::read(example.path("run/config.toml")).unwrap();
    check_failure(&example.call("evaluate run --labels none.csv"), &["--labels: there is no file"]);
    check_failure(
        &example.call("cluster run --features none.npy --space umap"),
        &["--features: there is no file", "none.npy"],
    );
    assert!(std::fs::read(example.path("run/config.toml")).unwrap() == before);
}

#[test]
fn clusters_made_anew_keep_what_is_not_given_and_can_put_it_back() {
    let example = Example::new();
    check_success(&example.call("run photos --fast --no-open -k 2 --space pca --components 5 --out run"));
    let again = example.call("cluster run");
    check_success(&again);
    assert!(text(&again.stderr).contains("2 clusters, as the run's settings say; `--n-clusters auto`"));
    let cluster = |run: &str| example.settings(run)["cluster"].clone();
    assert_eq!(cluster("run")["components"].as_integer(), Some(5));
    check_failure(&example.call("cluster run --slack 0.5"), &["--slack says nothing", "--method is kmeans"]);
    check_success(&example.call("cluster run --unset components,cluster.space -k auto"));
    assert!(cluster("run").get("components").is_none() && cluster("run").get("space").is_none());
    assert_eq!(cluster("run")["n_clusters"].as_str(), Some("auto"));
    let unknown = example.call("cluster run --unset componentz");
    assert_eq!(unknown.status.code(), Some(2), "a usage error");
}

#[test]
fn a_forecast_is_of_the_run_that_would_be_made() {
    let example = Example::new();
    let output = example.call("bench --images 300 --seconds 0 --json");
    check_success(&output);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["encoder"].as_str(), found["width"].as_f64()), (Some("efficientnet-lite0"), Some(1.0)));
    let output = example.call("bench --images 300 --seconds 0 --aggregate-epochs 7");
    check_success(&output);
    let said = text(&output.stdout);
    assert!(said.contains("aggregation, 7 epochs") && said.contains("auto-encoder, 0 epochs"), "{said}");
}

/// Text in the libraries' messages: settings between backticks exist, and flags are left to whoever shows them.
#[test]
fn libraries_name_settings_that_are_there_and_no_flags() {
    fn files(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut sources = Vec::new();
    for name in ["cluster", "images", "run", "sporeprint"] {
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut sources);
    }
    let tables = ["images.", "encoder.", "frozen.", "pretrain.", "aggregate.", "views.", "cluster."];
    let mut n_named = 0;
    for path in sources.iter().filter(|path| !path.ends_with("tests.rs")) {
        let source = std::fs::read_to_string(path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for name in line.split('`').skip(1).step_by(2).filter(|name| tables.iter().any(|t| name.starts_with(t))) {
                let setting = name.split(" = ").next().unwrap();
                assert!(
                    sporeprint::config::setting_names().any(|known| known == setting),
                    "{}: {name}",
                    path.display()
                );
                n_named += 1;
            }
            let commands =
                ["sporeprint run PHOTOS", "sporeprint pretrain PHOTOS", "pretrain PHOTOS --out", "run PHOTOS --out"];
            let is_command = commands.iter().any(|command| line.contains(command))
                || ["cargo ", "pip "].iter().any(|program| line.contains(program));
            let flag = line.split_whitespace().find(|word| {
                let word = word.trim_start_matches(['"', '`', '(']);
                word.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
            });
            assert!(is_command || flag.is_none(), "{}: {line}", path.display());
        }
    }
    assert!(n_named > 60, "{n_named}");
}
