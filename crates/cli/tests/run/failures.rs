//! A verb that fails leaves the run as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use sporeprint::config::{ClusterCount, CodeKind, Space};
use sporeprint::progress::Observer;
use sporeprint::run::{Existing, RunDir, Session, write_npy};
use sporeprint::stages::{self, CodesWanted};

use super::{Example, check_failure, check_success, sporeprint, text};

/// Every file below a folder, with its bytes.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            files.extend(bytes(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

fn check_same_bytes(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{what}");
    for (path, bytes) in before {
        assert!(after[path] == *bytes, "{what} changed {}", path.display());
    }
}

fn trained(example: &Example) -> PathBuf {
    let out = example.out("run");
    let flags = ["--no-guard", "--norm", "frozen", "--aggregate-epochs", "1", "-k", "3", "--no-open"];
    check_success(&sporeprint().arg("run").arg(example.photos()).arg("--out").arg(&out).args(flags).output().unwrap());
    out
}

#[test]
fn a_verb_that_fails_leaves_every_byte_of_the_run() {
    let example = Example::new(24);
    let run = trained(&example);
    let short = example.out("short.npy");
    write_npy(&short, &[7, 2], &[0.5; 14]).unwrap();
    let short = short.to_str().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["cluster", "-k", "5000"], &["5000", "hint:"]),
        (&["cluster", "-k", "5000", "--codes", "untouched"], &["5000"]),
        (&["cluster", "-k", "4", "--features", "typo.npy", "--space", "umap"], &["typo.npy"]),
        (&["cluster", "-k", "4", "--features", short, "--space", "umap", "--codes", "head"], &["7 rows", "24"]),
        (&["cluster", "--method", "hdbscan", "--head", "scan"], &["--head"]),
        (&["cluster", "--head", "scan", "--head-layers", "3"], &["--head-layers"]),
        (&["cluster", "--codes", "adapted"], &["adapted"]),
        (&["cluster", "--method", "hdbscan", "--min-cluster-size", "20"], &["all are noise"]),
        (&["cluster", "--method", "hdbscan", "--min-cluster-size", "20", "--codes", "ensemble"], &["all are noise"]),
        (&["aggregate", "--centroids", "5000"], &["--centroids"]),
        (&["aggregate", "--learning-rate", "0"], &["--learning-rate"]),
        (&["evaluate", "--labels", "typo.csv"], &["typo.csv"]),
        (&["evaluate", "--labels", "from-dirs", "--probe", "typo"], &["typo"]),
        (&["evaluate", "--probe", "knn"], &["no labels"]),
        (&["add", "typo"], &["typo"]),
        (&["add", "--embeddings", short], &["images"]),
        (&["assign", "typo"], &["typo"]),
        (&["name", "--words", "typo.txt"], &["typo.txt"]),
    ];
    let before = bytes(&run);
    for (words, said) in cases {
        let output = sporeprint().arg(words[0]).arg(&run).args(&words[1..]).output().unwrap();
        check_failure(&output, 1, said);
        check_same_bytes(&before, &bytes(&run), &words.join(" "));
    }
    for more in [&["--resume", "--seed", "5"][..], &[], &["--overwrite", "--labels", "typo.csv"]] {
        let mut command = sporeprint();
        command.arg("run").arg(example.photos()).arg("--out").arg(&run).args(more);
        check_failure(&command.output().unwrap(), 1, &[]);
        check_same_bytes(&before, &bytes(&run), &format!("run {}", more.join(" ")));
    }
    let nowhere = sporeprint().args(["run", "typo", "--overwrite", "--out"]).arg(&run).output().unwrap();
    check_failure(&nowhere, 1, &["typo"]);
    check_same_bytes(&before, &bytes(&run), "run typo --overwrite");
}

#[test]
fn codes_made_anew_say_what_becomes_of_the_clusters() {
    let example = Example::new(16);
    check_success(&example.run("run", &[]));
    let run = example.out("run");
    let table = std::fs::read(run.join("assignments.csv")).unwrap();
    let output = sporeprint().arg("embed").arg(&run).output().unwrap();
    check_success(&output);
    assert!(text(&output.stderr).contains("makes them anew"), "{}", text(&output.stderr));
    check_success(&sporeprint().arg("cluster").arg(&run).output().unwrap());
    assert!(std::fs::read(run.join("assignments.csv")).unwrap() == table, "the same clusters by the same ids");
}

