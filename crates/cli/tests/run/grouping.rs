//! `cluster`, `assign` and `add`, of images and of codes that were made elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use sporeprint::run::tables::{Assignment, read_assignments, read_clusters, read_images, read_quality};
use sporeprint::run::{RunDir, read_npy, write_npy};
use sporeprint_cluster::Rng;

use crate::{Example, check_failure, check_success, sporeprint, text};

/// Numbers per code in these tests.
pub(super) const DIM: usize = 8;

/// Codes in `n_groups` far groups by turns.
pub(super) fn codes(n: usize, n_groups: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let axis = |row: usize, column: usize| if row % n_groups == column { 4.0 } else { 0.0 };
    (0..n * DIM).map(|at| axis(at / DIM, at % DIM) + rng.range(-0.5, 0.5)).collect()
}

pub(super) fn write(path: &Path, rows: &[f32]) {
    write_npy(path, &[rows.len() / DIM, DIM], rows).unwrap();
}

fn assignments(run: &Path) -> Vec<Assignment> {
    read_assignments(&RunDir::new(run).assignments()).unwrap()
}

fn clusters_of(run: &Path) -> Vec<i32> {
    assignments(run).iter().map(|a| a.cluster).collect()
}

pub(super) fn verb(name: &str, run: &Path, more: &[&str]) -> Output {
    sporeprint().arg(name).arg(run).args(more).output().unwrap()
}

pub(super) fn cluster_codes(file: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = sporeprint();
    command.arg("cluster").arg("--embeddings").arg(file).arg("--out").arg(out).args(more).output().unwrap()
}

