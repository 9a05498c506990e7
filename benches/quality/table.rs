//! Results as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Line;

/// One line for a person who watches.
pub(crate) fn line(line: &Line) -> String {
    let f = &line.figures;
    format!(
        "{} {} seed {} | {:<28} acc {:.1} nmi {:.1} ari {:.1} ami {:.1} knn {:.1} largest {:.0} singletons {:.1} ({:.0} s)",
        line.recipe,
        line.set,
        line.seed,
        line.codes,
        f.acc,
        f.nmi,
        f.ari,
        f.ami,
        f.knn,
        f.largest,
        f.singletons,
        line.seconds
    )
}

/// Markdown: one row per recipe, budget and codes, one column per set, `ACC/NMI/ARI/AMI, k-NN` as the mean over seeds, with the
/// least and the most NMI where there are several.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut sets: Vec<&str> = lines.iter().map(|l| l.set.as_str()).collect();
    sets.sort_unstable();
    sets.dedup();
    let mut rows: Vec<(String, BTreeMap<&str, Vec<&Line>>)> = Vec::new();
    for line in lines {
        let views = if line.budget > 0 { format!(" ({} views)", line.budget) } else { String::new() };
        let name = format!("{}{views} | {}", line.recipe, line.codes);
        let at = rows.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            rows.push((name, BTreeMap::new()));
            rows.len() - 1
        });
        rows[at].1.entry(line.set.as_str()).or_default().push(line);
    }
    let mut text = format!("| recipe | codes | {} |\n|---|---|{}\n", sets.join(" | "), "---|".repeat(sets.len()));
    for (name, found) in rows {
        let _ = write!(text, "| {name} |");
        for set in &sets {
            match found.get(set) {
                None => text.push_str("  |"),
                Some(lines) => {
                    let nmi = lines.iter().map(|l| l.figures.nmi);
                    let spread = match lines.len() {
                        1 => String::new(),
                        n => format!(
                            "; {n} seeds, NMI {:.1} to {:.1}",
                            nmi.clone().fold(f64::INFINITY, f64::min),
                            nmi.fold(f64::NEG_INFINITY, f64::max)
                        ),
                    };
                    let mean = |f: &dyn Fn(&Line) -> f64| lines.iter().map(|l| f(l)).sum::<f64>() / lines.len() as f64;
                    let _ = write!(
                        text,
                        " {:.1}/{:.1}/{:.1}/{:.1}, {:.1}; largest {:.0}; {:.0} s{spread} |",
                        mean(&|l| l.figures.acc),
                        mean(&|l| l.figures.nmi),
                        mean(&|l| l.figures.ari),
                        mean(&|l| l.figures.ami),
                        mean(&|l| l.figures.knn),
                        mean(&|l| l.figures.largest),
                        mean(&|l| l.seconds),
                    );
                }
            }
        }
        text.push('\n');
    }
    text
}
