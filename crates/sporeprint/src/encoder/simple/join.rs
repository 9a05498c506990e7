//! Several kinds of codes as one.

/// One kind of codes of all images, with its weight.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// `[n, dim]`, row-major.
    pub rows: &'a [f32],
    /// Values per row.
    pub dim: usize,
    /// Weight against blocks of 1.
    pub weight: f32,
}

/// What a block's values are centred and scaled by: its mean row, and its weight over the mean length of its centred rows.
///
/// No block then counts for more because its numbers are larger or more.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// `[dim]`
    pub mean: Vec<f32>,
    /// Factor on every centred value; 0 for a block whose rows are all the same.
    pub factor: f32,
}

impl Scaling {
    /// The scaling of one block over all images.
    ///
    /// # Panics
    /// When the values are not whole rows.
    pub fn fit(block: &Block<'_>) -> Self {
        let (dim, rows) = (block.dim, block.rows);
        assert!(dim > 0 && rows.len().is_multiple_of(dim), "{} values are not rows of {dim}", rows.len());
        let n = rows.len() / dim;
        let mut sums = vec![0.0f64; dim];
        rows.chunks_exact(dim).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x)));
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n.max(1) as f64) as f32).collect();
        let length = |row: &[f32]| row.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum::<f32>().sqrt();
        let lengths: f64 = rows.chunks_exact(dim).map(|row| f64::from(length(row))).sum();
        let factor = if lengths > 0.0 { block.weight * (n as f64 / lengths) as f32 } else { 0.0 };
        Self { mean, factor }
    }

    /// Writes one row, centred and scaled.
    ///
    /// # Shapes
    /// - row, out: `[dim]`
    pub fn apply(&self, row: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(row).zip(&self.mean).for_each(|((out, x), m)| *out = self.factor * (x - m));
    }
}

/// Rows side by side, each block centred and scaled by its own [`Scaling`].
///
/// # Shapes
/// - blocks: each `[n, dim_b]`; result: `[n, sum of dim_b]`
/// # Panics
/// When the blocks have different numbers of rows.
pub fn join(blocks: &[Block<'_>]) -> Vec<f32> {
    let n = blocks.first().map_or(0, |block| block.rows.len() / block.dim);
    let total: usize = blocks.iter().map(|block| block.dim).sum();
    let mut out = vec![0.0; n * total];
    let mut start = 0;
    for block in blocks {
        assert_eq!(block.rows.len(), n * block.dim, "every block has {n} rows");
        let scaling = Scaling::fit(block);
        for (row, out) in block.rows.chunks_exact(block.dim).zip(out.chunks_exact_mut(total)) {
            scaling.apply(row, &mut out[start..start + block.dim]);
        }
        start += block.dim;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_any_scale_weigh_the_same() {
        let (small, large) = ([0.0, 0.002, 0.0, -0.002], [900.0, 100.0]);
        let joined = join(&[Block { rows: &small, dim: 2, weight: 1.0 }, Block { rows: &large, dim: 1, weight: 0.5 }]);
        let expected = [0.0, 1.0, 0.5, 0.0, -1.0, -0.5];
        assert!(joined.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-6), "{joined:?}");
    }

    #[test]
    fn a_block_without_differences_says_nothing() {
        assert_eq!(join(&[Block { rows: &[3.0, 3.0], dim: 1, weight: 1.0 }]), [0.0, 0.0]);
    }
}
