//! Weights from a hub of models: `hf:OWNER/REPO[@REVISION][/FILE]`.
//!
//! This is the only place that uses the network, and only when asked for such a name that the cache does not hold yet.
//! The cache is the usual one (`~/.cache/huggingface/hub`), laid out as `huggingface_hub` does, so that files which other
//! programs have downloaded are found, and the other way round.
//!
//! ```text
//! models--OWNER--REPO/refs/main                      the commit that `main` was when it was downloaded
//! models--OWNER--REPO/snapshots/COMMIT/FILE          a link into
//! models--OWNER--REPO/blobs/DIGEST                   the bytes, checked against the digest before they get this name
//! ```

mod cache;
mod error;
mod reference;
mod transfer;

use std::path::PathBuf;

pub use error::HubError;
pub use reference::HubReference;

use crate::progress::Observer;
use cache::Cache;
use transfer::Transfer;

/// Weight files by preference, where a name does not say which.
const PREFERRED: [&str; 4] =
    ["model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin"];

/// What belongs beside weights: shapes that they do not tell, pixels' statistics, a vocabulary.
const COMPANIONS: [&str; 5] = ["config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer.json"];

/// Where models come from and where they are kept.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Address of the hub, without a slash at its end.
    pub endpoint: String,
    /// Folder of the cache.
    pub cache: PathBuf,
    /// For repositories that are not open to everybody.
    pub token: Option<String>,
    /// Whether to use nothing but the cache.
    pub offline: bool,
}

impl Hub {
    /// As the environment says, in the variables that `huggingface_hub` reads: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `XDG_CACHE_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").or_else(|| variable("USERPROFILE")).map_or_else(PathBuf::new, PathBuf::from);
        let caches = variable("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
        let hub_home = variable("HF_HOME").map_or_else(|| caches.join("huggingface"), PathBuf::from);
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: variable("HF_HUB_CACHE").map_or_else(|| hub_home.join("hub"), PathBuf::from),
            token: variable("HF_TOKEN"),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| matches!(&*value, "1" | "ON" | "YES" | "TRUE")),
        }
    }

    /// Path of the file that a name stands for: from the cache, or downloaded into it once.
    ///
    /// Its companions (settings, vocabulary) come along. What the cache holds is used without asking the network, so a
    /// later change of the repository's `main` changes nothing here.
    ///
    /// # Errors
    /// - not in the cache, and no network, no such repository or file, or no permission
    /// - bytes that are not those the hub announced, in number or digest; nothing is kept then
    /// - a disk that is full
    pub fn fetch(&self, reference: &HubReference, observer: &dyn Observer) -> Result<PathBuf, HubError> {
        let cache = Cache::of(&self.cache, reference);
        let wanted = |file: &str| cache.file(file);
        let cached = match &reference.file {
            Some(file) => wanted(file),
            None => chosen(&cache.files()).and_then(|file| wanted(&file)),
        };
        if let Some(path) = cached {
            return Ok(path);
        }
        if self.offline {
            let (reference, folder) = (Box::new(reference.clone()), self.cache.clone());
            return Err(HubError::Offline { reference, folder });
        }
        let transfer = Transfer::new(self, reference, observer);
        let listing = transfer.listing()?;
        let file = match &reference.file {
            Some(file) => file.clone(),
            None => chosen(&listing.files).ok_or_else(|| HubError::WhichFile {
                reference: Box::new(reference.clone()),
                files: listing.files.iter().filter(|file| is_weights(file)).cloned().collect(),
            })?,
        };
        // Companions first: where they are there, the weights are complete with them.
        let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        for companion in COMPANIONS.iter().map(|name| format!("{folder}{name}")) {
            if listing.files.contains(&companion) && cache.file_of(&listing.commit, &companion).is_none() {
                transfer.download(&cache, &listing.commit, &companion)?;
            }
        }
        let path = match cache.file_of(&listing.commit, &file) {
            Some(path) => path,
            None => transfer.download(&cache, &listing.commit, &file)?,
        };
        cache.remember(&listing.commit)?;
        Ok(path)
    }
}

fn is_weights(file: &str) -> bool {
    [".safetensors", ".pth", ".pt", ".bin", ".onnx"].iter().any(|end| file.ends_with(end))
}

/// The preferred file, or the only one of safetensors.
fn chosen(files: &[String]) -> Option<String> {
    if let Some(file) = PREFERRED.iter().find(|file| files.iter().any(|f| f == *file)) {
        return Some((*file).to_owned());
    }
    let mut safe = files.iter().filter(|file| file.ends_with(".safetensors"));
    match (safe.next(), safe.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
