//! Where the pages of a run that is there take their pictures from.

use std::collections::HashMap;
use std::path::PathBuf;

use super::StageError;
use crate::images::{DecodeLimits, Filter, ImageCache, decode_file, fit_short_side, resize};
use crate::report::Picture;
use crate::run::RunDir;
use crate::run::tables::read_images;

/// Short side of pictures read from their files: pages show none larger.
const SIDE: usize = 256;

/// Pictures of a run by index: from its cache, or where that is gone, from the files. A run from given embeddings may
/// have neither; its pages show names.
#[derive(Debug)]
pub struct Pictures {
    cache: Option<ImageCache>,
    /// Place of each image in the cache: a run from given embeddings has pictures of some, in another order.
    places: Vec<Option<usize>>,
    files: Vec<PathBuf>,
}

impl Pictures {
    /// Opens the cache of a run, or remembers its files.
    ///
    /// # Errors
    /// - `images.parquet` cannot be read, or the cache is there but damaged
    pub fn open(run: &RunDir) -> Result<Self, StageError> {
        let images = read_images(&run.images())?;
        if !run.cache().is_dir() {
            let files = images.into_iter().map(|image| PathBuf::from(image.path)).collect();
            return Ok(Self { cache: None, places: Vec::new(), files });
        }
        let built = ImageCache::load(&run.cache())?;
        let names: HashMap<&str, usize> =
            built.entries.iter().enumerate().map(|(place, entry)| (entry.name.as_str(), place)).collect();
        let places = images.iter().map(|image| names.get(image.name.as_str()).copied()).collect();
        Ok(Self { cache: Some(built.cache), places, files: Vec::new() })
    }

    /// The pixels of an image, or nothing if they are gone.
    pub fn get(&self, index: usize) -> Option<Picture<'_>> {
        if let Some(cache) = &self.cache {
            let kept = cache.picture(self.places.get(index).copied().flatten()?);
            return Some(Picture { width: kept.width as u32, height: kept.height as u32, data: kept.data.into() });
        }
        let (_, decoded) = decode_file(self.files.get(index)?, &DecodeLimits::default()).ok()?;
        let whole = decoded.image;
        if whole.width == 0 || whole.height == 0 {
            return None;
        }
        let (width, height) = fit_short_side(whole.width, whole.height, SIDE.min(whole.width).min(whole.height));
        let small = resize(whole.view(), width, height, Filter::Bilinear);
        Some(Picture { width: width as u32, height: height as u32, data: small.data.into() })
    }
}
