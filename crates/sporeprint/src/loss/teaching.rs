//! Losses of a pupil that is to say what a teacher says.

use super::CodeLoss;

/// Squared distance from the teacher's codes, relative to how far these lie from their mean.
///
/// `loss = mean_i |p_i - t_i|^2 / spread`, gradient `2 (p - t) / (spread batch)`; 1 is what the teacher's mean code would earn.
///
/// # Shapes
/// - codes (p), targets (t): `[batch, dim]`; spread: the mean of `|t - mean t|^2` over all images
/// # Panics
/// - if the shapes do not agree
pub fn code_distance(codes: &[f32], targets: &[f32], dim: usize, spread: f32) -> CodeLoss {
    assert_eq!(codes.len(), targets.len(), "a target for each code");
    let batch = (codes.len() / dim) as f32;
    let scale = 1.0 / (spread.max(f32::MIN_POSITIVE) * batch);
    let (mut loss, mut gradient) = (0.0f64, Vec::with_capacity(codes.len()));
    for (p, t) in codes.iter().zip(targets) {
        let difference = p - t;
        loss += f64::from(difference).powi(2);
        gradient.push(2.0 * difference * scale);
    }
    CodeLoss { loss: (loss * f64::from(scale)) as f32, gradient }
}

/// Kullback-Leibler divergence of the pupil's classes from the teacher's.
///
/// With `p = softmax(z)` of the pupil's scores and q of the teacher's: `loss = mean_i sum_c q_c (log q_c - log p_c)`, gradient
/// `dL/dz = (p - q) / batch`.
///
/// # Reference
/// Hinton, Vinyals and Dean 2015, arXiv:1503.02531, at temperature 1.
/// # Shapes
/// - scores, targets: `[batch, n_classes]`, both before the softmax
/// # Panics
/// - if the shapes do not agree
pub fn score_divergence(scores: &[f32], targets: &[f32], n_classes: usize) -> CodeLoss {
    assert_eq!(scores.len(), targets.len(), "a row of targets for each row of scores");
    let batch = scores.len() / n_classes;
    let (mut loss, mut gradient) = (0.0f64, Vec::with_capacity(scores.len()));
    for (z, t) in scores.chunks_exact(n_classes).zip(targets.chunks_exact(n_classes)) {
        let (log_p, log_q) = (log_softmax(z), log_softmax(t));
        for (log_p, log_q) in log_p.into_iter().zip(log_q) {
            loss += log_q.exp() * (log_q - log_p);
            gradient.push(((log_p.exp() - log_q.exp()) / batch as f64) as f32);
        }
    }
    CodeLoss { loss: (loss / batch.max(1) as f64) as f32, gradient }
}

fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = scores.iter().map(|&z| f64::from(z - largest).exp()).sum();
    scores.iter().map(|&z| f64::from(z - largest) - total.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds a gradient to differences of the loss.
    fn check_gradient(at: &[f32], loss: impl Fn(&[f32]) -> CodeLoss) {
        let gradient = loss(at).gradient;
        for (i, &slope) in gradient.iter().enumerate() {
            let moved = |step: f32| {
                let mut at = at.to_vec();
                at[i] += step;
                f64::from(loss(&at).loss)
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((difference - f64::from(slope)).abs() <= 1e-3, "{i}: {slope}, differences say {difference}");
        }
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let (at, targets) = ([0.3, -1.2, 0.7, 2.0, 0.1, -0.4], [0.1, 0.2, -0.5, 1.0, 1.5, 0.3]);
        check_gradient(&at, |at| code_distance(at, &targets, 3, 1.7));
        check_gradient(&at, |at| score_divergence(at, &targets, 3));
    }

    #[test]
    fn a_pupil_that_says_the_same_loses_nothing() {
        let rows = [1.0, 2.0, 3.0, -4.0];
        assert_eq!(code_distance(&rows, &rows, 2, 1.0).loss, 0.0);
        // Scores that differ by a constant say the same.
        let shifted: Vec<f32> = rows.iter().map(|x| x + 5.0).collect();
        assert!(score_divergence(&shifted, &rows, 2).loss.abs() <= 1e-6);
    }

    #[test]
    fn the_mean_code_of_the_teacher_earns_one() {
        let targets = [1.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0, -2.0];
        let spread = (1.0 + 1.0 + 4.0 + 4.0) / 4.0;
        assert!((code_distance(&[0.0; 8], &targets, 2, spread).loss - 1.0).abs() <= 1e-6);
    }
}
