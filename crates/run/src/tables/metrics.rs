//! `metrics.jsonl`: one JSON object per line, added to while the run works.

use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TableError;

/// One line of the log: where the run was and what it measured.
///
/// ```
/// let metric = sporeprint_run::tables::LogLine::new("pretrain", 3.).number("loss", 0.25);
/// assert_eq!(metric.to_line(), r#"{"stage":"pretrain","epoch":3.0,"loss":0.25}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// The stage: `pretrain`, `aggregate`, `cluster`, ..
    pub stage: String,
    /// Epochs of that stage done.
    pub epoch: f64,
    /// Everything else: numbers (`loss`, `overlap`, ..) and texts (`warning` and its `remedy`).
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

impl LogLine {
    /// A line without figures yet.
    #[must_use]
    pub fn new(stage: &str, epoch: f64) -> Self {
        Self { stage: stage.to_owned(), epoch, fields: BTreeMap::new() }
    }

    /// With one more number. JSON has no word for numbers that are not finite: they become `null`.
    #[must_use]
    pub fn number(mut self, name: &str, number: f64) -> Self {
        self.fields.insert(name.to_owned(), Value::from(number));
        self
    }

    /// With one more text.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.fields.insert(name.to_owned(), Value::from(text));
        self
    }

    /// The numbers among the fields, in the order of their names.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> + '_ {
        self.fields.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
    }

    /// A field that is text.
    #[must_use]
    pub fn get_text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// The line as it stands in the file, without its line break.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| unreachable!("maps of text to values are always JSON"))
    }
}

/// The log, open for adding.
#[derive(Debug)]
pub struct MetricsLog {
    file: fs::File,
    n_bytes: u64,
}

impl MetricsLog {
    /// Opens or makes the log for adding and cuts it to `n_bytes`, the length that a checkpoint remembers (0 starts anew), so
    /// that a resumed run does not repeat the lines after it.
    ///
    /// # Errors
    /// - the file cannot be opened, or is shorter than `n_bytes`
    pub fn cut_to(path: &Path, n_bytes: u64) -> Result<Self, TableError> {
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
        let found = file.metadata()?.len();
        if found < n_bytes {
            return Err(TableError::damaged(path, format!("{found} bytes"), format!("at least {n_bytes}")));
        }
        file.set_len(n_bytes)?;
        file.seek(SeekFrom::Start(n_bytes))?;
        Ok(Self { file, n_bytes })
    }

    /// Adds one line; it is in the file when this returns.
    ///
    /// # Errors
    /// - the file cannot be written
    pub fn append(&mut self, metric: &LogLine) -> io::Result<()> {
        let line = metric.to_line() + "\n";
        self.file.write_all(line.as_bytes())?;
        self.n_bytes += line.len() as u64;
        Ok(())
    }

    /// Length of the log, for a checkpoint.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }
}

/// Reads `metrics.jsonl`. A last line without its line break was cut by a kill and is left out.
///
/// # Errors
/// - the file cannot be read or a whole line is not such an object
pub fn read_metrics(path: &Path) -> Result<Vec<LogLine>, TableError> {
    let text = fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            TableError::damaged(path, format!("line {}: {error}", number + 1), "a JSON object with stage and epoch")
        })
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_repeats_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("metrics.jsonl");
        let metric =
            |epoch: f64| LogLine::new("aggregate", epoch).number("loss", 1. / epoch).text("warning", "a\n\"b\"");
        let mut log = MetricsLog::cut_to(&path, 0).expect("log");
        log.append(&metric(1.)).expect("line");
        let remembered = log.n_bytes();
        log.append(&metric(2.)).expect("line");
        drop(log);
        let mut log = MetricsLog::cut_to(&path, remembered).expect("log");
        log.append(&metric(2.)).expect("line");
        log.append(&metric(3.)).expect("line");
        assert_eq!(read_metrics(&path).expect("read"), [metric(1.), metric(2.), metric(3.)]);
        assert!(MetricsLog::cut_to(&path, 1 << 30).is_err());
    }

    #[test]
    fn a_line_cut_by_a_kill_is_left_out_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, "{\"stage\":\"a\",\"epoch\":1}\n{\"stage\":\"a\",\"ep").expect("file");
        assert_eq!(read_metrics(&path).expect("read"), [LogLine::new("a", 1.)]);
        fs::write(&path, "{\"stage\":\"a\",\"epoch\":1}\nnonsense\n").expect("file");
        assert!(read_metrics(&path).expect_err("refused").to_string().contains("line 2"));
    }

    #[test]
    fn a_loss_that_is_not_finite_is_null() {
        let metric = LogLine::new("a", 1.).number("loss", f64::NAN);
        assert_eq!(metric.to_line(), r#"{"stage":"a","epoch":1.0,"loss":null}"#);
        assert_eq!(metric.numbers().count(), 0);
    }
}
