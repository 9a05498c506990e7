//! The curves of training and the evidence for the number of clusters.

use super::ReportData;
use super::escape::{html_prose, html_text};
use super::html::Page;
use super::pages::page;
use super::plots::{Series, line_chart};
use super::words::{capital, measure, rank, stage};

/// One figure of a stage over its epochs; losses share one.
pub(super) struct Chart {
    /// What the log calls it.
    pub(super) name: String,
    /// The lines.
    pub(super) lines: Vec<Series>,
}

pub(super) fn curves(data: &ReportData) -> Option<Page> {
    let stages = stage_charts(data);
    if stages.is_empty() {
        return None;
    }
    let sections: String = stages
        .iter()
        .map(|(name, charts)| {
            let charts: String = charts.iter().map(figure).collect();
            let heading = html_text(&stage(name));
            format!(
                "<section aria-label=\"{heading}\"><h2>{heading}</h2>{}<div class=\"columns\">{charts}</div></section>",
                warnings(data, name)
            )
        })
        .collect();
    let body = format!(
        "<h1>Training</h1><p class=\"lead\">What was measured at the end of every epoch, from <code>metrics.jsonl</code>.</p>{sections}"
    );
    Some(page("curves.html", "Training", body, &[]))
}

fn figure(chart: &Chart) -> String {
    let words = measure(&chart.name);
    let last = match chart.lines.as_slice() {
        [line] => line.points.last().map_or_else(String::new, |last| format!("<b>{}</b>", super::plots::short(last.1))),
        _ => String::new(),
    };
    let help = if words.help.is_empty() { String::new() } else { format!("<p>{}</p>", html_text(words.help)) };
    format!(
        "<figure class=\"card chart\"><figcaption><h3>{}</h3>{last}{help}</figcaption>{}</figure>",
        html_text(&words.title),
        line_chart(&words.title, "epoch", &chart.lines, None)
    )
}

/// The warnings of a stage with their epochs, each kind once.
fn warnings(data: &ReportData, stage: &str) -> String {
    let mut kinds: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for metric in data.metrics.iter().filter(|metric| metric.stage == stage) {
        let Some(warning) = metric.get_text("warning") else { continue };
        let remedy = metric.get_text("remedy").unwrap_or_default();
        let epoch = super::plots::short(metric.epoch);
        match kinds.iter_mut().find(|kind| kind.1 == remedy && !remedy.is_empty()) {
            Some(kind) => (kind.0, _) = (warning, kind.2.push(epoch)),
            None => kinds.push((warning, remedy, vec![epoch])),
        }
    }
    kinds
        .iter()
        .map(|(warning, remedy, epochs)| {
            let when = if epochs.len() == 1 {
                format!("Epoch {}", epochs[0])
            } else {
                format!("{} epochs, last in {}", epochs.len(), epochs[epochs.len() - 1])
            };
            let (warning, remedy) = (html_prose(&capital(warning)), html_prose(&capital(remedy)));
            format!("<div class=\"notice\"><p>{warning} <small>({when})</small></p><p>{remedy}</p></div>")
        })
        .collect()
}

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
    // The evidence for the number of clusters has a page of its own.
    stages.retain(|(stage, _)| stage != "choose-k" || data.k_curve.is_none());
    let is_loss = |line: &Series| line.name.starts_with("loss");
    stages
        .into_iter()
        .map(|(stage, lines)| {
            let (losses, mut others): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_loss);
            others.sort_by_key(|line| rank(&line.name));
            let mut charts = Vec::new();
            if !losses.is_empty() {
                charts.push(Chart { name: "loss".to_owned(), lines: losses });
            }
            charts.extend(others.into_iter().map(|line| Chart { name: line.name.clone(), lines: vec![line] }));
            (stage, charts)
        })
        .collect()
}

pub(super) fn k_curve(data: &ReportData) -> Option<Page> {
    let curve = data.k_curve.as_ref()?;
    let series = k_series(data);
    let charts: String = series
        .iter()
        .map(|line| {
            let words = measure(&line.name);
            let help = if words.help.is_empty() { String::new() } else { format!("<p>{}</p>", html_text(words.help)) };
            format!(
                "<figure class=\"card chart\"><figcaption><h3>{}</h3>{help}</figcaption>{}</figure>",
                html_text(&words.title),
                line_chart(
                    &words.title,
                    "number of clusters",
                    std::slice::from_ref(line),
                    Some(f64::from(curve.chosen))
                )
            )
        })
        .collect();
    let names: String =
        series.iter().map(|line| format!("<th scope=\"col\">{}</th>", html_text(&measure(&line.name).title))).collect();
    let rows: String = curve
        .points
        .iter()
        .map(|point| {
            let cells: String = series
                .iter()
                .map(|line| {
                    let figure = point.figures.get(&line.name);
                    figure.map_or_else(|| "<td>–</td>".to_owned(), |figure| format!("<td>{figure:.3}</td>"))
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
        "<h1>Number of clusters</h1><p class=\"lead\">{} clusters were chosen, where the charts have their dashed line: there trial groupings of the codes keep near images together most often, beyond chance (modularity; that of the clusters themselves is on the <a href=\"index.html\">overview</a>).{others} Silhouette and stability are evidence beside it; both favour fewer, coarser groups.</p><h2 class=\"visually-hidden\">Evidence</h2><div class=\"columns\">{charts}</div><section class=\"card scroll\" tabindex=\"0\" aria-label=\"Evidence by number of clusters\"><table class=\"figures\"><thead><tr><th scope=\"col\">Clusters</th>{names}</tr></thead><tbody>{rows}</tbody></table></section>",
        curve.chosen
    );
    Some(Page { nav: "Choice of k", ..page("k.html", "Number of clusters", body, &[]) })
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
