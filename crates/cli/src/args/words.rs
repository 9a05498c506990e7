//! Errors and notes as this command says them: settings by their flags.

use clap::{Arg, Command, CommandFactory};
use sporeprint::config::setting_names;

use super::Cli;

/// Words between backticks that are no settings but what `run` and others are told by flags.
const ORDERS: [&str; 6] = ["resume", "overwrite", "out", "template", "probe", "unlike"];

/// The verb whose settings are not those of a run.
const LEARNS_ITS_OWN: &str = "train-encoder";

/// The text with every setting between backticks, `` `encoder.width` `` or `` `weights = none` ``, said as a verb's flag; as one of
/// `run` where the verb has none, and by its path where only a settings file can say it.
pub(crate) fn in_flags(text: &str, verb: &str) -> String {
    let mut said = String::new();
    // Every other piece stands between backticks.
    for (at, piece) in text.split('`').enumerate() {
        if at % 2 == 0 {
            said += piece;
        } else {
            said += &flag_of(piece, verb).unwrap_or_else(|| format!("`{piece}`"));
        }
    }
    if text.matches('`').count() % 2 == 1 {
        // An odd one belongs to a name.
        return text.to_owned();
    }
    said
}

/// What to say for a setting, with its value if it has one; nothing for anything else.
fn flag_of(piece: &str, verb: &str) -> Option<String> {
    let (name, value) = piece.split_once(" = ").map_or((piece, ""), |(name, value)| (name, value));
    let mut root = Cli::command();
    root.build();
    let of = |verb: &str| root.find_subcommand(verb).and_then(|command| find(command, name));
    let is_own = verb == LEARNS_ITS_OWN && of(verb).is_some();
    if !is_own && !is_meant(name) {
        return None;
    }
    if let Some(flag) = of(verb) {
        let flag = spelled(flag, value);
        return Some(if value.is_empty() { flag } else { format!("`{flag}`") });
    }
    match of("run") {
        Some(flag) => Some(format!("`sporeprint run {}`", spelled(flag, value))),
        None => Some(format!("{piece} in the settings file")),
    }
}

fn is_meant(name: &str) -> bool {
    ORDERS.contains(&name) || setting_names().any(|setting| setting == name)
}

/// The flag of a setting: the names of encoders that are never trained, and their pictures, share those of networks.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let name = match name {
        "frozen" | "frozen.kind" => "encoder.architecture",
        "frozen.image_size" => "encoder.image_size",
        name => name,
    };
    command.get_arguments().find(|flag| flag.get_id() == name)
}

fn spelled(flag: &Arg, value: &str) -> String {
    let Some(long) = flag.get_long() else {
        return flag.get_value_names().and_then(|names| names.first()).map_or_else(String::new, ToString::to_string);
    };
    // A switch is its own value.
    if value.is_empty() || flag.get_num_args().is_some_and(|n| n.max_values() == 0) {
        return format!("--{long}");
    }
    format!("--{long} {value}")
}

