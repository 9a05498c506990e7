//! One process at work in one run directory: the lock, the settings, and which stages are done.

mod draft;
mod error;
mod hold;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Origin, RunDir, Stage, write_atomically};
use crate::config::RunConfig;
use crate::tables::{LogLine, MetricsLog, TableError};
use draft::Draft;
use hold::lock;

pub use error::SessionError;
pub use hold::{Existing, Held, hold};

/// What `stages.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// Each stage done, with the length of the metrics log at its end.
    done: BTreeMap<Stage, u64>,
    /// First cluster id that was never used.
    next_cluster_id: Option<i32>,
    /// What became of the encoder, once the training over the memory bank has begun.
    origin: Option<Origin>,
}

/// A run directory held by this process.
#[derive(Debug)]
pub struct Session {
    /// Where everything lies.
    pub dir: RunDir,
    /// The settings as resolved.
    pub config: RunConfig,
    marks: Marks,
    draft: Option<Draft>,
    // Held for as long as the session lives; the system lets go of it however the process ends.
    _lock: std::fs::File,
}

impl Session {
    /// Starts a run with `config`, or goes on with the one that is there. A directory in which no stage was ever done, such as
    /// one whose images could not be found, holds nothing worth keeping and is started anew whatever `existing` says.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn start(dir: RunDir, config: RunConfig, existing: Existing) -> Result<Self, SessionError> {
        let Held { goes_on, lock } = hold(&dir, &dir.config(), existing)?;
        if goes_on {
            let session = Self::with_lock(dir, lock)?;
            let differs = differences(&session.config, &config);
            if differs.is_empty() {
                return Ok(session);
            }
            let path = session.dir.root().to_owned();
            return Err(SessionError::OtherSettings { path, differs: differs.join("\n") });
        }
        let session = Self { dir, config, marks: Marks::default(), draft: None, _lock: lock };
        session.save_config()?;
        Ok(session)
    }

    /// Opens a run that is there, with the settings it was made with.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn open(dir: RunDir) -> Result<Self, SessionError> {
        if !dir.config().exists() {
            return Err(SessionError::NoRun { path: dir.root().to_owned() });
        }
        let lock = lock(&dir)?;
        Self::with_lock(dir, lock)
    }

    fn with_lock(dir: RunDir, lock: std::fs::File) -> Result<Self, SessionError> {
        let text = fs::read_to_string(dir.config())?;
        // The version first: another one may know other settings.
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| unreadable(dir.config(), e.to_string()))?;
        let expected = env!("CARGO_PKG_VERSION");
        let found = table.get("version").and_then(toml::Value::as_str).unwrap_or("of an unknown version");
        if found != expected {
            let (path, found) = (dir.root().to_owned(), found.to_owned());
            return Err(SessionError::OtherVersion { path, found, expected: expected.to_owned() });
        }
        let config: RunConfig = toml::from_str(&text).map_err(|e| unreadable(dir.config(), e.to_string()))?;
        let marks = Marks::read(&dir)?;
        Ok(Self { dir, config, marks, draft: None, _lock: lock })
    }

    /// Whether a stage is done.
    pub fn is_done(&self, stage: Stage) -> bool {
        self.marks.done.contains_key(&stage)
    }

    /// Marks a stage as done; its files must be on the disk.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn mark_done(&mut self, stage: Stage) -> Result<(), SessionError> {
        let n_bytes = length(&self.out().metrics())?;
        self.marks.done.insert(stage, n_bytes);
        // In a draft the mark is written when the files take their places.
        if self.draft.is_some() { Ok(()) } else { self.save_stages() }
    }

    /// Takes back the marks of a stage and of all after it, before they are done anew. The disk still has them until
    /// something new is there: see [`anew`](Self::anew), [`mark_done`](Self::mark_done) and [`save`](Self::save).
    pub fn redo_from(&mut self, stage: Stage) {
        self.marks.take_back(stage);
    }

    /// Writes marks and settings as they are now, for a stage that works in place: marks that were taken back are gone before
    /// the settings change.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self) -> Result<(), SessionError> {
        self.save_stages()?;
        self.save_config()
    }

    /// Where the encoder came from and what happened to it; nothing before its stages have begun.
    pub fn origin(&self) -> Option<&Origin> {
        self.marks.origin.as_ref()
    }

    /// Writes down what became of the encoder, whose files must be on the disk, before work goes on from there.
    ///
    /// # Errors
    /// When the marks cannot be written.
    pub fn set_origin(&mut self, origin: Origin) -> Result<(), SessionError> {
        self.marks.origin = Some(origin);
        self.save_stages()
    }

    /// Marks the training over the memory bank as done, with what became of it; the encoder must be on the disk.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn mark_trained(&mut self, origin: Origin) -> Result<(), SessionError> {
        self.marks.origin = Some(origin);
        self.mark_done(Stage::Aggregate)
    }

    /// First cluster id that was never used; none before the first clustering.
    pub fn next_cluster_id(&self) -> Option<i32> {
        self.marks.next_cluster_id
    }

    /// Remembers the first cluster id that was never used, for the mark that is written next.
    pub fn set_next_cluster_id(&mut self, id: i32) {
        self.marks.next_cluster_id = Some(id);
    }

    /// Length of the metrics log where a stage began: a stage started anew takes back the lines after it.
    pub fn metrics_before(&self, stage: Stage) -> u64 {
        self.marks.done.range(..stage).next_back().map_or(0, |(_, n_bytes)| *n_bytes)
    }

    /// Adds lines to the log of the run.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn log(&self, lines: &[LogLine]) -> Result<(), TableError> {
        let path = self.out().metrics();
        let n_bytes = if path.exists() { fs::metadata(&path)?.len() } else { 0 };
        let mut log = MetricsLog::cut_to(&path, n_bytes)?;
        Ok(lines.iter().try_for_each(|line| log.append(line))?)
    }

    fn save_config(&self) -> Result<(), SessionError> {
        let path = self.dir.config();
        let text = toml::to_string_pretty(&self.config).map_err(|e| unreadable(path.clone(), e.to_string()))?;
        Ok(write_atomically(&path, |out| out.write_all(text.as_bytes()))?)
    }

    fn save_stages(&self) -> Result<(), SessionError> {
        self.marks.write(&self.dir)
    }
}

