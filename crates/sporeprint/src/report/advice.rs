//! What is wrong with a clustering, in words, and what to try.

use super::{ReportData, summary::Summary};

/// One thing to know, with what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) finding: String,
    pub(crate) remedy: String,
}

/// Everything worth a warning: what training reported (the last of each kind) and what the tables show.
pub(crate) fn notices(data: &ReportData, summary: &Summary) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    for metric in &data.metrics {
        if let Some(finding) = metric.get_text("warning") {
            let remedy = metric.get_text("remedy").unwrap_or_default().to_owned();
            notices.retain(|notice| notice.remedy != remedy || remedy.is_empty() && notice.finding != finding);
            let finding = format!("{finding} ({}, epoch {})", metric.stage, metric.epoch);
            notices.push(Notice { finding, remedy });
        }
    }
    let n = data.n_images().max(1) as f64;
    let (n_clusters, n_singletons) = (summary.n_clusters(), summary.n_singletons());
    let mut add = |finding: String, remedy: &str| notices.push(Notice { finding, remedy: remedy.to_owned() });
    if n_clusters > 1 && n_singletons * 5 >= n_clusters {
        add(
            format!("{n_singletons} of {n_clusters} clusters hold a single image."),
            "Ask for fewer clusters (-k), or use --min-cluster-size; single images may also be odd ones worth a look.",
        );
    }
    if n_clusters > 1 && summary.largest() as f64 > 0.5 * n {
        add(
            format!("One cluster holds {:.0} % of all images.", 100. * summary.largest() as f64 / n),
            "Ask for more clusters (-k), or cluster that group again on its own.",
        );
    }
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    if copies as f64 > 0.05 * n {
        add(
            format!("{copies} images are near copies of others; they weigh on the clusters."),
            "Look at them on the page of files and leave copies out.",
        );
    }
    let total = data.skipped.len() as f64 + n;
    if data.skipped.len() as f64 > 0.01 * total {
        add(
            format!(
                "{} files could not be read ({:.1} %).",
                data.skipped.len(),
                100. * data.skipped.len() as f64 / total
            ),
            "The page of files names each with its reason.",
        );
    }
    if summary.n_noise() as f64 > 0.3 * n {
        add(
            format!("{:.0} % of the images belong to no cluster.", 100. * summary.n_noise() as f64 / n),
            "Use k-means instead of a density method, or a smaller --min-cluster-size.",
        );
    }
    let figure =
        |codes: &str, name: &str| data.quality.iter().find(|row| row.codes == codes)?.figures.get(name).copied();
    if let Some(ours) = figure("final", "nmi") {
        let better = data.quality.iter().filter(|row| row.codes != "final");
        let better = better.filter_map(|row| Some((row, *row.figures.get("nmi")?))).filter(|&(_, nmi)| nmi > ours);
        if let Some((row, nmi)) = better.max_by(|a, b| a.1.total_cmp(&b.1)) {
            add(
                format!(
                    "Codes \"{}\" agree better with the labels (NMI {nmi:.3}) than the final ones ({ours:.3}).",
                    row.codes
                ),
                "Training did not help here: train longer, lower the learning rate, or cluster those codes.",
            );
        }
    }
    notices
}

/// What someone would do next, as commands of the program with a word of why.
pub(crate) fn next_steps(data: &ReportData, summary: &Summary) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    let n_clusters = summary.n_clusters();
    let mut add = |command: String, why: &str| steps.push((command, why.to_owned()));
    if let Some(curve) = &data.k_curve {
        for k in &curve.alternatives {
            add(
                format!("sporeprint cluster RUN -k {k}"),
                if (*k as usize) < n_clusters { "coarser groups" } else { "finer groups" },
            );
        }
    } else if n_clusters > 1 {
        add("sporeprint cluster RUN -k auto".to_owned(), "let the program weigh several numbers of clusters");
    }
    if data.images.iter().all(|image| image.label.is_none()) {
        add(
            "sporeprint evaluate RUN --labels from-dirs".to_owned(),
            "measure against folder names, if they mean something",
        );
    }
    if n_clusters > 0 {
        add("sporeprint assign RUN NEW_PHOTOS".to_owned(), "sort tomorrow's pictures into the same clusters");
        add("sporeprint report RUN --figures FIGURES".to_owned(), "pictures for papers and slides");
    }
    steps
}