#[test]
fn a_first_run_that_fails_does_not_block_the_next() {
    let example = Example::new(16);
    let out = example.out("run");
    let empty = example.out("empty");
    std::fs::create_dir(&empty).unwrap();
    let run = |paths: &Path, more: &[&str]| {
        sporeprint().arg("run").arg(paths).arg("--out").arg(&out).args(super::TINY).args(more).output().unwrap()
    };
    check_failure(&run(&empty, &[]), 1, &["no images"]);
    check_failure(&run(&example.photos(), &["--warmup-epochs", "1", "--centroids", "99"]), 1, &["--centroids"]);
    check_failure(&run(&example.photos(), &["--warmup-epochs", "1", "--centroids", "98"]), 1, &["--centroids is 98"]);
    check_success(&run(&example.photos(), &[]));
    check_failure(&run(&example.photos(), &[]), 1, &["holds a run already"]);
    Session::start(RunDir::new(&out), sporeprint::config::RunConfig::default(), Existing::Refuse).unwrap_err();
}

/// The marks of a run as if it had been killed in the stage over the memory bank.
fn take_back_training(run: &Path, was_decided: bool) {
    let path = run.join("stages.json");
    let mut marks: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    marks["done"].as_object_mut().unwrap().retain(|stage, _| stage == "images");
    marks["next_cluster_id"] = serde_json::Value::Null;
    if was_decided {
        marks["origin"]["training"] = serde_json::json!({ "was": "none" });
    } else {
        marks["origin"] = serde_json::Value::Null;
    }
    std::fs::write(&path, marks.to_string()).unwrap();
}

#[test]
fn what_was_decided_about_batch_norm_stands_in_the_marks_whatever_files_there_are() {
    let example = Example::new(24);
    let (whole, killed, kept) = (example.out("whole"), example.out("killed"), example.out("kept"));
    let run = |out: &Path, norm: &str, more: &[&str]| {
        let mut command = sporeprint();
        command.arg("run").arg(example.photos()).arg("--out").arg(out).args(["--norm", norm, "-k", "3", "--no-open"]);
        check_success(&command.args(["--no-guard", "--aggregate-epochs", "1"]).args(more).output().unwrap());
    };
    let read = |run: &Path, name: &str| std::fs::read(run.join(name)).unwrap();
    run(&whole, "adapted", &[]);
    run(&killed, "adapted", &[]);
    let results = ["encoder", "untouched", "adapted"].map(|name| format!("{name}.safetensors"));
    let tables = ["choice.json", "embeddings.npy", "assignments.csv", "centroids.npy"].map(str::to_owned);
    // Weights written and no decision marked; decided and not trained; trained and not marked.
    for (was_decided, is_trained) in [(false, false), (true, false), (true, true)] {
        take_back_training(&killed, was_decided);
        if !is_trained {
            std::fs::remove_file(killed.join("encoder.safetensors")).unwrap();
        }
        run(&killed, "adapted", &["--resume"]);
        for name in results.iter().chain(&tables) {
            assert!(read(&killed, name) == read(&whole, name), "{name}: decided {was_decided}, trained {is_trained}");
        }
    }
    // Adapted weights of another run are no decision of this one.
    run(&kept, "frozen", &[]);
    let choice = read(&kept, "choice.json");
    std::fs::copy(whole.join("adapted.safetensors"), kept.join("adapted.safetensors")).unwrap();
    check_success(&sporeprint().arg("embed").arg(&kept).output().unwrap());
    assert!(read(&kept, "choice.json") == choice, "a file that lies there changed what the run is");
}

/// Asks to stop at the given time of asking.
struct StopAt(AtomicUsize);

impl Observer for StopAt {
    fn begin(&self, _what: &str, _total: u64) {}
    fn advance(&self, _done: u64, _detail: &str) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
    fn interrupted(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn a_clustering_that_is_stopped_leaves_every_byte_of_the_run() {
    let example = Example::new(24);
    let run = trained(&example);
    let before = bytes(&run);
    let stopped_at = |times: usize| {
        let mut session = Session::open(RunDir::new(&run)).unwrap();
        let images = stages::reopen(&session).unwrap();
        session.config.cluster.n_clusters = ClusterCount::Auto;
        session.config.cluster.space = Some(Space::Umap);
        let wanted = CodesWanted::Of(CodeKind::Head);
        stages::cluster_anew(&mut session, &images, wanted, &StopAt(AtomicUsize::new(times)))
    };
    let mut times = 0;
    while let Err(error) = stopped_at(times) {
        assert!(error.is_interrupted(), "{error}");
        check_same_bytes(&before, &bytes(&run), &format!("stopped when asked for the time {times}"));
        times += 1 + times / 4;
    }
    assert!(times > 5, "it was asked {times} times");
    assert!(bytes(&run) != before, "it was not stopped and changed nothing");
}
