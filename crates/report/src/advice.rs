//! What is wrong with a clustering, in words, and what to try.

use super::findings::Finding;
use super::summary::Summary;
use super::words::{capital, codes, count, grouped, percent, stage};
use super::{ReportData, Sheets};
use sporeprint_run::config::CodeKind;
use sporeprint_run::tables::Quality;

/// NMI by which two groupings differ from one seed to the next.
const SAME_NMI: f64 = 0.01;

/// What stages decided and wrote down for people (`note` in the log), each once.
pub(crate) fn notes(data: &ReportData) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in data.metrics.iter().filter_map(|metric| metric.get_text("note")) {
        notes.retain(|known| known != note);
        notes.push(note.to_owned());
    }
    notes
}

/// Whether the largest of `k` clusters holds so much of all images that it is worth a warning: more than half of what it
/// could hold beyond its even share, `(share - 1/k) / (1 - 1/k) > 1/2`. Of two clusters that is three quarters of the
/// images, of very many half of them.
fn is_lopsided(share: f64, k: usize) -> bool {
    let even = 1. / k as f64;
    k > 1 && (share - even) / (1. - even) > 0.5
}

/// Everything worth a warning: what training reported (the last of each kind) and what the tables show.
pub(crate) fn troubles(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Vec<Finding> {
    let mut found = of_training(data);
    let n = data.n_images().max(1) as f64;
    let (n_clusters, n_singletons) = (summary.n_clusters(), summary.n_singletons());
    let mut add = |words: String, remedy: &str| found.push(Finding::trouble(words, remedy));
    if n_clusters > 1 && n_singletons * 5 >= n_clusters {
        add(
            format!("{n_singletons} of {n_clusters} clusters hold a single image."),
            "Ask for fewer clusters (-k), or use --min-cluster-size; single images may also be odd ones worth a look.",
        );
    }
    let largest = summary.largest() as f64 / n;
    if is_lopsided(largest, n_clusters) {
        add(
            format!("One cluster holds {} of all images.", percent(largest)),
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
    if n_moved > 0 && n_moved == data.n_photographs() && n_absent == 0 {
        add(
            "No photograph is where it was when the run read it.".to_owned(),
            "Pictures come from the run's own cache, so these pages are complete; links to the originals lead nowhere.",
        );
    } else if n_moved > 0 && n_moved < data.n_photographs() {
        add(
            format!("{} no longer where the run found them.", are(n_moved, "photograph", "photographs")),
            "Everything else works; the page of files lists them.",
        );
    }
    // Rows of given codes that never had a picture are not among those whose pixels went away.
    let n_never = data.n_images() - data.n_photographs();
    if n_absent > 0 && n_absent == data.n_images() {
        add("This run has no pictures: its pages show names.".to_owned(), "Groups, map and neighbours are complete.");
    } else if n_absent > 0 && n_absent <= n_never {
        add(
            format!("{} shown by name: no picture was found for them.", are(n_absent, "row of codes", "rows of codes")),
            "A list of their files (--paths) when the run is made gives them pictures; nothing else is affected.",
        );
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
                    let remedy = if data.is_trained() {
                        "Training did not help here: train longer, lower the learning rate, or start from other weights."
                    } else {
                        "Codes of another encoder (--encoder) may do better."
                    };
                    remedy.to_owned()
                },
                |flags| format!("To have that: sporeprint cluster {} {flags}", shell_word(&data.title)),
            );
            add(finding, &remedy);
        }
    }
    found
}

/// What went wrong in training, the last of each kind; nothing of a training whose codes were left aside.
fn of_training(data: &ReportData) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let heard = data.metrics.iter().filter(|metric| metric.stage != "aggregate" || !data.left_training_out());
    for metric in heard {
        if let Some(warning) = metric.get_text("warning") {
            let remedy = capital(metric.get_text("remedy").unwrap_or_default());
            let stage = stage(&metric.stage).to_lowercase();
            let words = format!("{} ({stage}, epoch {}).", capital(warning), metric.epoch);
            let next = Finding::trouble(words, remedy.as_str());
            found.retain(|known| known.remedy != next.remedy || remedy.is_empty() && known.words != next.words);
            found.push(next);
        }
    }
    found
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
    if data.could_be_trained() {
        add(
            format!("sporeprint aggregate {run}"),
            "Train the encoder on these photographs, some minutes for a thousand: codes that are no better are left aside.",
        );
    }
    // Names of folders are the first parts of names.
    if data.n_labelled() == 0 && data.images.iter().any(|image| image.name.contains('/')) {
        add(
            format!("sporeprint evaluate {run} --labels from-dirs"),
            "Compare the clusters with the names of the folders, if these mean something.",
        );
    }
    if data.is_of_given_codes() {
        add(format!("sporeprint assign {run} --embeddings NEW_CODES"), "Sort tomorrow's codes into the same clusters.");
    } else {
        add(format!("sporeprint assign {run} NEW_PHOTOS"), "Sort tomorrow's photographs into the same clusters.");
    }
    add(format!("sporeprint report {run} --figures FIGURES"), "Make pictures for a paper or slides.");
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_run::tables::{Choice, LogLine};

    #[test]
    fn flags_give_the_line_that_was_better() {
        let quality = |names: &[&str]| {
            let row = |name: &&str| Quality { codes: (*name).to_owned(), ..Quality::default() };
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
            |epoch, words: &str| LogLine::new("aggregate", epoch).text("warning", words).text("remedy", "wait");
        let metrics = vec![warning(3., "5 % alone"), warning(4., "6 % alone")];
        let data = |chosen| ReportData { metrics: metrics.clone(), choice: chosen, ..ReportData::default() };
        for chosen in [None, Some(choice(CodeKind::Backbone))] {
            let found = of_training(&data(chosen));
            let words: Vec<&str> = found.iter().map(|finding| finding.words.as_str()).collect();
            assert_eq!(words, ["6 % alone (memory bank, epoch 4)."]);
        }
        assert_eq!(of_training(&data(Some(choice(CodeKind::Untouched)))), []);
    }

    #[test]
    fn a_large_cluster_is_a_warning_only_beside_what_so_many_clusters_would_hold() {
        for (share, k, expected) in [
            (0.53, 2, false),
            (0.74, 2, false),
            (0.76, 2, true),
            (0.6, 3, false),
            (0.7, 3, true),
            (0.53, 50, true),
            (0.49, 1000, false),
            (1., 1, false),
        ] {
            assert_eq!(is_lopsided(share, k), expected, "{share} of {k}");
        }
    }

    #[test]
    fn names_of_runs_cannot_break_out_of_a_command() {
        let cases = [("my-run", "my-run"), ("a b", "'a b'"), ("-k", "'-k'"), ("x'; ls '", r"'x'\''; ls '\'''")];
        cases.into_iter().for_each(|(name, word)| assert_eq!(shell_word(name), word));
    }
}
