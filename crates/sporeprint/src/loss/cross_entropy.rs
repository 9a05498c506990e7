use rayon::prelude::*;

use super::CodeLoss;

/// Cross-entropy of class scores with smoothed labels, PyTorch's `CrossEntropyLoss(label_smoothing=s)`.
///
/// With `q = (1 - s) [c = label] + s / n_classes` and `p = softmax(z)`: `loss = -mean_i sum_c q_c log p_c`, gradient
/// `dL/dz = (p - q) / batch`.
///
/// # Shapes
/// - scores: `[batch, n_classes]`, row-major; labels: `[batch]`
/// # Panics
/// - if the shapes do not agree or a label is not below `n_classes`
pub fn cross_entropy(scores: &[f32], labels: &[u32], n_classes: usize, smoothing: f32) -> CodeLoss {
    assert_eq!(scores.len(), labels.len() * n_classes, "one row of scores per label");
    let mut gradient = scores.to_vec();
    let mut losses = vec![0.0f64; labels.len()];
    let (batch, rest) = (labels.len() as f32, smoothing / n_classes as f32);
    gradient.par_chunks_exact_mut(n_classes).zip(&mut losses).zip(labels).for_each(|((row, loss), &label)| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|&z| f64::from(z - largest).exp()).sum();
        let log_total = total.ln();
        for (class, z) in row.iter_mut().enumerate() {
            let log_p = f64::from(*z - largest) - log_total;
            let q = rest + if class == label as usize { 1.0 - smoothing } else { 0.0 };
            *loss -= f64::from(q) * log_p;
            *z = (log_p.exp() as f32 - q) / batch;
        }
    });
    CodeLoss { loss: (losses.iter().sum::<f64>() / losses.len().max(1) as f64) as f32, gradient }
}

#[cfg(test)]
mod tests {
    use super::cross_entropy;

    /// ```python
    /// z = torch.tensor([[1., 2., 0.5], [0., -1., 3.]], requires_grad=True)
    /// l = torch.nn.CrossEntropyLoss(label_smoothing=s)(z, torch.tensor([1, 0])); l.backward()
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_the_formula() {
        for smoothing in [0.0, 0.1] {
            let scores = [1.0, 2.0, 0.5, 0.0, -1.0, 3.0];
            let found = cross_entropy(&scores, &[1, 0], 3, smoothing);
            let step = 1e-3;
            for at in 0..scores.len() {
                let moved = |by: f32| {
                    let mut moved = scores;
                    moved[at] += by;
                    cross_entropy(&moved, &[1, 0], 3, smoothing).loss
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((found.gradient[at] - slope).abs() <= 1e-3, "{at}: {}, slope {slope}", found.gradient[at]);
            }
        }
        // log(e^0 + e^-1 + e^-1.5) = 0.464359 and log(1 + e^-1 + e^3) = 3.065887, their mean 1.765123.
        let loss = cross_entropy(&[1.0, 2.0, 0.5, 0.0, -1.0, 3.0], &[1, 0], 3, 0.0).loss;
        let by_hand =
            0.5 * ((1.0f64 + (-1.0f64).exp() + (-1.5f64).exp()).ln() + (1.0 + (-1.0f64).exp() + 3f64.exp()).ln());
        assert!((f64::from(loss) - by_hand).abs() <= 1e-6, "{loss}, expected {by_hand}");
    }

    #[test]
    fn large_scores_stay_finite() {
        let found = cross_entropy(&[1000.0, -1000.0], &[1], 2, 0.0);
        assert!((found.loss - 2000.0).abs() <= 1e-3 && found.gradient.iter().all(|g| g.is_finite()));
    }
}
