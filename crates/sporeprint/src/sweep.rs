//! Many settings on one folder: what to try, and how the trials compare without labels.

use serde::{Deserialize, Serialize};
use sporeprint_cluster::Rng;

use crate::config::{ConfigError, Overlay, RunConfig};

/// A sweep as written in its TOML file.
///
/// ```toml
/// trials = 12                                   # a random search of so many; left out: every combination
/// seed = 0
///
/// [settings]                                    # as in config.toml, the same for every trial
/// aggregate = { epochs = 20 }
///
/// [try]
/// "aggregate.temperature" = [0.07, 0.2, 0.5]
/// "aggregate.sgd.learning_rate" = { from = 0.005, to = 0.1, scale = "log" }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    /// Random trials; unset: the whole grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<usize>,
    /// Source of the random draws.
    pub seed: u64,
    /// Settings that every trial shares.
    pub settings: toml::Table,
    /// What is tried for each setting, by its path in `config.toml`.
    #[serde(rename = "try")]
    pub tried: toml::Table,
}

/// One trial: the settings that differ, and all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Number from 0, which names its run directory.
    pub number: usize,
    /// Path in `config.toml` and value of each setting that was tried.
    pub changes: Vec<(String, toml::Value)>,
    /// The settings as resolved.
    pub config: RunConfig,
}

/// Why a sweep cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The file is not TOML, or has other words.
    #[error("cannot read the sweep: {0}")]
    Toml(#[from] toml::de::Error),
    /// What is the same for every trial cannot be read.
    #[error("[settings]: {0}")]
    Settings(#[from] ConfigError),
    /// A setting's values are not what can be tried.
    #[error(
        "[try] {setting}: found {found}, expected {expected}\nhint: give a list, or {{ from, to, scale }} with `trials`"
    )]
    Values {
        /// Path of the setting.
        setting: String,
        /// What stands there.
        found: String,
        /// What can stand there.
        expected: &'static str,
    },
    /// A setting cannot take a value.
    #[error("trial {number} ({changes}): {reason}")]
    Setting {
        /// The trial.
        number: usize,
        /// What it changes.
        changes: String,
        /// Why it cannot.
        reason: String,
    },
    /// Nothing to try.
    #[error("the sweep tries nothing\nhint: list values under [try], such as \"aggregate.temperature\" = [0.1, 0.5]")]
    Empty,
}

impl Sweep {
    /// Reads a sweep from the text of its file.
    ///
    /// # Errors
    /// When it is not TOML or names something that a sweep does not have.
    pub fn from_toml(text: &str) -> Result<Self, SweepError> {
        Ok(toml::from_str(text)?)
    }

    /// The trials, as runs of the shared settings with what is tried and what is `fixed` laid over them: every combination of the lists
    /// (the last setting fastest), or as many random draws as `trials` says. Trial `i` of a random search is the same however many
    /// there are.
    ///
    /// # Errors
    /// When nothing is tried, a range stands in a grid, or a setting does not exist or cannot take its value.
    pub fn trials(&self, fixed: &Overlay) -> Result<Vec<Trial>, SweepError> {
        let shared = Overlay::from_table(self.settings.clone())?;
        let mut choices = Vec::new();
        for (setting, values) in &self.tried {
            choices.push((setting, Values::new(setting, values, self.trials.is_some())?));
        }
        if choices.is_empty() {
            return Err(SweepError::Empty);
        }
        let n_trials = match self.trials {
            Some(n) => n,
            None => choices.iter().map(|(_, values)| values.len()).product(),
        };
        (0..n_trials)
            .map(|number| {
                let mut rest = number;
                let mut rng = Rng::for_stage(self.seed, "sweep", number as u64);
                let mut changes: Vec<(String, toml::Value)> = Vec::new();
                for (setting, values) in choices.iter().rev() {
                    let value = if self.trials.is_some() {
                        values.draw(&mut rng)
                    } else {
                        let value = values.at(rest % values.len());
                        rest /= values.len();
                        value
                    };
                    changes.push(((*setting).clone(), value));
                }
                changes.reverse();
                let mut given = fixed.clone();
                changes.iter().for_each(|(path, value)| given.set(path, value.clone()));
                let refused =
                    |e: ConfigError| SweepError::Setting { number, changes: in_words(&changes), reason: e.to_string() };
                let config = RunConfig::resolve(&shared, &given).map_err(refused)?;
                Ok(Trial { number, changes, config })
            })
            .collect()
    }
}

