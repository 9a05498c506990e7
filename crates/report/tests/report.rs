//! Reports of generated runs: complete, true to their tables, safe against hostile names.

#[path = "report/generated.rs"]
mod generated;

use std::collections::BTreeMap;

use fs_err as fs;
use generated::{GeneratedRun, picture};
use sporeprint_report::{ReportData, ReportOptions, SheetLayout, Sheets, render, write, write_figures, write_progress};
use sporeprint_run::RunDir;
use sporeprint_run::tables::{
    ImageStatus, LogLine, Quality, read_assignments, read_choice, read_metrics, read_quality, read_skipped,
};

fn rendered(run: &GeneratedRun) -> BTreeMap<String, String> {
    let n = run.data.n_images();
    let sheets = Sheets { layout: SheetLayout::new(64), absent: vec![false; n], moved: vec![false; n] };
    render(&run.data, &sheets, None).into_iter().collect()
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = GeneratedRun::new(300, 7, 1);
    run.write(&RunDir::new(dir.path().join("mushrooms")));
    let read = ReportData::from_run(&RunDir::new(dir.path().join("mushrooms"))).expect("read");
    assert!(read == ReportData { title: "mushrooms".to_owned(), ..run.data }, "the tables changed what they hold");
}

#[test]
fn the_report_holds_every_page_and_every_link_leads_somewhere() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    GeneratedRun::new(300, 7, 1).write(&run);
    let thumbnails = |index: usize| (index != 5).then(|| picture(index, index % 7, 48));
    let options = ReportOptions::new(&thumbnails);
    let index = write(&run, &options).expect("written");
    assert_eq!(index, run.report_index());
    let again = write(&run, &options).expect("written over the first");
    let pages = "index clusters cluster images similar map labels curves reconstructions k files settings";
    for page in pages.split(' ') {
        let text = fs::read_to_string(run.report().join(format!("{page}.html"))).expect("page");
        for link in text.split(" href=\"").chain(text.split(" src=\"")).skip(1) {
            let link = link.split(['"', '#']).next().unwrap_or_default();
            let leads = link.is_empty() || link.starts_with("data:,") || run.report().join(link).exists();
            assert!(leads || link.starts_with("<!doctype"), "{page}.html: {link}");
        }
    }
    assert!(fs::read_to_string(again).expect("page").contains("Without picture"));
    assert!(!dir.path().join("report.old").exists() && !dir.path().join("report.new").exists());
}

/// The number under a name on the first page, and the words below it.
fn tile<'a>(page: &'a str, name: &str) -> (usize, &'a str) {
    let after =
        page.split(&format!("class=\"tile\"><dt>{name}</dt><dd>")).nth(1).unwrap_or_else(|| panic!("no {name}"));
    let (number, rest) = after.split_once("<small>").expect("words");
    let digits: String =
        number.rsplit_once("\">").map_or(number, |(_, shown)| shown).chars().filter(char::is_ascii_digit).collect();
    (digits.parse().expect("a number"), rest.split_once("</small>").expect("an end").0)
}

