//! What else listens while a run works: TensorBoard event files, and pages that grow.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use sporeprint::progress::Observer;
use sporeprint::report::{Picture, write_progress};
use sporeprint::run::tables::LogLine;
use sporeprint::run::{EventFile, RunDir};
use sporeprint::stages;

use crate::args::ListenArgs;
use crate::progress::Talk;

/// How often open pages are told how far the run is.
const NEWS_EVERY: Duration = Duration::from_secs(2);
/// Least rest between two writings of the pages.
const LEAST_REST: Duration = Duration::from_secs(5);
/// Rest after a writing, in multiples of the time it took: pages of very many images must not hold up training.
const REST: u32 = 20;

/// Passes everything on to [`Talk`], and figures to files.
pub(crate) struct Listener<'a> {
    talk: &'a Talk,
    dir: RunDir,
    pictures: &'a (dyn Fn(usize) -> Option<Picture<'a>> + Sync),
    events: Mutex<Option<EventFile>>,
    pages: Mutex<Option<Pages>>,
}

/// The growing pages.
struct Pages {
    work: (String, u64),
    told: Instant,
    written: Instant,
    rest: Duration,
}

impl<'a> Listener<'a> {
    /// Begins the event file and writes the first pages, as far as they are asked for.
    pub(crate) fn new(
        args: &ListenArgs,
        talk: &'a Talk,
        dir: &RunDir,
        pictures: &'a (dyn Fn(usize) -> Option<Picture<'a>> + Sync),
    ) -> Result<Self> {
        let events = if args.tensorboard { Some(EventFile::create(&dir.tensorboard())?) } else { None };
        let listener = Self { talk, dir: dir.clone(), pictures, events: Mutex::new(events), pages: Mutex::new(None) };
        if args.watch {
            let page = stages::growing_report(dir, pictures)?;
            talk.note(&format!("growing report: {}", page.display()));
            let now = Instant::now();
            *lock(&listener.pages) =
                Some(Pages { work: Default::default(), told: now, written: now, rest: LEAST_REST });
        }
        Ok(listener)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Observer for Listener<'_> {
    fn begin(&self, what: &str, total: u64) {
        self.talk.begin(what, total);
        if let Some(pages) = lock(&self.pages).as_mut() {
            pages.work = (what.to_owned(), total);
        }
    }

    fn resume_at(&self, done: u64) {
        self.talk.resume_at(done);
    }

    fn advance(&self, done: u64, detail: &str) {
        self.talk.advance(done, detail);
        let mut guard = lock(&self.pages);
        let Some(pages) = guard.as_mut().filter(|pages| pages.told.elapsed() >= NEWS_EVERY) else { return };
        pages.told = Instant::now();
        let (what, total) = &pages.work;
        let far = if *total > 0 { format!("{done} of {total}") } else { done.to_string() };
        let comma = if detail.is_empty() { "" } else { ", " };
        let words = format!("{what}: {far}{comma}{detail}");
        if let Err(error) = write_progress(&self.dir, &words) {
            *guard = None;
            self.talk.note(&format!("warning: the pages grow no further: {error}"));
        }
    }

    fn end(&self) {
        self.talk.end();
    }

    fn note(&self, text: &str) {
        self.talk.note(text);
    }

    /// A figure that cannot be written stops the figures and is said; training is worth more and goes on.
    fn measured(&self, metric: &LogLine) {
        let mut events = lock(&self.events);
        if let Some(Err(error)) = events.as_mut().map(|file| file.add(metric)) {
            *events = None;
            self.talk.note(&format!("warning: no more TensorBoard events are written: {error}"));
        }
        let mut guard = lock(&self.pages);
        let Some(pages) = guard.as_mut().filter(|pages| pages.written.elapsed() >= pages.rest) else { return };
        let begun = Instant::now();
        match stages::growing_report(&self.dir, self.pictures) {
            Ok(_) => {
                pages.written = Instant::now();
                pages.rest = LEAST_REST.max(REST * begun.elapsed());
            }
            Err(error) => {
                *guard = None;
                self.talk.note(&format!("warning: the pages grow no further: {error}"));
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.talk.interrupted()
    }
}
