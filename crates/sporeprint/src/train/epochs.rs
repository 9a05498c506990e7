//! The loop that every trained stage shares: epochs of shuffled batches, schedule, progress, checkpoints.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError};
use crate::batch::shuffled;
use crate::config::LearningRate;
use crate::progress::Observer;
use crate::run::tables::{LogLine, MetricsLog, TableError};

/// What is trained, one batch at a time. State lives in the implementor; the loop owns position and files.
pub trait Learner {
    /// Before the first batch of an epoch.
    ///
    /// # Errors
    /// What the implementor's work may give.
    fn begin_epoch(&mut self, epoch: usize) -> Result<(), TrainError>;

    /// Trains on one batch and returns its loss.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] before any weight has changed.
    fn step(&mut self, images: &[u32], at: Position, learning_rate: f64) -> Result<f64, TrainError>;

    /// After the last batch of an epoch: its line of the log with the learner's figures, and words for the person.
    fn end_epoch(&mut self, epoch: usize, metric: LogLine) -> (LogLine, Vec<String>);

    /// Everything needed to go on.
    fn save(&self) -> Checkpoint;

    /// Takes back what [`save`](Self::save) gave.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), String>;
}

/// Where a stage stands: the batch to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Batch of that epoch, from 0.
    pub batch: usize,
    /// Batches done since the start of the stage.
    pub step: u64,
}

/// The loop's own part of a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct LoopState {
    position: Position,
    /// Sum of losses times images, this epoch.
    loss: f64,
    /// Settings and images the checkpoint belongs to.
    fingerprint: String,
    /// Length of the metrics log: lines after it were written by work that is done again.
    metrics: u64,
    /// The learner's own state.
    learner: String,
}

/// Settings of the loop.
#[derive(Debug)]
pub struct EpochLoop {
    /// Name of the stage, in files and in words.
    pub stage: &'static str,
    /// Number of images.
    pub n_images: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Epochs to train.
    pub epochs: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Learning rate over the stage.
    pub learning_rate: LearningRate,
    /// Settings and images that a checkpoint must have been made with.
    pub fingerprint: String,
    /// Folder of the checkpoints.
    pub checkpoints: PathBuf,
    /// Least time between two checkpoints; one is always written at the end and when interrupted.
    pub interval: Duration,
    /// Where figures go.
    pub metrics: PathBuf,
    /// Length of that log where the stage began.
    pub metrics_before: u64,
}

/// Why training stopped early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A checkpoint cannot be read or written, or does not fit.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The person asked to stop; the state is saved.
    #[error("stopped; the state is saved\nhint: `resume` goes on from here")]
    Interrupted,
    /// The loss is NaN or infinite. No weight has changed since the last checkpoint's successors.
    #[error("the loss of a batch is not finite")]
    NotFinite {
        /// Images of the batch.
        images: Vec<u32>,
        /// Where it happened.
        at: Position,
    },
    /// Neighbours or clusters cannot be computed.
    #[error(transparent)]
    Cluster(#[from] sporeprint_cluster::Error),
}

impl EpochLoop {
    /// Trains to the end, from the newest checkpoint when `resume` is set and there is one.
    ///
    /// # Errors
    /// See [`TrainError`]. Interrupted or killed, the work since the last checkpoint is lost and nothing else.
    pub fn run(&self, learner: &mut impl Learner, resume: bool, observer: &dyn Observer) -> Result<(), TrainError> {
        let restored = if resume { self.restore(learner, observer)? } else { None };
        let mut state = restored.unwrap_or(LoopState { metrics: self.metrics_before, ..LoopState::default() });
        let mut log = MetricsLog::cut_to(&self.metrics, state.metrics)?;
        let mut saved = Instant::now();
        // Time left is reckoned from the images that this process has trained on.
        let (begun, mut trained) = (Instant::now(), 0);
        while state.position.epoch < self.epochs {
            let epoch = state.position.epoch;
            let batches = shuffled(self.n_images, self.batch_size, self.seed, self.stage, epoch);
            observer.begin(&format!("{} epoch {}/{}", self.stage, epoch + 1, self.epochs), self.n_images as u64);
            if state.position.batch == 0 {
                learner.begin_epoch(epoch)?;
            }
            let mut done: usize = batches[..state.position.batch].iter().map(Vec::len).sum();
            let (started, done_before) = (Instant::now(), done);
            observer.resume_at(done as u64);
            let mut rate = self.learning_rate.at(epoch as f64);
            for batch in &batches[state.position.batch..] {
                let within = state.position.batch as f64 / batches.len() as f64;
                rate = self.learning_rate.at(epoch as f64 + within);
                let loss = learner.step(batch, state.position, rate)?;
                state.position.batch += 1;
                state.position.step += 1;
                state.loss += loss * batch.len() as f64;
                done += batch.len();
                trained += batch.len();
                let left = self.time_left(epoch, done, trained, begun);
                observer
                    .advance(done as u64, &format!("loss {:.4}, {left} left of the stage", state.loss / done as f64));
                let interrupted = observer.interrupted();
                if interrupted || (saved.elapsed() >= self.interval && done < self.n_images) {
                    self.save(learner, &state)?;
                    saved = Instant::now();
                }
                if interrupted {
                    return Err(TrainError::Interrupted);
                }
            }
            let seconds = started.elapsed().as_secs_f64();
            let (mut metric, words) = learner.end_epoch(epoch, LogLine::new(self.stage, (epoch + 1) as f64));
            metric = metric
                .number("loss", state.loss / self.n_images as f64)
                .number("learning_rate", rate)
                .number("images_per_second", (done - done_before) as f64 / seconds);
            observer.advance(self.n_images as u64, &figures(&metric));
            observer.end();
            log.append(&metric)?;
            state.metrics = log.n_bytes();
            observer.measured(&metric);
            words.iter().for_each(|text| observer.note(text));
            state.position = Position { epoch: epoch + 1, batch: 0, step: state.position.step };
            state.loss = 0.0;
            if saved.elapsed() >= self.interval || epoch + 1 == self.epochs {
                self.save(learner, &state)?;
                saved = Instant::now();
            }
        }
        Ok(())
    }