/// The error with its causes in one line, each said once, and the hints below.
pub(crate) fn of_error(error: &anyhow::Error, verb: &str) -> String {
    let (mut what, mut hints) = (String::new(), String::new());
    for cause in error.chain().map(ToString::to_string) {
        let (cause, hint) = cause.split_once("\nhint:").unwrap_or((&cause, ""));
        if !what.contains(cause) {
            what = if what.is_empty() { cause.to_owned() } else { format!("{what}: {cause}") };
        }
        if !hint.is_empty() && !hints.contains(hint) {
            hints += &format!("\nhint:{hint}");
        }
    }
    in_flags(&(what + &hints), verb)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use sporeprint::config::{Overlay, RunConfig};

    use super::*;

    #[test]
    fn causes_are_said_once_and_hints_come_last() {
        let full = anyhow!("disk full").context("cannot write a.npy: disk full\nhint: make space").context("--out run");
        assert_eq!(of_error(&full, "run"), "--out run: cannot write a.npy: disk full\nhint: make space");
        assert_eq!(
            of_error(&anyhow!("no images in a\nhint: give a folder"), "run"),
            "no images in a\nhint: give a folder"
        );
    }

    /// The flags in a text, each as `--name`.
    fn flags_in(text: &str) -> Vec<String> {
        let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
        text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("--")).map(str::to_owned).collect()
    }

    #[test]
    fn every_setting_is_said_by_a_flag_that_is_there_or_by_its_place_in_the_file() {
        let mut root = Cli::command();
        root.build();
        let verbs: Vec<String> = root.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for verb in verbs.iter().filter(|verb| *verb != "help") {
            for name in setting_names().chain(ORDERS) {
                for text in [format!("`{name}`"), format!("`{name} = x`")] {
                    let said = in_flags(&text, verb);
                    let of = if said.contains("`sporeprint run ") { "run" } else { verb };
                    let command = root.find_subcommand(of).expect("a verb");
                    let known =
                        |flag: &String| command.get_arguments().any(|a| a.get_long() == flag.strip_prefix("--"));
                    assert!(flags_in(&said).iter().all(known), "{verb}: {text} is said as {said}");
                    assert!(said != text, "{verb}: {text} is not said");
                }
            }
        }
    }

    #[test]
    fn every_error_about_settings_names_flags_that_are_there() {
        let mut root = Cli::command();
        root.build();
        let run = root.find_subcommand("run").expect("a verb");
        for given in [
            "aggregate.sgd.momentum = 1.5",
            "pretrain.sgd.weight_decay = -1.0",
            "aggregate.batch_size = 1",
            "aggregate.temperature = 0.0",
            "aggregate.mixing_rate = 0.0",
            "aggregate.refresh = { epochs = 0 }",
            "aggregate.half_size = 2.0",
            "weights = \"none\"\naggregate.norm = \"adapted\"",
            "weights = \"builtin\"\nencoder.width = 2.0",
            "encoder.architecture = \"resnet19\"",
            "encoder.architecture = \"vgg11-bn\"\nencoder.image_size = 100\nencoder.stem = \"small\"",
            "encoder.architecture = \"vgg11-bn\"\nencoder.image_size = 100",
            "encoder.architecture = \"pixels\"\nencoder.image_size = 0",
            "encoder.architecture = \"pixels\"\nfrozen.tokens = \"both\"\nweights = \"net.pth\"\nencoder.merge = \"flatten\"",
            "encoder.architecture = \"pixels\"\naggregate.codes = \"head\"",
            "aggregate.epochs = 0\naggregate.codes = \"head\"",
            "aggregate.objective = \"instance\"\naggregate.warmup_epochs = 3\naggregate.clusterings = 9\nviews.hue = 0.1",
            "aggregate.no_views = true\nviews.hue = 0.1\naggregate.small_crops = 2\naggregate.decorrelation = 2.0",
            "pretrain.epochs = 3\npretrain.batch_size = 8\nignore = [\"scale\"]\naggregate.epochs = 0",
            "cluster.method = \"ward\"\ncluster.n_init = 3\ncluster.slack = 0.5\ncluster.n_partitions = 7\ncluster.components = 9",
            "cluster.method = \"ward\"\ncluster.diffusion_rounds = 9\ncluster.graph_neighbors = 9\ncluster.head_layers = 2",
            "cluster.method = \"hdbscan\"\ncluster.n_clusters = { fixed = 3 }\ncluster.max_iter = 9",
            "cluster.method = \"hdbscan\"\ncluster.head = \"scan\"",
            "cluster.space = \"codes\"\ncluster.features = [\"a.npy\"]",
            "cluster.metric = \"euclidean\"\ncluster.center = false\ncluster.min_cluster_size = 9",
            "code_views = 4",
        ] {
            let flags = Overlay::from_toml(given).expect("settings");
            let error = RunConfig::resolve(&Overlay::default(), &flags).expect_err(given);
            let said = of_error(&error.into(), "run");
            let known = |flag: &String| run.get_arguments().any(|a| a.get_long() == flag.strip_prefix("--"));
            assert!(flags_in(&said).iter().all(known) && said.contains("\nhint: "), "{said}");
            let dotted = |word: &str| setting_names().any(|name| name.contains('.') && name == word);
            let by_path = said.split(['`', ' ', '(', ')', ':', ',']).filter(|word| dotted(word)).count();
            assert_eq!(by_path, said.matches("in the settings file").count(), "{said}");
        }
    }

    #[test]
    fn settings_are_said_as_flags_of_the_verb() {
        let said = |text: &str, verb: &str| in_flags(text, verb);
        assert_eq!(said("`encoder.width` is -1", "run"), "--width is -1");
        assert_eq!(said("take `cluster.n_clusters = auto`", "cluster"), "take `--n-clusters auto`");
        assert_eq!(said("leave `aggregate.no_views = true` out", "run"), "leave `--no-views` out");
        assert_eq!(said("anew with `overwrite`", "assign"), "anew with `sporeprint run --overwrite`");
        assert_eq!(said("`aggregate.sgd.momentum` is 2", "run"), "aggregate.sgd.momentum in the settings file is 2");
        assert_eq!(said("`frozen.image_size` is 0", "run"), "--image-size is 0");
        assert_eq!(said("`images.paths` is 1 readable image(s)", "run"), "PATH is 1 readable image(s)");
        assert_eq!(said("`sporeprint embed RUN` makes `a file`", "run"), "`sporeprint embed RUN` makes `a file`");
        assert_eq!(said("o`dd names.jpg", "run"), "o`dd names.jpg");
    }
}
