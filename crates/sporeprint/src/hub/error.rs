//! Why weights cannot be fetched.

use std::path::PathBuf;

use thiserror::Error;

use super::HubReference;

/// Why a model of a hub is not to be had.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum HubError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(
        "{name}: not the name of a model, expected hf:OWNER/REPO or hf:OWNER/REPO/FILE ({reason})\nhint: for instance \
         `weights = hf:facebook/dinov2-small`"
    )]
    Name { name: String, reason: &'static str },
    #[error(
        "{reference}: not in the cache {folder}, and HF_HUB_OFFLINE forbids the network\nhint: unset HF_HUB_OFFLINE to \
         download it once"
    )]
    Offline { reference: Box<HubReference>, folder: PathBuf },
    #[error(
        "{reference}: cannot be downloaded: no connection to {endpoint} ({reason})\nhint: connect once, later runs need no \
         network; or give a file that you have: `weights = FILE`"
    )]
    NoNetwork { reference: Box<HubReference>, endpoint: String, reason: String },
    #[error("{reference}: {endpoint} has no {what}\nhint: check the spelling of owner, repository and file")]
    NotFound { reference: Box<HubReference>, endpoint: String, what: String },
    #[error(
        "{reference}: {endpoint} asks who you are (status {status})\nhint: the model may be private or need consent; give a \
         token in HF_TOKEN"
    )]
    Forbidden { reference: Box<HubReference>, endpoint: String, status: u16 },
    #[error("{reference}: {endpoint} answered {what} with status {status}\nhint: try again later")]
    Status { reference: Box<HubReference>, endpoint: String, what: String, status: u16 },
    #[error(
        "{reference}: {endpoint} gave an answer that cannot be used: {reason}\nhint: check HF_ENDPOINT, or try again"
    )]
    Answer { reference: Box<HubReference>, endpoint: String, reason: String },
    #[error(
        "{reference}: {file} did not arrive as announced: {what} is {found}, expected {expected}; nothing was kept\nhint: try \
         again"
    )]
    Corrupt { reference: Box<HubReference>, file: String, what: &'static str, found: String, expected: String },
    #[error(
        "{reference}: does not say which file, and has no model.safetensors; there are: {}\nhint: give one of them, as in \
         `weights = {reference}/FILE`",
        if files.is_empty() { "no weights at all".to_owned() } else { files.join(", ") }
    )]
    WhichFile { reference: Box<HubReference>, files: Vec<String> },
    #[error("{reference}: stopped while downloading; nothing was kept")]
    Interrupted { reference: Box<HubReference> },
}

impl HubError {
    /// Whether the person asked to stop, rather than something going wrong.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }
}
