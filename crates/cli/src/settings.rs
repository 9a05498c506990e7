//! A run's settings from a file and flags, and the files that they name.

use std::path::Path;

use anyhow::{Context, Result};
use sporeprint::config::{Overlay, RunConfig};
use sporeprint::encoder::{OpenFrozen, described_encoder};
use sporeprint::hub::{Hub, HubReference};
use sporeprint::progress::Observer;

/// What a settings file gives, if there is one.
pub(crate) fn read(file: Option<&Path>) -> Result<Overlay> {
    let Some(path) = file else { return Ok(Overlay::default()) };
    let text = fs_err::read_to_string(path)?;
    Overlay::from_toml(&text).with_context(|| path.display().to_string())
}

/// The settings of a run with the encoder that they name bound to its files: see [`RunConfig::resolve`].
pub(crate) fn resolve(file: Overlay, flags: Overlay, observer: &dyn Observer) -> Result<RunConfig> {
    // What says nothing or cannot work is said before anything is downloaded.
    RunConfig::resolve(&file, &flags)?;
    let mut config = RunConfig::resolve(&with_weights(file, observer)?, &with_weights(flags, observer)?)?;
    config.check_files()?;
    if let Some(frozen) = &mut config.frozen {
        if let Some(model) = frozen.model_mut() {
            *model = absolute(model)?;
        }
        frozen.bind(config.weights.file())?;
    }
    Ok(config)
}

/// The weights of these settings as a file on this machine, with the network that it describes.
fn with_weights(mut settings: Overlay, observer: &dyn Observer) -> Result<Overlay> {
    let word = settings.get("weights").and_then(|word| word.as_str()).map(str::to_owned);
    let Some(word) = word.filter(|word| !["builtin", "none"].contains(&word.as_str())) else { return Ok(settings) };
    let path = weights(&word, observer)?;
    settings.set("weights", path.display().to_string());
    // Whether it is there is checked with the other files.
    let described = if path.is_file() { described_encoder(&path).context("`weights`")? } else { None };
    if let Some(network) = described {
        settings.describe(network);
    }
    Ok(settings)
}

/// Paths are kept absolute, so that every later verb finds the images from wherever it is called.
pub(crate) fn absolute(path: &Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

/// A file, or the file in the cache that a model of a hub is downloaded to once.
pub(crate) fn weights(text: &str, observer: &dyn Observer) -> Result<std::path::PathBuf> {
    if HubReference::is_meant_by(text) {
        return Ok(Hub::from_environment().fetch(&text.parse()?, observer)?);
    }
    absolute(Path::new(text))
}

/// Gives a setting the absolute form of paths.
pub(crate) fn set_path(settings: &mut Overlay, setting: &str, path: &Path) -> Result<()> {
    settings.set(setting, absolute(path)?.display().to_string());
    Ok(())
}
