//! The command as a person uses it, on pictures that the tests draw.

#![allow(clippy::unwrap_used)]

#[path = "run/codes.rs"]
mod codes;
#[path = "run/failures.rs"]
mod failures;
#[path = "run/grouping.rs"]
mod grouping;
#[path = "run/sweep.rs"]
mod sweep;
#[path = "run/unlike.rs"]
mod unlike;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sporeprint_cluster::Rng;

fn sporeprint() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sporeprint"))
}

/// A folder of small labelled pictures, and a tiny network's flags.
struct Example {
    dir: tempfile::TempDir,
}

const TINY: &[&str] = &[
    "--encoder",
    "vgg11-bn",
    "--width",
    "0.0625",
    "--image-size",
    "32",
    "--pretrain-epochs",
    "2",
    "--aggregate-epochs",
    "2",
    "--batch-size",
    "8",
    "--pretrain-batch-size",
    "8",
    "-k",
    "3",
    "--n-init",
    "2",
    "--no-open",
];

/// What must come out the same, byte for byte.
const RESULTS: &[&str] = &[
    "autoencoder.safetensors",
    "encoder.safetensors",
    "embeddings.npy",
    "centroids.npy",
    "assignments.csv",
    "clusters.csv",
    "images.parquet",
];

impl Example {
    fn new(n_images: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        sporeprint::demo::write_demo(&dir.path().join("photos"), n_images, 3).unwrap();
        Self { dir }
    }

    fn photos(&self) -> PathBuf {
        self.dir.path().join("photos")
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, out: &str, more: &[&str]) -> Command {
        let mut command = sporeprint();
        command.arg("run").arg(self.photos()).arg("--out").arg(self.out(out)).args(TINY).args(more);
        command
    }

