//! `names.csv`: one row per cluster that has a name.

use std::path::Path;

use arrow_array::ArrayRef;
use serde::Serialize;

use super::TableError;
use super::cells::{Cell, CsvCell};
use super::columns::Columns;
use super::rows::{columns, read_csv, write_csv};

/// Where a cluster's name comes from, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameOrigin {
    /// A person called it that.
    Given,
    /// The nearest of a person's words, by CLIP.
    Words,
    /// What the classifier of the built-in encoder takes it for.
    Suggested,
}

impl NameOrigin {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Words => "words",
            Self::Suggested => "suggested",
        }
    }
}

impl Cell for NameOrigin {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        String::array(cells.map(|origin| origin.as_str().to_owned()).collect::<Vec<_>>().iter())
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        let parse = |text: &String| Self::parsed(text).map_err(|expected| table.damaged(name, text, expected));
        table.texts(name)?.iter().map(parse).collect()
    }

    fn written(&self) -> CsvCell<'_> {
        CsvCell::Text(self.as_str().into())
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        let all = [Self::Given, Self::Words, Self::Suggested];
        all.into_iter().find(|origin| origin.as_str() == cell).ok_or("given, words or suggested")
    }
}

/// What a cluster is called. What was found by words and what was suggested stay beside a name that wins over them, so that it can be
/// taken back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameRow {
    /// Its id.
    pub cluster: i32,
    /// Images in it.
    pub size: u32,
    /// The name: that which a person gave, else the nearest word, else the suggestion.
    pub name: String,
    /// Which of them it is.
    pub origin: NameOrigin,
    /// Nearest of a person's words.
    pub word: Option<String>,
    /// Cosine between that word and the mean of the cluster.
    pub similarity: Option<f32>,
    /// Part of its images that are nearest to that word themselves.
    pub share: Option<f32>,
    /// Word that is nearer to this cluster than to the others by the most.
    pub distinctive: Option<String>,
    /// The next nearest words, `; ` between them.
    pub others: Option<String>,
    /// What the encoder's classifier takes the cluster for.
    pub suggestion: Option<String>,
    /// Mean probability of that in the cluster.
    pub suggestion_share: Option<f32>,
}

columns!(
    NameRow: cluster, size, name, origin, word, similarity, share, distinctive, others, suggestion, suggestion_share
);

impl NameRow {
    /// A cluster without any name yet; [`called`](Self::called) says what it is called.
    #[must_use]
    pub fn unnamed(cluster: i32, size: u32) -> Self {
        Self {
            cluster,
            size,
            name: String::new(),
            origin: NameOrigin::Suggested,
            word: None,
            similarity: None,
            share: None,
            distinctive: None,
            others: None,
            suggestion: None,
            suggestion_share: None,
        }
    }

    /// The row under the name that wins, nothing where there is none.
    #[must_use]
    pub fn called(mut self, given: Option<String>) -> Option<Self> {
        let (name, origin) = given
            .map(|name| (name, NameOrigin::Given))
            .or_else(|| Some((self.word.clone()?, NameOrigin::Words)))
            .or_else(|| Some((self.suggestion.clone()?, NameOrigin::Suggested)))?;
        (self.name, self.origin) = (name, origin);
        Some(self)
    }

    /// The name that a person gave.
    #[must_use]
    pub fn given(&self) -> Option<&str> {
        (self.origin == NameOrigin::Given).then_some(&*self.name)
    }
}

/// Writes `names.csv`.
///
/// # Errors
/// - the file cannot be written
pub fn write_names(path: &Path, rows: &[NameRow]) -> Result<(), TableError> {
    write_csv(path, rows)
}

/// Reads `names.csv`.
///
/// # Errors
/// - the file cannot be read or lacks a column
pub fn read_names(path: &Path) -> Result<Vec<NameRow>, TableError> {
    read_csv(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cluster: i32) -> NameRow {
        NameRow {
            word: Some("fly agaric".to_owned()),
            similarity: Some(0.25),
            share: Some(0.5),
            distinctive: Some("=1".to_owned()),
            others: Some("a; b".to_owned()),
            suggestion: Some("mushroom".to_owned()),
            suggestion_share: Some(0.75),
            ..NameRow::unnamed(cluster, 3)
        }
    }

    #[test]
    fn names_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("names.csv");
        let only_given = NameRow::unnamed(2, 3).called(Some("-".to_owned()));
        let rows = [row(0).called(None).expect("a word"), only_given.expect("a name")];
        write_names(&path, &rows).expect("written");
        assert_eq!(read_names(&path).expect("read"), rows);
        let text = fs_err::read_to_string(&path).expect("file");
        assert!(text.ends_with("\n2,3,'-,given,,,,,,,\n"), "{text}");
    }

    #[test]
    fn a_given_name_wins_over_words_and_these_over_suggestions() {
        let called = |row: NameRow, given: Option<&str>| row.called(given.map(str::to_owned)).expect("a name");
        let given = called(row(0), Some("amanita"));
        assert_eq!((&*given.name, given.origin, given.given()), ("amanita", NameOrigin::Given, Some("amanita")));
        let taken_back = called(given, None);
        assert_eq!((&*taken_back.name, taken_back.origin), ("fly agaric", NameOrigin::Words));
        let suggested = called(NameRow { word: None, ..row(0) }, None);
        assert_eq!((&*suggested.name, suggested.origin, suggested.given()), ("mushroom", NameOrigin::Suggested, None));
        assert_eq!(NameRow::unnamed(0, 3).called(None), None);
    }
}
