//! Which codes of a run are clustered, and what they do not see.

use std::path::Path;

use sporeprint::images::{RgbImage, save_png};
use sporeprint::run::read_npy;

use super::{Example, check_failure, check_success, sporeprint};

#[test]
fn the_built_in_encoder_clusters_at_once_and_batch_norm_of_the_folder_is_a_choice() {
    let example = Example::new(24);
    let (photos, plain, other) = (example.photos(), example.out("plain"), example.out("adapted"));
    let run = |out: &Path, more: &[&str]| {
        let flags = ["--fast", "-k", "3", "--no-open"];
        sporeprint().arg("run").arg(&photos).arg("--out").arg(out).args(flags).args(more).output().unwrap()
    };
    let read = |run: &Path, file: &str| std::fs::read(run.join(file)).unwrap();
    check_success(&run(&plain, &[]));
    // So few images say nothing of statistics, and there is nothing to choose from.
    assert!(!plain.join("adapted.safetensors").exists() && !plain.join("candidates").exists());
    check_success(&run(&other, &["--norm", "adapted"]));
    assert_eq!(read(&plain, "untouched.safetensors"), read(&other, "untouched.safetensors"));
    assert_ne!(read(&other, "untouched.safetensors"), read(&other, "adapted.safetensors"));
    let choice: serde_json::Value = serde_json::from_slice(&read(&other, "choice.json")).unwrap();
    assert_eq!(choice["compared"], serde_json::json!(["untouched", "backbone"]));
    // Other codes of the same run, by name.
    check_success(&sporeprint().arg("cluster").arg(&other).args(["--codes", "untouched"]).output().unwrap());
    assert!(read(&other, "embeddings.npy") == read(&plain, "embeddings.npy"), "the same codes by both ways");
}

#[test]
fn the_number_of_clusters_is_chosen_by_the_codes_before_training() {
    let example = Example::new(24);
    let out = example.out("run");
    let flags = ["--no-guard", "--norm", "frozen", "--aggregate-epochs", "2", "--no-open"];
    check_success(&sporeprint().arg("run").arg(example.photos()).arg("--out").arg(&out).args(flags).output().unwrap());
    let curve_by = |kind: &str| {
        check_success(&sporeprint().arg("cluster").arg(&out).args(["-k", "auto", "--codes", kind]).output().unwrap());
        let choice: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("choice.json")).unwrap()).unwrap();
        assert_eq!(choice["chosen"], kind);
        (std::fs::read(out.join("embeddings.npy")).unwrap(), std::fs::read(out.join("k_curve.json")).unwrap())
    };
    let (untouched, backbone) = (curve_by("untouched"), curve_by("backbone"));
    assert!(untouched.0 != backbone.0, "training changed the codes");
    assert!(untouched.1 == backbone.1, "one curve, that of the codes before training");
}

#[test]
fn codes_before_and_after_training_stand_beside_each_other_and_are_not_computed_twice() {
    let example = Example::new(24);
    let out = example.out("run");
    let flags = ["--no-guard", "--norm", "frozen", "--aggregate-epochs", "1", "-k", "3", "--no-open"];
    check_success(&sporeprint().arg("run").arg(example.photos()).arg("--out").arg(&out).args(flags).output().unwrap());
    let cluster = |kind: &str| sporeprint().arg("cluster").arg(&out).args(["--codes", kind]).output().unwrap();
    let read = |file: &str| std::fs::read(out.join(file)).unwrap();
    let choice = || serde_json::from_slice::<serde_json::Value>(&read("choice.json")).unwrap();
    let compared = choice()["compared"].clone();
    assert_eq!(compared, serde_json::json!(["untouched", "backbone", "ensemble", "head", "fused"]));
    // What was not compared is refused, and the run is as it was.
    let (stages, config) = (read("stages.json"), read("config.toml"));
    check_failure(&cluster("adapted"), 1, &["adapted"]);
    assert!((read("stages.json"), read("config.toml")) == (stages, config));
    // Without the encoder nothing can be encoded: the codes are those that were compared.
    let (encoder, away) = (out.join("encoder.safetensors"), out.join("away"));
    std::fs::rename(&encoder, &away).unwrap();
    for kind in ["backbone", "ensemble"] {
        check_success(&cluster(kind));
        assert!(read("embeddings.npy") == read(&format!("candidates/{kind}.npy")));
    }
    assert_eq!((&choice()["chosen"], &choice()["compared"]), (&serde_json::json!("ensemble"), &compared));
    assert!(choice()["figures"]["backbone"]["trial_modularity"].is_number(), "the evidence stays");
    std::fs::rename(&away, &encoder).unwrap();
    let before = read("embeddings.npy");
    check_success(&sporeprint().arg("embed").arg(&out).output().unwrap());
    assert!(read("embeddings.npy") == before, "the same codes anew");
    check_success(&sporeprint().arg("cluster").arg(&out).output().unwrap());
    let photo = std::fs::read_dir(example.photos()).unwrap().next().unwrap().unwrap().path();
    let assigned = sporeprint().arg("assign").arg(&out).arg(photo).output().unwrap();
    check_success(&assigned);
}

