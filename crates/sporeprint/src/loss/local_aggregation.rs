use rayon::prelude::*;

use super::{CodeLoss, UnitCodes};
use crate::bank::MemoryBank;
use crate::neighbors::NeighborSets;

/// What one Local Aggregation step gives.
#[derive(Clone, Debug)]
pub struct AggregationStep {
    /// The loss and its gradient on the codes.
    pub code_loss: CodeLoss,
    /// `p_i = P(C_i n B_i | v_i) / P(B_i | v_i)`, `[batch]`.
    pub probabilities: Vec<f32>,
}

/// Local Aggregation loss of a batch against a constant memory bank.
///
/// `loss = -mean_i log(p_i + epsilon)` with
/// `p_i = sum_{j in C_i n B_i} exp(u_j.v_i / t) / sum_{j in B_i} exp(u_j.v_i / t)`.
/// The denominators of `P` over the whole bank cancel. Sums run over exponentials shifted by their largest member, so
/// no temperature overflows. With `b` and `a` the softmax weights over `B` and over `C n B`,
/// `dL/dv_i = (1/batch) (p_i / (p_i + epsilon)) (1/t) (sum_B b u - sum_{C n B} a u)`.
///
/// At the fixed points: `C` contains `B` gives loss 0 and gradient 0 (up to `epsilon`), an empty `C n B` gives
/// `-log epsilon` and gradient 0; `epsilon` 0 (the article's form) makes the latter an infinite loss, so it needs the
/// image itself among the background neighbours.
///
/// # Shapes
/// - `codes`: `[batch, dim]`
/// - `sets`: `[batch, k]`, with the similarities of these same codes
/// # Panics
/// When the shapes do not agree.
/// # Reference
/// Zhuang, Zhai, Yamins 2019, arXiv:1903.12355, equations 4 to 6; `epsilon` 1e-7 from the authors' code.
pub fn local_aggregation(
    codes: &UnitCodes,
    bank: &MemoryBank,
    sets: &NeighborSets,
    temperature: f32,
    epsilon: f32,
) -> AggregationStep {
    let (batch, dim, k) = (codes.len(), codes.dim(), sets.k());
    assert_eq!(bank.dim(), dim, "codes and bank rows have one length");
    assert_eq!(sets.close.len(), batch * k, "one set of neighbours per code");
    let mut gradient = vec![0.0; batch * dim];
    let mut probabilities = vec![0.0; batch];
    let mut losses = vec![0.0f64; batch];
    (gradient.par_chunks_exact_mut(dim).zip(&mut probabilities).zip(&mut losses).enumerate()).for_each(
        |(i, ((gradient, probability), loss))| {
            let (images, similarities) = (sets.background.indices_of(i), sets.background.scores_of(i));
            let close = &sets.close[i * k..][..k];
            let shift = similarities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = similarities.iter().map(|s| ((s - shift) / temperature).exp()).collect();
            let total: f32 = weights.iter().sum();
            let shift_close =
                similarities.iter().zip(close).filter(|(_, c)| **c).map(|(s, _)| *s).fold(f32::NEG_INFINITY, f32::max);
            if shift_close == f32::NEG_INFINITY {
                *loss = -f64::from(epsilon).ln();
                return;
            }
            // Close weights are shifted by their own largest member: far below the others they would vanish in f32.
            let close_weights: Vec<f32> = (similarities.iter().zip(close))
                .map(|(s, &c)| if c { ((s - shift_close) / temperature).exp() } else { 0.0 })
                .collect();
            let total_close: f32 = close_weights.iter().sum();
            let log_p = f64::from((shift_close - shift) / temperature) + f64::from(total_close / total).ln();
            let p = log_p.exp();
            *probability = p as f32;
            *loss = if epsilon == 0.0 { -log_p } else { -(p + f64::from(epsilon)).ln() };
            let pull = if epsilon == 0.0 { 1.0 } else { (p / (p + f64::from(epsilon))) as f32 };
            let scale = pull / (temperature * batch as f32);
            for ((&image, w), a) in images.iter().zip(&weights).zip(&close_weights) {
                let c = scale * (w / total - a / total_close);
                if c != 0.0 {
                    gradient.iter_mut().zip(bank.row(image)).for_each(|(g, u)| *g += c * u);
                }
            }
        },
    );
    let loss = (losses.iter().sum::<f64>() / batch as f64) as f32;
    AggregationStep { code_loss: CodeLoss { loss, gradient: codes.gradient_on_codes(gradient) }, probabilities }
}
