//! Pages that grow while a run works: a small file beside them says how far it is and when there is more to see.
//!
//! Browsers read no files from pages on the disk, but they run scripts, so the news is one: `data/progress.js`.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fs_err as fs;
use serde_json::json;

use super::escape::script_value;
use sporeprint_run::RunDir;
use sporeprint_run::text::visible;

/// Milliseconds since 1970: tells one writing of the pages from another.
pub(super) fn stamp() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The news of pages just written. Pages of a run that has ended have it too: those left open learn of the end.
pub(super) fn begin(report: &Path, stamp: u64, growing: bool) -> io::Result<()> {
    put(report, &json!({ "stamp": stamp, "at": stamp, "words": "", "done": !growing }))
}

/// Says on open pages how far the run is. Nothing happens before the pages are there.
///
/// # Errors
/// - the file cannot be written
pub fn write_progress(run: &RunDir, words: &str) -> io::Result<()> {
    let report = run.report();
    let Ok(text) = fs::read_to_string(report.join("data/progress.js")) else { return Ok(()) };
    let value = text.trim_start_matches(OPEN).trim_end_matches(CLOSE);
    let Ok(mut news) = serde_json::from_str::<serde_json::Value>(value) else { return Ok(()) };
    news["words"] = visible(words).into();
    news["at"] = stamp().into();
    put(&report, &news)
}

const OPEN: &str = "window.SP_progress(";
const CLOSE: &str = ");\n";

fn put(report: &Path, news: &serde_json::Value) -> io::Result<()> {
    let (path, fresh) = (report.join("data/progress.js"), report.join("data/progress.js.tmp"));
    fs::write(&fresh, format!("{OPEN}{}{CLOSE}", script_value(news)))?;
    fs::rename(&fresh, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_keeps_the_stamp_of_the_pages_and_hides_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let run = RunDir::new(dir.path());
        write_progress(&run, "too early").expect("no pages, no news");
        fs::create_dir_all(run.report().join("data")).expect("folder");
        begin(&run.report(), 17, true).expect("written");
        write_progress(&run, "epoch 1/2 \u{202e}</script>").expect("written");
        let text = fs::read_to_string(run.report().join("data/progress.js")).expect("file");
        assert!(text.starts_with("window.SP_progress({\"at\":") && text.contains("\"stamp\":17"), "{text}");
        assert!(text.contains("epoch 1/2") && !text.contains("</script>") && !text.contains('\u{202e}'), "{text}");
    }
}
