//! The pixels themselves: the baseline that every encoder has to beat.

use rayon::prelude::*;

use super::{FrozenEncoder, FrozenError};
use crate::config::PixelsConfig;
use crate::images::RgbView;

/// Code: the picture averaged down to `side x side`, values 0 to 1 in the order row, column, channel.
#[derive(Debug)]
pub struct Pixels {
    side: usize,
}

impl Pixels {
    /// From its settings; pictures smaller than `side` keep their size.
    pub fn new(config: PixelsConfig) -> Self {
        Self { side: config.side.min(config.image_size) }
    }

    fn code(&self, image: RgbView<'_>, code: &mut [f32]) {
        let side = self.side;
        let bounds = |at: usize, whole: usize| {
            let step = whole as f32 / side as f32;
            (at as f32 * step) as usize..(((at + 1) as f32 * step) as usize).min(whole)
        };
        for (at, out) in code.chunks_exact_mut(3).enumerate() {
            let (rows, columns) = (bounds(at / side, image.height), bounds(at % side, image.width));
            let count = (rows.len() * columns.len()) as f32;
            for (channel, out) in out.iter_mut().enumerate() {
                let sum: f32 = rows
                    .clone()
                    .flat_map(|y| image.row(y)[columns.start * 3..columns.end * 3].iter().skip(channel).step_by(3))
                    .map(|&value| f32::from(value) / 255.0)
                    .sum();
                *out = sum / count;
            }
        }
    }
}

impl FrozenEncoder for Pixels {
    fn dim(&self) -> usize {
        self.side * self.side * 3
    }

    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let mut codes = vec![0.0; images.len() * self.dim()];
        codes.par_chunks_exact_mut(self.dim()).zip(images).for_each(|(code, image)| self.code(*image, code));
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_become_their_mean() {
        let pixels = [[0, 255, 10], [255, 255, 20], [0, 255, 30], [255, 255, 40]].concat();
        let encoder = Pixels::new(PixelsConfig { image_size: 2, side: 1 });
        let code = encoder.codes(&[RgbView::new(2, 2, &pixels)]).expect("pixels always do");
        for (found, expected) in code.iter().zip([0.5, 1.0, 25.0 / 255.0]) {
            assert!((found - expected).abs() <= 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn a_picture_smaller_than_the_code_keeps_its_pixels() {
        let encoder = Pixels::new(PixelsConfig { image_size: 2, side: 32 });
        assert_eq!(encoder.dim(), 12);
    }
}
