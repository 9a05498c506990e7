//! The last layer of a classifier: codes to probabilities of classes.

use sporeprint_kernels::{Matrix, matrix_product};

/// A linear layer with a softmax: `p = softmax(W c + b)` for a code `c`, the encoder's mean map.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// `[n_classes, dim]`.
    weight: Vec<f32>,
    /// `[n_classes]`.
    bias: Vec<f32>,
    dim: usize,
}

impl Classifier {
    /// A classifier of `bias.len()` classes.
    ///
    /// # Shapes
    /// - weight: `[n_classes, dim]`, bias: `[n_classes]`
    /// # Panics
    /// - if there is no class or no number per class, or the weight is not a whole number of rows
    #[must_use]
    pub fn new(weight: Vec<f32>, bias: Vec<f32>) -> Self {
        assert!(!bias.is_empty() && !weight.is_empty(), "a classifier of {} classes", bias.len());
        assert_eq!(weight.len() % bias.len(), 0, "rows of the weight, one for each of {} classes", bias.len());
        let dim = weight.len() / bias.len();
        Self { weight, bias, dim }
    }

    /// Numbers of a code.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// Probabilities of every class for each code.
    ///
    /// # Shapes
    /// - codes: `[n, dim]`, as the encoder gives them: neither centered nor of unit length
    /// - result: `[n, n_classes]`, rows that sum to 1
    /// # Panics
    /// - if the codes are not a whole number of rows
    #[must_use]
    pub fn probabilities(&self, codes: &[f32]) -> Vec<f32> {
        assert_eq!(codes.len() % self.dim, 0, "codes of {} numbers", self.dim);
        let (n, n_classes) = (codes.len() / self.dim, self.n_classes());
        let mut rows = self.bias.repeat(n);
        let weight = Matrix::new(&self.weight, n_classes, self.dim, self.dim);
        matrix_product(&mut rows, n_classes, Matrix::new(codes, n, self.dim, self.dim), weight.transposed(), 1.0, true);
        rows.chunks_exact_mut(n_classes).for_each(softmax);
        rows
    }
}

/// `exp(x - max x)` over its sum, so that nothing overflows.
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_softmax_of_the_linear_layer() {
        let classifier = Classifier::new(vec![1.0, 0.0, 0.0, 2.0, -1.0, 1.0], vec![0.0, 0.5, 1.0]);
        let rows = classifier.probabilities(&[1.0, 2.0, 0.0, 0.0]);
        for (row, logits) in rows.chunks_exact(3).zip([[1.0f64, 4.5, 2.0], [0.0, 0.5, 1.0]]) {
            let sum: f64 = logits.iter().map(|x| x.exp()).sum();
            for (found, logit) in row.iter().zip(logits) {
                let diff = (f64::from(*found) - logit.exp() / sum).abs();
                assert!(diff <= 1e-6, "{found}");
            }
        }
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        let classifier = Classifier::new(vec![1000.0, -1000.0], vec![0.0, 0.0]);
        let row = classifier.probabilities(&[1.0]);
        assert!((row[0] - 1.0).abs() <= 1e-6 && row[1].abs() <= 1e-6, "{row:?}");
    }
}
