//! Overlapping square crops of each image, the article's `grid` mode.

use serde::{Deserialize, Serialize};

use super::rgb::RgbImage;

/// A square image of `image_size` pixels cut into `splits x splits` overlapping crops of `crop` pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    image_size: usize,
    crop: usize,
    step: usize,
}

/// Sizes that do not tile the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "crops of {crop} pixels every {step} do not end at the edge of an image of {image_size} pixels: expected crop + \
     (splits - 1) * step = image size\nhint: {crop} + {fitting} * {step} = {end} would do as image size"
)]
pub struct GridError {
    image_size: usize,
    crop: usize,
    step: usize,
    fitting: usize,
    end: usize,
}

impl Default for Grid {
    /// The article's: 224 px images, 64 px crops every 32 px, 6 x 6 = 36 crops.
    fn default() -> Self {
        Self { image_size: 224, crop: 64, step: 32 }
    }
}

impl Grid {
    /// Grid of crops, all sizes in pixels.
    ///
    /// # Errors
    /// - unless `crop + (splits - 1) * step == image_size` for some whole number of splits, all of them above 0
    pub fn new(image_size: usize, crop: usize, step: usize) -> Result<Self, GridError> {
        let fits = crop > 0 && step > 0 && image_size >= crop && (image_size - crop).is_multiple_of(step);
        if fits {
            return Ok(Self { image_size, crop, step });
        }
        let (sound_crop, sound_step) = (crop.max(1), step.max(1));
        let fitting = image_size.saturating_sub(sound_crop) / sound_step;
        Err(GridError { image_size, crop, step, fitting, end: sound_crop + fitting * sound_step })
    }

    /// Side of the images that are cut, in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Side of a crop, in pixels.
    pub fn crop_size(&self) -> usize {
        self.crop
    }

    /// Crops along one side.
    pub fn splits(&self) -> usize {
        (self.image_size - self.crop) / self.step + 1
    }

    /// Crops of one image.
    pub fn n_crops(&self) -> usize {
        self.splits() * self.splits()
    }

    /// Crop number `index` (row by row) of a square image from the cache's evaluation plane, without decoding again.
    ///
    /// # Shapes
    /// - image: `[image_size, image_size, 3]` bytes; result: `crop x crop` pixels
    /// # Panics
    /// - when the image has another size or `index >= n_crops`
    pub fn crop(&self, image: &[u8], index: usize) -> RgbImage {
        let mut data = vec![0; self.crop * self.crop * 3];
        self.crop_into(image, index, &mut data);
        RgbImage::new(self.crop, self.crop, data)
    }

    /// As [`Grid::crop`], into `crop * crop * 3` bytes of the caller's.
    ///
    /// # Panics
    /// - when the image or `out` has another size or `index >= n_crops`
    pub fn crop_into(&self, image: &[u8], index: usize, out: &mut [u8]) {
        assert_eq!(image.len(), self.image_size * self.image_size * 3, "bytes of the image to cut");
        assert_eq!(out.len(), self.crop * self.crop * 3, "bytes of the crop");
        assert!(index < self.n_crops(), "crop {index} of {}", self.n_crops());
        let (top, left) = (index / self.splits() * self.step, index % self.splits() * self.step);
        let row_bytes = self.crop * 3;
        for (y, line) in (top..).zip(out.chunks_exact_mut(row_bytes)) {
            let from = (y * self.image_size + left) * 3;
            line.copy_from_slice(&image[from..from + row_bytes]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_gives_thirty_six_crops() {
        let grid = Grid::default();
        assert_eq!(Grid::new(224, 64, 32), Ok(grid));
        assert_eq!((grid.splits(), grid.n_crops()), (6, 36));
    }

    #[test]
    fn crops_lie_where_the_grid_says() {
        let grid = Grid::new(5, 3, 1).unwrap();
        let image: Vec<u8> = (0..25).flat_map(|i| [i, i, i]).collect();
        let crop = grid.crop(&image, 5);
        let values: Vec<u8> = crop.data.iter().copied().step_by(3).collect();
        assert_eq!(values, [7, 8, 9, 12, 13, 14, 17, 18, 19]);
    }

    #[test]
    fn sizes_that_do_not_tile_are_refused_with_one_that_does() {
        let error = Grid::new(224, 64, 30).unwrap_err().to_string();
        assert!(error.contains("64 + 5 * 30 = 214"), "{error}");
        for (image, crop, step) in [(64, 65, 1), (64, 0, 1), (64, 32, 0)] {
            assert!(Grid::new(image, crop, step).is_err());
        }
    }
}