#[test]
fn where_training_is_left_out_there_is_nothing_to_compare() {
    let example = Example::new(24);
    let run = |name: &str, more: &[&str]| {
        let out = example.out(name);
        let mut command = sporeprint();
        command.arg("run").arg(example.photos()).arg("--out").arg(&out).args(["-k", "3", "--no-open"]).args(more);
        let output = command.output().unwrap();
        check_success(&output);
        (out, output)
    };
    // Two dozen images are too few for Local Aggregation.
    let (guarded, output) = run("guarded", &["--aggregate-epochs", "1"]);
    assert!(super::text(&output.stderr).contains("the encoder is left as it is"));
    let (fast, _) = run("fast", &["--fast"]);
    let read = |run: &Path, file: &str| std::fs::read(run.join(file)).unwrap();
    let choice: serde_json::Value = serde_json::from_slice(&read(&guarded, "choice.json")).unwrap();
    assert_eq!(choice["compared"], serde_json::json!(["backbone"]));
    assert!(!guarded.join("candidates").exists());
    assert!(read(&guarded, "embeddings.npy") == read(&fast, "embeddings.npy"));
    assert!(read(&guarded, "encoder.safetensors") == read(&guarded, "untouched.safetensors"));
}

/// Cosine of the codes of images `a` and `b` of a run.
fn cosine(run: &Path, a: usize, b: usize) -> f32 {
    let codes = read_npy::<f32>(&run.join("embeddings.npy")).unwrap();
    let row = |at: usize| &codes.data[at * codes.shape[1]..][..codes.shape[1]];
    row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum()
}

#[test]
fn what_is_to_be_ignored_does_not_tell_codes_apart() {
    let example = Example::new(12);
    let side = 64;
    // A picture without symmetry, its grey twin and one turned by a quarter.
    let pixel = |x: usize, y: usize| {
        let inside = x < 40 && (y < 20 || x < 12);
        if inside { [230, 40 + 2 * y as u8, 30] } else { [30, 60, 150 + x as u8] }
    };
    let luma =
        |[r, g, b]: [u8; 3]| [(0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b) + 0.5) as u8; 3];
    let save = |name: &str, of: &dyn Fn(usize, usize) -> [u8; 3]| {
        let data = (0..side * side).flat_map(|at| of(at % side, at / side)).collect();
        let picture = RgbImage { width: side, height: side, data };
        save_png(&example.photos().join(name), &picture).unwrap();
    };
    save("0-plain.png", &pixel);
    save("1-grey.png", &|x, y| luma(pixel(x, y)));
    save("2-turned.png", &|x, y| pixel(side - 1 - y, x));
    let run = |name: &str, more: &[&str]| {
        let out = example.out(name);
        let flags = ["--fast", "-k", "3", "--no-open"];
        let mut command = sporeprint();
        command.arg("run").arg(example.photos()).arg("--out").arg(&out).args(flags).args(more);
        check_success(&command.output().unwrap());
        out
    };
    let seen = run("seen", &[]);
    assert!(cosine(&seen, 0, 1) <= 0.98 && cosine(&seen, 0, 2) <= 0.98);
    for more in [&["--ignore", "colour"][..], &["--ignore", "colour", "--encoder", "simple"]] {
        let grey = run(&format!("grey{}", more.len()), &[more, &["--overwrite"]].concat());
        assert!(cosine(&grey, 0, 1) >= 0.999, "{}", cosine(&grey, 0, 1));
    }
    let turned = run("turned", &["--ignore", "rotation"]);
    assert!(cosine(&turned, 0, 2) >= 0.999, "{}", cosine(&turned, 0, 2));
    assert!(cosine(&turned, 0, 1) <= 0.98);
    // What new photographs are assigned by is ignored for them too.
    let new = example.photos().join("1-grey.png");
    let assigned = sporeprint().arg("assign").arg(example.out("grey2")).arg(new).output().unwrap();
    check_success(&assigned);
}
