//! One process at work in one run directory: the lock, the settings, and which stages are done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::TryLockError;
use std::io::Write;
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{RunDir, Stage, write_atomically};
use crate::config::RunConfig;

/// What to do when the run directory holds a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Refuse,
    /// Go on where it stopped; the settings must be the same.
    Resume,
    /// Remove the old run first.
    Overwrite,
}

/// Why a run directory cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Another process holds the lock.
    #[error("{} is in use by another process\nhint: wait for it, or give another `out`", path.display())]
    InUse {
        /// The run directory.
        path: PathBuf,
    },
    /// There is a run already.
    #[error("{} holds a run already\nhint: `resume` goes on with it, `overwrite` starts anew", path.display())]
    Exists {
        /// The run directory.
        path: PathBuf,
    },
    /// Not a run directory, and not empty.
    #[error(
        "{} is not empty and holds no run (no config.toml)\nhint: give another `out`; files are never removed from \
         such a folder",
        path.display()
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run.
    #[error("found no run in {} (no config.toml)\nhint: make one with `sporeprint run PHOTOS --out DIR`", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// `config.toml` or `stages.json` is not what this program wrote.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The run was made with other settings.
    #[error(
        "the run in {} was made with other settings:\n{differs}\nhint: resume with the same ones, change a later stage \
         with its own verb, or start anew with `overwrite`",
        path.display()
    )]
    OtherSettings {
        /// The run directory.
        path: PathBuf,
        /// One line for each setting that differs.
        differs: String,
    },
    /// The run was made by another version.
    #[error(
        "the run in {0} was made by sporeprint {found}, this is {expected}, and results may differ between versions\n\
         hint: to upgrade it, run it again with its own settings: `sporeprint run PHOTOS --config {0}/config.toml --out \
         NEW`; or read it with that version: `cargo install sporeprint-cli --version {found}`",
        path.display()
    )]
    OtherVersion {
        /// The run directory.
        path: PathBuf,
        /// Its version.
        found: String,
        /// This version.
        expected: String,
    },
}

/// What `stages.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// Each stage done, with the length of the metrics log at its end.
    done: BTreeMap<Stage, u64>,
    /// First cluster id that was never used.
    next_cluster_id: Option<i32>,
}

/// A run directory held by this process.
#[derive(Debug)]
pub struct Session {
    /// Where everything lies.
    pub dir: RunDir,
    /// The settings as resolved.
    pub config: RunConfig,
    marks: Marks,
    // Held for as long as the session lives; the system lets go of it however the process ends.
    _lock: std::fs::File,
}