    fn run(&self, out: &str, more: &[&str]) -> Output {
        self.command(out, more).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_success(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// The run fails with exit code `code` and says every one of `words`, without a backtrace.
fn check_failure(output: &Output, code: i32, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    words.iter().for_each(|word| assert!(stderr.contains(word), "no {word:?} in:\n{stderr}"));
}

fn check_same_results(a: &Path, b: &Path) {
    for name in RESULTS {
        let read = |dir: &Path| std::fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(read(a) == read(b), "{name} differs between {} and {}", a.display(), b.display());
    }
}

#[test]
fn a_run_leaves_every_table_and_a_summary() {
    let example = Example::new(36);
    let output = example.run("run", &["--labels", "from-dirs", "--sort", "copies", "--json"]);
    check_success(&output);
    let out = example.out("run");
    for name in RESULTS.iter().chain(&[
        "config.toml",
        "metrics.jsonl",
        "evaluation.json",
        "neighbors.parquet",
        "assignments.parquet",
        "embeddings.parquet",
        "reconstructions.png",
        "report/index.html",
        "skipped.csv",
        "clusters/0",
    ]) {
        assert!(out.join(name).exists(), "{name} is missing");
    }
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["n_images"], 36);
    assert_eq!(summary["n_clusters"], 3);
    assert!(summary["evaluation"].as_array().unwrap().iter().any(|row| row["codes"] == "final"));
    let sorted: usize = walk(&out.join("clusters"));
    assert_eq!(sorted, 36, "every image is in one folder");
}

fn walk(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| if e.as_ref().unwrap().path().is_dir() { walk(&e.unwrap().path()) } else { 1 })
        .sum()
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let example = Example::new(30);
    for threads in ["1", "2", "3"] {
        check_success(&example.run(threads, &["--threads", threads]));
    }
    check_same_results(&example.out("1"), &example.out("2"));
    check_same_results(&example.out("1"), &example.out("3"));
}

/// Kills a run at random moments until it has been killed `kills` times, then lets it end, and compares.
fn kill_and_resume(kills: usize, seed: u64) {
    let example = Example::new(40);
    let started = std::time::Instant::now();
    check_success(&example.run("whole", &["--checkpoint-every", "0"]));
    let whole = started.elapsed();
    let mut rng = Rng::new(seed);
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        round += 1;
        let out = format!("killed-{round}");
        loop {
            let there = example.out(&out).join("config.toml").exists();
            let more: &[&str] = if there { &["--resume"] } else { &["--overwrite"] };
            let mut command = example.command(&out, &["--checkpoint-every", "0"]);
            let mut child = command.args(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            if killed < kills {
                // The moments fall all over a run, so over all of its stages.
                std::thread::sleep(whole.mul_f32(rng.range(0.0, 0.6)) + Duration::from_millis(1));
                if child.try_wait().unwrap().is_none() {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    killed += 1;
                    continue;
                }
            }
            check_success(&child.wait_with_output().unwrap());
            break;
        }
        check_same_results(&example.out("whole"), &example.out(&out));
        std::fs::remove_dir_all(example.out(&out)).unwrap();
    }
}

#[test]
fn a_killed_run_ends_in_the_same_bytes() {
    kill_and_resume(20, 1);
}

/// Hundreds of kills: `cargo test --release -p sporeprint-cli --test run soak -- --ignored`.
#[test]
#[ignore = "takes many minutes; run it by name"]
fn soak() {
    kill_and_resume(300, 2);
}

#[test]
fn files_that_cannot_be_read_are_named_and_cost_nothing_else() {
    let example = Example::new(24);
    std::fs::write(example.photos().join("broken.png"), b"\x89PNG\r\n\x1a\nnot a picture").unwrap();
    std::fs::write(example.photos().join("notes.txt"), "nothing to see").unwrap();
    let output = example.run("run", &[]);
    check_failure(&output, 3, &["broken.png"]);
    let skipped = std::fs::read_to_string(example.out("run").join("skipped.csv")).unwrap();
    assert!(skipped.contains("broken.png") && !skipped.contains("notes.txt"), "{skipped}");
}

#[test]
fn bad_input_gets_a_hint_and_no_backtrace() {
    let example = Example::new(12);
    let empty = example.out("empty");
    std::fs::create_dir(&empty).unwrap();
    let run = |paths: &Path, more: &[&str]| {
        let mut command = sporeprint();
        command.arg("run").arg(paths).arg("--out").arg(example.out("bad")).args(TINY).args(more).output().unwrap()
    };
    check_failure(&run(&empty, &["--overwrite"]), 1, &["no images", "hint:"]);
    check_failure(&run(&example.out("absent"), &["--overwrite"]), 1, &["absent"]);
    let photos = example.photos();
    check_failure(&run(&photos, &["--image-size", "100", "--overwrite"]), 1, &["--image-size", "100", "32"]);
    let local = ["--overwrite", "--warmup-epochs", "1", "--centroids"];
    check_failure(&run(&photos, &[&local[..], &["99"]].concat()), 1, &["--centroids is 99", "12"]);
    check_failure(&run(&photos, &["--overwrite", "--centroids", "6"]), 1, &["--centroids says nothing"]);
    check_failure(&run(&photos, &["--weights", "absent.pth", "--overwrite"]), 1, &["absent.pth"]);
    check_failure(&run(&photos, &["--threads", "0"]), 1, &["--threads"]);
    let one = example.out("one");
    std::fs::create_dir(&one).unwrap();
    let picture = std::fs::read_dir(&photos).unwrap().next().unwrap().unwrap().path();
    let picture = std::fs::read_dir(picture).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(picture, one.join("one.png")).unwrap();
    check_failure(&run(&one, &["--overwrite"]), 1, &["1 readable image"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_and_names_the_images() {
    let example = Example::new(16);
    let output = example.run("run", &["--pretrain-learning-rate", "1e30"]);
    check_failure(&output, 1, &["not finite", ".png", "--pretrain-learning-rate", "hint:"]);
}

#[test]
fn images_of_the_run_are_assigned_where_they_are() {
    let example = Example::new(24);
    check_success(&example.run("run", &[]));
    let assign = || sporeprint().arg("assign").arg(example.out("run")).arg(example.photos()).output().unwrap();
    let output = assign();
    check_success(&output);
    assert_eq!(text(&output.stdout), text(&assign().stdout), "the same question has the same answer");
    let table = std::fs::read_to_string(example.out("run").join("assignments.csv")).unwrap();
    let own: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    let found = text(&output.stdout);
    let nearest: Vec<&str> = found.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    assert_eq!(nearest, own);
}

#[test]
fn every_objective_and_variant_trains() {
    let example = Example::new(20);
    let cases: &[(&str, &[&str])] = &[
        ("instance", &["--objective", "instance", "--decorrelation", "0.5"]),
        ("hardness", &["--objective", "cluster-hardness"]),
        (
            "article",
            &["--no-guard", "--warmup-epochs", "0", "--variant", "article", "--refresh", "1-steps", "--no-views"],
        ),
        ("warm-up", &["--warmup-epochs", "1", "--bank", "random", "--head-dim", "16", "--centroids", "6"]),
        ("flatten", &["--merge", "flatten"]),
        ("frozen", &["--freeze-encoder"]),
    ];
    let resnet = ["--encoder", "resnet18", "--width", "0.0625", "--image-size", "32", "--aggregate-epochs", "2"];
    let mut command = sporeprint();
    command.arg("run").arg(example.photos()).arg("--out").arg(example.out("resnet")).args(resnet).args(["-k", "3"]);
    check_success(&command.arg("--no-open").output().unwrap());
    for (name, more) in cases {
        check_success(&example.run(name, more));
    }
    for name in cases.iter().map(|(name, _)| *name).chain(["resnet"]) {
        let log = std::fs::read_to_string(example.out(name).join("metrics.jsonl")).unwrap();
        let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let last = lines.rfind(|line| line["stage"] == "aggregate").unwrap();
        assert_eq!(last["epoch"], 2.0, "{name}: {last}");
        assert!(last["loss"].as_f64().unwrap().is_finite(), "{name}: {last}");
    }
}

#[test]
fn weights_of_another_network_are_refused_with_what_differs() {
    let example = Example::new(16);
    check_success(&example.run("run", &[]));
    let weights = example.out("run").join("encoder.safetensors");
    let output = example.run("other", &["--encoder", "vgg13-bn", "--weights", weights.to_str().unwrap()]);
    check_failure(&output, 1, &["encoder.safetensors", "features.", "hint:"]);
    check_success(&example.run("same", &["--weights", weights.to_str().unwrap()]));
}

#[test]
fn the_auto_encoder_is_trained_where_it_is_asked_for() {
    let example = Example::new(12);
    let small = ["--weights", "none", "--width", "0.0625", "--image-size", "32", "--no-open"];
    let call = |verb: &str, out: &str, more: &[&str]| {
        let mut command = sporeprint();
        command.arg(verb).arg(example.photos()).arg("--out").arg(example.out(out)).args(small).args(more);
        command.output().unwrap()
    };
    let has = |out: &str| {
        let config = std::fs::read_to_string(example.out(out).join("config.toml")).unwrap();
        (example.out(out).join("autoencoder.safetensors").exists(), config.contains("head_dim = 128"))
    };
    check_success(&call("run", "default", &["--aggregate-epochs", "1", "-k", "2"]));
    assert_eq!(has("default"), (false, true));
    check_success(&call("run", "published", &["--encoder", "vgg16-bn", "--aggregate-epochs", "1", "-k", "2"]));
    assert_eq!(has("published"), (true, false));
    check_success(&call("pretrain", "alone", &["--pretrain-batch-size", "4"]));
    assert_eq!(has("alone"), (true, true));
    check_failure(&call("pretrain", "none", &["--pretrain-epochs", "0"]), 1, &["0 epochs", "hint:"]);
    assert!(!example.out("none").exists());
}

#[test]
fn two_runs_cannot_share_a_directory() {
    let example = Example::new(30);
    let mut first = example.command("run", &["--aggregate-epochs", "400"]).stderr(Stdio::null()).spawn().unwrap();
    while !example.out("run").join("config.toml").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = example.run("run", &["--resume", "--aggregate-epochs", "400"]);
    first.kill().unwrap();
    first.wait().unwrap();
    check_failure(&second, 1, &["in use", "hint:"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let example = Example::new(12);
    std::fs::write(example.out("file"), "not a folder").unwrap();
    check_failure(&example.run("file/run", &[]), 1, &["file/run"]);
}

#[test]
fn other_settings_are_refused_and_named_on_resume() {
    let example = Example::new(16);
    check_success(&example.run("run", &[]));
    check_failure(&example.run("run", &[]), 1, &["--resume", "--overwrite"]);
    check_failure(&example.run("run", &["--resume", "--seed", "5"]), 1, &["seed", "0", "5"]);
}

#[test]
fn clusters_can_be_made_anew_without_training() {
    let example = Example::new(24);
    check_success(&example.run("run", &[]));
    let out = example.out("run");
    let before = std::fs::read(out.join("encoder.safetensors")).unwrap();
    check_success(&sporeprint().arg("cluster").arg(&out).args(["-k", "5"]).output().unwrap());
    let table = std::fs::read_to_string(out.join("clusters.csv")).unwrap();
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(std::fs::read(out.join("encoder.safetensors")).unwrap() == before);
    check_success(&sporeprint().arg("evaluate").arg(&out).args(["--labels", "from-dirs"]).output().unwrap());
    check_failure(&sporeprint().arg("cluster").arg(example.photos()).output().unwrap(), 1, &["no run", "hint:"]);
}
