//! What a finished run says: a table for people, or JSON for programs, on stdout.

use std::io::Write;

use anyhow::Result;
use sporeprint::run::Session;
use sporeprint::run::tables::{Quality, read_clusters, read_quality};
use sporeprint::run::text::visible;
use sporeprint::stages::Images;

/// Figures of the table, in its order.
const COLUMNS: [&str; 10] = ["acc", "nmi", "ari", "ami", "purity", "knn", "wknn", "linear", "modularity", "silhouette"];

/// Prints clusters by size and quality beside the baselines.
pub(crate) fn print(session: &Session, images: &Images, json: bool) -> Result<()> {
    let clusters = read_clusters(&session.dir.clusters_csv())?;
    let evaluation = session.dir.evaluation();
    let quality = if evaluation.exists() { read_quality(&evaluation)? } else { Vec::new() };
    let n_noise = images.len() - clusters.iter().map(|c| c.size as usize).sum::<usize>().min(images.len());
    let mut out = std::io::stdout().lock();
    if json {
        let summary = serde_json::json!({
            "run": session.dir.root(),
            "report": session.dir.report_index(),
            "n_images": images.len(),
            "n_skipped": images.n_skipped,
            "n_clusters": clusters.len(),
            "n_noise": n_noise,
            "sizes": clusters.iter().map(|c| c.size).collect::<Vec<_>>(),
            "evaluation": quality,
        });
        writeln!(out, "{summary:#}")?;
        return Ok(());
    }
    let sizes: Vec<String> = clusters.iter().take(20).map(|c| c.size.to_string()).collect();
    let more = if clusters.len() > 20 { ", .." } else { "" };
    writeln!(out, "{} images in {} clusters of {}{more}", images.len(), clusters.len(), sizes.join(", "))?;
    if n_noise > 0 {
        writeln!(out, "{n_noise} images are in no cluster (-1)")?;
    }
    if !quality.is_empty() {
        write!(out, "{}", table(&quality))?;
        if let Some(words) = labelled_part(&quality, images.len()) {
            writeln!(out, "{words}")?;
        }
    }
    writeln!(out, "report  {}", visible(&session.dir.report_index().display().to_string()))?;
    writeln!(out, "table   {}", visible(&session.dir.assignments_csv().display().to_string()))?;
    Ok(())
}

/// Which images figures against labels are of, where not all have one.
fn labelled_part(quality: &[Quality], n_images: usize) -> Option<String> {
    let n_labelled = quality.iter().find_map(|row| row.n_labelled).filter(|&n| n < n_images)?;
    Some(format!("figures against labels are of the {n_labelled} of {n_images} images that have one"))
}

/// One line per kind of codes, in percent; columns that nothing has are left out.
pub(crate) fn table(quality: &[Quality]) -> String {
    let columns: Vec<&str> =
        COLUMNS.into_iter().filter(|c| quality.iter().any(|q| q.figures.contains_key(*c))).collect();
    let mut text = format!("{:<16}", "clusters of");
    columns.iter().for_each(|c| text += &format!("{c:>12}"));
    text.push('\n');
    for row in quality {
        text += &format!("{:<16}", row.codes);
        for column in &columns {
            text += &row.figures.get(*column).map_or(format!("{:>12}", ""), |f| format!("{:>12.1}", 100.0 * f));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_many_images_have_a_label_where_not_all_have() {
        let row = |n_labelled| Quality { codes: "final".to_owned(), n_labelled, ..Quality::default() };
        let words = labelled_part(&[row(Some(18))], 24).expect("words");
        assert_eq!(words, "figures against labels are of the 18 of 24 images that have one");
        assert_eq!((labelled_part(&[row(Some(24))], 24), labelled_part(&[row(None)], 24)), (None, None));
    }

    #[test]
    fn figures_stand_in_percent_under_their_names() {
        let row = |codes: &str, figures: &[(&str, f64)]| Quality {
            codes: codes.to_owned(),
            n_labelled: None,
            figures: figures.iter().map(|(n, f)| ((*n).to_owned(), *f)).collect(),
        };
        let found =
            table(&[row("pixels", &[("silhouette", 0.0512)]), row("final", &[("nmi", 0.5), ("silhouette", 0.2)])]);
        let expected = "clusters of              nmi  silhouette\n\
                        pixels                               5.1\n\
                        final                   50.0        20.0\n";
        assert_eq!(found, expected);
    }
}
