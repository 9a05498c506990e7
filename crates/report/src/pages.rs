//! All pages but the first. Those with pictures are filled by their scripts, the others stand as they are.

use toml::{Table, Value};

use super::escape::{html_block, html_text};
use super::html::Page;
use super::summary::Summary;
use super::words::{capital, grouped};
use super::{ReportData, Sheets};

/// Rows of a list that a page holds; the rest stands in the table.
const MAX_ROWS: usize = 2000;

pub(super) fn clusters(summary: &Summary) -> Page {
    let singles = if summary.n_singletons() > 0 { "" } else { " hidden" };
    let body = format!(
        r#"<h1>Clusters</h1>
<p class="lead">Each card shows the medoid, the most typical image, large, and the images nearest to the cluster's centre beside it.</p>
<div class="tools" role="search" aria-label="Clusters">
<label>Find by id, name or label<input type="search" id="filter" placeholder="12 or a word"></label>
<label>Order<select id="sort"><option value="size">largest first</option><option value="small">smallest first</option><option value="tight">tightest first</option><option value="loose">loosest first</option><option value="odd">most odd images first</option><option value="id">by id</option></select></label>
<label class="check"{singles}><input type="checkbox" id="singles" checked> clusters of one too</label>
<span class="count" id="count" role="status"></span>
</div>
<h2 class="visually-hidden">Found clusters</h2>
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
<div><p class="kicker"><a href="clusters.html">Clusters</a></p><h1 id="title" aria-live="polite">Cluster</h1>
<dl class="facts" id="facts"></dl>
<p class="buttons"><a class="button" id="before" href="#">‹ Larger</a><a class="button" id="after" href="#">Smaller ›</a><button id="save">Save list (CSV)</button></p></div>
</div>
<section id="near-box" aria-labelledby="h-near"><h2 id="h-near">Nearest clusters</h2><ul class="near" id="near"></ul></section>
<h2>Images</h2>
<div class="tools" role="search" aria-label="Images of this cluster">
<label>Order<select id="sort"><option value="near">nearest to the centre first</option><option value="far">farthest first</option><option value="odd">oddest first</option><option value="margin">least certain first</option></select></label>
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
    let body = r#"<h1>Images</h1>
<p class="lead">Every image of the run. Each leads to the images most like it.</p>
<div class="tools" role="search" aria-label="Images">
<label>File name<input type="search" id="search" placeholder="part of a name"></label>
<label id="kind-box">Show<select id="kind"><option value="">all</option><option value="odd">odd ones</option><option value="copy">near copies</option><option value="single">alone in their cluster</option><option value="noise">in no cluster</option><option value="moved">moved files</option><option value="absent">without picture</option></select></label>
<label id="label-box">Label<select id="label"><option value="">any</option></select></label>
<label id="sort-box">Order<select id="sort"><option value="cluster">by cluster</option><option value="odd">oddest first</option><option value="margin">least certain first</option><option value="index">as found</option></select></label>
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
<div><p class="kicker"><a href="images.html">Images</a></p><h1 id="title" class="name" aria-live="polite">Similar images</h1>
<dl class="facts" id="facts"></dl>
<p class="buttons"><button id="any">Any other image</button></p></div>
</div>
<h2 id="heading">Nearest images</h2>
<div id="grid"></div>
<p class="empty" id="none" hidden>There is no other image to compare with yet.</p>"#;
    Page {
        nav: "",
        ..page(
            "similar.html",
            "Similar",
            body.to_owned(),
            &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/similar.js"],
        )
    }
}

pub(super) fn map(data: &ReportData) -> Page {
    let trust =
        data.quality.iter().filter(|row| row.codes == "final").find_map(|row| row.figures.get("trustworthiness"));
    let trust = trust.map_or_else(String::new, |trust| {
        format!(" Trustworthiness {trust:.3} (1 is wholly): how far neighbours here are neighbours in truth.")
    });
    let body = format!(
        r#"<h1>Map</h1>
<p class="lead">Every point is an image; like lies near like. Distances between far groups mean little.{trust}</p>
<div class="tools" role="group" aria-label="Map">
<label>Colour<select id="color"><option value="cluster">cluster</option><option value="label">label</option><option value="distance">distance</option><option value="outlier">oddness</option></select></label>
<label>Only<select id="only"><option value="">all clusters</option></select></label>
<button id="cluster-pick">Select cluster</button>
<button id="lasso" aria-pressed="false">Lasso</button>
<button id="home">Whole map</button>
<label class="check"><input type="checkbox" id="pictures" checked> pictures when near</label>
</div>
<div class="map-wrap">
<div><div class="card map-box" id="box"><canvas id="canvas" tabindex="0" role="application" aria-label="Map of all images. Arrow keys move, plus and minus zoom, zero shows everything, L switches the lasso, Escape clears the selection. Choose a cluster and press Select cluster to list its images."></canvas><div class="map-tools"><button id="plus" aria-label="Zoom in">+</button><button id="minus" aria-label="Zoom out">−</button></div><div class="tip" id="tip" hidden></div></div>
<div class="legend" id="legend"></div></div>
<section class="card side" aria-label="Selection"><h2><span class="plain" id="picked-count" role="status">Nothing selected</span></h2>
<p id="picked-help" class="count">Hold Shift and drag around points, or switch on the lasso.</p>
<p class="buttons"><button id="save" class="primary" disabled>Save list (CSV)</button><button id="clear" disabled>Clear</button></p>
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

pub(super) fn reconstructions() -> Page {
    let body = "<h1>Reconstructions</h1><p class=\"lead\">Photographs, and under each what the auto-encoder drew of it from its code and the places of the maxima in its pooling layers. What comes back, such as colour, ground and outline, is what it has learnt to keep; what is washed out, it does not know.</p><figure class=\"card\"><img class=\"wide-picture\" src=\"reconstructions.png\" alt=\"Pairs of pictures: a photograph above, its reconstruction below\"></figure>";
    page("reconstructions.html", "Reconstructions", body.to_owned(), &[])
}

pub(super) fn files(data: &ReportData, sheets: &Sheets) -> Page {
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    let skipped = data.skipped.iter().map(|row| {
        format!("<tr><td class=\"name\">{}</td><td>{}</td></tr>", html_text(&row.path), html_text(&row.reason))
    });
    let moved = data
        .images
        .iter()
        .zip(&sheets.moved)
        .filter(|(_, moved)| **moved)
        .map(|(image, _)| format!("<tr><td class=\"name\">{}</td></tr>", html_text(&image.path)));
    let mut body = "<h1>Files</h1><p class=\"lead\">What could not be read, what is no longer there, and what the folder holds twice.</p>".to_owned();
    let none = "Every file could be read.";
    body.push_str(&list(
        "skipped",
        "Skipped files",
        data.skipped.len(),
        none,
        &["File", "Reason"],
        "skipped.csv",
        skipped,
    ));
    if sheets.n_moved() > 0 {
        body.push_str(&list(
            "moved",
            "Moved files",
            sheets.n_moved(),
            "",
            &["Where the run read it"],
            "images.parquet",
            moved,
        ));
    }
    let absent = sheets.n_absent();
    if absent > 0 {
        body.push_str(&format!(
            "<section class=\"card\" aria-labelledby=\"h-absent\"><h2 id=\"h-absent\">Without picture <span>{}</span></h2><p>No pixels of them were there when this report was made; a cell with the name stands in the place of each. Everything else is unaffected. <a href=\"images.html#kind=absent\">See them</a></p></section>",
            grouped(absent)
        ));
    }
    body.push_str(&format!(
        "<section id=\"copies\" aria-labelledby=\"h-copies\"><h2 id=\"h-copies\">Near copies <span>{}</span></h2>",
        grouped(copies)
    ));
    body.push_str(if copies == 0 {
        "<p>No image repeats another.</p></section>"
    } else {
        "<p>Each pair shows the copy and the image that it repeats.</p><div id=\"pairs\"></div></section>"
    });
    let scripts: &[&str] = if copies == 0 {
        &[]
    } else {
        &["data/run.js", "data/columns.js", "assets/core.js", "assets/grid.js", "assets/files.js"]
    };
    page("files.html", "Files", body, scripts)
}

/// A section with a table of files, cut where it gets long.
fn list(
    id: &str,
    title: &str,
    n: usize,
    none: &str,
    columns: &[&str],
    table: &str,
    rows: impl Iterator<Item = String>,
) -> String {
    let heading = format!(
        "<section class=\"card\" id=\"{id}\" aria-labelledby=\"h-{id}\"><h2 id=\"h-{id}\">{title} <span>{}</span></h2>",
        grouped(n)
    );
    if n == 0 {
        return format!("{heading}<p>{none}</p></section>");
    }
    let head: String = columns.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let rows: String = rows.take(MAX_ROWS).collect();
    let more = if n > MAX_ROWS {
        format!("<p>{} more in <code>{table}</code>.</p>", grouped(n - MAX_ROWS))
    } else {
        String::new()
    };
    format!(
        "{heading}<div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}</section>"
    )
}

/// The settings by section, and as they stand in the file.
pub(super) fn settings(data: &ReportData) -> Page {
    let settings = data.config.as_ref().and_then(|config| Table::try_from(config).ok()).map_or_else(
        || "<p>The run left no settings.</p>".to_owned(),
        |table| {
            let (tables, plain): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
            let mut cards = section("Run", plain.into_iter());
            for (name, value) in tables {
                cards.push_str(&section(name, value.as_table().into_iter().flatten()));
            }
            let raw = html_block(&data.config_text);
            format!(
                "<div class=\"columns settings\">{cards}</div><details><summary>The file itself</summary><pre tabindex=\"0\" aria-label=\"config.toml\">{raw}</pre></details>"
            )
        },
    );
    let body = format!(
        "<h1>Settings</h1><p class=\"lead\">As resolved when the run began. <code>--config config.toml</code> repeats them.</p>{settings}"
    );
    page("settings.html", "Settings", body, &[])
}

/// One card of settings; tables inside tables get dotted names.
fn section<'a>(name: &str, values: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    fn rows<'a>(prefix: &str, values: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
        for (name, value) in values {
            match value {
                Value::Table(table) => rows(&format!("{prefix}{name}."), table.iter(), out),
                Value::String(text) => out.push_str(&row(&format!("{prefix}{name}"), text)),
                other => out.push_str(&row(&format!("{prefix}{name}"), &other.to_string())),
            }
        }
    }
    let row_html = &mut String::new();
    rows("", values, row_html);
    if row_html.is_empty() {
        return String::new();
    }
    let title = html_text(&capital(name));
    format!("<section class=\"card\"><h2>{title}</h2><table><tbody>{row_html}</tbody></table></section>")
}

fn row(name: &str, value: &str) -> String {
    format!("<tr><th scope=\"row\">{}</th><td class=\"name\">{}</td></tr>", html_text(name), html_text(value))
}

pub(super) fn page(file: &'static str, nav: &'static str, body: String, scripts: &'static [&'static str]) -> Page {
    Page { file, nav, title: nav.to_owned(), body, scripts }
}