    /// What is left of the stage at the rate so far, in words.
    fn time_left(&self, epoch: usize, done: usize, trained: usize, begun: Instant) -> String {
        let images = (self.epochs - epoch) * self.n_images - done;
        duration(begun.elapsed().as_secs_f64() * images as f64 / trained.max(1) as f64)
    }

    fn save(&self, learner: &impl Learner, state: &LoopState) -> Result<(), CheckpointError> {
        let mut checkpoint = learner.save();
        let learner = std::mem::take(&mut checkpoint.state);
        checkpoint.set_state(&LoopState { fingerprint: self.fingerprint.clone(), learner, ..state.clone() });
        checkpoint.write(&self.checkpoints, self.stage, state.position.step)
    }

    fn restore(
        &self,
        learner: &mut impl Learner,
        observer: &dyn Observer,
    ) -> Result<Option<LoopState>, CheckpointError> {
        let (found, warnings) = Checkpoint::newest(&self.checkpoints, self.stage)?;
        warnings.iter().for_each(|text| observer.note(text));
        let Some((path, mut checkpoint)) = found else { return Ok(None) };
        let damaged = |reason: String| CheckpointError::Damaged { path: path.clone(), reason };
        let state: LoopState = checkpoint.state().map_err(|e| damaged(e.to_string()))?;
        if state.fingerprint != self.fingerprint {
            let differs = format!("it was made for {}, this is {}", state.fingerprint, self.fingerprint);
            return Err(CheckpointError::DoesNotFit { path, differs });
        }
        checkpoint.state.clone_from(&state.learner);
        learner.restore(checkpoint).map_err(damaged)?;
        Ok(Some(state))
    }
}

/// Loss and control figures of an epoch, for one line.
fn figures(metric: &LogLine) -> String {
    const SHOWN: [(&str, &str); 4] = [
        ("overlap", "overlap"),
        ("share_singletons", "alone"),
        ("largest_cluster", "largest cluster"),
        ("share_zero_gradient", "without gradient"),
    ];
    let figure = |name: &str| metric.fields.get(name).and_then(serde_json::Value::as_f64);
    let loss = figure("loss").map_or("not finite".to_owned(), |loss| format!("{loss:.4}"));
    let share = |(name, word): (&str, &str)| Some(format!(", {word} {:.0} %", 100. * figure(name)?));
    format!("loss {loss}{}", SHOWN.into_iter().filter_map(share).collect::<String>())
}

/// Seconds as a person says them.
fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        s @ 0..=99 => format!("{s} s"),
        s @ 100..=5999 => format!("{} min", (s + 30) / 60),
        s => format!("{:.1} h", s as f64 / 3600.),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_one_line_with_its_control_figures() {
        let metric = LogLine::new("aggregate", 3.).number("loss", 1.25).number("overlap", 0.114);
        assert_eq!(figures(&metric), "loss 1.2500, overlap 11 %");
        assert_eq!(figures(&LogLine::new("a", 1.).number("loss", f64::NAN)), "loss not finite");
    }

    #[test]
    fn time_is_said_in_fitting_units() {
        let cases = [(0., "0 s"), (99.4, "99 s"), (150., "3 min"), (5990., "100 min"), (7200., "2.0 h")];
        cases.into_iter().for_each(|(seconds, words)| assert_eq!(duration(seconds), words));
    }
}
