//! Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet.

mod pace;

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sporeprint::progress::Observer;
use sporeprint::run::text::visible;

use pace::{Pace, shown_rate};

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
    pace: Pace,
    begun: Instant,
    line: Instant,
    detail: String,
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
            _ => "{prefix:28} {wide_bar} {pos}/{len} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            drawn.set_style(style);
        }
        drawn.set_prefix(what.to_owned());
        let now = Instant::now();
        let (what, pace, detail) = (what.to_owned(), Pace { total, first: 0 }, String::new());
        *self.bar() = Some(Bar { drawn, what, pace, begun: now, line: now, detail });
    }

    fn resume_at(&self, done: u64) {
        let mut guard = self.bar();
        let Some(bar) = guard.as_mut() else { return };
        bar.pace.first = done;
        bar.drawn.set_position(done);
    }

    fn advance(&self, done: u64, detail: &str) {
        let mut guard = self.bar();
        let Some(bar) = guard.as_mut() else { return };
        detail.clone_into(&mut bar.detail);
        let pace = bar.pace.in_words(done, bar.begun.elapsed());
        bar.drawn.set_position(done);
        bar.drawn.set_message(format!("{pace}  {detail}"));
        let total = bar.pace.total;
        if !self.quiet && !self.terminal && bar.line.elapsed() >= LINE_EVERY && done < total {
            bar.line = Instant::now();
            eprintln!("{}: {done}/{total} {pace}  {detail}", bar.what);
        }
    }

    fn end(&self) {
        let Some(Bar { drawn, what, pace: Pace { total, first }, begun, detail, .. }) = self.bar().take() else {
            return;
        };
        let (seconds, n_here) = (begun.elapsed().as_secs_f64(), total.saturating_sub(first));
        drawn.finish_and_clear();
        if self.quiet {
            return;
        }
        if total == 0 {
            eprintln!("{what}: {seconds:.1} s  {detail}");
            return;
        }
        let here = if first > 0 { format!(", the last {n_here}") } else { String::new() };
        let rate = shown_rate(n_here as f64 / seconds.max(1e-9));
        eprintln!("{what}: {total}{here} in {seconds:.1} s ({rate})  {detail}");
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
