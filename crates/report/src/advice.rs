//! What is wrong with a clustering, in words, and what to try.

use super::summary::Summary;
use super::words::{capital, codes, count, grouped, percent, stage};
use super::{ReportData, Sheets};
use sporeprint_run::config::CodeKind;
use sporeprint_run::tables::Quality;

/// NMI by which two groupings differ from one seed to the next.
const SAME_NMI: f64 = 0.01;

/// One thing to know, with what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) finding: String,
    pub(crate) remedy: String,
}

/// What stages decided and wrote down for people (`note` in the log), each once.
pub(crate) fn notes(data: &ReportData) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in data.metrics.iter().filter_map(|metric| metric.get_text("note")) {
        notes.retain(|known| known != note);
        notes.push(note.to_owned());
    }
    notes
}

/// Everything worth a warning: what training reported (the last of each kind) and what the tables show.
pub(crate) fn notices(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Vec<Notice> {
    let mut notices = troubles(data);
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
            format!("One cluster holds {} of all images.", percent(summary.largest() as f64 / n)),
            "Ask for more clusters (-k), or cluster that group again on its own.",
        );
    }
    let copies = data.assignments.iter().filter(|row| row.duplicate_of.is_some()).count();
    if copies as f64 > 0.05 * n {
        add(
            format!("{} in the folder; they weigh on the clusters.", are(copies, "near copy", "near copies")),
            "The page of files shows each beside what it repeats; leave copies out of the folder.",
        );
    }
    let total = data.skipped.len() as f64 + n;
    if data.skipped.len() as f64 > 0.01 * total {
        add(
            format!(
                "{} could not be read ({}).",
                count(data.skipped.len(), "file"),
                percent(data.skipped.len() as f64 / total)
            ),
            "The page of files names each with its reason.",
        );
    }
    if summary.n_noise() as f64 > 0.3 * n {
        add(
            format!("{} of the images belong to no cluster.", percent(summary.n_noise() as f64 / n)),
            "Use k-means instead of a density method, or a smaller --min-cluster-size.",
        );
    }
    let (n_moved, n_absent) = (sheets.n_moved(), sheets.n_absent());
    if n_moved > 0 && n_moved == data.n_images() && n_absent == 0 {
        add(
            "No photograph is where it was when the run read it.".to_owned(),
            "Pictures come from the run's own cache, so these pages are complete; links to the originals lead nowhere.",
        );
    } else if n_moved > 0 && n_moved < data.n_images() {
        add(
            format!("{} no longer where the run found them.", are(n_moved, "photograph", "photographs")),
            "Everything else works; the page of files lists them.",
        );
    }
    if n_absent > 0 && n_absent == data.n_images() {
        add("This run has no pictures: its pages show names.".to_owned(), "Groups, map and neighbours are complete.");
    } else if n_absent > 0 {
        add(
            format!("{} shown by name, because the pixels are gone.", are(n_absent, "image", "images")),
            "Put the files back and write the report again, or leave it so: nothing else is affected.",
        );
    }
    let figure =
        |codes: &str, name: &str| data.quality.iter().find(|row| row.codes == codes)?.figures.get(name).copied();
    if let Some(ours) = figure("final", "nmi") {
        let better = data.quality.iter().filter(|row| row.codes != "final");
        let better = better.filter_map(|row| Some((row, *row.figures.get("nmi")?)));
        let best = better.filter(|&(_, nmi)| nmi > ours + SAME_NMI).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((row, nmi)) = best {
            let finding = format!(
                "k-means on other codes ({}) agrees better with your labels (NMI {nmi:.3}) than these clusters ({ours:.3}).",
                codes(&row.codes).to_lowercase()
            );
            let remedy = flags_of(row, data).map_or_else(
                || {
                    "Training did not help here: train longer, lower the learning rate, or start from other weights."
                        .to_owned()
                },
                |flags| format!("To have that: sporeprint cluster {} {flags}", shell_word(&data.title)),
            );
            add(finding, &remedy);
        }
    }
    notices
}

/// What went wrong in training, the last of each kind; nothing of a training whose codes were left aside.
fn troubles(data: &ReportData) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    let heard = data.metrics.iter().filter(|metric| metric.stage != "aggregate" || !data.left_training_out());
    for metric in heard {
        if let Some(finding) = metric.get_text("warning") {
            let remedy = capital(metric.get_text("remedy").unwrap_or_default());
            notices.retain(|notice| notice.remedy != remedy || remedy.is_empty() && notice.finding != finding);
            let stage = stage(&metric.stage).to_lowercase();
            let finding = format!("{} ({stage}, epoch {}).", capital(finding), metric.epoch);
            notices.push(Notice { finding, remedy });
        }
    }
    notices
}

