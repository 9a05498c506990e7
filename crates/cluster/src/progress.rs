//! Progress reports and cancellation.

use crate::error::{Error, Result};
use std::ops::ControlFlow;

/// One report of work in progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// What is running, such as `"k-means"`.
    pub stage: &'static str,
    /// Steps done, from 1.
    pub done: usize,
    /// Steps at most.
    pub total: usize,
    /// The figure that the stage watches, such as the fraction of rows that changed cluster; NaN where it has none.
    pub value: f64,
}

/// Listens to progress and may stop the work.
///
/// Every `Fn(Step) -> ControlFlow<()> + Sync` is one, and [`Silent`] is one that never stops. Runs side by side report
/// from several threads, so the order of reports, unlike every result, may differ between two calls.
pub trait Progress: Sync {
    /// Called after each step; `ControlFlow::Break(())` ends the work with [`Error::Cancelled`].
    fn report(&self, step: Step) -> ControlFlow<()>;
}

impl<F: Fn(Step) -> ControlFlow<()> + Sync> Progress for F {
    fn report(&self, step: Step) -> ControlFlow<()> {
        self(step)
    }
}

/// Listens to nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _step: Step) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Reports a step and turns a wish to stop into an error.
pub(crate) fn report(progress: &dyn Progress, step: Step) -> Result<()> {
    match progress.report(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled { stage: step.stage }),
    }
}
