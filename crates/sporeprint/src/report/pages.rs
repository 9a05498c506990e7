//! All pages but the first. Those with pictures are filled by their scripts, the others stand as they are.

use super::escape::{html_block, html_text};
use super::html::Page;
use super::overview::grouped;
use super::plots::{Series, line_chart};
use super::summary::Summary;
use super::{ReportData, Sheets};

/// Rows of a list that a page holds; the rest stands in the table.
const MAX_ROWS: usize = 2000;

pub(super) fn clusters(summary: &Summary) -> Page {
    let singles = if summary.n_singletons() > 0 { "" } else { " hidden" };
    let body = format!(
        r#"<h1>Clusters</h1>
<p class="lead">Each card shows the medoid, the most typical image, and its nearest companions.</p>
<div class="tools" role="search">
<label>Find by id or label<input type="search" id="filter" placeholder="12 or a label"></label>
<label>Order<select id="sort"><option value="size">largest first</option><option value="small">smallest first</option><option value="tight">tightest first</option><option value="loose">loosest first</option><option value="id">by id</option></select></label>
<label class="check"{singles}><input type="checkbox" id="singles" checked> single images too</label>
<span class="count" id="count" role="status"></span>
</div>
<div id="grid"></div>
<p class="empty" id="none" hidden>No cluster fits.</p>"#
    );
    page(
        "clusters.html",
        "Clusters",
        body,
        &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/clusters.js"],
    )
}

pub(super) fn cluster() -> Page {
    let body = r##"<div class="head">
<div id="medoid"></div>
<div><h1 id="title" aria-live="polite">Cluster</h1>
<dl class="facts" id="facts"></dl>
<p><a class="button" id="before" href="#">‹ Larger</a> <a class="button" id="after" href="#">Smaller ›</a> <button id="save">Save list (CSV)</button></p></div>
</div>
<section id="near-box" class="card"><h2>Nearest clusters</h2><ul class="near" id="near"></ul></section>
<div class="tools">
<label>Order<select id="sort"><option value="near">nearest first</option><option value="far">farthest first</option><option value="odd">oddest first</option><option value="margin">least certain first</option></select></label>
<label class="check"><input type="checkbox" id="odd"> odd ones only</label>
<span class="count" id="count" role="status"></span>
</div>
<div id="grid"></div>
<p class="empty" id="none" hidden>No image of this cluster is odd.</p>"##;
    Page {
        nav: "",
        ..page(
            "cluster.html",
            "Cluster",
            body.to_owned(),
            &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/cluster.js"],
        )
    }
}

pub(super) fn images() -> Page {
    let body = r#"<h1>All images</h1>
<div class="tools" role="search">
<label>File name<input type="search" id="search" placeholder="part of a name"></label>
<label>Show<select id="kind"><option value="">all</option><option value="odd">odd ones</option><option value="copy">near copies</option><option value="single">alone in their cluster</option><option value="absent">missing files</option></select></label>
<label id="label-box">Label<select id="label"><option value="">any</option></select></label>
<label>Order<select id="sort"><option value="cluster">by cluster</option><option value="odd">oddest first</option><option value="margin">least certain first</option><option value="index">as found</option></select></label>
<span class="count" id="count" role="status"></span>
</div>
<div id="grid"></div>
<p class="empty" id="none" hidden>No image fits.</p>"#;
    page(
        "images.html",
        "Images",
        body.to_owned(),
        &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/images.js"],
    )
}

pub(super) fn similar() -> Page {
    let body = r#"<div class="head">
<div id="picture"></div>
<div><h1 id="title" aria-live="polite">Similar images</h1>
<dl class="facts" id="facts"></dl>
<p><button id="any">Any other image</button></p></div>
</div>
<h2 id="heading">Nearest images</h2>
<div id="grid"></div>
<p class="empty" id="none" hidden>There is no other image to compare with.</p>"#;
    page(
        "similar.html",
        "Similar",
        body.to_owned(),
        &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/similar.js"],
    )
}

