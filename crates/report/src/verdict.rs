//! How good the grouping is, in words.

use std::collections::BTreeMap;

use super::ReportData;
use super::findings::Finding;
use super::words::{capital, codes, grouped, percent};

/// Silhouettes below this are of clusters that overlap.
const OVERLAP: f64 = 0.12;
/// NMI below this is hardly more than chance.
const CHANCE: f64 = 0.1;
/// Trustworthiness below this is of a map that misleads in every fifth neighbour.
const ROUGH: f64 = 0.8;

/// Findings about the grouping, the most telling first. Nothing where nothing was measured.
pub(super) fn grouping(data: &ReportData) -> Vec<Finding> {
    let ours = data.quality.iter().find(|row| row.codes == "final");
    let figure = |name: &str| ours?.figures.get(name).copied();
    let mut found = Vec::new();
    if let Some(silhouette) = figure("silhouette") {
        let words = format!("{} (silhouette {silhouette:.2}; −1 is worst, 1 is best).", separation(silhouette));
        let remedy = "“Least certain first” on a cluster's page shows its border. Another number of clusters (-k) or codes of \
                      another encoder (--encoder) may part them.";
        found.push(Finding::grouping(words).with_remedy(silhouette < OVERLAP, remedy));
    }
    if let Some(choice) = data.choice.as_ref().filter(|choice| !choice.words.is_empty()) {
        found.push(Finding::grouping(capital(&choice.words) + "."));
    }
    if let Some(nmi) = figure("nmi") {
        let n_labelled = ours.and_then(|row| row.n_labelled).unwrap_or_else(|| data.n_labelled());
        let over = if n_labelled < data.n_images() {
            format!(", over the {} of {} images that have one", grouped(n_labelled), grouped(data.n_images()))
        } else {
            String::new()
        };
        let mut words = format!(
            "The clusters follow your labels {} (NMI {nmi:.2}; 0 is chance, 1 is agreement{over})",
            following(nmi)
        );
        if let (Some(purity), Some((label, share))) = (figure("purity"), commonest(data)) {
            words += &format!(
                ": {} of the images carry their cluster's commonest label, where calling everything “{label}” would be right for {}",
                percent(purity),
                percent(share)
            );
        }
        let remedy = "The labels may name something that pictures do not show; codes of another encoder (--encoder) may show it.";
        let words = words + ". Labels served for this comparison only.";
        found.push(Finding::grouping(words).with_remedy(nmi < CHANCE, remedy));
        let others: Vec<String> = data
            .quality
            .iter()
            .filter(|row| row.codes != "final")
            .filter_map(|row| Some(format!("{} {:.2}", codes(&row.codes).to_lowercase(), row.figures.get("nmi")?)))
            .collect();
        if !others.is_empty() {
            found.push(Finding::grouping(format!("The same NMI for k-means on other codes: {}.", others.join(", "))));
        }
    }
    if let Some(trust) = figure("trustworthiness") {
        let words = match trust {
            t if t >= 0.9 => "can be trusted",
            t if t >= ROUGH => "is a fair guide",
            _ => "is a rough guide",
        };
        let words = format!("The map {words}: neighbours there are neighbours in truth to {trust:.2} (1 is wholly).");
        let remedy = "Each image's own page has its nearest images from the codes themselves.";
        found.push(Finding::grouping(words).with_remedy(trust < ROUGH, remedy));
    }
    found
}

fn separation(silhouette: f64) -> &'static str {
    match silhouette {
        s if s < 0.03 => "The clusters run into one another: an image is hardly nearer to its own than to the next",
        s if s < OVERLAP => "The clusters overlap: many images could as well stand in the next one",
        s if s < 0.25 => "The clusters can be told apart, with soft borders",
        s if s < 0.5 => "The clusters are clear",
        _ => "The clusters lie far apart",
    }
}

fn following(nmi: f64) -> &'static str {
    match nmi {
        n if n < CHANCE => "hardly at all",
        n if n < 0.3 => "a little",
        n if n < 0.6 => "in part",
        n if n < 0.85 => "closely",
        _ => "almost exactly",
    }
}

/// The commonest label and its share of the labelled images.
fn commonest(data: &ReportData) -> Option<(String, f64)> {
    let mut counts = BTreeMap::new();
    let labels = data.images.iter().filter_map(|image| image.label.as_deref());
    labels.for_each(|label| *counts.entry(label).or_insert(0usize) += 1);
    let n: usize = counts.values().sum();
    let (label, count) = counts.into_iter().max_by_key(|&(label, count)| (count, std::cmp::Reverse(label)))?;
    Some((label.to_owned(), count as f64 / n as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_run::tables::{ImageRow, Quality};

    #[test]
    fn figures_become_sentences_that_name_their_scale() {
        let row = |codes: &str, figures: &[(&str, f64)]| Quality {
            codes: codes.to_owned(),
            n_labelled: Some(4),
            figures: figures.iter().map(|&(name, figure)| (name.to_owned(), figure)).collect(),
        };
        let label = |label: &str| ImageRow { label: Some(label.to_owned()), ..ImageRow::default() };
        let mut data = ReportData {
            images: vec![label("cap"), label("cap"), label("cup"), label("cap")],
            quality: vec![
                row("pixels", &[("nmi", 0.1)]),
                row("final", &[("nmi", 0.5), ("purity", 0.8), ("silhouette", 0.3)]),
            ],
            ..ReportData::default()
        };
        let said = |data: &ReportData| grouping(data).into_iter().map(|finding| finding.words).collect::<Vec<_>>();
        let found = said(&data);
        assert!(found[0].starts_with("The clusters are clear (silhouette 0.30"), "{found:?}");
        assert!(found[1].contains("in part (NMI 0.50") && found[1].contains("80 %"), "{found:?}");
        assert!(found[1].contains("“cap” would be right for 75 %"), "{found:?}");
        assert!(found[2].ends_with("bare pixels 0.10."), "{found:?}");
        assert!(!found[1].contains("that have one"), "{found:?}");
        assert_eq!(said(&ReportData::default()), Vec::<String>::new());
        // Images that were added without a label.
        data.images.extend([ImageRow::default(), ImageRow::default()]);
        assert!(said(&data)[1].contains("agreement, over the 4 of 6 images that have one)"), "{:?}", said(&data));
    }
}
