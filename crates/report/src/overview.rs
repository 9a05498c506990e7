//! The first page: what was run, what came out, how good it is, what to do next.

use super::escape::{html_prose, html_text};
use super::findings::{About, Finding, findings};
use super::html::Page;
use super::plots::{bar_chart, doubling_classes};
use super::summary::Summary;
use super::words::{codes, count, figure, figure_rank, grouped, percent};
use super::{ReportData, Sheets, advice, story};

/// Clusters that get a bar each.
const MOST_BARS: usize = 40;

pub(super) fn page(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Page {
    let (n, n_clusters) = (data.n_images(), summary.n_clusters());
    let noun = if n > 0 && data.n_photographs() == 0 { "item" } else { "photograph" };
    let findings = findings(data, summary, sheets);
    let lead = if data.assignments.is_empty() {
        format!("{} read. There are no clusters yet: these pages grow with the run.", count(n, noun))
    } else {
        format!("{} in {}, grouped by what they show.", count(n, noun), count(n_clusters, "cluster"))
    };
    let mut body = format!("<div class=\"hero\"><h1>{}</h1>\n<p class=\"lead\">{lead}</p>\n", html_text(&data.title));
    body.push_str(&facts(data));
    body.push_str("</div>\n");
    body.push_str(&tiles(data, summary, sheets));
    if n_clusters > 0 {
        body.push_str("<section aria-labelledby=\"h-largest\"><div class=\"section-head\"><h2 id=\"h-largest\">Largest clusters</h2>");
        body.push_str(&format!("<a href=\"clusters.html\">All {} ›</a></div>\n", count(n_clusters, "cluster")));
        body.push_str("<div id=\"mosaic\" class=\"mosaic\"></div></section>\n");
    } else if n > 0 {
        body.push_str("<section aria-labelledby=\"h-some\"><div class=\"section-head\"><h2 id=\"h-some\">Some of the photographs</h2><a href=\"images.html\">All images ›</a></div>\n<div id=\"contact\" class=\"contact\"></div></section>\n");
    }
    body.push_str("<div class=\"halves\">\n<div class=\"stack\">");
    body.push_str(&quality(data, &findings));
    if n_clusters > 0 {
        body.push_str(&format!(
            "<section class=\"card\" aria-labelledby=\"h-sizes\"><h2 id=\"h-sizes\">Sizes of clusters</h2>{}</section>\n",
            sizes(summary)
        ));
    }
    body.push_str("</div>\n<div class=\"stack\">");
    body.push_str(&notices(data, &findings));
    body.push_str(&next(data, summary));
    body.push_str("</div>\n</div>\n");
    Page {
        file: "index.html",
        nav: "Overview",
        title: "Overview".to_owned(),
        body,
        scripts: &["data/run.js", "data/columns.js", "assets/core.js", "assets/overview.js"],
    }
}

/// A bar for each of few clusters; of many, how many are how large.
fn sizes(summary: &Summary) -> String {
    if summary.n_clusters() <= MOST_BARS {
        let bars: Vec<_> = summary.real().map(|cluster| (cluster.id.to_string(), cluster.size as f64)).collect();
        return bar_chart("Images by cluster", "cluster", &bars);
    }
    let bars = doubling_classes(summary.real().map(|cluster| cluster.size));
    let bars: Vec<_> = bars.into_iter().skip_while(|bar| bar.1 == 0.).collect();
    bar_chart("Number of clusters by size", "images in the cluster", &bars)
}

fn facts(data: &ReportData) -> String {
    let facts: String = story::facts(data)
        .iter()
        .map(|(name, words)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", html_text(words)))
        .collect();
    if facts.is_empty() { facts } else { format!("<dl class=\"facts\">{facts}</dl>\n") }
}

/// One number with its name, where to see more, and a few words.
struct Tile {
    name: &'static str,
    number: usize,
    href: &'static str,
    note: String,
}

fn tiles(data: &ReportData, summary: &Summary, sheets: &Sheets) -> String {
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    let tile = |name, number, href, note: &str| Tile { name, number, href, note: note.to_owned() };
    let mut tiles = vec![tile("Images", data.n_images(), "images.html", "")];
    if !data.assignments.is_empty() {
        let share = percent(summary.largest() as f64 / data.n_images().max(1) as f64);
        tiles.push(tile("Clusters", summary.n_clusters(), "clusters.html", ""));
        tiles.push(tile("Largest cluster", summary.largest(), "clusters.html", &format!("{share} of all")));
        tiles.push(tile("Single images", summary.n_singletons(), "images.html#kind=single", "clusters of one"));
        tiles.push(tile("Odd images", summary.n_odd(), "images.html#kind=odd", "far from their cluster"));
        tiles.push(tile("Near copies", copies, "files.html#copies", "of other images"));
        if summary.n_noise() > 0 {
            tiles.push(tile("Noise", summary.n_noise(), "cluster.html#-1", "in no cluster"));
        }
    }
    tiles.push(tile("Skipped files", data.skipped.len(), "files.html", "could not be read"));
    if sheets.n_moved() > 0 {
        tiles.push(tile("Moved files", sheets.n_moved(), "files.html#moved", "not where they were"));
    }
    if sheets.n_absent() > 0 {
        tiles.push(tile("Without picture", sheets.n_absent(), "images.html#kind=absent", "shown by name"));
    }
    let tiles: String = tiles
        .into_iter()
        .map(|Tile { name, number, href, note }| {
            let shown = grouped(number);
            let shown = if number > 0 { format!("<a href=\"{href}\">{shown}</a>") } else { shown };
            format!("<div class=\"tile\"><dt>{name}</dt><dd>{shown}<small>{note}</small></dd></div>")
        })
        .collect();
    format!("<dl class=\"tiles\" aria-label=\"The run in numbers\">{tiles}</dl>\n")
}

fn notices(data: &ReportData, findings: &[Finding]) -> String {
    let mut shown: String = advice::notes(data)
        .iter()
        .map(|note| format!("<div class=\"notice note\"><p>{}</p></div>", html_prose(note)))
        .collect();
    let warnings: String = findings
        .iter()
        .filter_map(|finding| {
            let (words, remedy) = (html_prose(&finding.words), html_prose(finding.remedy.as_ref()?));
            Some(format!("<div class=\"notice\"><p>{words}</p><p>{remedy}</p></div>"))
        })
        .collect();
    if warnings.is_empty() && !data.assignments.is_empty() {
        shown.push_str("<div class=\"notice calm\"><p>Nothing looks wrong.</p><p>Sizes, copies and training figures are in their usual ranges.</p></div>");
    }
    shown.push_str(&warnings);
    if shown.is_empty() {
        return shown;
    }
    format!(
        "<section class=\"card\" aria-labelledby=\"h-worth\"><h2 id=\"h-worth\">Worth knowing</h2>{shown}</section>\n"
    )
}

/// Sentences, then all figures of all codes; the best of each figure is marked.
fn quality(data: &ReportData, findings: &[Finding]) -> String {
    if data.quality.is_empty() {
        return String::new();
    }
    let words: String = findings
        .iter()
        .filter(|finding| finding.about == About::Grouping)
        .map(|finding| format!("<p>{}</p>", html_prose(&finding.words)))
        .collect();
    let mut keys: Vec<&str> = data.quality.iter().flat_map(|row| row.figures.keys()).map(String::as_str).collect();
    keys.sort_by_key(|key| (figure_rank(key), *key));
    keys.dedup();
    let head: String = keys
        .iter()
        .map(|key| {
            let (name, meaning) = figure(key);
            let name = html_text(&name);
            if meaning.is_empty() {
                format!("<th scope=\"col\">{name}</th>")
            } else {
                format!("<th scope=\"col\"><abbr title=\"{}\">{name}</abbr></th>", html_text(meaning))
            }
        })
        .collect();
    let best = |key: &str| {
        let figures: Vec<f64> = data.quality.iter().filter_map(|row| row.figures.get(key)).copied().collect();
        // Silhouettes are each of its own codes, and one figure alone is the best of nothing.
        let comparable = figures.len() > 1 && key != "silhouette";
        comparable.then(|| figures.into_iter().fold(f64::NEG_INFINITY, f64::max))
    };
    let rows: String = data
        .quality
        .iter()
        .map(|row| {
            let cells: String = keys
                .iter()
                .map(|key| match row.figures.get(*key) {
                    Some(&figure) if best(key) == Some(figure) => {
                        format!("<td class=\"best\">{figure:.3}</td>")
                    }
                    Some(figure) => format!("<td>{figure:.3}</td>"),
                    None => "<td>–</td>".to_owned(),
                })
                .collect();
            let class = if row.codes == "final" { " class=\"ours\"" } else { "" };
            format!("<tr{class}><th scope=\"row\">{}</th>{cells}</tr>", html_text(&codes(&row.codes)))
        })
        .collect();
    let explained: String = keys
        .iter()
        .map(|key| figure(key))
        .filter(|(_, meaning)| !meaning.is_empty())
        .map(|(name, meaning)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", html_text(meaning)))
        .collect();
    format!(
        "<section class=\"card\" aria-labelledby=\"h-quality\"><h2 id=\"h-quality\">How good the grouping is</h2><div class=\"prose\">{words}</div><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures of quality\"><table class=\"figures\"><thead><tr><th scope=\"col\">k-means on</th>{head}</tr></thead><tbody>{rows}</tbody></table></div><details><summary>What the figures mean</summary><dl class=\"terms\">{explained}</dl></details></section>\n"
    )
}

fn next(data: &ReportData, summary: &Summary) -> String {
    let steps: String = advice::next_steps(data, summary)
        .iter()
        .map(|(command, why)| {
            let command = html_text(command);
            format!("<li><p>{}</p><div class=\"command\"><code>{command}</code></div></li>", html_text(why))
        })
        .collect();
    if steps.is_empty() {
        return String::new();
    }
    format!(
        "<section class=\"card\" aria-labelledby=\"h-next\"><h2 id=\"h-next\">What to try next</h2><ul class=\"steps\">{steps}</ul></section>\n"
    )
}
