//! The first page of the help: what the program is for, and verbs in the order in which people need them.

use clap::{Command, CommandFactory};

use super::Cli;

/// Verbs by what one wants of them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Group photographs", &["run", "demo"]),
    ("Look again", &["cluster", "name", "rename", "report", "evaluate"]),
    ("New photographs", &["assign", "add"]),
    ("Single steps of a run", &["pretrain", "aggregate", "embed"]),
    ("Try, measure, train", &["sweep", "bench", "train-encoder"]),
];

/// The command line with its first page.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    let verbs = verbs(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}\nsporeprint run PHOTOS is all that most people need; \
         sporeprint VERB --help lists every flag, -h in short.\n\n{{options}}"
    ))
}

fn verbs(command: &Command) -> String {
    let about = |name: &str| {
        let verb = command.find_subcommand(name);
        verb.and_then(Command::get_about).map(ToString::to_string).unwrap_or_default()
    };
    let mut text = String::new();
    for (group, names) in GROUPS {
        text += &format!("{group}:\n");
        for name in names {
            text += &format!("  {name:<14}{}\n", about(name));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_verb_stands_once_on_the_first_page_with_a_line_of_its_own() {
        let command = Cli::command();
        let known: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).collect();
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(listed.len(), known.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), known);
        let page = super::command().render_long_help().to_string();
        assert!(page.starts_with("Groups a folder of photographs by what they show"), "{page}");
        for line in verbs(&command).lines() {
            assert!(line.chars().count() <= 100 && !line.trim().is_empty(), "{line}");
        }
    }

    #[test]
    fn every_flag_says_what_it_does_in_more_than_a_word() {
        let mut command = super::command();
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            for flag in verb.get_arguments().filter(|flag| !matches!(flag.get_long(), Some("help" | "version"))) {
                let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
                let words = help.split_whitespace().count();
                assert!(words >= 3, "{} {}: {help:?}", verb.get_name(), flag.get_id());
                for value in flag.get_possible_values() {
                    let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                    assert!(
                        flag.get_num_args().is_some_and(|n| n.max_values() == 0)
                            || help.split_whitespace().count() >= 2 && !help.contains('['),
                        "{} {} {}: {help:?}",
                        verb.get_name(),
                        flag.get_id(),
                        value.get_name()
                    );
                }
            }
        }
    }
}
