//! Objectives of heads that name a cluster for a row and for one of its neighbours: the two should agree.

use rayon::prelude::*;

/// A loss over pairs of score rows, with its gradient on both.
#[derive(Clone, Debug)]
pub struct PairLoss {
    /// Mean over the pairs.
    pub loss: f32,
    /// `d loss / d scores` of the first of each pair, `[batch, n_clusters]`.
    pub first: Vec<f32>,
    /// The same of the second.
    pub second: Vec<f32>,
    /// Mean probability of each cluster over both sides, `[n_clusters]`.
    pub mean: Vec<f32>,
}

/// Keeps logarithms finite where two rows share no cluster.
const EPSILON: f64 = 1e-8;

/// SCAN's loss: neighbours agree with certainty, and clusters are used evenly.
///
/// With `p = softmax(a)`, `q = softmax(b)` and `m` the mean of `p` over the batch:
/// `loss = -mean_i log(p_i . q_i) + weight sum_c m_c log m_c`. With `w_ic = p_ic q_ic / p_i . q_i`, the first term's gradient
/// on either side is `(p - w) / batch` and `(q - w) / batch`.
///
/// # Shapes
/// - first, second: `[batch, n_clusters]`, row-major
/// # Panics
/// - if the shapes do not agree
/// # Reference
/// Van Gansbeke et al. 2020, arXiv:2005.12320, equation 2. Deviation: a neighbour is drawn anew at each visit instead of summing
/// over all.
pub fn scan(first: &[f32], second: &[f32], n_clusters: usize, weight: f32) -> PairLoss {
    let even = vec![1.0; n_clusters];
    let Sides { mut loss, p, w_p, w_q, mean } = sides(first, second, n_clusters, 1.0, &even);
    let batch = (first.len() / n_clusters).max(1) as f64;
    let of_first: Vec<f64> = (0..n_clusters)
        .map(|c| p.iter().skip(c).step_by(n_clusters).map(|&x| f64::from(x)).sum::<f64>() / batch)
        .collect();
    loss += f64::from(weight) * of_first.iter().map(|m| m * (m + EPSILON).ln()).sum::<f64>();
    // d/dm of m log(m + e), through the mean and the softmax.
    let slopes: Vec<f64> = of_first.iter().map(|m| (m + EPSILON).ln() + m / (m + EPSILON)).collect();
    let mut gradient = w_p;
    gradient.par_chunks_exact_mut(n_clusters).zip(p.par_chunks_exact(n_clusters)).for_each(|(gradient, p)| {
        let level: f64 = p.iter().zip(&slopes).map(|(&p, slope)| f64::from(p) * slope).sum();
        for ((gradient, &p), slope) in gradient.iter_mut().zip(p).zip(&slopes) {
            *gradient += (f64::from(weight) * f64::from(p) * (slope - level) / batch) as f32;
        }
    });
    PairLoss { loss: loss as f32, first: gradient, second: w_q, mean }
}

/// TEMI's loss: the pointwise mutual information of the cluster that two neighbours share.
///
/// `loss = -mean_i log sum_c (p_ic q_ic)^beta / prior_c`. `beta` below 1 keeps clusters from being left empty. With
/// `w_ic` the share of cluster `c` in that sum, the gradients are `beta (p - w) / batch` and `beta (q - w) / batch`.
///
/// # Shapes
/// - first, second: `[batch, n_clusters]`; prior: `[n_clusters]`, positive
/// # Panics
/// - if the shapes do not agree
/// # Reference
/// Adaloglou et al. 2023, arXiv:2303.17896, equation 7. Deviation: one head in both places, where the authors have a teacher that
/// follows the student.
pub fn temi(first: &[f32], second: &[f32], n_clusters: usize, beta: f32, prior: &[f32]) -> PairLoss {
    let Sides { loss, w_p, w_q, mean, .. } = sides(first, second, n_clusters, beta, prior);
    PairLoss { loss: loss as f32, first: w_p, second: w_q, mean }
}

struct Sides {
    loss: f64,
    /// Probabilities of the first side.
    p: Vec<f32>,
    /// Gradients of the pair term.
    w_p: Vec<f32>,
    w_q: Vec<f32>,
    mean: Vec<f32>,
}

