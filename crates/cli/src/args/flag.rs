//! Flags that are settings: each has the setting's path as its name, so that what is given can be laid over others as it is.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum};
use serde::Serialize;
use sporeprint::config::{Overlay, setting_names};
use toml::Value;

/// What was typed: a value for a setting, or that one is to be put back.
#[derive(Clone, Debug)]
enum Typed {
    Value(Value),
    Unset(String),
}

/// A flag for a setting with a value that its own type reads.
pub(super) fn flag<T>(setting: &'static str, long: &'static str, value: &'static str, help: &'static str) -> Arg
where
    T: FromStr<Err: Display> + Serialize + 'static,
{
    Arg::new(setting).long(long).value_name(value).help(help).value_parser(read::<T>)
}

fn read<T: FromStr<Err: Display> + Serialize>(text: &str) -> Result<Typed, String> {
    let value: T = text.parse().map_err(|error: T::Err| error.to_string())?;
    Value::try_from(value).map(Typed::Value).map_err(|error| error.to_string())
}

/// A flag for a setting that has one of some names; `none`, where it is given, is the word for having none of them.
pub(super) fn choice<T>(
    setting: &'static str,
    long: &'static str,
    none: Option<&'static str>,
    help: &'static str,
) -> Arg
where
    T: ValueEnum + Serialize,
{
    let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names = none.map(|help| PossibleValue::new("none").help(help)).into_iter().chain(names);
    let typed = move |name: String| match T::from_str(&name, false).map(Value::try_from) {
        Ok(Ok(value)) => Typed::Value(value),
        // `none` is the only name beside those of the type.
        _ => Typed::Unset(setting.to_owned()),
    };
    Arg::new(setting).long(long).help(help).value_parser(PossibleValuesParser::new(names).map(typed))
}

/// A flag without a value, which says `value` of a setting.
pub(super) fn switch(setting: &'static str, long: &'static str, value: bool, help: &'static str) -> Arg {
    let word = if value { "true" } else { "false" };
    Arg::new(setting).long(long).num_args(0).default_missing_value(word).help(help).value_parser(read::<bool>)
}

/// A flag for a setting with several values, apart by commas.
pub(super) fn list<T>(setting: &'static str, long: &'static str, value: &'static str, help: &'static str) -> Arg
where
    T: FromStr<Err: Display> + Serialize + 'static,
{
    flag::<T>(setting, long, value, help).value_delimiter(',').action(ArgAction::Append)
}

/// A flag with other rules for what can be typed.
pub(super) fn read_by(
    setting: &'static str,
    long: &'static str,
    value: &'static str,
    help: &'static str,
    read: fn(&str) -> Result<Value, String>,
) -> Arg {
    let typed = move |text: &str| read(text).map(Typed::Value);
    Arg::new(setting).long(long).value_name(value).help(help).value_parser(typed)
}

/// Takes settings back, for verbs that have such flags.
pub(super) fn unset(flags: &[Arg]) -> Arg {
    let named: Vec<(String, String)> =
        flags.iter().map(|flag| (flag.get_long().unwrap_or_default().to_owned(), flag.get_id().to_string())).collect();
    let typed = move |text: &str| {
        let name = text.trim_start_matches("--");
        let by_flag = named.iter().find(|(long, _)| long == name).map(|(_, setting)| setting.clone());
        let by_path = || setting_names().find(|setting| *setting == name).map(str::to_owned);
        by_flag.or_else(by_path).map(Typed::Unset).ok_or_else(|| "no flag or setting of that name".to_owned())
    };
    Arg::new(UNSET)
        .long("unset")
        .value_name("LIST")
        .help("Put settings back to what they are without being given: names of flags, or paths such as cluster.components")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .value_parser(typed)
        // It is of no group, wherever it stands.
        .help_heading(None::<&str>)
}

const UNSET: &str = "unset";

/// Flags of a verb that are settings.
pub(crate) trait Flags {
    /// All of them, in the order of the help.
    fn flags() -> Vec<Arg>;
}

/// Settings that were given by flags.
#[derive(Debug)]
pub(crate) struct Given<F> {
    settings: Overlay,
    flags: PhantomData<F>,
}

impl<F> Given<F> {
    /// What was given, to be laid over other settings.
    pub(crate) fn settings(&self) -> Overlay {
        self.settings.clone()
    }
}

impl<F: Flags> clap::FromArgMatches for Given<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Overlay::default();
        for flag in F::flags() {
            let id = flag.get_id().as_str();
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            let mut values = Vec::new();
            for typed in matches.get_many::<Typed>(id).unwrap_or_default() {
                match typed {
                    Typed::Value(value) => values.push(value.clone()),
                    Typed::Unset(setting) => settings
                        .unset(setting)
                        .map_err(|error| clap::Error::raw(clap::error::ErrorKind::ValueValidation, error))?,
                }
            }
            match (flag.get_action(), values.pop()) {
                (ArgAction::Append, Some(last)) => {
                    values.push(last);
                    settings.set(id, Value::Array(values));
                }
                (_, Some(value)) => settings.set(id, value),
                (_, None) => {}
            }
        }
        Ok(Self { settings, flags: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F: Flags> clap::Args for Given<F> {
    fn augment_args(command: Command) -> Command {
        command.args(F::flags())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
