//! Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sporeprint::progress::Observer;
use sporeprint::report::visible;

use crate::args::in_flags;

/// Set by Ctrl-C; work in progress saves its state and returns.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// How often a plain line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Asks running work to stop at Ctrl-C; a second Ctrl-C ends the process at once.
///
/// # Errors
/// When the system takes no handler.
pub(crate) fn stop_on_ctrl_c() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to end at once");
    })
}

/// Text for a terminal: names in it may hold characters that move the cursor, colour or reorder a line. Line breaks stay,
/// for messages have several lines; a name's own are made visible where the message is made.
pub(crate) fn safe(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Talks on stderr.
pub(crate) struct Talk {
    quiet: bool,
    /// The verb at work, whose flags settings are called by.
    verb: String,
    terminal: bool,
    bar: Mutex<Option<Bar>>,
}

struct Bar {
    drawn: ProgressBar,
    what: String,
    total: u64,
    begun: Instant,
    line: Instant,
    first: Option<u64>,
}

impl Talk {
    pub(crate) fn new(quiet: bool, verb: &str) -> Self {
        Self { quiet, verb: verb.to_owned(), terminal: std::io::stderr().is_terminal(), bar: Mutex::new(None) }
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<Bar>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Observer for Talk {
    fn begin(&self, what: &str, total: u64) {
        let hidden = self.quiet || !self.terminal;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let drawn = ProgressBar::with_draw_target(Some(total), target);
        let template = match total {
            // Nobody knows how long: there is nothing to count.
            0 => "{prefix:28} {spinner} {elapsed}  {msg}",
            _ => "{prefix:28} {wide_bar} {pos}/{len} {per_sec:12} {eta:>6} left  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            drawn.set_style(style);
        }
        drawn.set_prefix(what.to_owned());
        let now = Instant::now();
        *self.bar() = Some(Bar { drawn, what: what.to_owned(), total, begun: now, line: now, first: None });
    }

    fn advance(&self, done: u64, detail: &str) {
        let mut guard = self.bar();
        let Some(bar) = guard.as_mut() else { return };
        bar.drawn.set_position(done);
        bar.drawn.set_message(detail.to_owned());
        let first = *bar.first.get_or_insert(done);
        if !self.quiet && !self.terminal && bar.line.elapsed() >= LINE_EVERY && done < bar.total {
            bar.line = Instant::now();
            let rate = (done - first) as f64 / bar.begun.elapsed().as_secs_f64();
            let left = if rate > 0.0 { (bar.total - done) as f64 / rate } else { 0.0 };
            eprintln!("{}: {done}/{} {rate:.1}/s, {left:.0} s left  {detail}", bar.what, bar.total);
        }
    }

    fn end(&self) {
        let Some(bar) = self.bar().take() else { return };
        let seconds = bar.begun.elapsed().as_secs_f64();
        let detail = bar.drawn.message();
        bar.drawn.finish_and_clear();
        if !self.quiet && bar.total == 0 {
            eprintln!("{}: {seconds:.1} s  {detail}", bar.what);
        } else if !self.quiet {
            let rate = bar.total as f64 / seconds.max(1e-9);
            eprintln!("{}: {} in {seconds:.1} s ({rate:.1}/s)  {detail}", bar.what, bar.total);
        }
    }

    fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        let text = safe(&in_flags(text, &self.verb));
        match self.bar().as_ref() {
            Some(bar) if self.terminal => bar.drawn.suspend(|| eprintln!("{text}")),
            _ => eprintln!("{text}"),
        }
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mred\r\u{202e}gnp\nhint: b"), "a‹U+001B›[31mred‹U+000D›‹U+202E›gnp\nhint: b");
    }
}