impl Session {
    /// Starts a run with `config`, or goes on with the one that is there.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn start(dir: RunDir, config: RunConfig, existing: Existing) -> Result<Self, SessionError> {
        let path = dir.root().to_owned();
        if path.is_dir() && !dir.config().exists() {
            let stranger = fs::read_dir(&path)?.flatten().any(|entry| entry.path() != dir.lock());
            if stranger {
                return Err(SessionError::NotARun { path });
            }
        }
        fs::create_dir_all(&path)?;
        let lock = lock(&dir)?;
        if dir.config().exists() {
            match existing {
                Existing::Refuse => return Err(SessionError::Exists { path }),
                Existing::Resume => {
                    let session = Self::with_lock(dir, lock)?;
                    let differs = differences(&session.config, &config);
                    return if differs.is_empty() {
                        Ok(session)
                    } else {
                        Err(SessionError::OtherSettings { path, differs: differs.join("\n") })
                    };
                }
                Existing::Overwrite => clear(&dir)?,
            }
        }
        let session = Self { dir, config, marks: Marks::default(), _lock: lock };
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
        let unreadable = |path: PathBuf, reason: String| SessionError::Unreadable { path, reason };
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
        let stages = dir.stages();
        let marks = if stages.exists() {
            let text = fs::read_to_string(&stages)?;
            serde_json::from_str(&text).map_err(|e| unreadable(stages, e.to_string()))?
        } else {
            Marks::default()
        };
        Ok(Self { dir, config, marks, _lock: lock })
    }

    /// Writes the settings, after a verb has changed some of them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_config(&self) -> Result<(), SessionError> {
        let path = self.dir.config();
        let text = toml::to_string_pretty(&self.config)
            .map_err(|e| SessionError::Unreadable { path: path.clone(), reason: e.to_string() })?;
        Ok(write_atomically(&path, |out| out.write_all(text.as_bytes()))?)
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
        let metrics = self.dir.metrics();
        let n_bytes = if metrics.exists() { fs::metadata(metrics)?.len() } else { 0 };
        self.marks.done.insert(stage, n_bytes);
        self.save_stages()
    }

    /// Takes back the marks of a stage and of all after it, before they are done anew.
    ///
    /// # Errors
    /// When the marks cannot be written.
    pub fn redo_from(&mut self, stage: Stage) -> Result<(), SessionError> {
        self.marks.done.retain(|done, _| *done < stage);
        self.save_stages()
    }

    /// First cluster id that was never used; none before the first clustering.
    pub fn next_cluster_id(&self) -> Option<i32> {
        self.marks.next_cluster_id
    }

    /// Remembers the first cluster id that was never used.
    ///
    /// # Errors
    /// When the marks cannot be written.
    pub fn set_next_cluster_id(&mut self, id: i32) -> Result<(), SessionError> {
        self.marks.next_cluster_id = Some(id);
        self.save_stages()
    }

    /// Length of the metrics log where a stage began: a stage started anew takes back the lines after it.
    pub fn metrics_before(&self, stage: Stage) -> u64 {
        self.marks.done.range(..stage).next_back().map_or(0, |(_, n_bytes)| *n_bytes)
    }

    fn save_stages(&self) -> Result<(), SessionError> {
        let text = serde_json::to_string(&self.marks).expect("names serialise");
        Ok(write_atomically(&self.dir.stages(), |out| out.write_all(text.as_bytes()))?)
    }
}

/// Takes the lock of a directory; dropped, it is free again.
///
/// # Errors
/// When another process holds it.
pub fn lock(dir: &RunDir) -> Result<std::fs::File, SessionError> {
    let file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(dir.lock())?.into_parts().0;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SessionError::InUse { path: dir.root().to_owned() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Removes what a run wrote and nothing else; the settings last, so that a killed removal can be done again.
fn clear(dir: &RunDir) -> Result<(), SessionError> {
    let folders = [dir.cache(), dir.checkpoints(), dir.report(), dir.clusters(), dir.tensorboard(), dir.candidates()];
    let files = [
        dir.stages(),
        dir.images(),
        dir.skipped(),
        dir.metrics(),
        dir.autoencoder(),
        dir.encoder(),
        dir.untouched(),
        dir.adapted(),
        dir.choice(),
        dir.fusion(),
        dir.embeddings(),
        dir.embeddings_parquet(),
        dir.assignments_csv(),
        dir.assignments(),
        dir.clusters_csv(),
        dir.names(),
        dir.neighbors(),
        dir.centroids(),
        dir.center(),
        dir.map(),
        dir.k_curve(),
        dir.evaluation(),
        dir.reconstructions(),
        dir.config(),
    ];
    folders.iter().filter(|p| p.is_dir()).try_for_each(fs::remove_dir_all)?;
    files.iter().filter(|p| p.exists()).try_for_each(fs::remove_file)?;
    Ok(())
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
    fn a_run_is_not_taken_over_unasked_and_other_settings_are_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        drop(start(dir.path(), RunConfig::default(), Existing::Refuse).expect("empty"));
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
        session.redo_from(Stage::Pretrain).expect("written");
        drop(session);
        let session = Session::open(RunDir::new(dir.path())).expect("there");
        assert!(session.is_done(Stage::Images) && !session.is_done(Stage::Pretrain));
    }
}
