//! Encoders that are never trained, and weights from elsewhere, as a person uses them on pictures that the tests draw.

#![allow(clippy::unwrap_used)]

#[path = "../../sporeprint/tests/onnx/runtime.rs"]
mod runtime;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small random networks, see `reference/README.md`.
fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference").join(name)
}

struct Example {
    dir: tempfile::TempDir,
}

impl Example {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        sporeprint::demo::write_demo(&dir.path().join("photos"), 24, 3).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, out: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sporeprint"));
        command.arg("run").arg(self.path("photos")).arg("--out").arg(self.path(out));
        command.args(["-k", "3", "--n-init", "2", "--no-open", "--labels", "from-dirs"]).args(more);
        // No test may reach for the network, and none finds a cache of this machine's.
        command.env("HF_HOME", self.path("hub")).env("HF_ENDPOINT", "http://127.0.0.1:1");
        command.output().unwrap()
    }

    fn verb(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sporeprint"));
        command.current_dir(self.dir.path()).args(arguments);
        command.env("HF_HOME", self.path("hub")).env("HF_ENDPOINT", "http://127.0.0.1:1");
        command.output().unwrap()
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

fn first_file_below(folder: &Path) -> PathBuf {
    let first = fs_err::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if first.is_dir() { first_file_below(&first) } else { first }
}

#[test]
fn a_vision_transformer_from_a_file_clusters_and_assigns() {
    let example = Example::new();
    let weights = reference("transformers/dinov2/model.safetensors");
    let flags = ["--encoder", "dinov2", "--weights", weights.to_str().unwrap(), "--image-size", "40"];
    let output = example.run("one", &[&flags[..], &["--threads", "1"]].concat());
    check_success(&output);
    assert!(text(&output.stderr).contains("never trained"), "{}", text(&output.stderr));
    check_success(&example.run("three", &[&flags[..], &["--threads", "3"]].concat()));
    for file in ["embeddings.npy", "centroids.npy", "assignments.csv"] {
        let [one, three] = ["one", "three"].map(|run| fs_err::read(example.path(run).join(file)).unwrap());
        assert_eq!(one, three, "{file}");
    }
    // The run's own photographs lie in their own clusters.
    let output = example.verb(&["assign", "one", "photos"]);
    check_success(&output);
    let assignments = fs_err::read_to_string(example.path("one/assignments.csv")).unwrap();
    assert_eq!(text(&output.stdout).lines().count(), assignments.lines().count());

    let output = example.verb(&["evaluate", "one", "--probe", "linear,knn"]);
    check_success(&output);
    assert!(["wknn", "linear"].iter().all(|name| text(&output.stdout).contains(name)), "{}", text(&output.stdout));
    check_failure(&example.verb(&["evaluate", "one", "--probe", "svm"]), &["--probe is svm", "linear or knn"]);
    check_failure(&example.verb(&["aggregate", "one"]), &["never trained"]);
}

#[test]
fn changed_weights_are_refused_where_codes_are_compared() {
    let example = Example::new();
    let weights = example.path("model.safetensors");
    fs_err::copy(reference("transformers/dinov2/model.safetensors"), &weights).unwrap();
    fs_err::copy(reference("transformers/dinov2/config.json"), example.path("config.json")).unwrap();
    let flags = ["--encoder", "dinov2", "--weights", weights.to_str().unwrap(), "--image-size", "40"];
    check_success(&example.run("run", &flags));
    fs_err::copy(reference("transformers/timm/model.safetensors"), &weights).unwrap();
    check_failure(&example.verb(&["assign", "run", "photos"]), &["not the weights that the run was made with"]);
}

#[test]
fn clip_names_clusters_of_its_own_run_and_of_another() {
    let example = Example::new();
    let weights = reference("transformers/clip/model.safetensors");
    let weights = weights.to_str().unwrap();
    fs_err::write(example.path("words.txt"), "red cap\nbrown cap\nwhite stem\n").unwrap();
    check_success(&example.run("clip", &["--encoder", "clip", "--weights", weights, "--image-size", "40"]));
    check_success(&example.run("pixels", &["--encoder", "pixels"]));
    let output = example.verb(&["--json", "name", "clip", "--words", "words.txt"]);
    check_success(&output);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let table = fs_err::read_to_string(example.path("clip/names.csv")).unwrap();
    assert!(
        table.starts_with("cluster,size,name,origin,word,similarity,share,distinctive,others,suggestion,"),
        "{table}"
    );
    let pages = fs_err::read_to_string(example.path("clip/report/data/run.js")).unwrap();
    assert!(
        pages.contains("\"name\":\"red cap\"")
            || pages.contains("\"name\":\"brown cap\"")
            || pages.contains("white stem")
    );
    assert!(table.lines().skip(1).all(|line| line.contains("cap") || line.contains("stem")), "{table}");

    check_failure(&example.verb(&["name", "pixels", "--words", "words.txt"]), &["CLIP", "--weights"]);
    let output = example.verb(&["name", "pixels", "--words", "words.txt", "--weights", weights]);
    check_success(&output);
    assert!(text(&output.stdout).lines().count() >= 4, "{}", text(&output.stdout));
    // Photographs that were added later lie elsewhere.
    let more = example.path("more");
    fs_err::create_dir(&more).unwrap();
    fs_err::copy(first_file_below(&example.path("photos")), more.join("new.png")).unwrap();
    check_success(&example.verb(&["add", "pixels", "more"]));
    check_success(&example.verb(&["name", "pixels", "--words", "words.txt", "--weights", weights]));
    fs_err::remove_file(more.join("new.png")).unwrap();
    let output = example.verb(&["name", "pixels", "--words", "words.txt", "--weights", weights]);
    check_failure(&output, &["more/new.png: cannot be read any more", "hint:"]);
    // A clustering made anew has other clusters: their names are gone with them.
    check_success(&example.verb(&["cluster", "pixels", "-k", "2"]));
    assert!(!example.path("pixels/names.csv").exists());
}

#[test]
fn a_cluster_is_called_as_a_person_says_until_that_is_taken_back() {
    let example = Example::new();
    check_success(&example.run("run", &["--encoder", "pixels"]));
    let table = example.path("run/names.csv");
    check_success(&example.verb(&["rename", "run", "1", " milk, fresh "]));
    let names = fs_err::read_to_string(&table).unwrap();
    assert!(names.lines().any(|line| line.starts_with("1,") && line.contains(",\"milk, fresh\",given,")), "{names}");
    let pages = fs_err::read_to_string(example.path("run/report/data/run.js")).unwrap();
    assert!(pages.contains("\"name\":\"milk, fresh\""));
    check_failure(&example.verb(&["rename", "run", "99", "milk"]), &["no cluster 99", "clusters.csv"]);
    check_failure(&example.verb(&["rename", "run", "1", "two\nlines"]), &["line breaks"]);
    assert_eq!(fs_err::read_to_string(&table).unwrap(), names);
    check_success(&example.verb(&["rename", "run", "1", ""]));
    let names = fs_err::read_to_string(&table).unwrap_or_default();
    assert!(!names.contains("milk"), "{names}");
}

#[test]
fn weights_that_are_missing_foreign_or_out_of_reach_are_said_in_words() {
    let example = Example::new();
    check_failure(&example.run("a", &["--encoder", "dinov2"]), &["needs weights", "hf:facebook/dinov2-small"]);
    let foreign = reference("weights/vgg11_bn_legacy.pth");
    let foreign = foreign.to_str().unwrap();
    check_failure(&example.run("b", &["--encoder", "dinov2", "--weights", foreign]), &["do not fit", "cls_token"]);
    check_failure(&example.run("c", &["--encoder", "clip", "--weights", foreign]), &["do not fit"]);
    let hub = ["--encoder", "dinov2", "--weights", "hf:facebook/dinov2-small"];
    check_failure(&example.run("d", &hub), &["hf:facebook/dinov2-small", "no connection to http://127.0.0.1:1"]);
    check_failure(&example.run("e", &["--weights", "hf:dinov2"]), &["hf:OWNER/REPO"]);
    check_failure(&example.run("f", &["--encoder", "pixels", "--width", "0.5"]), &["--width says nothing"]);
    check_failure(
        &example.run("f", &["--encoder", "vgg11-bn", "--stem", "small"]),
        &["--stem says nothing", "resnet18"],
    );
    check_failure(&example.run("g", &["--encoder", "resnet19"]), &["unknown architecture", "dinov2"]);
    // Nothing was begun.
    assert!(["a", "b", "c", "d", "e", "f", "g"].iter().all(|run| !example.path(run).exists()));
    assert!(!example.path("hub").exists());
}

#[test]
fn an_onnx_model_clusters_and_an_unknown_operator_is_named() {
    if !runtime::is_there("an_onnx_model_clusters_and_an_unknown_operator_is_named") {
        return;
    }
    let example = Example::new();
    let model = reference("onnx/tokens.onnx");
    check_success(&example.run("run", &["--encoder", model.to_str().unwrap(), "--tokens", "both"]));
    let config = fs_err::read_to_string(example.path("run/config.toml")).unwrap();
    assert!(config.contains("image_size = 40"), "{config}");
    check_success(&example.verb(&["assign", "run", "photos"]));
    // The library says nothing of its own.
    let output = example.run("quiet", &["--encoder", model.to_str().unwrap(), "--quiet"]);
    assert_eq!(text(&output.stderr), "");
    let unknown = reference("onnx/unknown_operator.onnx");
    check_failure(&example.run("a", &["--encoder", unknown.to_str().unwrap()]), &["SporesOfTomorrow", "hint:"]);
    check_failure(&example.run("b", &["--encoder", "none-such.onnx"]), &["none-such.onnx"]);
    let numbers = ["--encoder", model.to_str().unwrap(), "--pixel-mean", "0.5,0.5"];
    let output = example.run("c", &numbers);
    assert_eq!(output.status.code(), Some(2), "a usage error");
    assert!(text(&output.stderr).contains("2 numbers, expected 3"), "{}", text(&output.stderr));
}

#[test]
fn a_library_that_is_missing_or_something_else_is_said_in_words() {
    let example = Example::new();
    let model = reference("onnx/tokens.onnx");
    fs_err::write(example.path("library"), "not one").unwrap();
    for library in ["library", "none-such"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sporeprint"));
        command.arg("run").arg(example.path("photos")).arg("--out").arg(example.path("run"));
        command.arg("--encoder").arg(&model).env("ORT_DYLIB_PATH", example.path(library));
        check_failure(&command.output().unwrap(), &[library, "loader says", "pip install", "ORT_DYLIB_PATH"]);
        assert!(!example.path("run").exists());
    }
}
