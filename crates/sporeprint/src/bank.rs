//! The memory bank: one unit row per image, a moving average of that image's codes.

use sporeprint_cluster::Rng;

use crate::rows::normalize;

/// One unit row per image, `[n_images, dim]`, row-major.
///
/// The bank is plain data. It never enters automatic differentiation, so that a checkpoint is a file of rows and the
/// loss treats it as constant (Wu et al. 2018, arXiv:1805.01978).
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryBank {
    rows: Vec<f32>,
    dim: usize,
}

impl MemoryBank {
    /// Rows drawn uniformly from the unit sphere (normalised Gaussian draws, Marsaglia 1972).
    ///
    /// # Panics
    /// When `dim` is zero.
    pub fn random(n_images: usize, dim: usize, seed: u64) -> Self {
        assert!(dim > 0, "a memory bank needs at least one dimension");
        let mut rng = Rng::new(seed);
        let mut rows = vec![0.0; n_images * dim];
        for row in rows.chunks_exact_mut(dim) {
            // A draw of length zero has no direction; it is as good as impossible, and drawing again costs nothing.
            while normalize(row) == 0.0 {
                row.iter_mut().for_each(|x| *x = rng.normal() as f32);
            }
        }
        Self { rows, dim }
    }

    /// Rows primed with the codes of all images in index order, each scaled to unit length.
    ///
    /// The codes must come from an encoder in evaluation mode: in training mode each would depend on its batch.
    ///
    /// # Shapes
    /// - `codes`: `[n_images, dim]`, row-major
    /// # Panics
    /// When `codes` is not a whole number of rows.
    pub fn primed(mut codes: Vec<f32>, dim: usize) -> Self {
        assert!(dim > 0 && codes.len().is_multiple_of(dim), "{} values are not rows of {dim}", codes.len());
        codes.chunks_exact_mut(dim).for_each(|row| {
            normalize(row);
        });
        Self { rows: codes, dim }
    }

    /// Rows exactly as a checkpoint held them.
    ///
    /// # Panics
    /// When `rows` is not a whole number of rows.
    pub fn from_rows(rows: Vec<f32>, dim: usize) -> Self {
        assert!(dim > 0 && rows.len().is_multiple_of(dim), "{} values are not rows of {dim}", rows.len());
        Self { rows, dim }
    }

    /// `u_i <- normalize((1 - mixing_rate) u_i + mixing_rate v_i)` for the images of one batch.
    ///
    /// Call it after the loss: updated before, each row would hold half of its own query.
    /// Returns the mean distance that the rows moved. Where both halves cancel, the row stays.
    ///
    /// # Shapes
    /// - `images`: `[batch]`, image indices
    /// - `codes`: `[batch, dim]`, unit rows
    /// # Panics
    /// When the shapes do not agree or an index lies outside the bank.
    pub fn update(&mut self, images: &[u32], codes: &[f32], mixing_rate: f32) -> f32 {
        assert_eq!(codes.len(), images.len() * self.dim, "codes and image indices must agree");
        let mut movement = 0.0;
        let mut mixed = vec![0.0; self.dim];
        for (&image, code) in images.iter().zip(codes.chunks_exact(self.dim)) {
            let row = &mut self.rows[image as usize * self.dim..][..self.dim];
            for ((m, &u), &v) in mixed.iter_mut().zip(row.iter()).zip(code) {
                *m = (1.0 - mixing_rate) * u + mixing_rate * v;
            }
            if normalize(&mut mixed) > 0.0 {
                movement += row.iter().zip(&mixed).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                row.copy_from_slice(&mixed);
            }
        }
        movement / images.len().max(1) as f32
    }

    /// All rows, `[n_images, dim]`, row-major.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The row of one image, `[dim]`.
    pub fn row(&self, image: u32) -> &[f32] {
        &self.rows[image as usize * self.dim..][..self.dim]
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(row: &[f32]) -> f32 {
        row.iter().map(|x| x * x).sum::<f32>().sqrt()
    }

    #[test]
    fn random_rows_are_unit_and_centred() {
        let bank = MemoryBank::random(4000, 8, 7);
        for image in 0..4000 {
            assert!((length(bank.row(image)) - 1.0).abs() <= 1e-5);
        }
        for d in 0..8 {
            let mean = (0..4000).map(|i| bank.row(i)[d]).sum::<f32>() / 4000.0;
            assert!(mean.abs() <= 0.03, "dimension {d} has mean {mean}");
        }
    }

    #[test]
    fn the_mixing_rate_is_the_weight_of_the_new_code() {
        let mut bank = MemoryBank::from_rows(vec![1.0, 0.0, 0.0, 1.0], 2);
        bank.update(&[1], &[1.0, 0.0], 0.25);
        let expected = [0.25 / 0.625f32.sqrt(), 0.75 / 0.625f32.sqrt()];
        assert_eq!(bank.row(0), [1.0, 0.0]);
        for (found, expected) in bank.row(1).iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn opposite_halves_leave_the_row_in_place() {
        let mut bank = MemoryBank::from_rows(vec![1.0, 0.0], 2);
        let movement = bank.update(&[0], &[-1.0, 0.0], 0.5);
        assert_eq!((bank.row(0), movement), ([1.0, 0.0].as_slice(), 0.0));
    }
}