/// Flags of `cluster` that give the clusters of a line of the comparison, where the run holds its codes.
fn flags_of(row: &Quality, data: &ReportData) -> Option<String> {
    let has = |name: &str| data.quality.iter().any(|row| row.codes == name);
    if CodeKind::ALL.iter().any(|kind| kind.name() == row.codes) {
        return Some(format!("--codes {} --space codes", row.codes));
    }
    // After an auto-encoder, the untouched codes are its.
    let is_start = ["built-in encoder", "given weights"].contains(&row.codes.as_str()) && !has("autoencoder");
    match (is_start, has(CodeKind::Backbone.name())) {
        (true, true) => Some(format!("--codes {} --space codes", CodeKind::Untouched.name())),
        (true, false) => Some("--space codes".to_owned()),
        (false, _) => (row.codes == "codes").then(|| "--space codes".to_owned()),
    }
}

fn are(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { format!("{one} is") } else { format!("{many} are") })
}

/// A word that a shell takes as it is, quoted if it must be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What someone would do next, as commands of the program with a word of why.
pub(crate) fn next_steps(data: &ReportData, summary: &Summary) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    let n_clusters = summary.n_clusters();
    let run = shell_word(&data.title);
    let mut add = |command: String, why: &str| steps.push((command, why.to_owned()));
    if n_clusters == 0 {
        return steps;
    }
    if let Some(curve) = &data.k_curve {
        for &k in curve.alternatives.iter().filter(|&&k| k as usize != n_clusters) {
            let why = if (k as usize) < n_clusters { "See coarser groups." } else { "See finer groups." };
            add(format!("sporeprint cluster {run} -k {k}"), why);
        }
    } else if n_clusters > 1 {
        add(format!("sporeprint cluster {run} -k auto"), "Let the program weigh several numbers of clusters.");
    }
    if data.images.iter().all(|image| image.label.is_none()) {
        add(
            format!("sporeprint evaluate {run} --labels from-dirs"),
            "Compare the clusters with the names of the folders, if these mean something.",
        );
    }
    add(format!("sporeprint assign {run} NEW_PHOTOS"), "Sort tomorrow's photographs into the same clusters.");
    add(format!("sporeprint report {run} --figures FIGURES"), "Make pictures for a paper or slides.");
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_run::tables::{Choice, Metric};

    #[test]
    fn flags_give_the_line_that_was_better() {
        let quality = |names: &[&str]| {
            let row = |name: &&str| Quality { codes: (*name).to_owned(), figures: [].into() };
            ReportData { quality: names.iter().map(row).collect(), ..ReportData::default() }
        };
        let flags = |names: &[&str]| flags_of(&quality(names).quality[0], &quality(names));
        assert_eq!(flags(&["ensemble", "final"]).as_deref(), Some("--codes ensemble --space codes"));
        let start = flags(&["built-in encoder", "backbone", "final"]);
        assert_eq!(start.as_deref(), Some("--codes untouched --space codes"));
        assert_eq!(flags(&["given weights", "final"]).as_deref(), Some("--space codes"));
        assert_eq!(flags(&["codes", "final"]).as_deref(), Some("--space codes"));
        assert_eq!(flags(&["given weights", "autoencoder", "backbone", "final"]), None);
        assert_eq!(flags(&["pixels", "final"]), None);
    }

    #[test]
    fn troubles_of_training_count_where_its_codes_are_clustered() {
        let choice = |chosen| Choice {
            chosen,
            compared: vec![CodeKind::Untouched, CodeKind::Backbone],
            figures: [].into(),
            words: String::new(),
        };
        let warning =
            |epoch, words: &str| Metric::new("aggregate", epoch).text("warning", words).text("remedy", "wait");
        let metrics = vec![warning(3., "5 % alone"), warning(4., "6 % alone")];
        let data = |chosen| ReportData { metrics: metrics.clone(), choice: chosen, ..ReportData::default() };
        for chosen in [None, Some(choice(CodeKind::Backbone))] {
            let found = troubles(&data(chosen));
            assert_eq!(
                found.iter().map(|n| n.finding.as_str()).collect::<Vec<_>>(),
                ["6 % alone (memory bank, epoch 4)."]
            );
        }
        assert_eq!(troubles(&data(Some(choice(CodeKind::Untouched)))), []);
    }

    #[test]
    fn names_of_runs_cannot_break_out_of_a_command() {
        let cases = [("my-run", "my-run"), ("a b", "'a b'"), ("-k", "'-k'"), ("x'; ls '", r"'x'\''; ls '\'''")];
        cases.into_iter().for_each(|(name, word)| assert_eq!(shell_word(name), word));
    }
}
