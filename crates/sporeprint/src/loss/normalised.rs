use rayon::prelude::*;

/// Lengths under this count as zero, as in PyTorch's `normalize` and the authors' code.
const SMALLEST_LENGTH: f32 = 1e-12;

/// The codes of a batch scaled to unit length, with what the way back needs.
///
/// `v = z / max(|z|, 1e-12)`.
#[derive(Clone, Debug)]
pub struct UnitCodes {
    rows: Vec<f32>,
    lengths: Vec<f32>,
    dim: usize,
}

impl UnitCodes {
    /// # Shapes
    /// - `codes`: `[batch, dim]`, row-major
    /// # Panics
    /// When `codes` is not a whole number of rows.
    pub fn new(codes: &[f32], dim: usize) -> Self {
        assert!(dim > 0 && codes.len().is_multiple_of(dim), "{} values are not rows of {dim}", codes.len());
        let mut rows = codes.to_vec();
        let lengths = rows
            .chunks_exact_mut(dim)
            .map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(SMALLEST_LENGTH);
                row.iter_mut().for_each(|x| *x /= length);
                length
            })
            .collect();
        Self { rows, lengths, dim }
    }

    /// Unit rows, `[batch, dim]`.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// One unit row, `[dim]`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.dim..][..self.dim]
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `dL/dz = (g - (g.v) v) / |z|`, from a gradient `g` on the unit rows.
    ///
    /// # Panics
    /// When `gradient` has another shape than the codes.
    pub fn gradient_on_codes(&self, mut gradient: Vec<f32>) -> Vec<f32> {
        assert_eq!(gradient.len(), self.rows.len(), "one gradient per code");
        gradient.par_chunks_exact_mut(self.dim).zip(self.rows.par_chunks_exact(self.dim)).zip(&self.lengths).for_each(
            |((g, v), length)| {
                let along: f32 = g.iter().zip(v).map(|(g, v)| g * v).sum();
                g.iter_mut().zip(v).for_each(|(g, v)| *g = (*g - along * v) / length);
            },
        );
        gradient
    }
}
