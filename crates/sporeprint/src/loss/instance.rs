use super::product::{dot_products, weighted_sums};
use super::{CodeLoss, UnitCodes};
use crate::bank::MemoryBank;
use rayon::prelude::*;

/// Instance recognition with the exact softmax: each image is a class of its own, its bank row the class's weight.
///
/// `loss = -mean_i log softmax_l(u_l.v_i / t)[i]`, gradient `dL/dv_i = (1/batch) (1/t) (sum_l p_l u_l - u_i)`.
/// Takes `batch x n_images` floats; for more than about 100 000 images use [`instance_nce`].
///
/// # Shapes
/// - `codes`: `[batch, dim]`
/// - `images`: `[batch]`, image indices
/// # Panics
/// When the shapes do not agree.
/// # Reference
/// Wu et al. 2018, arXiv:1805.01978, equation 2.
pub fn instance_softmax(codes: &UnitCodes, images: &[u32], bank: &MemoryBank, temperature: f32) -> CodeLoss {
    let (batch, n_images) = (codes.len(), bank.n_images());
    assert_eq!(images.len(), batch, "one image index per code");
    let mut scores = dot_products(codes.rows(), bank.rows(), codes.dim());
    let mut losses = vec![0.0f64; batch];
    let scale = 1.0 / (temperature * batch as f32);
    scores.par_chunks_exact_mut(n_images).zip(&mut losses).zip(images).for_each(|((row, loss), &image)| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let own = (row[image as usize] - largest) / temperature;
        row.iter_mut().for_each(|s| *s = ((*s - largest) / temperature).exp());
        let total: f32 = row.iter().sum();
        *loss = f64::from(total).ln() - f64::from(own);
        row.iter_mut().for_each(|w| *w *= scale / total);
        row[image as usize] -= scale;
    });
    let gradient = weighted_sums(&scores, bank.rows(), codes.dim());
    CodeLoss { loss: mean(&losses), gradient: codes.gradient_on_codes(gradient) }
}

/// Constants of noise-contrastive estimation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseContrast {
    /// `Z = n_images * mean exp(s / t)`, the estimate of the softmax's denominator.
    pub normaliser: f64,
    /// Temperature `t`.
    pub temperature: f32,
}

impl NoiseContrast {
    /// Estimates `Z` from the similarities of the first batch with its noise rows.
    ///
    /// The published constant 2.2456 N holds for one temperature and centred 128-d codes only.
    pub fn estimate(similarities: &[f32], n_images: usize, temperature: f32) -> Self {
        let sum: f64 = similarities.iter().map(|&s| f64::from(s / temperature).exp()).sum();
        Self { normaliser: n_images as f64 * sum / similarities.len().max(1) as f64, temperature }
    }
}

/// Instance recognition by noise-contrastive estimation, for banks too large for the exact softmax.
///
/// With `p_i = exp(v_i.u_i / t) / Z`, `q_im` likewise for `K` noise rows and `c = K/N + 1e-7`:
/// `loss = -mean_i [ log(p_i / (p_i + c)) + sum_m log((K/N) / (q_im + c)) ]`.
///
/// # Shapes
/// - `codes`: `[batch, dim]`; `images`: `[batch]`; `noise`: `[batch, n_noise]`, bank indices
/// # Panics
/// When the shapes do not agree.
/// # Reference
/// Wu et al. 2018, equations 4 to 7.
pub fn instance_nce(
    codes: &UnitCodes,
    images: &[u32],
    noise: &[u32],
    bank: &MemoryBank,
    constants: NoiseContrast,
) -> CodeLoss {
    let (batch, dim) = (codes.len(), codes.dim());
    assert!(images.len() == batch && noise.len().is_multiple_of(batch), "one image and one row of noise per code");
    let n_noise = noise.len() / batch;
    let share = n_noise as f64 / bank.n_images() as f64;
    let c = share + 1e-7;
    let scale = 1.0 / (f64::from(constants.temperature) * batch as f64);
    let mut gradient = vec![0.0; batch * dim];
    let mut losses = vec![0.0f64; batch];
    gradient.par_chunks_exact_mut(dim).zip(&mut losses).enumerate().for_each(|(i, (gradient, loss))| {
        let v = codes.row(i);
        let likelihood = |image: u32| {
            let s: f32 = v.iter().zip(bank.row(image)).map(|(a, b)| a * b).sum();
            f64::from(s / constants.temperature).exp() / constants.normaliser
        };
        let mut add = |image: u32, weight: f64| {
            gradient.iter_mut().zip(bank.row(image)).for_each(|(g, u)| *g += (weight * scale) as f32 * u);
        };
        let p = likelihood(images[i]);
        *loss = -(p / (p + c)).ln();
        add(images[i], -c / (p + c));
        for &other in &noise[i * n_noise..][..n_noise] {
            let q = likelihood(other);
            *loss -= (share / (q + c)).ln();
            add(other, q / (q + c));
        }
    });
    CodeLoss { loss: mean(&losses), gradient: codes.gradient_on_codes(gradient) }
}

/// Feature decorrelation and its gradient.
pub type DecorrelationLoss = CodeLoss;

/// Feature decorrelation: the dimensions of a batch of unit codes should not repeat each other.
///
/// `F: [batch, dim]` unit codes, `f_l = F[:, l] / |F[:, l]|`, `C = Fhat^T Fhat / t`,
/// `loss = cross_entropy(C, arange(dim))`, with `t = 2`.
///
/// # Shapes
/// - `codes`: `[batch, dim]`
/// # Reference
/// Tao, Takagi, Nakata 2021 (IDFD, ICLR), equation 6.
pub fn decorrelation(codes: &UnitCodes) -> DecorrelationLoss {
    const TEMPERATURE: f32 = 2.0;
    let (batch, dim) = (codes.len(), codes.dim());
    // Columns become rows, so that every sum below runs over consecutive numbers.
    let mut columns = vec![0.0; dim * batch];
    for (i, row) in codes.rows().chunks_exact(dim).enumerate() {
        row.iter().enumerate().for_each(|(l, &x)| columns[l * batch + i] = x);
    }
    let unit = UnitCodes::new(&columns, batch);
    let mut correlation = dot_products(unit.rows(), unit.rows(), batch);
    let mut losses = vec![0.0f64; dim];
    for (l, (row, loss)) in correlation.chunks_exact_mut(dim).zip(&mut losses).enumerate() {
        row.iter_mut().for_each(|c| *c /= TEMPERATURE);
        let own = row[l];
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|c| *c = (*c - largest).exp());
        let total: f32 = row.iter().sum();
        *loss = f64::from(total).ln() - f64::from(own - largest);
        row.iter_mut().for_each(|c| *c /= total * dim as f32);
        row[l] -= 1.0 / dim as f32;
    }
    let symmetric: Vec<f32> =
        (0..dim * dim).map(|at| (correlation[at] + correlation[at % dim * dim + at / dim]) / TEMPERATURE).collect();
    let on_columns = unit.gradient_on_codes(weighted_sums(&symmetric, unit.rows(), batch));
    let gradient = (0..batch * dim).map(|at| on_columns[at % dim * batch + at / dim]).collect();
    CodeLoss { loss: mean(&losses), gradient: codes.gradient_on_codes(gradient) }
}

fn mean(losses: &[f64]) -> f32 {
    (losses.iter().sum::<f64>() / losses.len().max(1) as f64) as f32
}
