//! Edges, colours and patches as an encoder: no network, seconds, and a dictionary learnt from the folder.

use std::path::Path;

use rayon::prelude::*;

use super::{FrozenEncoder, FrozenError};
use crate::encoder::simple::{Block, COLOUR_DIM, HOG_DIM, PatchDictionary, Scaling, colour_histogram, hog, shrink};
use crate::encoder::{NamedTensor, read_tensors, save_tensors};
use crate::images::{CodeView, ImageCache, RgbView};

/// Images whose features set the scales of the blocks; more would hardly change them.
const SCALED_BY: usize = 5000;

/// Code: histograms of oriented gradients (324), of colours (72) and of whitened patches (up to 1024), each centred and
/// scaled to the same mean length.
#[derive(Clone, Debug, PartialEq)]
pub struct Simple {
    dictionary: PatchDictionary,
    /// Of edges, colours and patches, in this order.
    scalings: Vec<Scaling>,
}

impl Simple {
    /// Learns the dictionary of patches and the scales of the blocks from a view of a folder's pictures.
    ///
    /// # Errors
    /// When there are no pictures.
    pub fn fit(images: &ImageCache, view: CodeView, seed: u64) -> Result<Self, FrozenError> {
        let side = images.image_size();
        let picture = |i: usize| shrink(&view.of(images, i), side);
        let dictionary = PatchDictionary::learn(images.n_images(), &picture, seed)?;
        let step = images.n_images().div_ceil(SCALED_BY).max(1);
        let sample: Vec<[Vec<f32>; 3]> =
            (0..images.n_images()).into_par_iter().step_by(step).map(|i| features(&dictionary, &picture(i))).collect();
        let scaling = |at: usize| {
            let rows: Vec<f32> = sample.iter().flat_map(|features| features[at].iter().copied()).collect();
            Scaling::fit(&Block { rows: &rows, dim: rows.len() / sample.len(), weight: 1.0 })
        };
        Ok(Self { scalings: (0..3).map(scaling).collect(), dictionary })
    }

    /// What was learnt, to keep in a file.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = self.dictionary.tensors();
        for (scaling, name) in self.scalings.iter().zip(BLOCKS) {
            let named = |part: &str, data: Vec<f32>| NamedTensor {
                name: format!("{name}.{part}"),
                shape: vec![data.len()],
                data,
            };
            tensors.push(named("mean", scaling.mean.clone()));
            tensors.push(named("factor", vec![scaling.factor]));
        }
        tensors
    }

    /// Writes what was learnt, as safetensors.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FrozenError> {
        Ok(save_tensors(path, &self.tensors())?)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file is missing, damaged or of something else.
    pub fn open(path: &Path) -> Result<Self, FrozenError> {
        let tensors = read_tensors(path)?;
        Self::from_tensors(&tensors).ok_or_else(|| FrozenError::NotFitted { path: path.to_owned() })
    }

    /// The encoder from what [`tensors`](Self::tensors) gave; nothing when tensors are missing or have other shapes.
    pub fn from_tensors(tensors: &[NamedTensor]) -> Option<Self> {
        let dictionary = PatchDictionary::from_tensors(tensors)?;
        let find = |name: String| tensors.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.data.clone());
        let scaling = |name: &str| {
            let factor = find(format!("{name}.factor"))?.first().copied()?;
            Some(Scaling { mean: find(format!("{name}.mean"))?, factor })
        };
        let scalings: Vec<Scaling> = BLOCKS.iter().map(|name| scaling(name)).collect::<Option<_>>()?;
        let expected = [HOG_DIM, COLOUR_DIM, dictionary.dim()];
        let fits = scalings.iter().zip(expected).all(|(scaling, dim)| scaling.mean.len() == dim);
        fits.then_some(Self { dictionary, scalings })
    }
}

/// Names of the blocks in the file.
const BLOCKS: [&str; 3] = ["edges", "colours", "patches"];

fn features(dictionary: &PatchDictionary, pixels: &[f32]) -> [Vec<f32>; 3] {
    [hog(pixels), colour_histogram(pixels), dictionary.encode(pixels)]
}

impl FrozenEncoder for Simple {
    fn dim(&self) -> usize {
        HOG_DIM + COLOUR_DIM + self.dictionary.dim()
    }

    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let mut codes = vec![0.0; images.len() * self.dim()];
        codes.par_chunks_exact_mut(self.dim()).zip(images).for_each(|(code, image)| {
            let mut rest = code;
            for (features, scaling) in
                features(&self.dictionary, &shrink(image.data, image.width)).iter().zip(&self.scalings)
            {
                let (out, after) = rest.split_at_mut(features.len());
                scaling.apply(features, out);
                rest = after;
            }
        });
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{CacheConfig, find_images};

    #[test]
    fn what_was_learnt_gives_the_same_codes_from_its_file() {
        let dir = tempfile::tempdir().expect("a folder");
        crate::demo::write_demo(&dir.path().join("photos"), 12, 1).expect("drawn");
        let found = find_images(&[dir.path().join("photos")]).expect("images");
        let cache =
            ImageCache::build(&dir.path().join("cache"), &found, &CacheConfig::new(64), &|_| {}).expect("built").cache;
        let simple = Simple::fit(&cache, CodeView::WHOLE, 0).expect("pictures");
        simple.save(&dir.path().join("simple.safetensors")).expect("written");
        let again = Simple::open(&dir.path().join("simple.safetensors")).expect("read");
        assert_eq!(again, simple);
        let squares: Vec<_> = (0..12).map(|i| cache.eval(i)).collect();
        let pictures: Vec<RgbView<'_>> = squares.iter().map(|square| square.view()).collect();
        let codes = simple.codes(&pictures).expect("codes");
        assert_eq!(codes.len(), 12 * simple.dim());
        assert_eq!(
            codes[..simple.dim()],
            simple.codes(&pictures[..1]).expect("codes"),
            "a code is its picture's alone"
        );
        assert!(codes.iter().all(|x| x.is_finite()));
    }
}
