//! Pages from data: pure text to text, each page one shell around its own part.

use super::escape::html_text;
use super::summary::Summary;
use super::{ReportData, Sheets, overview, pages, scripts};

const LOGO: &str = r#"<svg viewBox="0 0 32 32" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"><circle cx="16" cy="16" r="14"/><path d="M16 11V4.5M16 21v6.500M11 16H4.500M21 16h6.500M12.500 12.500 8 8M19.500 19.500 24 24M19.500 12.500 24 8M12.500 19.500 8 24M14 11.300 11.600 5.500M18 20.700l2.400 5.800M20.700 14l5.800-2.400M11.300 18l-5.800 2.400M18 11.300l2.400-5.800M14 20.700l-2.400 5.800M20.700 18l5.800 2.400M11.300 14l-5.800-2.400"/></g><circle cx="16" cy="16" r="3" fill="currentColor"/></svg>"#;

/// Only what lies beside the page may load, and no script inside a page runs: a name that slipped through could do
/// nothing.
const POLICY: &str = "default-src 'none'; img-src 'self' file: data: blob:; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'";

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

/// All text files of a report, as (path below the report folder, text).
///
/// ```
/// use sporeprint::report::{ReportData, SheetLayout, Sheets, render};
/// let sheets = Sheets { layout: SheetLayout::new(64), absent: vec![] };
/// let files = render(&ReportData::default(), &sheets);
/// assert!(files.iter().any(|(name, _)| name == "index.html"));
/// ```
#[must_use]
pub fn render(data: &ReportData, sheets: &Sheets) -> Vec<(String, String)> {
    let summary = Summary::new(data);
    let mut parts = vec![overview::page(data, &summary, sheets)];
    if !data.assignments.is_empty() {
        parts.extend([pages::clusters(&summary), pages::cluster(), pages::images(), pages::similar()]);
    }
    if data.map.is_some() && !data.assignments.is_empty() {
        parts.push(pages::map(data));
    }
    parts.extend(pages::curves(data));
    if data.has_reconstructions {
        parts.push(pages::reconstructions());
    }
    parts.extend(pages::k_curve(data));
    parts.push(pages::files(data, sheets));
    parts.push(pages::settings(data));

    let mut files: Vec<_> = parts.iter().map(|page| (page.file.to_owned(), shell(data, page, &parts))).collect();
    files.extend(scripts::data_files(data, &summary, sheets));
    files.extend(ASSETS.iter().map(|&(name, text)| (format!("assets/{name}"), text.to_owned())));
    files
}

const ASSETS: [(&str, &str); 10] = [
    ("style.css", include_str!("assets/style.css")),
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

fn shell(data: &ReportData, page: &Page, all: &[Page]) -> String {
    // A page without a link of its own belongs to the one it is reached from.
    let current = if page.file == "cluster.html" { "clusters.html" } else { page.file };
    let links: String = all
        .iter()
        .filter(|other| !other.nav.is_empty())
        .map(|other| {
            let mark = if other.file == current { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{}\"{mark}>{}</a>", other.file, other.nav)
        })
        .collect();
    let scripts: String = page.scripts.iter().map(|script| format!("<script src=\"{script}\"></script>\n")).collect();
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="generator" content="sporeprint {version}">
<title>{title} · {run}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top"><div class="top-in">
<a class="brand" href="index.html" aria-label="sporeprint, overview">{LOGO}<span>sporeprint</span></a>
<nav class="nav" aria-label="Pages">{links}</nav>
</div></header>
<main id="main" tabindex="-1">
{body}
</main>
<footer>{run} · made by sporeprint {version}. Every number can be recomputed from the tables beside this folder.</footer>
{scripts}</body>
</html>
"##,
        title = html_text(&page.title),
        run = html_text(&data.title),
        version = env!("CARGO_PKG_VERSION"),
        body = page.body,
    )
}