/// Reads nothing but the files beside the report, and finds every number of its first page in them.
#[test]
fn numbers_on_the_first_page_follow_from_the_tables_beside_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    let mut generated = GeneratedRun::new(1500, 7, 1);
    generated.data.assignments.iter_mut().take(40).for_each(|row| row.cluster = -1);
    let lonely = 1 + generated.data.assignments.iter().map(|row| row.cluster).max().expect("rows");
    generated.data.assignments[50].cluster = lonely;
    generated.write(&run);
    write(&run, &ReportOptions::new(&|index| Some(picture(index, index % 7, 32)))).expect("written");
    let page = fs::read_to_string(run.report_index()).expect("page");

    let rows = read_assignments(&run.assignments()).expect("table");
    let mut sizes = BTreeMap::new();
    rows.iter().filter(|row| row.cluster >= 0).for_each(|row| *sizes.entry(row.cluster).or_insert(0usize) += 1);
    let largest = *sizes.values().max().expect("clusters");
    let tiles = [
        ("Images", rows.len()),
        ("Clusters", sizes.len()),
        ("Largest cluster", largest),
        ("Single images", sizes.values().filter(|&&size| size == 1).count()),
        ("Odd images", rows.iter().filter(|row| row.outlier >= 1.).count()),
        ("Near copies", rows.iter().filter(|row| row.duplicate_of.is_some()).count()),
        ("Noise", rows.iter().filter(|row| row.cluster < 0).count()),
        ("Skipped files", read_skipped(&run.skipped()).expect("table").len()),
        ("Moved files", rows.iter().filter(|row| !std::path::Path::new(&row.path).exists()).count()),
    ];
    for (name, number) in tiles {
        assert_eq!(tile(&page, name).0, number, "{name}");
    }
    assert_eq!(tile(&page, "Largest cluster").1, format!("{:.0} % of all", 100. * largest as f64 / rows.len() as f64));
    assert!(page.contains(&format!("1,500 photographs in {} clusters", sizes.len())));

    for row in read_quality(&run.evaluation()).expect("figures") {
        for (name, figure) in row.figures {
            assert!(page.contains(&format!(">{figure:.3}</td>")), "{} of {}: {figure}", name, row.codes);
        }
    }
    let figures = &read_quality(&run.evaluation()).expect("figures")[3].figures;
    for (words, name) in [("silhouette", "silhouette"), ("NMI", "nmi")] {
        assert!(page.contains(&format!("({words} {:.2};", figures[name])), "{name}");
    }
    let words = &read_choice(&run.choice()).expect("choice").words;
    assert!(page.contains(&words[1..]), "{words}");
    let epochs = |stage: &str| read_metrics(&run.metrics()).expect("log").iter().filter(|m| m.stage == stage).count();
    let training =
        format!("Auto-encoder {} epochs, then memory bank {} epochs", epochs("pretrain"), epochs("aggregate"));
    assert!(page.contains(&training), "{training}");

    // The pages made of scripts get the tables' own columns, sizes counted from them.
    let data = fs::read_to_string(run.report().join("data/run.js")).expect("data");
    assert!(data.contains("\"name\":\"mushroom\"") && data.matches("\"suggested\":true").count() == 1, "{data}");
    let data: serde_json::Value =
        serde_json::from_str(data.trim_start_matches("window.SP = ").trim_end_matches(";\n")).expect("JSON");
    for cluster in data["clusters"].as_array().expect("clusters") {
        let id = cluster["id"].as_i64().expect("id") as i32;
        let members: Vec<_> = rows.iter().filter(|row| row.cluster == id).collect();
        assert_eq!(cluster["size"], members.len());
        assert_eq!(cluster["odd"], members.iter().filter(|row| row.outlier >= 1.).count());
    }
}

#[test]
fn moved_files_and_lost_pixels_are_counted_and_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    let mut generated = GeneratedRun::new(40, 4, 1);
    for (i, image) in generated.data.images.iter_mut().enumerate() {
        image.path = dir.path().join(format!("{i}.png")).to_string_lossy().into_owned();
        if i % 4 != 0 {
            fs::write(&image.path, "there").expect("file");
        }
    }
    generated.write(&run);
    let some = |index: usize| (index >= 3).then(|| picture(index, 1, 32));
    let page = fs::read_to_string(write(&run, &ReportOptions::new(&some)).expect("written")).expect("page");
    assert_eq!((tile(&page, "Moved files").0, tile(&page, "Without picture").0), (10, 3));
    assert!(page.contains("10 photographs are no longer where the run found them."));
    let files = fs::read_to_string(run.report().join("files.html")).expect("page");
    assert!(files.contains("/36.png</td>") && !files.contains("/37.png</td>"));

    // A run from given codes has names only.
    let none = |_: usize| None;
    let page = fs::read_to_string(write(&run, &ReportOptions::new(&none)).expect("written")).expect("page");
    assert!(page.contains("This run has no pictures: its pages show names."));
    assert!(!run.report().join("sheets/0.jpg").exists());
}

#[test]
fn rows_of_given_codes_are_no_photographs_that_moved_and_no_network_made_them() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    let mut generated = GeneratedRun::new(40, 4, 1);
    generated.data.images.iter_mut().for_each(|image| image.status = ImageStatus::Missing);
    "[images]\nembeddings = \"/codes/resnet.npy\"\n".clone_into(&mut generated.data.config_text);
    generated.write(&run);
    let page = fs::read_to_string(write(&run, &ReportOptions::new(&|_| None)).expect("written")).expect("page");
    assert!(page.contains("40 items in 4 clusters") && page.contains("/codes/resnet.npy"));
    for words in ["VGG", "ResNet", "random weights", "Moved files", "is where it was", "NEW_PHOTOS"] {
        assert!(!page.contains(words), "{words}");
    }
    assert!(!fs::read_to_string(run.report().join("files.html")).expect("page").contains("Moved files"));
}

