//! CSV files: cells that no spreadsheet takes for a formula, rows through serde.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::TableError;
use crate::write_atomically;

/// Text that a spreadsheet shows and never runs.
///
/// Spreadsheets take a cell that starts with `=`, `+`, `-`, `@`, a tab or a line break for a formula, also in CSV
/// files, so a file called `=cmd|...` could start a program. Such text gets an apostrophe in front, the
/// spreadsheets' own sign for "this is text". Text that already reads as apostrophes followed by such a
/// character gets one more, so that [`restore`] undoes it exactly.
///
/// ```
/// use sporeprint_run::tables::{neutralise, restore};
/// assert_eq!(neutralise("=1+1.png"), "'=1+1.png");
/// assert_eq!(restore(&neutralise("'=1+1.png")), "'=1+1.png");
/// assert_eq!(neutralise("cap.png"), "cap.png");
/// ```
#[must_use]
pub fn neutralise(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Undoes [`neutralise`].
#[must_use]
pub fn restore(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => Cow::Borrowed(rest),
        _ => Cow::Borrowed(cell),
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// Serde's way to a text cell: `#[serde(with = "cells::text")]`. Number cells are written plainly: `-1` is no formula.
pub(super) mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::neutralise(text))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(super::restore(&String::deserialize(deserializer)?).into_owned())
    }
}

/// Numbers in one cell, a space between them.
pub(super) fn joined<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The numbers of such a cell.
pub(super) fn parted<T: std::str::FromStr>(cell: &str) -> Result<Vec<T>, T::Err> {
    cell.split_whitespace().map(str::parse).collect()
}

/// Serde's way to a cell of numbers.
pub(super) fn join<T: ToString, S: Serializer>(numbers: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&joined(numbers))
}

/// Serde's way back.
pub(super) fn split<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
    D: Deserializer<'de>,
{
    parted(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Writes rows under their field names. `columns` is the header of an empty table, which serde cannot know.
pub(super) fn write_csv<T: Serialize>(path: &Path, columns: &[&str], rows: &[T]) -> Result<(), TableError> {
    write_atomically(path, |out| {
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
        csv.write_record(columns).map_err(io::Error::other)?;
        for row in rows {
            csv.serialize(row).map_err(io::Error::other)?;
        }
        csv.flush()
    })?;
    Ok(())
}

/// Reads rows by their column names.
pub(super) fn read_csv<T: DeserializeOwned>(path: &Path, columns: &[&str]) -> Result<Vec<T>, TableError> {
    let mut csv = csv::Reader::from_reader(io::BufReader::new(fs::File::open(path)?));
    let damaged = |found: csv::Error| TableError::damaged(path, found, format!("columns {}", columns.join(", ")));
    let found = csv.headers().map_err(damaged)?;
    if let Some(missing) = columns.iter().find(|&&column| !found.iter().any(|name| name == column)) {
        let found: Vec<_> = found.iter().collect();
        return Err(TableError::damaged(path, format!("columns {}", found.join(", ")), format!("a column {missing}")));
    }
    csv.deserialize().map(|row| row.map_err(damaged)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_comes_back_and_none_is_a_formula(text in "['=+@\t\r\n-]{0,3}.{0,4}") {
            let cell = neutralise(&text);
            prop_assert!(!is_formula(&cell));
            prop_assert_eq!(restore(&cell), text.as_str());
        }
    }

    #[test]
    fn a_lone_apostrophe_stays() {
        assert_eq!(neutralise("'tis.png"), "'tis.png");
        assert_eq!(restore("'tis.png"), "'tis.png");
    }
}
