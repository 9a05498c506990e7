//! Pages from data: pure text to text, each page one shell around its own part.

use super::escape::{base64, html_text};
use super::summary::Summary;
use super::{ReportData, Sheets, confusion, overview, pages, scripts, training};

const LOGO: &str = r#"<svg viewBox="0 0 32 32" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"><circle cx="16" cy="16" r="14"/><path d="M16 11V4.5M16 21v6.500M11 16H4.500M21 16h6.500M12.500 12.500 8 8M19.500 19.500 24 24M19.500 12.500 24 8M12.500 19.500 8 24M14 11.300 11.600 5.500M18 20.700l2.400 5.800M20.700 14l5.800-2.400M11.300 18l-5.800 2.400M18 11.300l2.400-5.800M14 20.700l-2.400 5.800M20.700 18l5.800 2.400M11.300 14l-5.800-2.400"/></g><circle cx="16" cy="16" r="3" fill="currentColor"/></svg>"#;

/// Only what lies beside the page may load, and no script inside a page runs: a name that slipped through could do
/// nothing.
const POLICY: &str = "default-src 'none'; img-src 'self' file: data: blob:; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; font-src data:";

/// One page before it gets its shell.
pub(super) struct Page {
    /// Its file.
    pub(super) file: &'static str,
    /// Its name in the navigation; empty for pages reached from others.
    pub(super) nav: &'static str,
    /// Its title.
    pub(super) title: String,
    /// What stands in `<main>`.
    pub(super) body: String,
    /// Its own scripts, after the shared ones.
    pub(super) scripts: &'static [&'static str],
}

/// All text files of a report, as (path below the report folder, text). While a run works, `growing` is the number that
/// tells these pages from later ones, for which they wait.
///
/// ```
/// use sporeprint_report::{ReportData, SheetLayout, Sheets, render};
/// let sheets = Sheets { layout: SheetLayout::new(64), absent: vec![], moved: vec![] };
/// let files = render(&ReportData::default(), &sheets, None);
/// assert!(files.iter().any(|(name, _)| name == "index.html"));
/// ```
#[must_use]
pub fn render(data: &ReportData, sheets: &Sheets, growing: Option<u64>) -> Vec<(String, String)> {
    let summary = Summary::new(data);
    let mut parts = vec![overview::page(data, &summary, sheets)];
    if !data.assignments.is_empty() {
        parts.extend([pages::clusters(&summary), pages::cluster()]);
    }
    if data.n_images() > 0 {
        parts.extend([pages::images(), pages::similar()]);
    }
    if data.map.is_some() && !data.assignments.is_empty() {
        parts.push(pages::map(data));
    }
    parts.extend(confusion::page(data, &summary));
    parts.extend(training::curves(data));
    if data.has_reconstructions {
        parts.push(pages::reconstructions());
    }
    parts.extend(training::k_curve(data));
    parts.push(pages::files(data, sheets));
    parts.push(pages::settings(data));

    let mut files: Vec<_> =
        parts.iter().map(|page| (page.file.to_owned(), shell(data, page, &parts, growing))).collect();
    files.extend(scripts::data_files(data, &summary, sheets));
    files.push(("assets/style.css".to_owned(), style()));
    files.extend(ASSETS.iter().map(|&(name, text)| (format!("assets/{name}"), text.to_owned())));
    files
}

/// Roboto (Google, Apache License 2.0), the Latin letters: pages look the same everywhere, also where no good font is.
const FONTS: [(u32, &[u8]); 3] = [
    (400, include_bytes!("assets/roboto-400.woff2")),
    (500, include_bytes!("assets/roboto-500.woff2")),
    (700, include_bytes!("assets/roboto-700.woff2")),
];

/// The style sheet with its fonts inside: some browsers load no font file beside a page on the disk.
fn style() -> String {
    let font = |(weight, bytes): (u32, &[u8])| {
        let data = base64(bytes.iter().copied());
        format!(
            "@font-face{{font-family:Roboto;font-weight:{weight};font-display:block;src:url(data:font/woff2;base64,{data}) format(\"woff2\")}}\n"
        )
    };
    FONTS.map(font).concat() + include_str!("assets/style.css")
}

const ASSETS: [(&str, &str); 11] = [
    ("page.js", include_str!("assets/page.js")),
    ("live.js", include_str!("assets/live.js")),
    ("core.js", include_str!("assets/core.js")),
    ("grid.js", include_str!("assets/grid.js")),
    ("overview.js", include_str!("assets/overview.js")),
    ("clusters.js", include_str!("assets/clusters.js")),
    ("cluster.js", include_str!("assets/cluster.js")),
    ("images.js", include_str!("assets/images.js")),
    ("similar.js", include_str!("assets/similar.js")),
    ("map.js", include_str!("assets/map.js")),
    ("files.js", include_str!("assets/files.js")),
];

fn shell(data: &ReportData, page: &Page, all: &[Page], growing: Option<u64>) -> String {
    // A page without a link of its own belongs to the one it is reached from.
    let current = match page.file {
        "cluster.html" => "clusters.html",
        "similar.html" => "images.html",
        own => own,
    };
    let links: String = all
        .iter()
        .filter(|other| !other.nav.is_empty())
        .map(|other| {
            let mark = if other.file == current { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{}\"{mark}>{}</a>", other.file, other.nav)
        })
        .collect();
    let scripts: String = page.scripts.iter().map(|script| format!("<script src=\"{script}\"></script>\n")).collect();
    let (meta, live) = growing.map_or_else(Default::default, |stamp| {
        let meta = format!("<meta name=\"sporeprint-stamp\" content=\"{stamp}\">\n");
        let line = "<div class=\"live\"><div class=\"live-in\"><i aria-hidden=\"true\"></i><span id=\"live-words\">The run is working.</span><label><input type=\"checkbox\" id=\"live-on\" checked> renew these pages</label></div></div>\n<script src=\"assets/live.js\"></script>\n";
        (meta, line)
    });
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="generator" content="sporeprint {version}">
{meta}<title>{title} · {run}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top"><div class="top-in">
<a class="brand" href="index.html" aria-label="sporeprint, overview">{LOGO}<span>sporeprint</span></a>
<nav class="nav" aria-label="Pages">{links}</nav>
</div></header>
{live}<main id="main" tabindex="-1">
{body}
</main>
<footer><p>{run} · made by sporeprint {version}. Every number can be recomputed from the tables beside this folder.</p></footer>
<script src="assets/page.js"></script>
{scripts}</body>
</html>
"##,
        title = html_text(&page.title),
        run = html_text(&data.title),
        version = env!("CARGO_PKG_VERSION"),
        body = page.body,
    )
}
