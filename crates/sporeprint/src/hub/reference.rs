//! The name of a model on a hub.

use std::fmt;
use std::str::FromStr;

use super::HubError;

/// `hf:OWNER/REPO[@REVISION][/FILE]`, checked: its parts are safe as parts of paths and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubReference {
    /// `OWNER/REPO`
    pub repository: String,
    /// Branch, tag or commit; `main` unless given.
    pub revision: String,
    /// Path within the repository, or nothing for its usual weights.
    pub file: Option<String>,
}

impl HubReference {
    /// Whether a text is meant as such a name.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with("hf:")
    }
}

impl fmt::Display for HubReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "hf:{}", self.repository)?;
        if self.revision != "main" {
            write!(out, "@{}", self.revision)?;
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(out, "/{file}"))
    }
}

impl FromStr for HubReference {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong = |reason| HubError::Name { name: text.to_owned(), reason };
        let rest = text.strip_prefix("hf:").ok_or(wrong("it does not begin with hf:"))?;
        let mut parts = rest.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let repository = parts.next().ok_or(wrong("there is no repository"))?;
        let (repository, revision) = repository.split_once('@').unwrap_or((repository, "main"));
        let file = parts.next().map(str::to_owned);
        let all = [owner, repository, revision].into_iter().chain(file.iter().flat_map(|file| file.split('/')));
        for part in all {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
            if part.is_empty() || part.chars().all(|c| c == '.') || !part.chars().all(plain) {
                return Err(wrong("each part takes letters, digits and . _ - +"));
            }
        }
        Ok(Self { repository: format!("{owner}/{repository}"), revision: revision.to_owned(), file })
    }
}
