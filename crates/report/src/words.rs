//! Names of stages, codes and figures as people read them. What is not known here is shown as it is called in the
//! table, so that a new figure needs no change of the pages.

/// A figure of the training log.
pub(super) struct Measure {
    /// Title of its chart.
    pub(super) title: String,
    /// What it means, in a sentence; empty if the title says it.
    pub(super) help: &'static str,
}

const MEASURES: [(&str, &str, &str); 17] = [
    ("loss", "Loss", ""),
    (
        "overlap",
        "Overlap of neighbours",
        "Share of an image's background neighbours that are close ones; 0.05 to 0.15 trains well.",
    ),
    (
        "share_singletons",
        "Alone in their cluster",
        "Share of images whose cluster of the memory bank holds nobody else.",
    ),
    ("largest_cluster", "Largest cluster", "Share of all images that the largest cluster of the memory bank holds."),
    ("n_clusters", "Clusters in use", ""),
    ("share_zero_gradient", "Images that teach nothing", "Share of images whose gradient is zero."),
    ("share_only_self", "Pushed away only", "Share of images with no close neighbour but themselves."),
    ("share_empty", "Without close neighbours", "Share of images none of whose background neighbours is close."),
    ("share_everything", "All neighbours close", "Share of images whose background neighbours are all close ones."),
    (
        "bank_movement",
        "Movement of the memory bank",
        "Mean distance by which an image's row moves when it is visited; near 0, training has ended.",
    ),
    ("bank_mean_length", "Length of the mean code", "1: all codes point the same way; 0: they point everywhere."),
    (
        "modularity",
        "Modularity",
        "Share of an image’s 15 nearest that are in its cluster, less what chance would give; 0 for one cluster.",
    ),
    (
        "trial_modularity",
        "Modularity of trial groupings",
        "The same of k-means on the codes, made with each number of clusters only to choose one.",
    ),
    ("silhouette", "Silhouette", "How much nearer an image is to its own cluster than to the next, from −1 to 1."),
    ("stability", "Stability", "How alike the clusters of random halves of the images are, 1 is the same."),
    ("learning_rate", "Learning rate", ""),
    ("images_per_second", "Images per second", ""),
];

/// Place of a figure in a list, known ones first.
pub(super) fn rank(name: &str) -> usize {
    MEASURES.iter().position(|known| known.0 == name).unwrap_or(MEASURES.len() - 2)
}

pub(super) fn measure(name: &str) -> Measure {
    MEASURES.iter().find(|known| known.0 == name).map_or_else(
        || Measure { title: capital(&name.replace('_', " ")), help: "" },
        |known| Measure { title: known.1.to_owned(), help: known.2 },
    )
}

/// A stage of training as a heading.
pub(super) fn stage(name: &str) -> String {
    match name {
        "pretrain" => "Auto-encoder".to_owned(),
        "aggregate" => "Memory bank".to_owned(),
        other => capital(&other.replace('-', " ")),
    }
}

/// What was clustered, as the head of a row.
pub(super) fn codes(name: &str) -> String {
    match name {
        "final" => "This run".to_owned(),
        "pixels" => "Bare pixels".to_owned(),
        "untrained" => "Untrained network".to_owned(),
        "autoencoder" => "Auto-encoder".to_owned(),
        other => capital(other),
    }
}

/// Quality figures in the order of the table: key, name, meaning.
const FIGURES: [(&str, &str, &str); 9] = [
    ("nmi", "NMI", "normalised mutual information with the labels: 0 is chance, 1 is agreement"),
    ("acc", "ACC", "share of images in the right cluster under the best matching of clusters to labels"),
    ("ari", "ARI", "adjusted Rand index: 0 is chance, 1 is agreement"),
    ("ami", "AMI", "adjusted mutual information: 0 is chance, 1 is agreement"),
    ("purity", "Purity", "share of images that carry their cluster's commonest label"),
    ("knn", "k-NN", "share of images whose nearest codes vote for their label"),
    (
        "modularity",
        "Modularity",
        "how far images that were near before training are together in the clusters of the row, beyond chance: 0 is chance, 1 is wholly; needs no labels",
    ),
    (
        "silhouette",
        "Silhouette",
        "how much nearer an image is to its own cluster than to the next among the codes of its row, from −1 to 1; needs no labels",
    ),
    (
        "trustworthiness",
        "Map trust",
        "how far neighbours on the map are neighbours in truth, 1 is wholly; needs no labels",
    ),
];

/// Name and meaning of a quality figure.
pub(super) fn figure(key: &str) -> (String, &'static str) {
    FIGURES
        .iter()
        .find(|known| known.0 == key)
        .map_or_else(|| (capital(&key.replace('_', " ")), ""), |known| (known.1.to_owned(), known.2))
}

/// Place of a quality figure in the table; unknown ones last.
pub(super) fn figure_rank(key: &str) -> usize {
    FIGURES.iter().position(|known| known.0 == key).unwrap_or(FIGURES.len())
}

/// An encoder as its makers write it.
pub(super) fn network(name: &str) -> String {
    let name = name.trim_end_matches("-bn");
    for (prefix, shown) in [("vgg", "VGG-"), ("resnet", "ResNet-")] {
        if let Some(depth) = name.strip_prefix(prefix).filter(|rest| rest.bytes().all(|b| b.is_ascii_digit())) {
            return format!("{shown}{depth}");
        }
    }
    name.to_owned()
}

pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
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

/// `1 image`, `2,000 images`.
pub(super) fn count(n: usize, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A share as a percentage: whole numbers, with one decimal below ten.
pub(super) fn percent(share: f64) -> String {
    let percent = 100. * share;
    if percent >= 9.95 || percent == 0. { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_unknown_names_read_well() {
        for (name, shown) in [("vgg16-bn", "VGG-16"), ("resnet18", "ResNet-18"), ("vit-s14", "vit-s14"), ("", "")] {
            assert_eq!(network(name), shown);
        }
        assert_eq!(measure("neighbour_purity").title, "Neighbour purity");
        assert_eq!(codes("untouched codes"), "Untouched codes");
        assert_eq!(figure("score").0, "Score");
    }

    #[test]
    fn numbers_are_grouped_and_shares_are_percentages() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0., 0.004, 0.0994, 0.0996, 1.].map(percent), ["0 %", "0.4 %", "9.9 %", "10 %", "100 %"]);
        assert_eq!(count(1, "image"), "1 image");
    }
}
