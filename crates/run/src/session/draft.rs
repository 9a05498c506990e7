//! Files that take the place of a run's all at once, or never.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Marks, Session, SessionError};
use crate::tables::MetricsLog;
use crate::{RunDir, Stage};

/// A folder beside the run's own files; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    dir: RunDir,
    /// The earliest stage that is done anew.
    first: Stage,
    /// Files of the run that say nothing any more once the draft is in place.
    outdated: Vec<PathBuf>,
}

impl Draft {
    /// An empty draft but for the metrics log, which is the run's up to `n_bytes`.
    fn begin(run: &RunDir, first: Stage, n_bytes: u64) -> Result<Self, SessionError> {
        let dir = RunDir::new(run.draft());
        // Of a process that was killed.
        remove(dir.root())?;
        fs::create_dir(dir.root())?;
        let draft = Self { dir, first, outdated: Vec::new() };
        if n_bytes > 0 {
            fs::copy(run.metrics(), draft.dir.metrics())?;
        }
        MetricsLog::cut_to(&draft.dir.metrics(), n_bytes)?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What is left over does no harm: the next draft removes it.
        let _ = fs::remove_dir_all(self.dir.root());
    }
}

impl Session {
    /// Does stages anew from `stage` on, all or nothing: `work` writes its files to [`out`](Self::out) and marks its stages, and
    /// both take their places, with the settings, when it has ended well. Until then, and after an error, the run is as it was.
    /// Inside the work of another call this is a part of that.
    ///
    /// A process that is killed while the files take their places leaves a run without the marks of these stages.
    ///
    /// # Errors
    /// Those of `work`, or a file that cannot be written.
    pub fn anew<T, E: From<SessionError>>(
        &mut self,
        stage: Stage,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.draft.is_some() {
            self.redo_from(stage);
            return work(self);
        }
        let before = self.marks.clone();
        self.draft = Some(Draft::begin(&self.dir, stage, self.metrics_before(stage))?);
        self.redo_from(stage);
        match work(self) {
            Ok(value) => {
                self.publish(&before)?;
                Ok(value)
            }
            Err(error) => {
                self.draft = None;
                self.marks = before;
                Err(error)
            }
        }
    }

    /// Where stages write: the run directory, or a draft of it.
    pub fn out(&self) -> &RunDir {
        self.draft.as_ref().map_or(&self.dir, |draft| &draft.dir)
    }

    /// The newest version of a file or folder: the draft's where it has one, else the run's.
    pub fn newest(&self, file: fn(&RunDir) -> PathBuf) -> PathBuf {
        let drafted = file(self.out());
        if drafted.exists() { drafted } else { file(&self.dir) }
    }

    /// Says which files of the run are outdated unless the draft has them anew.
    pub fn outdate(&mut self, files: &[fn(&RunDir) -> PathBuf]) {
        let files: Vec<PathBuf> = files.iter().map(|file| file(&self.dir)).collect();
        if let Some(draft) = &mut self.draft {
            draft.outdated.extend(files);
        }
    }

    fn publish(&mut self, before: &Marks) -> Result<(), SessionError> {
        let Some(draft) = self.draft.take() else { return Ok(()) };
        let after = self.marks.clone();
        // Whoever finds only some of the new files finds no mark of them. Ids that were given once are not given again.
        self.marks.take_back(draft.first);
        self.marks.next_cluster_id = before.next_cluster_id.and(after.next_cluster_id);
        self.save_stages()?;
        draft.outdated.iter().try_for_each(|path| remove(path))?;
        let mut names: Vec<_> =
            fs::read_dir(draft.dir.root())?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        names.sort_unstable();
        for name in names {
            let (from, to) = (draft.dir.root().join(&name), self.dir.root().join(&name));
            if from.is_dir() {
                remove(&to)?;
            }
            fs::rename(from, to)?;
        }
        self.save_config()?;
        self.marks = after;
        self.save_stages()
    }
}

/// Removes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), SessionError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Existing;
    use crate::config::RunConfig;

    fn run_with_clusters(dir: &Path) -> Session {
        let mut session = Session::start(RunDir::new(dir), RunConfig::default(), Existing::Refuse).expect("empty");
        fs::write(session.dir.metrics(), "{}\n").expect("written");
        session.mark_done(Stage::Embed).expect("marked");
        fs::write(session.dir.metrics(), "{}\n{\"old\":1}\n").expect("written");
        fs::write(session.dir.center(), "old").expect("written");
        fs::write(session.dir.names(), "old").expect("written");
        session.mark_done(Stage::Cluster).expect("marked");
        session
    }

    fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<PathBuf> = fs::read_dir(dir).expect("a folder").map(|e| e.expect("a file").path()).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a file"))).collect()
    }

    #[test]
    fn work_that_fails_leaves_every_byte_and_work_that_ends_replaces_them_all() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut session = run_with_clusters(dir.path());
        let before = bytes(dir.path());
        let write = |session: &mut Session| {
            session.config.seed = 7;
            session.outdate(&[RunDir::names]);
            fs::write(session.out().center(), "new").expect("written");
        };
        let failed: Result<(), SessionError> = session.anew(Stage::Cluster, |session| {
            write(session);
            Err(SessionError::NoRun { path: PathBuf::new() })
        });
        assert!(failed.is_err() && session.is_done(Stage::Cluster));
        assert_eq!(bytes(dir.path()), before);

        let done: Result<(), SessionError> = session.anew(Stage::Cluster, |session| {
            assert!(!session.is_done(Stage::Cluster));
            write(session);
            session.mark_done(Stage::Cluster)?;
            assert_eq!(fs::read_to_string(session.dir.center()).expect("a file"), "old");
            Ok(())
        });
        done.expect("written");
        drop(session);
        let session = Session::open(RunDir::new(dir.path())).expect("a run");
        assert!(session.is_done(Stage::Cluster) && session.config.seed == 7);
        assert_eq!(fs::read_to_string(session.dir.center()).expect("a file"), "new");
        assert_eq!(fs::read_to_string(session.dir.metrics()).expect("a file"), "{}\n");
        assert!(!session.dir.names().exists() && !session.dir.draft().exists());
    }

    #[test]
    fn stages_done_anew_together_read_what_the_draft_has_and_else_the_run() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut session = run_with_clusters(dir.path());
        let read = |session: &Session| fs::read_to_string(session.newest(RunDir::center)).expect("a file");
        let done: Result<(), SessionError> = session.anew(Stage::Embed, |session| {
            session.mark_done(Stage::Embed)?;
            session.anew(Stage::Cluster, |session| {
                assert_eq!(read(session), "old");
                fs::write(session.out().center(), "new").expect("written");
                assert_eq!(read(session), "new");
                session.mark_done(Stage::Cluster)
            })
        });
        done.expect("marked");
        assert!(session.is_done(Stage::Embed) && session.is_done(Stage::Cluster) && read(&session) == "new");
    }
}
