//! Labels against clusters: a page, and a picture for papers.

use std::fmt::Write;

use super::ReportData;
use super::escape::html_text;
use super::html::Page;
use super::pages::page as new_page;
use super::summary::{Confusion, Summary};
use super::words::grouped;

/// Clusters of the page and of the picture, the largest ones.
const MOST_CLUSTERS: usize = 60;
const MOST_IN_PICTURE: usize = 40;

/// Which labels are where, or nothing without labels.
pub(super) fn page(data: &ReportData, summary: &Summary) -> Option<Page> {
    if summary.labels.is_empty() || data.assignments.is_empty() {
        return None;
    }
    let table = Confusion::new(data, summary, MOST_CLUSTERS);
    let head: String = table
        .clusters
        .iter()
        .map(|&id| {
            let name = if id < 0 { "noise".to_owned() } else { id.to_string() };
            format!("<th scope=\"col\"><a href=\"cluster.html#{id}\" aria-label=\"Cluster {name}\">{name}</a></th>")
        })
        .collect();
    let rows: String = summary
        .labels
        .iter()
        .enumerate()
        .map(|(label, name)| {
            let cells: String = table.counts[label]
                .iter()
                .enumerate()
                .map(|(column, &count)| match count {
                    0 => "<td><span class=\"visually-hidden\">0</span></td>".to_owned(),
                    _ => format!("<td style=\"--share:{:.3}\">{}</td>", table.share(label, column), grouped(count)),
                })
                .collect();
            let (name, total) = (html_text(name), grouped(table.totals[label]));
            format!("<tr><th scope=\"row\"><a href=\"images.html#label={label}\">{name}</a></th>{cells}<td class=\"sum\">{total}</td></tr>")
        })
        .collect();
    let cut = if summary.clusters.len() > MOST_CLUSTERS {
        format!(" The {MOST_CLUSTERS} largest of {} clusters are shown.", grouped(summary.clusters.len()))
    } else {
        String::new()
    };
    let n_without = data.n_images() - data.n_labelled();
    let without = match n_without {
        0 => String::new(),
        1 => " One image has no label and is not counted.".to_owned(),
        n => format!(" {} images have no label and are not counted.", grouped(n)),
    };
    let body = format!(
        "<h1>Labels</h1><p class=\"lead\">How many images of each label each cluster holds; the darker, the larger the share of the label. Clusters with the same commonest label stand together. Labels had no part in the grouping.{cut}{without}</p><div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Labels against clusters\"><table class=\"confusion\"><thead><tr><th scope=\"col\">Label</th>{head}<th scope=\"col\" class=\"sum\">All</th></tr></thead><tbody>{rows}</tbody></table></div>"
    );
    Some(new_page("labels.html", "Labels", body, &[]))
}

/// The same as a drawing.
pub(super) fn svg(data: &ReportData, summary: &Summary) -> String {
    const CELL: usize = 26;
    const LEFT: usize = 180;
    let table = Confusion::new(data, summary, MOST_IN_PICTURE);
    let (width, height) = (LEFT + CELL * table.clusters.len() + 10, CELL * (summary.labels.len() + 1) + 10);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="Roboto,Helvetica,Arial,sans-serif" font-size="11"><title>Labels against clusters</title><rect width="{width}" height="{height}" fill="#ffffff"/>"##
    );
    for (at, id) in table.clusters.iter().enumerate() {
        let x = LEFT + CELL * at + CELL / 2;
        let _ = write!(svg, r##"<text x="{x}" y="16" text-anchor="middle" fill="#6b6157">{id}</text>"##);
    }
    for (label, row) in table.counts.iter().enumerate() {
        let y = CELL * (label + 1);
        let name = html_text(&summary.labels[label]);
        let _ =
            write!(svg, r##"<text x="{}" y="{}" text-anchor="end" fill="#26211c">{name}</text>"##, LEFT - 8, y + 17);
        for (at, &count) in row.iter().enumerate() {
            let share = table.share(label, at);
            let x = LEFT + CELL * at;
            let _ = write!(
                svg,
                r##"<rect x="{x}" y="{y}" width="{0}" height="{0}" rx="3" fill="#a8481f" fill-opacity="{share:.3}" stroke="#e4ddd3"/>"##,
                CELL - 2
            );
            if count > 0 {
                let ink = if share > 0.5 { "#ffffff" } else { "#26211c" };
                let (x, y) = (x + CELL / 2 - 1, y + 16);
                let _ = write!(svg, r#"<text x="{x}" y="{y}" text-anchor="middle" fill="{ink}">{count}</text>"#);
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}