#[test]
fn verdict_and_warnings_never_contradict_each_other() {
    let page = |silhouette: f64| {
        let mut run = GeneratedRun::new(600, 8, 1);
        run.data.skipped.clear();
        run.data.metrics.clear();
        run.data.quality.iter_mut().for_each(|row| {
            row.figures.insert("silhouette".to_owned(), silhouette);
        });
        rendered(&run)["index.html"].clone()
    };
    let (clear, overlapping) = (page(0.3), page(0.08));
    assert!(clear.contains("The clusters are clear") && clear.contains("Nothing looks wrong."));
    assert!(overlapping.contains("The clusters overlap") && !overlapping.contains("Nothing looks wrong."));
    assert!(
        overlapping.split("Worth knowing").nth(1).is_some_and(|warnings| warnings.contains("The clusters overlap"))
    );
}

#[test]
fn settings_that_are_none_are_refused_by_file() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    GeneratedRun::new(30, 3, 1).write(&run);
    fs::write(run.config(), "seed = = 7\n").expect("file");
    let told = ReportData::from_run(&run).expect_err("refused").to_string();
    assert!(told.contains("config.toml") && told.contains("hint:"), "{told}");
}

#[test]
fn images_without_a_label_are_counted_where_labels_are_shown() {
    let mut run = GeneratedRun::new(60, 4, 1);
    run.data.images.iter_mut().take(12).for_each(|image| image.label = None);
    run.data.quality.iter_mut().for_each(|row| row.n_labelled = Some(48));
    let pages = rendered(&run);
    assert!(pages["index.html"].contains("over the 48 of 60 images that have one"));
    assert!(pages["labels.html"].contains("12 images have no label and are not counted."));
}

#[test]
fn growing_pages_renew_themselves_until_the_run_ends() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    let generated = GeneratedRun::new(60, 4, 1);
    generated.write(&run);
    for table in
        [run.assignments(), run.assignments_csv(), run.clusters_csv(), run.neighbors(), run.map(), run.evaluation()]
    {
        fs::remove_file(table).expect("not there yet");
    }
    let drawn = std::sync::atomic::AtomicUsize::new(0);
    let pictures = |index: usize| {
        drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(picture(index, 1, 32))
    };
    let growing = ReportOptions { growing: true, ..ReportOptions::new(&pictures) };
    let read = |name: &str| fs::read_to_string(run.report().join(name)).expect("file");
    write(&run, &growing).expect("written");
    assert!(read("index.html").contains("assets/live.js") && read("index.html").contains("Some of the photographs"));
    assert!(run.report().join("images.html").exists() && !run.report().join("clusters.html").exists());
    let once = drawn.load(std::sync::atomic::Ordering::Relaxed);
    write_progress(&run, "aggregate epoch 1/2: 30 of 60").expect("told");
    assert!(read("data/progress.js").contains("30 of 60"));
    write(&run, &growing).expect("renewed");
    assert_eq!(
        drawn.load(std::sync::atomic::Ordering::Relaxed),
        once,
        "pictures in the same order are not drawn again"
    );
    generated.write(&run);
    write(&run, &ReportOptions::new(&pictures)).expect("ended");
    assert!(!read("index.html").contains("live.js") && read("data/progress.js").contains("\"done\":true"));
}