/// The drawn pictures of an example, their names in a list, and codes by kind.
fn pictures_with_codes(example: &Example) -> (Vec<PathBuf>, PathBuf, PathBuf) {
    let mut files: Vec<PathBuf> = Vec::new();
    for kind in std::fs::read_dir(example.photos()).unwrap() {
        files.extend(std::fs::read_dir(kind.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    files.sort();
    let names: Vec<String> =
        files.iter().map(|file| file.strip_prefix(example.photos()).unwrap().display().to_string()).collect();
    let list = example.photos().join("names.txt");
    std::fs::write(&list, names.join("\n")).unwrap();
    let kinds: Vec<&str> = names.iter().map(|name| name.split('/').next().unwrap()).collect();
    let mut places: Vec<&str> = kinds.clone();
    places.dedup();
    let mut rng = Rng::new(5);
    let rows: Vec<f32> = kinds
        .iter()
        .flat_map(|kind| {
            let place = places.iter().position(|other| other == kind).unwrap();
            (0..DIM).map(|column| if column == place { 4.0 } else { rng.range(-0.5, 0.5) }).collect::<Vec<f32>>()
        })
        .collect();
    let file = example.out("codes.npy");
    write(&file, &rows);
    (files, list, file)
}

#[test]
fn codes_from_a_file_become_a_run_on_which_every_later_verb_works() {
    let example = Example::new(30);
    let (files, list, file) = pictures_with_codes(&example);
    let kinds = std::fs::read_dir(example.photos()).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count();
    let run = example.out("run");
    let k = kinds.to_string();
    let names = list.to_str().unwrap();
    let output = cluster_codes(&file, &run, &["--paths", names, "--labels", "from-dirs", "-k", &k, "--json"]);
    check_success(&output);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = summary["evaluation"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["codes"], &last["figures"]["ari"]), (&"final".into(), &1.0.into()), "{summary}");
    for name in ["assignments.csv", "clusters.csv", "neighbors.parquet", "map.npy", "report/index.html", "config.toml"]
    {
        assert!(run.join(name).exists(), "{name} is missing");
    }
    let rows = assignments(&run);
    assert_eq!(rows.iter().map(|a| PathBuf::from(&a.path)).collect::<Vec<_>>(), files);
    assert!(rows.iter().all(|a| a.neighbors.len() == 12 && !a.neighbors.contains(&a.index)));

    check_success(&verb("cluster", &run, &["-k", "3", "--sort", "copies"]));
    check_success(&verb("evaluate", &run, &["--labels", "from-dirs"]));
    check_success(&verb("report", &run, &["--figures", example.out("figures").to_str().unwrap()]));
    let output = verb("assign", &run, &["--embeddings", file.to_str().unwrap(), "--paths", names]);
    check_success(&output);
    let found = text(&output.stdout);
    let nearest: Vec<i32> =
        found.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(nearest, clusters_of(&run));
    for (name, more) in [("assign", vec![example.photos()]), ("add", vec![example.photos()]), ("aggregate", vec![])] {
        let more: Vec<&str> = more.iter().map(|path| path.to_str().unwrap()).collect();
        check_failure(&verb(name, &run, &more), 1, &["made from codes", "hint:"]);
    }
}

#[test]
fn codes_without_names_or_with_names_of_nothing_are_clustered_all_the_same() {
    let example = Example::new(2);
    let file = example.out("codes.npy");
    write(&file, &codes(40, 4, 1));
    check_success(&cluster_codes(&file, &example.out("plain"), &["-k", "4"]));
    let rows = read_images(&RunDir::new(example.out("plain")).images()).unwrap();
    assert_eq!((rows[7].name.as_str(), rows[7].path.as_str()), ("row-000007", ""));
    let table = example.out("codes.csv");
    let head: Vec<String> = (0..DIM).map(|column| format!("embedding_{column}")).collect();
    let mut lines = vec![format!("filename,{}", head.join(","))];
    for (row, code) in codes(40, 4, 1).chunks_exact(DIM).enumerate() {
        let numbers: Vec<String> = code.iter().map(f32::to_string).collect();
        lines.push(format!("gone/{row}.jpg,{}", numbers.join(",")));
    }
    std::fs::write(&table, lines.join("\n")).unwrap();
    let output = cluster_codes(&table, &example.out("named"), &["-k", "4"]);
    check_success(&output);
    assert!(text(&output.stderr).contains("gone/0.jpg"), "{}", text(&output.stderr));
    assert_eq!(clusters_of(&example.out("named")), clusters_of(&example.out("plain")));
    let page = std::fs::read_to_string(example.out("named").join("report/index.html")).unwrap();
    assert!(page.contains("40 items in 4 clusters"), "the report stands without pictures");
    for words in ["VGG-16", "random weights", "Moved files"] {
        assert!(!page.contains(words), "{words}");
    }
}

#[test]
fn codes_added_later_keep_every_id_and_odd_ones_wait_for_a_cluster_of_their_own() {
    let example = Example::new(2);
    let all = codes(60, 4, 2);
    let (first, second) = all.split_at(40 * DIM);
    let run = example.out("run");
    write(&example.out("first.npy"), first);
    write(&example.out("second.npy"), second);
    check_success(&cluster_codes(&example.out("first.npy"), &run, &["-k", "4"]));
    let before = clusters_of(&run);
    let second = example.out("second.npy");
    let second = second.to_str().unwrap();
    // Of the run's own kinds, of which none may be marked.
    check_success(&verb("add", &run, &["--embeddings", second, "--unlike", "0"]));
    let after = clusters_of(&run);
    assert_eq!(after[..40], before);
    assert!((40..60).all(|row| after[row] == before[row % 4]), "{after:?}");
    assert_eq!(read_npy::<f32>(&run.join("embeddings.npy")).unwrap().data, all);
    assert_eq!(read_npy::<f32>(&run.join("map.npy")).unwrap().shape, [60, 2]);

    // A fifth group, far from all others.
    let odd: Vec<f32> = codes(12, 1, 3).chunks_exact(DIM).flat_map(|row| row.iter().rev().copied()).collect();
    write(&example.out("odd.npy"), &odd);
    let output = verb("add", &run, &["--embeddings", example.out("odd.npy").to_str().unwrap()]);
    check_success(&output);
    assert!(text(&output.stderr).contains("12 are unlike every cluster"), "{}", text(&output.stderr));
    assert!(clusters_of(&run)[60..].iter().all(|&cluster| cluster == -1));
    check_success(&verb("cluster", &run, &["-k", "5"]));
    let again = clusters_of(&run);
    assert_eq!(again[..60], after);
    assert!(again[60..].iter().all(|&cluster| cluster == 4), "the new cluster has the next id: {again:?}");

    // One cluster fewer retires an id, which nobody gets again.
    check_success(&verb("cluster", &run, &["-k", "4"]));
    let four: std::collections::BTreeSet<i32> = clusters_of(&run).into_iter().collect();
    check_success(&verb("cluster", &run, &["-k", "5"]));
    let five: std::collections::BTreeSet<i32> = clusters_of(&run).into_iter().collect();
    assert!(four.is_subset(&five) && five.difference(&four).all(|&id| id == 5), "{four:?} {five:?}");
    let retired = (0..5).find(|id| !five.contains(id)).unwrap();
    let listed = read_clusters(&run.join("clusters.csv")).unwrap();
    assert!(listed.iter().all(|row| row.cluster != retired && !row.nearest.contains(&retired)));
    assert!(assignments(&run).iter().all(|a| a.second != retired));
    let output = verb("assign", &run, &["--embeddings", example.out("odd.npy").to_str().unwrap()]);
    check_success(&output);
    let nearest: Vec<i32> =
        text(&output.stdout).lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(nearest, clusters_of(&run)[60..]);
}

#[test]
fn images_added_later_get_codes_pictures_and_clusters_and_a_stopped_addition_can_be_ended() {
    let example = Example::new(24);
    // Six pictures are kept back.
    let later = example.out("later");
    std::fs::create_dir(&later).unwrap();
    let (files, list, _) = pictures_with_codes(&example);
    std::fs::remove_file(list).unwrap();
    for (at, file) in files.iter().enumerate().filter(|(at, _)| at % 4 == 0) {
        std::fs::rename(file, later.join(format!("{at}.png"))).unwrap();
    }
    let run = example.out("run");
    check_success(&example.run("run", &["--labels", "from-dirs"]));
    let names = ["encoder.safetensors", "center.npy", "images.parquet"];
    let read = |name: &str| std::fs::read(run.join(name)).unwrap();
    let before: BTreeMap<&str, Vec<u8>> = names.iter().map(|&name| (name, read(name))).collect();
    let clusters = clusters_of(&run);
    let assigned = text(&verb("assign", &run, &[later.to_str().unwrap()]).stdout);

    let output = verb("add", &run, &[later.to_str().unwrap()]);
    check_success(&output);
    // The new ones have no label: figures against labels stay, of the others.
    assert!(text(&output.stdout).contains("of the 18 of 24 images that have one"), "{}", text(&output.stdout));
    let quality = read_quality(&run.join("evaluation.json")).unwrap();
    assert!(quality.iter().all(|row| row.n_labelled == Some(18) && row.figures.contains_key("nmi")), "{quality:?}");
    let page = std::fs::read_to_string(run.join("report/index.html")).unwrap();
    assert!(page.contains("over the 18 of 24 images that have one"));
    let after = clusters_of(&run);
    assert_eq!((after.len(), &after[..18]), (24, &clusters[..]));
    let added: Vec<String> = assignments(&run)[18..].iter().map(|a| a.path.clone()).collect();
    for (line, (path, cluster)) in assigned.lines().skip(1).zip(added.iter().zip(&after[18..])) {
        let word = if *cluster < 0 { "unknown".to_owned() } else { cluster.to_string() };
        assert!(line.starts_with(&format!("{path},{word},")), "{line} against {path} {cluster}");
    }
    assert!(before["encoder.safetensors"] == read("encoder.safetensors") && before["center.npy"] == read("center.npy"));
    assert_eq!(read_npy::<f32>(&run.join("embeddings.npy")).unwrap().shape[0], 24);

    // As if the process had been killed before its last file.
    let tables = ["assignments.csv", "clusters.csv", "embeddings.npy", "centroids.npy", "images.parquet"];
    let whole: Vec<Vec<u8>> = tables.iter().map(|&name| read(name)).collect();
    std::fs::write(run.join("images.parquet"), &before["images.parquet"]).unwrap();
    check_success(&verb("add", &run, &[later.to_str().unwrap()]));
    for (name, expected) in tables.iter().zip(&whole) {
        assert!(read(name) == *expected, "{name} differs from that of an addition which was not stopped");
    }
    let output = verb("add", &run, &[later.to_str().unwrap()]);
    check_success(&output);
    assert!(text(&output.stderr).contains("0 new images; 6 were in the run already"), "{}", text(&output.stderr));
    std::fs::write(run.join("images.parquet"), &before["images.parquet"]).unwrap();
    check_failure(&verb("cluster", &run, &["-k", "3"]), 1, &["24 rows, expected 18", "add"]);
}

#[test]
fn every_method_and_space_groups_far_groups_and_noise_goes_through_all_tables() {
    let example = Example::new(2);
    let file = example.out("codes.npy");
    write(&file, &codes(120, 4, 7));
    let run = example.out("run");
    check_success(&cluster_codes(&file, &run, &["-k", "4"]));
    let expected = clusters_of(&run);
    let grouped = |more: &[&str]| {
        check_success(&verb("cluster", &run, more));
        clusters_of(&run)
    };
    for space in ["codes", "pca", "diffusion", "spectral", "umap"] {
        assert_eq!(grouped(&["--space", space]), expected, "{space}");
    }
    let methods =
        ["kmeans", "spherical", "minibatch", "hierarchical", "balanced", "ward", "average", "consensus", "hdbscan"];
    for method in methods {
        assert_eq!(grouped(&["--space", "codes", "--method", method]), expected, "{method}");
    }
    let text = std::fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(text.contains("method = \"hdbscan\"") && text.contains("space = \"codes\""), "{text}");
    // Rows far from every group are noise.
    let mut rows = codes(120, 4, 7);
    rows.extend((0..4 * DIM).map(|at| if at % DIM == 4 + at / DIM { 40.0 } else { 0.0 }));
    write(&file, &rows);
    let noisy = example.out("noisy");
    let output = cluster_codes(&file, &noisy, &["--method", "hdbscan", "--space", "codes", "--metric", "euclidean"]);
    check_success(&output);
    let found = clusters_of(&noisy);
    assert_eq!((&found[..120], &found[120..]), (&expected[..], &[-1; 4][..]));
    let read = assignments(&noisy);
    assert!(read[120..].iter().all(|a| a.second >= 0 && a.margin == 0.0));
    assert!(crate::text(&output.stdout).contains("4 images are in no cluster"));
    assert!(std::fs::read_to_string(noisy.join("report/index.html")).unwrap().contains("Noise"));
    check_success(&verb("cluster", &noisy, &["--sort", "copies"]));
    check_failure(&verb("cluster", &noisy, &["-k", "4"]), 1, &["hdbscan", "--min-cluster-size"]);
    check_failure(&verb("cluster", &run, &["--min-cluster-size", "60"]), 1, &["all are noise", "hint:"]);
}

#[test]
fn other_kinds_of_codes_are_fused_as_graphs() {
    let example = Example::new(2);
    // One kind of code tells the first two groups from the others, the other kind the first and third.
    let half = |bit: usize, seed: u64| {
        let mut rng = Rng::new(seed);
        let side = |row: usize| if (row >> bit) & 1 == 0 { 3.0 } else { -3.0 };
        (0..160 * DIM)
            .map(|at| if at % DIM == 0 { side(at / DIM) } else { 0.0 } + rng.range(-1.0, 1.0))
            .collect::<Vec<f32>>()
    };
    write(&example.out("a.npy"), &half(0, 1));
    write(&example.out("b.npy"), &half(1, 2));
    let run = example.out("run");
    let more = example.out("b.npy");
    let fused = ["-k", "4", "--space", "spectral", "--graph-neighbors", "40", "--features", more.to_str().unwrap()];
    check_success(&cluster_codes(&example.out("a.npy"), &run, &fused));
    let labels: Vec<i32> = (0..160).map(|row| row % 4).collect();
    let found = clusters_of(&run);
    let pairs = |of: &[i32]| (0..160).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| of[a] == of[b]).collect();
    let (same, truth): (Vec<bool>, Vec<bool>) = (pairs(&found), pairs(&labels));
    let agree = same.iter().zip(&truth).filter(|(a, b)| a == b).count();
    assert!(agree * 100 >= 90 * same.len(), "{agree} of {}", same.len());
    check_failure(&verb("cluster", &run, &["--space", "codes"]), 1, &["--features", "--space"]);
    write(&example.out("b.npy"), &half(1, 2)[..80 * DIM]);
    check_failure(&verb("cluster", &run, &["--space", "umap"]), 1, &["80 rows", "160"]);
}

#[test]
fn codes_that_cannot_be_grouped_are_refused_or_grouped_as_documented() {
    let example = Example::new(2);
    let file = example.out("codes.npy");
    let out = example.out("run");
    let told = |rows: &[f32], more: &[&str], words: &[&str]| {
        write(&file, rows);
        check_failure(&cluster_codes(&file, &out, more), 1, words);
        assert!(!out.join("config.toml").exists(), "nothing is left behind");
    };
    told(&codes(1, 1, 1), &[], &["1 row", "2 or more"]);
    told(&codes(5, 2, 1), &["-k", "6"], &["--n-clusters is 6", "5"]);
    let mut bad = codes(9, 3, 1);
    bad[4 * DIM + 3] = f32::NAN;
    told(&bad, &[], &["row 4", "column 3"]);
    let list = example.out("names.txt");
    std::fs::write(&list, "a.jpg\nb.jpg\n").unwrap();
    told(&codes(3, 1, 1), &["--paths", list.to_str().unwrap()], &["2 names, expected 3"]);
    std::fs::write(&file, "no array").unwrap();
    check_failure(&cluster_codes(&file, &out, &[]), 1, &["codes.npy", "expected"]);
    let both = sporeprint().arg("cluster").arg(&out).arg("--embeddings").arg(&file).output().unwrap();
    assert_eq!(both.status.code(), Some(2), "a usage error");

    // Grouped as documented: copies, zeros, one cluster, as many clusters as rows, two rows.
    let same = |n: usize| vec![1.0f32; n * DIM];
    for (rows, k, n_found) in [
        (same(20), "3", 1),
        (vec![0.0; 10 * DIM], "2", 1),
        (codes(12, 3, 4), "1", 1),
        (codes(12, 3, 4), "12", 12),
        (codes(2, 1, 4), "2", 2),
        (codes(3, 1, 4), "auto", 1),
    ] {
        write(&file, &rows);
        let output = cluster_codes(&file, &out, &["-k", k, "--overwrite"]);
        check_success(&output);
        assert_eq!(read_clusters(&out.join("clusters.csv")).unwrap().len(), n_found, "-k {k}");
        if n_found == 1 && k != "1" && k != "auto" {
            assert!(text(&output.stderr).contains("no more rows differ"), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn saved_again_and_resized_pictures_are_copies_of_the_first_and_mirrored_ones_are_not() {
    use sporeprint::images::{DecodeLimits, Filter, RgbImage, decode_file, resize, save_png};
    let example = Example::new(24);
    let (files, list, _) = pictures_with_codes(&example);
    std::fs::remove_file(list).unwrap();
    let original = &files[3];
    let picture = decode_file(original, &DecodeLimits::default()).unwrap().1.image;
    let beside = |name: &str| original.with_file_name(name);
    std::fs::copy(original, beside("zz-copy.png")).unwrap();
    let (width, height) = (picture.view().width, picture.view().height);
    save_png(&beside("zz-small.png"), &resize(picture.view(), width * 3 / 4, height * 3 / 4, Filter::Bilinear))
        .unwrap();
    let mirrored = (0..height)
        .flat_map(|y| picture.view().row(y).chunks_exact(3).rev().flatten().copied().collect::<Vec<u8>>())
        .collect();
    save_png(&beside("zz-mirror.png"), &RgbImage::new(width, height, mirrored)).unwrap();
    check_success(&example.run("run", &[]));
    let rows = assignments(&example.out("run"));
    let index = |name: &Path| rows.iter().find(|row| Path::new(&row.path) == name).unwrap().index;
    let first = index(original);
    for (name, expected) in [("zz-copy.png", Some(first)), ("zz-small.png", Some(first)), ("zz-mirror.png", None)] {
        assert_eq!(rows[index(&beside(name)) as usize].duplicate_of, expected, "{name}");
    }
    assert_eq!(rows.iter().filter(|row| row.duplicate_of.is_some()).count(), 2, "drawn mushrooms differ");
}

#[test]
fn a_head_is_kept_only_where_neighbours_are_together_more_often() {
    let folder = tempfile::tempdir().unwrap();
    let (file, run) = (folder.path().join("codes.npy"), folder.path().join("run"));
    let mut rng = Rng::new(3);
    let blurred: Vec<f32> = codes(240, 6, 1).iter().map(|x| x / 4.0 + rng.normal() as f32 * 0.3).collect();
    write(&file, &blurred);
    let mut kept = Vec::new();
    for (objective, layers) in [("scan", "1"), ("scan", "2"), ("temi", "1"), ("local-aggregation", "1")] {
        let flags = ["--overwrite", "-k", "6", "--space", "codes", "--head", objective, "--head-layers", layers];
        let output = cluster_codes(&file, &run, &flags);
        check_success(&output);
        let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let line = lines.find(|line| line["stage"] == "head").expect("a line about the head");
        let (before, after) = (line["modularity_before"].as_f64().unwrap(), line["modularity"].as_f64().unwrap());
        assert_eq!(line["kept"] == 1.0, after > before, "{objective}: {line}");
        let words = if after > before { "the head's clusters are taken" } else { "the head is left out" };
        assert!(text(&output.stderr).contains(words), "{objective}");
        kept.push(after > before);
    }
    assert!(kept.contains(&true), "no head was kept on blurred groups");
    let refused = cluster_codes(&file, &folder.path().join("other"), &["--method", "hdbscan", "--head", "scan"]);
    check_failure(&refused, 1, &["--head", "hint:"]);
}