/// `setting = value` of each change, by the last word of its path.
pub fn in_words(changes: &[(String, toml::Value)]) -> String {
    let word = |(path, value): &(String, toml::Value)| {
        let name = path.rsplit('.').next().unwrap_or(path);
        match value {
            toml::Value::Float(number) => format!("{name} = {}", (number * 1e6).round() / 1e6),
            other => format!("{name} = {other}"),
        }
    };
    changes.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// What may be tried for one setting.
#[derive(Debug)]
enum Values {
    List(Vec<toml::Value>),
    Range { from: f64, to: f64, log: bool, whole: bool },
}

impl Values {
    fn new(setting: &str, values: &toml::Value, random: bool) -> Result<Self, SweepError> {
        let wrong = |expected| SweepError::Values { setting: setting.to_owned(), found: values.to_string(), expected };
        match values {
            toml::Value::Array(list) if !list.is_empty() => Ok(Self::List(list.clone())),
            toml::Value::Table(range) if random => {
                let number =
                    |name: &str| range.get(name).and_then(|v| v.as_float().or(v.as_integer().map(|i| i as f64)));
                let log = match range.get("scale").map(|scale| scale.as_str()) {
                    None | Some(Some("linear")) => false,
                    Some(Some("log")) => true,
                    _ => return Err(wrong("scale = \"linear\" or \"log\"")),
                };
                let whole = ["from", "to"].iter().all(|name| range.get(*name).is_some_and(toml::Value::is_integer));
                let (Some(from), Some(to)) = (number("from"), number("to")) else {
                    return Err(wrong("numbers from and to"));
                };
                if !(from < to && (!log || from > 0.0)) {
                    return Err(wrong("from below to, and above 0 on a log scale"));
                }
                Ok(Self::Range { from, to, log, whole })
            }
            toml::Value::Table(_) => Err(wrong("a list: without `trials` every combination is tried")),
            _ => Err(wrong("a list of values")),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Range { .. } => 1,
        }
    }

    fn at(&self, index: usize) -> toml::Value {
        match self {
            Self::List(list) => list[index].clone(),
            Self::Range { from, .. } => toml::Value::Float(*from),
        }
    }

    fn draw(&self, rng: &mut Rng) -> toml::Value {
        match self {
            Self::List(list) => list[rng.below(list.len())].clone(),
            Self::Range { from, to, log, whole } => {
                let share = rng.unit_f64();
                let value =
                    if *log { (from.ln() + share * (to / from).ln()).exp() } else { from + share * (to - from) };
                if *whole { toml::Value::Integer(value.round() as i64) } else { toml::Value::Float(value) }
            }
        }
    }
}

/// Spearman's rank correlation, ties by their mean rank: 1 when both orders agree, 0 when they have nothing in common;
/// nothing for fewer than three pairs or when one side does not vary.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 3 {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let scale = (sum(&a, &a) * sum(&b, &b)).sqrt();
    (scale > 0.0).then(|| sum(&a, &b) / scale)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = start as f64 + (group.len() as f64 - 1.0) / 2.0;
        group.iter().for_each(|&i| ranks[i] = rank);
        start += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WeightsSource;

    const GRID: &str = "[settings.aggregate]\nepochs = 7\n[try]\n\"aggregate.temperature\" = [0.07, 0.5]\n\
                        \"aggregate.sgd.learning_rate\" = [0.01, 0.02, 0.03]\n";

    #[test]
    fn a_grid_is_every_combination_over_the_shared_settings() {
        let trials = Sweep::from_toml(GRID).expect("TOML").trials(&Overlay::default()).expect("settings that exist");
        assert_eq!(trials.len(), 6);
        assert!(trials.iter().all(|t| t.config.aggregate.epochs == 7));
        let mut pairs: Vec<_> = trials
            .iter()
            .map(|t| (t.config.aggregate.temperature.map(f32::to_bits), t.config.aggregate.sgd.learning_rate.to_bits()))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 6);
        assert!(in_words(&trials[0].changes).contains("temperature = 0.07"), "{:?}", trials[0].changes);
    }

    #[test]
    fn a_random_search_draws_within_its_ranges_and_grows_without_changing() {
        let text = |n: usize| {
            format!(
                "trials = {n}\n[try]\n\"aggregate.sgd.learning_rate\" = {{ from = 0.001, to = 0.1, scale = \"log\" }}\n\
                 \"aggregate.clusterings\" = {{ from = 2, to = 6 }}\n"
            )
        };
        let trials = |n| Sweep::from_toml(&text(n)).expect("TOML").trials(&Overlay::default()).expect("fine");
        let (few, many) = (trials(5), trials(40));
        assert_eq!(few[..], many[..5]);
        assert!(many.iter().all(|t| (0.001..=0.1).contains(&t.config.aggregate.sgd.learning_rate)));
        assert!(many.iter().all(|t| (2..=6).contains(&t.config.aggregate.clusterings)));
        let below = many.iter().filter(|t| t.config.aggregate.sgd.learning_rate < 0.01).count();
        assert!((10..=30).contains(&below), "{below} of 40 below the middle of the scale");
    }

    #[test]
    fn the_sweep_that_comes_along_can_be_run() {
        let sweep = Sweep::from_toml(include_str!("../../../configs/sweep.toml")).expect("a sweep");
        let trials = sweep.trials(&Overlay::default()).expect("trials");
        assert_eq!(trials.len(), 6);
        assert!(trials.iter().all(|trial| trial.config.weights == WeightsSource::BuiltIn));
    }

    #[test]
    fn what_cannot_be_tried_is_named() {
        let message = |text: &str| {
            let sweep = Sweep::from_toml(text).map_err(|e| e.to_string());
            sweep.and_then(|s| s.trials(&Overlay::default()).map_err(|e| e.to_string())).expect_err("refused")
        };
        assert!(message("[try]\n").contains("tries nothing"));
        assert!(message("[try]\n\"aggregate.no_such\" = [1]\n").contains("no_such"));
        assert!(message("[try]\n\"aggregate.epochs\" = { from = 1, to = 2 }\n").contains("trials"));
        assert!(message("[try]\n\"aggregate.sgd.momentum\" = [1.5]\n").contains("`aggregate.sgd.momentum` is 1.5"));
        assert!(message("trails = 3\n").contains("trails"));
    }

    #[test]
    fn rank_correlation_sees_order_alone() {
        let close = |found: Option<f64>, expected: f64| (found.expect("enough pairs") - expected).abs() <= 1e-12;
        assert!(close(rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0, 100.0, 101.0]), 1.0));
        assert!(close(rank_correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0));
        // scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 2, 4])
        assert!(
            (rank_correlation(&[1.0, 2.0, 2.0, 4.0], &[1.0, 3.0, 2.0, 4.0]).expect("four") - 0.948_683_298).abs()
                <= 1e-6
        );
        assert_eq!(rank_correlation(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
    }
}