/// `-mean_i log(sum_c (p_ic q_ic)^beta / prior_c + epsilon)` with its gradients on the scores.
fn sides(first: &[f32], second: &[f32], n_clusters: usize, beta: f32, prior: &[f32]) -> Sides {
    assert!(n_clusters > 0 && first.len() == second.len() && first.len().is_multiple_of(n_clusters), "pairs of rows");
    assert_eq!(prior.len(), n_clusters, "one prior per cluster");
    let n_pairs = first.len() / n_clusters;
    let (batch, beta) = (n_pairs.max(1) as f64, f64::from(beta));
    let (mut p, mut q) = (first.to_vec(), second.to_vec());
    p.par_chunks_exact_mut(n_clusters).chain(q.par_chunks_exact_mut(n_clusters)).for_each(softmax);
    let (mut w_p, mut w_q) = (p.clone(), q.clone());
    let mut losses = vec![0.0f64; n_pairs];
    w_p.par_chunks_exact_mut(n_clusters).zip(w_q.par_chunks_exact_mut(n_clusters)).zip(&mut losses).for_each(
        |((p, q), loss)| {
            let shared: Vec<f64> = (p.iter().zip(&*q).zip(prior))
                .map(|((&p, &q), &prior)| (f64::from(p) * f64::from(q)).powf(beta) / f64::from(prior))
                .collect();
            let total: f64 = shared.iter().sum();
            *loss = -(total + EPSILON).ln();
            let pull = total / (total + EPSILON);
            for ((p, q), shared) in p.iter_mut().zip(q).zip(shared) {
                let share = if total > 0.0 { shared / total } else { 0.0 };
                *p = (beta * pull * (f64::from(*p) - share) / batch) as f32;
                *q = (beta * pull * (f64::from(*q) - share) / batch) as f32;
            }
        },
    );
    let mut mean = vec![0.0f64; n_clusters];
    for row in p.chunks_exact(n_clusters).chain(q.chunks_exact(n_clusters)) {
        mean.iter_mut().zip(row).for_each(|(mean, &p)| *mean += f64::from(p) / (2.0 * batch));
    }
    let mean = mean.into_iter().map(|m| m as f32).collect();
    Sides { loss: losses.iter().sum::<f64>() / batch, p, w_p, w_q, mean }
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= total);
}

#[cfg(test)]
mod tests {
    use sporeprint_cluster::Rng;

    use super::*;

    fn scores(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..n).map(|_| 1.5 * rng.normal() as f32).collect()
    }

    /// Central differences of the loss by each score of both sides.
    fn check_gradients(loss: &dyn Fn(&[f32], &[f32]) -> PairLoss) {
        let (a, b) = (scores(5 * 4, 1), scores(5 * 4, 2));
        let found = loss(&a, &b);
        let step = 1e-2;
        for at in 0..a.len() {
            let moved = |by: f32, first: bool| {
                let (mut a, mut b) = (a.clone(), b.clone());
                if first {
                    a[at] += by
                } else {
                    b[at] += by
                }
                f64::from(loss(&a, &b).loss)
            };
            for (first, gradient) in [(true, found.first[at]), (false, found.second[at])] {
                let slope = (moved(step, first) - moved(-step, first)) / f64::from(2.0 * step);
                assert!((f64::from(gradient) - slope).abs() <= 2e-4, "{at} {first}: {gradient}, slope {slope}");
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_losses() {
        check_gradients(&|a, b| scan(a, b, 4, 0.0));
        check_gradients(&|a, b| scan(a, b, 4, 2.0));
        check_gradients(&|a, b| temi(a, b, 4, 0.6, &[0.1, 0.2, 0.3, 0.4]));
    }

    #[test]
    fn closed_forms() {
        // Even scores over k clusters: p.q = 1 / k, and the entropy term is -log k.
        let even = scan(&[0.0; 8], &[0.0; 8], 4, 3.0);
        assert!((f64::from(even.loss) - (4f64.ln() - 3.0 * 4f64.ln())).abs() <= 1e-6, "{even:?}");
        assert!(even.first.iter().chain(&even.second).all(|g| g.abs() <= 1e-7), "{even:?}");
        // Certain and at one, each pair in a cluster of its own: nothing to pay but what even use gives back.
        let certain = scan(&[40.0, 0.0, 0.0, 40.0], &[40.0, 0.0, 0.0, 40.0], 2, 1.0);
        assert!((f64::from(certain.loss) + 2f64.ln()).abs() <= 1e-6, "{certain:?}");
        // TEMI with beta 1 and even priors is SCAN's pair term less log k.
        let (a, b) = (scores(12, 3), scores(12, 4));
        let (scan, temi) = (scan(&a, &b, 4, 0.0), temi(&a, &b, 4, 1.0, &[0.25; 4]));
        assert!((f64::from(scan.loss - temi.loss) - 4f64.ln()).abs() <= 1e-5);
        assert!(scan.first.iter().zip(&temi.first).all(|(a, b)| (a - b).abs() <= 1e-6));
    }

    #[test]
    fn certain_disagreement_stays_finite() {
        let found = scan(&[400.0, -400.0], &[-400.0, 400.0], 2, 1.0);
        assert!(found.loss.is_finite() && found.first.iter().chain(&found.second).all(|g| g.is_finite()), "{found:?}");
    }
}
