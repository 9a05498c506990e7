//! Reports of generated runs: complete, true to their tables, safe against hostile names.

#[path = "report/generated.rs"]
mod generated;

use std::collections::BTreeMap;

use fs_err as fs;
use generated::{GeneratedRun, picture};
use sporeprint::report::{ReportData, ReportOptions, SheetLayout, Sheets, render, write, write_figures};
use sporeprint::run::RunDir;

fn rendered(run: &GeneratedRun) -> BTreeMap<String, String> {
    let sheets = Sheets { layout: SheetLayout::new(64), absent: vec![false; run.data.n_images()] };
    render(&run.data, &sheets).into_iter().collect()
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
    let options = ReportOptions { thumbnails: &thumbnails, thumbnail_px: None };
    let index = write(&run, &options).expect("written");
    assert_eq!(index, run.report_index());
    let again = write(&run, &options).expect("written over the first");
    let pages = "index clusters cluster images similar map curves reconstructions k files settings";
    for page in pages.split(' ') {
        let text = fs::read_to_string(run.report().join(format!("{page}.html"))).expect("page");
        for link in text.split(" href=\"").chain(text.split(" src=\"")).skip(1) {
            let link = link.split(['"', '#']).next().unwrap_or_default();
            let leads = link.is_empty() || link.starts_with("data:,") || run.report().join(link).exists();
            assert!(leads || link.starts_with("<!doctype"), "{page}.html: {link}");
        }
    }
    assert!(fs::read_to_string(again).expect("page").contains("Missing now"));
    assert!(!dir.path().join("report.old").exists() && !dir.path().join("report.new").exists());
}

#[test]
fn figures_on_the_first_page_are_those_of_the_tables() {
    let run = GeneratedRun::new(300, 7, 1);
    let page = &rendered(&run)["index.html"];
    let mut sizes = BTreeMap::new();
    run.data.assignments.iter().for_each(|row| *sizes.entry(row.cluster).or_insert(0) += 1);
    let largest = sizes.values().max().expect("clusters");
    let odd = run.data.assignments.iter().filter(|row| row.outlier >= 1.).count();
    for (name, number) in
        [("Images", 300), ("Clusters", sizes.len()), ("Largest cluster", *largest), ("Odd images", odd)]
    {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{number}<")), "{name} {number}");
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
    run.data.settings = hostile.to_owned();
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
    let index = write(&run, &ReportOptions { thumbnails: &thumbnails, thumbnail_px: None }).expect("written");
    eprintln!("{} in {:.1} s", index.display(), start.elapsed().as_secs_f64());
}
