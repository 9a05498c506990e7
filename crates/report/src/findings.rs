//! What the tables tell, as one list: the sentences about the grouping and the warnings are both read off it.

use super::summary::Summary;
use super::{ReportData, Sheets, advice, verdict};

/// One thing that the tables tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is about.
    pub(crate) about: About,
    /// A sentence.
    pub(crate) words: String,
    /// What can be done about it; nothing where all is well.
    pub(crate) remedy: Option<String>,
}

/// Where a finding belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// How good the grouping is.
    Grouping,
    /// Sizes of clusters, files, training.
    Run,
}

impl Finding {
    /// Something about the grouping that is well.
    pub(crate) fn grouping(words: String) -> Self {
        Self { about: About::Grouping, words, remedy: None }
    }

    /// Something about the run that is worth a warning.
    pub(crate) fn trouble(words: String, remedy: impl Into<String>) -> Self {
        Self { about: About::Run, words, remedy: Some(remedy.into()) }
    }

    /// The same as a warning where `is_trouble`.
    pub(crate) fn with_remedy(self, is_trouble: bool, remedy: &str) -> Self {
        Self { remedy: is_trouble.then(|| remedy.to_owned()), ..self }
    }
}

/// All findings, those about the grouping first.
pub(crate) fn findings(data: &ReportData, summary: &Summary, sheets: &Sheets) -> Vec<Finding> {
    let mut findings = verdict::grouping(data);
    findings.extend(advice::troubles(data, summary, sheets));
    findings
}
