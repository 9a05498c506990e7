//! What a transformer does to rows between its matrix products, in loops that compilers turn into vector instructions.
//!
//! Sums run in sixteen fixed lanes, so that they do not depend on the instruction set's width.

use sporeprint_cluster::lanes::{LANES, dispatch, sum};

/// `e^x` within 2e-7 of its value; 0 below -87, finite above 88.
///
/// `x = n ln 2 + r`, a polynomial in `r` (Cephes), and `n` into the exponent's bits.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "the published coefficients")]
pub(super) fn exp(x: f32) -> f32 {
    // Adding and taking off 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_15e-4;
    p = p * r + 1.398_199_95e-3;
    p = p * r + 8.333_451_91e-3;
    p = p * r + 4.166_579_59e-2;
    p = p * r + 1.666_666_55e-1;
    p = p * r + 5.000_000_12e-1;
    let value = p * r * r + r + 1.0;
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// The error function within 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-x * x)).copysign(x)
}

/// The non-linearity of the two-layer parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x Phi(x)`, Phi the normal distribution: DINOv2 and most others.
    Gelu,
    /// `x / (1 + e^(-1.702 x))`: OpenAI's CLIP.
    QuickGelu,
}

/// Adds the bias to every row and applies the non-linearity.
pub(super) fn activate(rows: &mut [f32], bias: &[f32], how: Activation) {
    dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                match how {
                    Activation::Gelu => row.iter_mut().zip(bias).for_each(|(x, b)| {
                        let y = *x + b;
                        *x = 0.5 * y * (1.0 + erf(y * std::f32::consts::FRAC_1_SQRT_2));
                    }),
                    Activation::QuickGelu => row.iter_mut().zip(bias).for_each(|(x, b)| {
                        let y = *x + b;
                        *x = y / (1.0 + exp(-1.702 * y));
                    }),
                }
            }
        },
    );
}

/// Layer norm: `(x - mean) / sqrt(variance + eps) * weight + bias` per row, with the biased variance.
#[derive(Clone, Debug)]
pub(super) struct LayerNorm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) epsilon: f32,
}

impl LayerNorm {
    /// # Shapes
    /// - rows, out: `[n, dim]`
    pub(super) fn apply(&self, rows: &[f32], out: &mut [f32]) {
        let dim = self.weight.len();
        dispatch(
            #[inline(always)]
            || {
                for (row, out) in rows.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                    let mean = sum(row, |x| x) / dim as f32;
                    let variance = sum(row, |x| (x - mean) * (x - mean)) / dim as f32;
                    let scale = 1.0 / (variance + self.epsilon).sqrt();
                    for (((out, &x), w), b) in out.iter_mut().zip(row).zip(&self.weight).zip(&self.bias) {
                        *out = (x - mean) * scale * w + b;
                    }
                }
            },
        );
    }
}

/// Each row to `e^(x - max)` over its sum. With `causal`, row i sees the first `i + 1` values only.
pub(super) fn softmax(rows: &mut [f32], columns: usize, causal: bool) {
    dispatch(
        #[inline(always)]
        || {
            for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
                let seen = if causal { (i + 1).min(columns) } else { columns };
                let (row, hidden) = row.split_at_mut(seen);
                hidden.fill(0.0);
                let mut lanes = [f32::NEG_INFINITY; LANES];
                for chunk in row.chunks(LANES) {
                    for (lane, &x) in lanes.iter_mut().zip(chunk) {
                        *lane = if x > *lane { x } else { *lane };
                    }
                }
                let max = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|x| *x = exp(*x - max));
                let scale = 1.0 / sum(row, |x| x);
                row.iter_mut().for_each(|x| *x *= scale);
            }
        },
    );
}

/// Adds the bias to every row.
pub(super) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
            }
        },
    );
}

/// `x += (y + bias) * gamma`, the end of a residual branch with its layer scale (1 where there is none).
pub(super) fn add_branch(x: &mut [f32], y: &[f32], bias: &[f32], gamma: Option<&[f32]>) {
    let dim = bias.len();
    dispatch(
        #[inline(always)]
        || {
            for (x, y) in x.chunks_exact_mut(dim).zip(y.chunks_exact(dim)) {
                match gamma {
                    Some(gamma) => {
                        let terms = x.iter_mut().zip(y).zip(bias).zip(gamma);
                        terms.for_each(|(((x, y), b), g)| *x += (y + b) * g);
                    }
                    None => x.iter_mut().zip(y).zip(bias).for_each(|((x, y), b)| *x += y + b),
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_and_error_function_are_those_of_the_textbook() {
        for i in -870..=880 {
            let x = i as f32 / 10.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() <= 3e-7, "e^{x}: {}, not {expected}", exp(x));
        }
        // scipy.special.erf
        for (x, expected) in [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (-2.0, -0.995_322_3), (4.0, 1.0)] {
            assert!((erf(x) - expected).abs() <= 3e-7, "erf({x}): {}, not {expected}", erf(x));
        }
    }

    #[test]
    fn a_causal_row_sees_nothing_of_what_comes_after_it() {
        let mut rows = vec![1.0, 9.0, 9.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0];
        softmax(&mut rows, 3, true);
        let third = 1.0 / 3.0;
        for (found, expected) in rows.iter().zip([1.0, 0.0, 0.0, 0.5, 0.5, 0.0, third, third, third]) {
            assert!((found - expected).abs() <= 1e-6, "{rows:?}");
        }
    }

    #[test]
    fn a_normalised_row_has_mean_0_and_variance_1() {
        let norm = LayerNorm { weight: vec![1.0; 37], bias: vec![0.0; 37], epsilon: 0.0 };
        let row: Vec<f32> = (0..37).map(|i| (i * i % 11) as f32 + 100.0).collect();
        let mut out = vec![0.0; 37];
        norm.apply(&row, &mut out);
        assert!(sum(&out, |x| x).abs() <= 1e-3 && (sum(&out, |x| x * x) - 37.0).abs() <= 1e-2, "{out:?}");
    }
}