impl Marks {
    /// What a run directory has; nothing before its first stage.
    fn read(dir: &RunDir) -> Result<Self, SessionError> {
        let path = dir.stages();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| unreadable(path, e.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, dir: &RunDir) -> Result<(), SessionError> {
        let text = serde_json::to_string(self).expect("names serialise");
        Ok(write_atomically(&dir.stages(), |out| out.write_all(text.as_bytes()))?)
    }

    fn take_back(&mut self, stage: Stage) {
        self.done.retain(|done, _| *done < stage);
        if stage <= Stage::Aggregate {
            self.origin = None;
        }
    }
}

fn unreadable(path: PathBuf, reason: String) -> SessionError {
    SessionError::Unreadable { path, reason }
}

/// Length of a file; 0 where there is none.
fn length(path: &std::path::Path) -> Result<u64, SessionError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// One line `key: found in the run, asked for now` for each setting that differs.
fn differences(there: &RunConfig, asked: &RunConfig) -> Vec<String> {
    fn walk(key: &str, a: Option<&toml::Value>, b: Option<&toml::Value>, out: &mut Vec<String>) {
        if let (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) = (a, b) {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let prefix = if key.is_empty() { String::new() } else { format!("{key}.") };
            names.into_iter().for_each(|name| walk(&format!("{prefix}{name}"), a.get(name), b.get(name), out));
        } else if a != b {
            let show = |v: Option<&toml::Value>| v.map_or("unset".to_owned(), ToString::to_string);
            out.push(format!("  {key}: the run has {}, asked for {}", show(a), show(b)));
        }
    }
    let value = |config: &RunConfig| toml::Value::try_from(config).expect("settings serialise");
    let mut out = Vec::new();
    walk("", Some(&value(there)), Some(&value(asked)), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(dir: &std::path::Path, config: RunConfig, existing: Existing) -> Result<Session, SessionError> {
        Session::start(RunDir::new(dir), config, existing)
    }

    #[test]
    fn two_sessions_cannot_share_a_directory() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = start(dir.path(), RunConfig::default(), Existing::Refuse).expect("empty");
        let error = start(dir.path(), RunConfig::default(), Existing::Resume).expect_err("held");
        assert!(error.to_string().contains("in use"), "{error}");
        drop(first);
        start(dir.path(), RunConfig::default(), Existing::Resume).expect("free again");
    }

    #[test]
    fn a_run_of_another_version_is_refused_with_the_way_to_upgrade() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("config.toml"), "version = \"0.0.9\"\nsetting_of_that_time = 1\n").expect("written");
        let error = Session::open(RunDir::new(dir.path())).expect_err("another version").to_string();
        for word in ["sporeprint 0.0.9", "--config", "config.toml", "--version 0.0.9"] {
            assert!(error.contains(word), "no {word} in {error}");
        }
    }

    #[test]
    fn a_run_in_which_no_stage_was_done_blocks_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let other = RunConfig { seed: 9, ..RunConfig::default() };
        for config in [RunConfig::default(), other] {
            drop(start(dir.path(), config.clone(), Existing::Refuse).expect("nothing to keep"));
            fs::create_dir_all(dir.path().join("cache")).expect("a folder");
            drop(start(dir.path(), config, Existing::Resume).expect("nothing to go on with"));
        }
        // Settings that lie beside files of a person are no failed run.
        fs::write(dir.path().join("names.csv"), "mine").expect("written");
        start(dir.path(), RunConfig::default(), Existing::Refuse).expect_err("not ours to remove");
        assert!(dir.path().join("names.csv").exists());
    }

    #[test]
    fn a_run_is_not_taken_over_unasked_and_other_settings_are_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut first = start(dir.path(), RunConfig::default(), Existing::Refuse).expect("empty");
        first.mark_done(Stage::Images).expect("written");
        drop(first);
        let error = start(dir.path(), RunConfig::default(), Existing::Refuse).expect_err("there");
        assert!(error.to_string().contains("`resume`"), "{error}");
        let other = RunConfig { seed: 9, ..RunConfig::default() };
        let error = start(dir.path(), other, Existing::Resume).expect_err("seed differs");
        assert!(error.to_string().contains("seed: the run has 0, asked for 9"), "{error}");
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("thesis.tex"), "x").expect("written");
        let error = start(dir.path(), RunConfig::default(), Existing::Overwrite).expect_err("not a run");
        assert!(error.to_string().contains("not empty"), "{error}");
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn stages_are_remembered_and_redone_in_order() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut session = start(dir.path(), RunConfig::default(), Existing::Refuse).expect("empty");
        for stage in [Stage::Images, Stage::Pretrain, Stage::Aggregate] {
            session.mark_done(stage).expect("written");
        }
        session.redo_from(Stage::Pretrain);
        session.save().expect("written");
        drop(session);
        let session = Session::open(RunDir::new(dir.path())).expect("there");
        assert!(session.is_done(Stage::Images) && !session.is_done(Stage::Pretrain));
    }
}
