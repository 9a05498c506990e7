//! Many settings on one folder.

use super::{Example, check_failure, check_success, sporeprint, text};

const SWEEP: &str = r#"
[settings]
weights = "builtin"

[settings.aggregate]
codes = "backbone"
epochs = 1
guard = false

[try]
"aggregate.sgd.learning_rate" = [0.01, 0.3]
"#;

#[test]
fn trials_are_ranked_by_neighbours_before_training_and_not_done_twice() {
    let example = Example::new(24);
    let (file, out) = (example.out("sweep.toml"), example.out("sweep"));
    std::fs::write(&file, SWEEP).unwrap();
    let sweep = |more: &[&str]| {
        let paths = [file.as_path(), &example.photos()];
        sporeprint().arg("sweep").args(paths).args(["-k", "3", "--out"]).arg(&out).args(more).output().unwrap()
    };
    let labelled = sweep(&["--labels", "from-dirs", "--json"]);
    check_success(&labelled);
    let summary: serde_json::Value = serde_json::from_slice(&labelled.stdout).unwrap();
    assert_eq!(summary["ranked_by"], "trial_modularity");
    let of = |rank: usize, name: &str| summary["ranking"][rank]["figures"][name].as_f64().unwrap();
    assert!(of(0, "trial_modularity") >= of(1, "trial_modularity"));
    assert!((0.0..=1.0).contains(&of(0, "nmi")) && summary["ranking"][2].is_null());
    let order: Vec<u64> =
        summary["ranking"].as_array().unwrap().iter().map(|row| row["trial"].as_u64().unwrap()).collect();
    assert!(order == [0, 1] || order == [1, 0]);
    let table = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    assert!(table.starts_with("rank,trial,settings,trial_modularity,stability,"), "{table}");
    // What is done stays as it is.
    let codes = out.join("trial-000").join("embeddings.npy");
    let written = std::fs::metadata(&codes).unwrap().modified().unwrap();
    let again = sweep(&["--labels", "from-dirs", "--json"]);
    check_success(&again);
    assert_eq!(again.stdout, labelled.stdout);
    assert_eq!(std::fs::metadata(&codes).unwrap().modified().unwrap(), written);
}

#[test]
fn trials_without_codes_of_before_are_ranked_by_what_there_is() {
    let example = Example::new(24);
    let (file, out) = (example.out("sweep.toml"), example.out("sweep"));
    std::fs::write(&file, "[settings.aggregate]\nepochs = 0\n[try]\ncode_views = [1, 2]\n").unwrap();
    let paths = [file.as_path(), &example.photos()];
    let sweep = |k: &str| {
        let flags = ["--labels", "from-dirs", "-k", k, "--out"];
        sporeprint().arg("sweep").args(paths).args(flags).arg(out.join(k)).output().unwrap()
    };
    let output = sweep("3");
    check_success(&output);
    assert!(text(&output.stdout).contains("ranked without labels, by stability"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("which training raises by itself"), "{}", text(&output.stderr));
    let output = sweep("1");
    check_success(&output);
    assert!(text(&output.stderr).contains("the trials stand in their order"), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("ranked without labels"), "{}", text(&output.stdout));
}

#[test]
fn a_sweep_that_cannot_be_run_says_why() {
    let example = Example::new(12);
    let file = example.out("sweep.toml");
    let sweep = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let paths = [file.as_path(), &example.photos()];
        sporeprint().arg("sweep").args(paths).args(["-k", "3", "--out"]).arg(example.out("out")).output().unwrap()
    };
    check_failure(&sweep("[try]\n"), 1, &["tries nothing", "hint:"]);
    check_failure(&sweep("[try]\n\"aggregate.no_such\" = [1, 2]\n"), 1, &["trial 0", "no_such"]);
    check_failure(&sweep("[try]\n\"seed\" = { from = 1, to = 2 }\n"), 1, &["seed", "hint:"]);
}
