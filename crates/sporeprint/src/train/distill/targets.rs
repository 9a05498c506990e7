//! What a teacher says of each image.

use burn::tensor::Device;
use rayon::prelude::*;

use crate::batch;
use crate::encoder::{FrozenEncoder, FrozenError, Linear, PreparedEncoder, values};
use crate::images::{CodeView, Filter, ImageCache, RgbImage, RgbView};
use crate::progress::Observer;

/// Images in a batch of a network.
const BATCH: usize = 16;

/// An encoder that is asked, never trained.
#[derive(Debug)]
pub enum Teacher {
    /// A network of a family that is trained here, perhaps with a classifier.
    Network(Box<PreparedEncoder>, Option<Linear>),
    /// Any other, with how it wants pictures resized.
    Frozen(Box<dyn FrozenEncoder>, usize, Filter),
}

/// A teacher's answers for whole images.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// The mean of the codes of each image and of its mirror image, `[n_images, dim]`.
    pub codes: Vec<f32>,
    /// Numbers of a code.
    pub dim: usize,
    /// The mean of `|code - mean code|^2` over the images.
    pub spread: f32,
    /// Class scores of those codes, `[n_images, n_classes]`, if the teacher has a classifier.
    pub scores: Option<Vec<f32>>,
}

impl Teacher {
    /// Side of the pictures that it sees, and how they are brought to it.
    fn pictures(&self) -> (usize, Filter) {
        match self {
            Self::Network(network, _) => (network.config().image_size, Filter::Bilinear),
            Self::Frozen(_, size, filter) => (*size, *filter),
        }
    }

    fn codes(&self, pictures: &[RgbImage]) -> Result<Vec<f32>, FrozenError> {
        Ok(match self {
            Self::Network(network, _) => {
                let (size, normalization) = (network.config().image_size, network.config().normalization());
                let numbers: Vec<u32> = (0..pictures.len() as u32).collect();
                let pixels = |at: usize| pictures[at].data.as_slice();
                values(network.codes(batch::of_pictures(&numbers, size, normalization, &Device::flex(), pixels)))
            }
            Self::Frozen(encoder, ..) => {
                let views: Vec<RgbView<'_>> = pictures.iter().map(RgbImage::view).collect();
                encoder.codes(&views)?
            }
        })
    }

    /// Asks for all images.
    ///
    /// # Errors
    /// - a model from a file of somebody else's refuses to run
    pub fn targets(&self, cache: &ImageCache, observer: &dyn Observer) -> Result<Targets, FrozenError> {
        let (n, (size, filter)) = (cache.n_images(), self.pictures());
        let views = CodeView::averaged(2, &[]);
        observer.begin("the teacher's codes", n as u64);
        let mut codes = Vec::new();
        for first in (0..n).step_by(BATCH) {
            let last = (first + BATCH).min(n);
            let images: Vec<usize> = (first..last).collect();
            let seen = |image: &usize| {
                let picture = cache.picture(*image);
                let view = |view: &CodeView| RgbImage::new(size, size, view.of_picture(picture.view(), size, filter));
                (view(&views[0]), view(&views[1]))
            };
            let (pictures, mirrored): (Vec<RgbImage>, Vec<RgbImage>) = images.par_iter().map(seen).unzip();
            let (here, there) = (self.codes(&pictures)?, self.codes(&mirrored)?);
            codes.extend(here.iter().zip(&there).map(|(a, b)| 0.5 * (a + b)));
            observer.advance(last as u64, "");
        }
        observer.end();
        Ok(self.say(codes, n))
    }

    /// What follows from the codes of `n_images` images.
    pub fn say(&self, codes: Vec<f32>, n_images: usize) -> Targets {
        let dim = codes.len() / n_images.max(1);
        let scores = match self {
            Self::Network(_, Some(classifier)) => Some(classifier.of_rows(&codes)),
            _ => None,
        };
        Targets { spread: spread(&codes, dim), codes, dim, scores }
    }
}

impl Targets {
    /// The codes of some images, one behind the other.
    pub(super) fn codes_of(&self, images: &[u32]) -> Vec<f32> {
        images.iter().flat_map(|&i| &self.codes[i as usize * self.dim..][..self.dim]).copied().collect()
    }
}

fn spread(codes: &[f32], dim: usize) -> f32 {
    let n = (codes.len() / dim.max(1)).max(1) as f64;
    let mut sums = vec![0.0f64; dim];
    let mut squares = 0.0f64;
    for row in codes.chunks_exact(dim.max(1)) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
            squares += f64::from(x).powi(2);
        }
    }
    (squares / n - sums.iter().map(|sum| (sum / n).powi(2)).sum::<f64>()) as f32
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn spread_is_the_mean_squared_distance_from_the_mean() {
        assert!((spread(&[1.0, 5.0, 3.0, 5.0], 2) - 1.0).abs() <= 1e-6);
        assert_eq!(spread(&[2.0, 2.0, 2.0, 2.0], 2), 0.0);
    }
}
