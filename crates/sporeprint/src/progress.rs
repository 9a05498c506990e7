//! How long work tells what it does, and how it is asked to stop.

use std::ops::ControlFlow;

use sporeprint_cluster::Step;

use crate::run::tables::LogLine;

/// Watches a stage. Implementations draw bars, write lines, or do nothing.
pub trait Observer: Sync {
    /// A piece of work of `total` items begins.
    fn begin(&self, what: &str, total: u64);
    /// Of the piece that has just begun, `done` items were finished by an earlier process: its speed is not theirs.
    fn resume_at(&self, _done: u64) {}
    /// `done` items of it are finished; `detail` is what there is to say (a loss, a rate).
    fn advance(&self, done: u64, detail: &str);
    /// It has ended.
    fn end(&self);
    /// Something the person should read: a warning with its remedy, or a result.
    fn note(&self, text: &str);
    /// A line was added to `metrics.jsonl`: an epoch has ended, or something was measured.
    fn measured(&self, _metric: &LogLine) {}
    /// Whether the person asked to stop. Long work then saves its state and returns.
    fn interrupted(&self) -> bool;
}

/// Says nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _what: &str, _total: u64) {}
    fn advance(&self, _done: u64, _detail: &str) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
    fn interrupted(&self) -> bool {
        false
    }
}

/// Tells an observer of the steps of a computation, and stops it when the person asks to.
pub fn steps(observer: &dyn Observer) -> impl Fn(Step) -> ControlFlow<()> + Sync + '_ {
    move |step: Step| {
        observer.advance(step.done as u64, "");
        if observer.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
