//! The first page: what was run, what came out, what to do next.

use super::escape::html_text;
use super::html::Page;
use super::plots::{bar_chart, doubling_classes, short};
use super::summary::Summary;
use super::{ReportData, Sheets, advice};

/// Figures in the order of the table, with the names people know them by.
const FIGURES: [(&str, &str, &str); 8] = [
    ("acc", "ACC", "share of images in the right cluster under the best matching of clusters to labels"),
    ("nmi", "NMI", "normalised mutual information with the labels, 1 is agreement"),
    ("ari", "ARI", "adjusted Rand index, 0 is chance, 1 is agreement"),
    ("ami", "AMI", "adjusted mutual information, 0 is chance, 1 is agreement"),
    ("purity", "Purity", "share of images that carry their cluster's commonest label"),
    ("knn", "k-NN", "share of images whose nearest codes vote for their label"),
    ("silhouette", "Silhouette", "how much nearer an image is to its own cluster than to the next, -1 to 1"),
    ("trustworthiness", "Map trust", "share of neighbours on the map that are neighbours in truth"),
];

pub(super) fn page(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Page {
    let (n, n_clusters) = (data.n_images(), summary.n_clusters());
    let lead = if data.assignments.is_empty() {
        format!("{} read. There are no clusters yet: this page grows with the run.", count(n, "photograph"))
    } else {
        format!("{} in {}, grouped by what they show.", count(n, "photograph"), count(n_clusters, "cluster"))
    };
    let mut body = format!("<h1>{}</h1>\n<p class=\"lead\">{lead}</p>\n", html_text(&data.title));
    body.push_str(&tiles(data, summary, sheets));
    if n_clusters > 0 {
        body.push_str("<section aria-labelledby=\"h-largest\"><h2 id=\"h-largest\">Largest clusters</h2>\n<div id=\"mosaic\" class=\"mosaic\"></div>\n<p style=\"margin-top:.9rem\"><a href=\"clusters.html\">All clusters</a></p></section>\n");
    }
    body.push_str("<div class=\"columns\">\n");
    body.push_str(&notices(data, summary));
    body.push_str(&quality(data));
    if n_clusters > 0 {
        let bars = doubling_classes(summary.real().map(|cluster| cluster.size));
        let bars: Vec<_> = bars.into_iter().skip_while(|bar| bar.1 == 0.).collect();
        body.push_str(&format!(
            "<section class=\"card\"><h2>Sizes of clusters</h2>{}</section>\n",
            bar_chart("Number of clusters by size", "images in the cluster", &bars)
        ));
    }
    body.push_str(&next(data, summary));
    body.push_str("</div>\n");
    Page {
        file: "index.html",
        nav: "Overview",
        title: "Overview".to_owned(),
        body,
        scripts: &["data/run.js", "data/columns.js", "assets/core.js", "assets/overview.js"],
    }
}

fn tiles(data: &ReportData, summary: &Summary, sheets: &Sheets) -> String {
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    let absent = sheets.absent.iter().filter(|&&absent| absent).count();
    let mut tiles = vec![("Images", data.n_images(), String::new())];
    if !data.assignments.is_empty() {
        let share = 100. * summary.largest() as f64 / data.n_images().max(1) as f64;
        tiles.push(("Clusters", summary.n_clusters(), String::new()));
        tiles.push(("Largest cluster", summary.largest(), format!("{} % of all", short(share))));
        tiles.push(("Single images", summary.n_singletons(), "clusters of one".to_owned()));
        tiles.push(("Odd images", summary.n_odd(), "far from their cluster".to_owned()));
        tiles.push(("Near copies", copies, String::new()));
        if summary.n_noise() > 0 {
            tiles.push(("Noise", summary.n_noise(), "in no cluster".to_owned()));
        }
    }
    tiles.push(("Skipped files", data.skipped.len(), "could not be read".to_owned()));
    if absent > 0 {
        tiles.push(("Missing now", absent, "moved since the run".to_owned()));
    }
    let tiles: String = tiles
        .into_iter()
        .map(|(name, number, note)| {
            format!("<div class=\"tile\"><dt>{name}</dt><dd>{}<small>{note}</small></dd></div>", grouped(number))
        })
        .collect();
    format!("<dl class=\"tiles\">{tiles}</dl>\n")
}

fn notices(data: &ReportData, summary: &Summary) -> String {
    let notices: String = advice::notices(data, summary)
        .iter()
        .map(|notice| {
            let (finding, remedy) = (html_text(&notice.finding), html_text(&notice.remedy));
            format!("<div class=\"notice\"><p>{finding}</p><p>{remedy}</p></div>")
        })
        .collect();
    let calm = "<div class=\"notice calm\"><p>Nothing looks wrong.</p><p>Sizes, copies and training figures are in their usual ranges.</p></div>";
    format!(
        "<section class=\"card\"><h2>Worth knowing</h2>{}</section>\n",
        if notices.is_empty() { calm } else { &notices }
    )
}

fn quality(data: &ReportData) -> String {
    if data.quality.is_empty() {
        return String::new();
    }
    let shown: Vec<_> =
        FIGURES.iter().filter(|figure| data.quality.iter().any(|row| row.figures.contains_key(figure.0))).collect();
    let head: String = shown
        .iter()
        .map(|(_, name, meaning)| {
            format!("<th scope=\"col\"><abbr title=\"{}\">{name}</abbr></th>", html_text(meaning))
        })
        .collect();
    let rows: String = data
        .quality
        .iter()
        .map(|row| {
            let cells: String = shown
                .iter()
                .enumerate()
                .map(|(at, (key, _, _))| match row.figures.get(*key) {
                    Some(&figure) if at == 0 => format!(
                        "<td><span class=\"bar\" aria-hidden=\"true\"><i style=\"width:{:.0}%\"></i></span>{figure:.3}</td>",
                        100. * figure.clamp(0., 1.)
                    ),
                    Some(figure) => format!("<td>{figure:.3}</td>"),
                    None => "<td>–</td>".to_owned(),
                })
                .collect();
            let name = match row.codes.as_str() {
                "final" => "This run".to_owned(),
                "pixels" => "Pixels".to_owned(),
                "untrained" => "Untrained network".to_owned(),
                "autoencoder" => "Auto-encoder".to_owned(),
                other => html_text(other),
            };
            let class = if row.codes == "final" { " class=\"ours\"" } else { "" };
            format!("<tr{class}><th scope=\"row\">{name}</th>{cells}</tr>")
        })
        .collect();
    format!(
        "<section class=\"card\"><h2>How good the grouping is</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Codes</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>\n"
    )
}

fn next(data: &ReportData, summary: &Summary) -> String {
    let steps: String = advice::next_steps(data, summary)
        .iter()
        .map(|(command, why)| format!("<li><code>{}</code><br>{}</li>", html_text(command), html_text(why)))
        .collect();
    if steps.is_empty() {
        return String::new();
    }
    format!("<section class=\"card\"><h2>What to try next</h2><ul>{steps}</ul></section>\n")
}

fn count(n: usize, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A whole number with commas between thousands.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
