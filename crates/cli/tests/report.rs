//! The report as a person gets it: while the run works, after the photographs moved, with hostile names, of another
//! version.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TINY: &str = "--encoder vgg11-bn --width 0.0625 --image-size 32 --pretrain-epochs 1 --aggregate-epochs 2 \
                    --batch-size 8 --pretrain-batch-size 8 -k 3 --n-init 2 --no-open";

fn sporeprint(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sporeprint")).args(words).output().unwrap()
}

/// A folder with photographs and a run of them.
struct Example {
    dir: tempfile::TempDir,
}

impl Example {
    fn new(n_images: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        sporeprint::demo::write_demo(&dir.path().join("photos"), n_images, 3).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, more: &[&str]) -> Output {
        let (photos, out) = (self.path("photos"), self.path("run"));
        let mut words = vec!["run", photos.to_str().unwrap(), "--out", out.to_str().unwrap()];
        words.extend(TINY.split_whitespace());
        words.extend(more);
        sporeprint(&words)
    }

    fn report(&self, more: &[&str]) -> Output {
        let out = self.path("run");
        sporeprint(&[&["report", out.to_str().unwrap()], more].concat())
    }

    fn page(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("run/report").join(name)).unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn check(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", told(output));
}

fn n_files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_watched_run_shows_pages_from_the_start_and_leaves_events_and_a_finished_report() {
    let example = Example::new(30);
    let output = example.run(&["--watch", "--tensorboard", "--labels", "from-dirs"]);
    check(&output, 0);
    let words = told(&output);
    assert!(words.contains("growing report: "), "{words}");
    assert!(words.contains("trustworthiness"), "{words}");
    // Control figures stand in the line that ends an epoch.
    assert!(words.lines().any(|line| line.starts_with("aggregate epoch 2/2") && line.contains("loss ")), "{words}");
    assert_eq!(n_files(&example.path("run/tensorboard")), 1);
    let events = std::fs::read_dir(example.path("run/tensorboard")).unwrap().next().unwrap().unwrap();
    let events = String::from_utf8_lossy(&std::fs::read(events.path()).unwrap()).into_owned();
    assert!(events.contains("aggregate/loss") && events.contains("pretrain/loss"));
    assert!(!example.page("index.html").contains("live.js"));
    assert!(example.page("data/progress.js").contains("\"done\":true"));
    check(&example.report(&["--tensorboard", "--watch"]), 0);
    assert_eq!(n_files(&example.path("run/tensorboard")), 2);
}

#[test]
fn a_report_is_written_without_the_photographs_and_without_the_cache() {
    let example = Example::new(24);
    check(&example.run(&[]), 0);
    std::fs::rename(example.path("photos"), example.path("elsewhere")).unwrap();
    check(&example.report(&[]), 0);
    let page = example.page("index.html");
    assert!(page.contains("No photograph is where it was") && !page.contains("Without picture"), "{page}");
    std::fs::remove_dir_all(example.path("run/cache")).unwrap();
    check(&example.report(&[]), 0);
    assert!(example.page("index.html").contains("This run has no pictures"));
    std::fs::rename(example.path("elsewhere"), example.path("photos")).unwrap();
    check(&example.report(&["--figures", example.path("figures").to_str().unwrap()]), 0);
    let page = example.page("index.html");
    assert!(!page.contains("Without picture") && !page.contains("Moved files"), "{page}");
    assert!(example.path("figures/map.png").exists());
}

#[test]
fn a_run_of_another_version_is_refused_with_the_way_to_upgrade() {
    let example = Example::new(12);
    check(&example.run(&[]), 0);
    let config = example.path("run/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let version = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(text.contains(version));
    std::fs::write(&config, text.replace(version, "version = \"0.0.7\"\nold_setting = 3")).unwrap();
    let output = example.report(&[]);
    check(&output, 1);
    for word in ["0.0.7", "--config", "cargo install sporeprint-cli --version 0.0.7"] {
        assert!(told(&output).contains(word), "no {word} in {}", told(&output));
    }
}

/// Names are only possible on file systems that take any byte but `/`.
#[cfg(unix)]
#[test]
fn hostile_names_cannot_steer_the_terminal_or_fake_a_line() {
    let example = Example::new(12);
    let photos = example.path("photos");
    let picture = std::fs::read_dir(&photos).unwrap().flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { std::fs::read_dir(path).unwrap().flatten().next().map(|e| e.path()) } else { Some(path) }
    });
    for name in ["\u{1b}[31mred.png", "=cmd|x.png", "\u{202e}gnp.png"] {
        std::fs::copy(picture.as_ref().unwrap(), photos.join(name)).unwrap();
    }
    for name in ["cut\nerror: fake.png", "\u{1b}]0;title\u{7}.png", "\u{202e}gnp.cut.png", "back\rover.png"] {
        std::fs::write(photos.join(name), "no picture").unwrap();
    }
    let output = example.run(&[]);
    check(&output, 3);
    let quiet = |words: String| {
        assert!(!words.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{words:?}");
        assert!(!words.lines().any(|line| line.starts_with("error: fake")), "{words}");
    };
    quiet(told(&output));
    let csv = std::fs::read_to_string(example.path("run/assignments.csv")).unwrap();
    assert!(csv.contains("\u{1b}[31mred.png"), "tables hold names as they are");
    for page in ["index.html", "files.html", "images.html", "data/names-0.js"] {
        quiet(example.page(page).replace('\t', " "));
    }
    let new = photos.join("cut\nerror: fake.png");
    let run = example.path("run");
    let assigned = sporeprint(&["assign", run.to_str().unwrap(), new.to_str().unwrap()]);
    quiet(String::from_utf8_lossy(&assigned.stderr).into_owned());
}