pub(super) fn map(data: &ReportData) -> Page {
    let trust =
        data.quality.iter().filter(|row| row.codes == "final").find_map(|row| row.figures.get("trustworthiness"));
    let trust = trust.map_or_else(String::new, |trust| {
        format!(" Trustworthiness {trust:.3}: so much of what lies together here lies together in truth.")
    });
    let body = format!(
        r#"<h1>Map</h1>
<p class="lead">Every point is an image; like lies near like.{trust}</p>
<div class="tools">
<label>Colour<select id="color"><option value="cluster">cluster</option><option value="label">label</option><option value="distance">distance</option><option value="outlier">oddness</option></select></label>
<label>Only<select id="only"><option value="">all clusters</option></select></label>
<button id="cluster-pick">Select cluster</button>
<button id="lasso" aria-pressed="false">Lasso</button>
<span><button id="plus" aria-label="Zoom in">+</button> <button id="minus" aria-label="Zoom out">−</button> <button id="home">Whole map</button></span>
<label class="check"><input type="checkbox" id="pictures" checked> pictures when near</label>
</div>
<div class="map-wrap">
<div><div class="card map-box" id="box"><canvas id="canvas" tabindex="0" role="application" aria-label="Map of all images. Arrow keys move, plus and minus zoom, zero shows everything, L switches the lasso, Escape clears the selection. Choose a cluster and press Select cluster to list its images."></canvas><div class="tip" id="tip" hidden></div></div>
<div class="legend" id="legend"></div></div>
<section class="card side" aria-label="Selection"><h2 id="picked-count" role="status">Nothing selected</h2>
<p id="picked-help" class="count">Hold Shift and drag around points, or switch on the lasso.</p>
<p><button id="save" class="primary" disabled>Save list (CSV)</button> <button id="clear" disabled>Clear</button></p>
<div class="list" id="picked-list"><div id="picked"></div></div></section>
</div>"#
    );
    page(
        "map.html",
        "Map",
        body,
        &["data/run.js", "data/columns.js", "data/map.js", "assets/core.js", "assets/grid.js", "assets/map.js"],
    )
}

pub(super) fn curves(data: &ReportData) -> Option<Page> {
    let mut body = String::new();
    for (stage, charts) in stage_charts(data) {
        let charts: String = charts
            .iter()
            .map(|(title, series)| {
                let shown = html_text(title);
                format!("<figure class=\"card\" style=\"margin:0\"><figcaption class=\"plot-title\">{shown}</figcaption>{}</figure>", line_chart(title, "epoch", series, None))
            })
            .collect();
        body.push_str(&format!(
            "<h2 style=\"margin-top:1.75rem\">{}</h2><div class=\"columns\">{charts}</div>",
            html_text(&stage)
        ));
    }
    if body.is_empty() {
        return None;
    }
    Some(page("curves.html", "Training", format!("<h1>Training curves</h1>{body}"), &[]))
}

/// A title and the lines below it.
pub(super) type Chart = (String, Vec<Series>);

/// Charts per stage in order of appearance; losses share one chart and stand first.
pub(super) fn stage_charts(data: &ReportData) -> Vec<(String, Vec<Chart>)> {
    let mut stages: Vec<(String, Vec<Series>)> = Vec::new();
    for metric in &data.metrics {
        if metric.numbers().next().is_none() {
            continue;
        }
        let at = stages.iter().position(|(stage, _)| *stage == metric.stage).unwrap_or_else(|| {
            stages.push((metric.stage.clone(), Vec::new()));
            stages.len() - 1
        });
        let lines = &mut stages[at].1;
        for (name, number) in metric.numbers() {
            let line = lines.iter().position(|line| line.name == name).unwrap_or_else(|| {
                lines.push(Series { name: name.to_owned(), points: Vec::new() });
                lines.len() - 1
            });
            lines[line].points.push((metric.epoch, number));
        }
    }
    let is_loss = |line: &Series| line.name.starts_with("loss");
    stages
        .into_iter()
        .map(|(stage, lines)| {
            let (losses, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_loss);
            let mut charts = Vec::new();
            if !losses.is_empty() {
                charts.push(("loss".to_owned(), losses));
            }
            charts.extend(others.into_iter().map(|line| (line.name.replace('_', " "), vec![line])));
            (stage, charts)
        })
        .collect()
}

pub(super) fn reconstructions() -> Page {
    let body = "<h1>Reconstructions</h1><p class=\"lead\">Images and what the auto-encoder makes of them.</p><div class=\"card\"><img class=\"wide-picture\" src=\"reconstructions.png\" alt=\"Rows of images, each beside its reconstruction\"></div>";
    page("reconstructions.html", "Reconstructions", body.to_owned(), &[])
}