#[test]
fn rows_and_notes_that_the_pages_do_not_know_are_shown_as_they_are_called() {
    let mut run = GeneratedRun::new(60, 4, 1);
    run.data.quality.push(Quality {
        codes: "untouched codes".to_owned(),
        n_labelled: None,
        figures: BTreeMap::from([("label_free_score".to_owned(), 0.4321)]),
    });
    let note = "the untouched codes were kept: their label-free score 0.432 beats 0.401";
    run.data.metrics.push(LogLine::new("choose-codes", 1.).text("note", note));
    let page = &rendered(&run)["index.html"];
    for words in ["Untouched codes", "Label free score", "0.432", note] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn hostile_names_stay_text_everywhere() {
    let mut run = GeneratedRun::new(60, 3, 1);
    let hostile = "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>\u{202e}\n\0=1+1";
    for image in &mut run.data.images {
        hostile.clone_into(&mut image.name);
        hostile.clone_into(&mut image.path);
        image.label = Some(hostile.to_owned());
    }
    run.data.title = hostile.to_owned();
    run.data.config_text = hostile.to_owned();
    if let Some(config) = &mut run.data.config {
        config.images.paths = vec![hostile.into()];
        config.version = hostile.to_owned();
    }
    for row in &mut run.data.skipped {
        hostile.clone_into(&mut row.path);
        hostile.clone_into(&mut row.reason);
    }
    for metric in &mut run.data.metrics {
        *metric = metric.clone().text("warning", hostile).number(hostile, 1.);
    }
    run.data.quality[0].codes = hostile.to_owned();
    for (name, text) in rendered(&run) {
        if name.starts_with("assets/") {
            continue;
        }
        for broken in ["<img src=x", "<script>alert", "</script><script>alert", "\u{202e}", "\0"] {
            assert!(!text.contains(broken), "{name} holds {broken:?}");
        }
    }
}

#[test]
fn runs_without_clusters_images_or_tables_still_have_a_first_page() {
    let mut run = GeneratedRun::new(10, 2, 1);
    run.data.assignments.clear();
    run.data.clusters.clear();
    assert!(rendered(&run)["index.html"].contains("There are no clusters yet"));
    assert!(!rendered(&run).contains_key("clusters.html"));
    let empty = GeneratedRun { data: ReportData::default() };
    assert!(rendered(&empty)["index.html"].contains("0 photographs"));
    let one = GeneratedRun::new(1, 1, 1);
    assert!(rendered(&one)["index.html"].contains("1 photograph in 1 cluster,"));
}

#[test]
fn tables_of_another_run_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = RunDir::new(dir.path());
    let told = |spoil: &dyn Fn(&mut ReportData)| {
        let mut generated = GeneratedRun::new(30, 3, 1);
        spoil(&mut generated.data);
        generated.write(&run);
        ReportData::from_run(&run).expect_err("refused").to_string()
    };
    assert!(told(&|data| data.assignments.truncate(29)).contains("assignments.parquet: found 29 rows"));
    assert!(told(&|data| data.assignments.swap(1, 2)).contains("assignments.parquet"));
    assert!(told(&|data| data.images.swap(0, 1)).contains("images.parquet: found index 1 in row 0"));
    assert!(told(&|data| data.map = Some(vec![[0., 0.]])).contains("map.npy: found 1 images, expected 30"));
    assert!(told(&|data| data.map = Some(vec![[f32::NAN, 0.]; 30])).contains("map.npy"));
    assert!(told(&|data| data.clusters[0].medoid = 30).contains("clusters.csv: found medoid 30"));
    fs::remove_file(run.images()).expect("removed");
    assert!(ReportData::from_run(&run).expect_err("refused").to_string().contains("images.parquet"));
}

#[test]
fn figures_for_papers_are_written() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let run = GeneratedRun::new(200, 5, 1);
    let thumbnails = |index: usize| Some(picture(index, index % 5, 32));
    let files = write_figures(dir.path(), &run.data, &thumbnails).expect("written");
    let names: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let expected = "map.svg map.png confusion.svg sizes.svg pretrain-loss.svg k-silhouette.svg cluster-0000.png";
    for name in expected.split(' ') {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let map = image::open(dir.path().join("map.png")).expect("picture").to_rgb8();
    assert!(map.pixels().any(|pixel| pixel.0 != [255; 3]));
}

/// Writes the run that `tests/browser` opens: `REPORT_DIR=.. REPORT_IMAGES=.. cargo test -- --ignored browser_run`.
#[test]
#[ignore = "makes the input of the browser tests"]
fn browser_run() {
    let dir = std::env::var("REPORT_DIR").expect("REPORT_DIR names the folder to write to");
    let n: usize = std::env::var("REPORT_IMAGES").map_or(600, |n| n.parse().expect("a number of images"));
    let n_kinds = (n / 60).clamp(8, 400);
    let run = RunDir::new(&dir);
    let mut generated = GeneratedRun::new(n, n_kinds, 3);
    generated.make_names_hostile();
    generated.write(&run);
    let thumbnails = |index: usize| {
        (index != 11).then(|| picture(index, GeneratedRun::kind(index, n_kinds), if n > 20_000 { 64 } else { 160 }))
    };
    let start = std::time::Instant::now();
    let index = write(&run, &ReportOptions::new(&thumbnails)).expect("written");
    eprintln!("{} in {:.1} s", index.display(), start.elapsed().as_secs_f64());
}