pub(super) fn k_curve(data: &ReportData) -> Option<Page> {
    let curve = data.k_curve.as_ref()?;
    let series = k_series(data);
    let charts: String = series
        .iter()
        .map(|line| {
            format!(
                "<figure class=\"card\" style=\"margin:0\"><figcaption class=\"plot-title\">{}</figcaption>{}</figure>",
                html_text(&line.name),
                line_chart(&line.name, "number of clusters", std::slice::from_ref(line), Some(f64::from(curve.chosen)))
            )
        })
        .collect();
    let names: String = series.iter().map(|line| format!("<th scope=\"col\">{}</th>", html_text(&line.name))).collect();
    let rows: String = curve
        .points
        .iter()
        .map(|point| {
            let cells: String = series
                .iter()
                .map(|line| {
                    point
                        .figures
                        .get(&line.name)
                        .map_or_else(|| "<td>–</td>".to_owned(), |figure| format!("<td>{figure:.3}</td>"))
                })
                .collect();
            let class = if point.k == curve.chosen { " class=\"ours\"" } else { "" };
            format!("<tr{class}><th scope=\"row\">{}</th>{cells}</tr>", point.k)
        })
        .collect();
    let alternatives: Vec<_> = curve.alternatives.iter().map(u32::to_string).collect();
    let others = if alternatives.is_empty() {
        String::new()
    } else {
        format!(" Also worth a look: {}.", alternatives.join(", "))
    };
    let body = format!(
        "<h1>Number of clusters</h1><p class=\"lead\">{} was chosen (dashed line).{others}</p><div class=\"columns\">{charts}</div><div class=\"card scroll\" style=\"margin-top:1.25rem\"><table><thead><tr><th scope=\"col\">Clusters</th>{names}</tr></thead><tbody>{rows}</tbody></table></div>",
        curve.chosen
    );
    Some(page("k.html", "Number", body, &[]))
}

/// One line per figure of the k curve.
pub(super) fn k_series(data: &ReportData) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for point in data.k_curve.iter().flat_map(|curve| &curve.points) {
        for (name, &figure) in &point.figures {
            let at = series.iter().position(|line| line.name == *name).unwrap_or_else(|| {
                series.push(Series { name: name.clone(), points: Vec::new() });
                series.len() - 1
            });
            series[at].points.push((f64::from(point.k), figure));
        }
    }
    series
}

pub(super) fn files(data: &ReportData, sheets: &Sheets) -> Page {
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    let absent = sheets.absent.iter().filter(|&&absent| absent).count();
    let mut body = "<h1>Files</h1>".to_owned();
    body.push_str(&format!("<section class=\"card\"><h2>Skipped files ({})</h2>", grouped(data.skipped.len())));
    if data.skipped.is_empty() {
        body.push_str("<p>Every file could be read.</p>");
    } else {
        let rows: String = data
            .skipped
            .iter()
            .take(MAX_ROWS)
            .map(|row| {
                format!("<tr><td class=\"name\">{}</td><td>{}</td></tr>", html_text(&row.path), html_text(&row.reason))
            })
            .collect();
        body.push_str(&format!("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">File</th><th scope=\"col\">Reason</th></tr></thead><tbody>{rows}</tbody></table></div>"));
        if data.skipped.len() > MAX_ROWS {
            body.push_str(&format!(
                "<p>{} more in <code>skipped.csv</code>.</p>",
                grouped(data.skipped.len() - MAX_ROWS)
            ));
        }
    }
    body.push_str("</section>");
    if absent > 0 {
        let were = if absent == 1 { "image was" } else { "images were" };
        body.push_str(&format!("<section class=\"card\" style=\"margin-top:1.25rem\"><h2>Missing pictures ({})</h2><p>The pixels of {} {were} gone when this report was made; grey cells stand in their place. Everything else is unaffected.</p></section>", grouped(absent), grouped(absent)));
    }
    body.push_str(&format!("<h2 style=\"margin-top:1.75rem\">Near copies ({})</h2>", grouped(copies)));
    if copies == 0 {
        body.push_str("<p>No image repeats another.</p>");
    } else {
        body.push_str(
            "<p class=\"lead\">Each pair shows the copy and the image that it repeats.</p><div id=\"pairs\"></div>",
        );
    }
    let scripts: &[&str] = if copies == 0 {
        &[]
    } else {
        &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/files.js"]
    };
    page("files.html", "Files", body, scripts)
}

pub(super) fn settings(data: &ReportData) -> Page {
    let settings = if data.settings.trim().is_empty() {
        "<p>The run left no settings.</p>".to_owned()
    } else {
        format!("<pre tabindex=\"0\" aria-label=\"config.toml\">{}</pre>", html_block(&data.settings))
    };
    let body = format!(
        "<h1>Settings</h1><p class=\"lead\">As resolved when the run began; <code>--config config.toml</code> repeats it.</p>{settings}"
    );
    page("settings.html", "Settings", body, &[])
}

fn page(file: &'static str, nav: &'static str, body: String, scripts: &'static [&'static str]) -> Page {
    Page { file, nav, title: nav.to_owned(), body, scripts }
}
