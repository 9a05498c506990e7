//! A running top-k per query, fed by tiles of products.

use crate::panels::Sink;
use pulp::Simd;

/// A score and an index as one number: smaller is better, equal scores fall back to the lower index.
pub(crate) type Key = u64;

/// The key of bank row `index` with `score`; larger scores give smaller keys.
#[inline(always)]
pub(crate) fn key(score: f32, index: u32) -> Key {
    // Adding zero turns -0 into 0, which must tie with it.
    let bits = (score + 0.0).to_bits();
    let rising = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    (u64::from(!rising) << 32) | u64::from(index)
}

/// The score behind a key.
#[inline(always)]
pub(crate) fn key_score(key: Key) -> f32 {
    let rising = !((key >> 32) as u32);
    f32::from_bits(if rising >> 31 == 1 { rising & 0x7fff_ffff } else { !rising })
}

/// The index behind a key.
#[inline(always)]
pub(crate) fn key_index(key: Key) -> u32 {
    key as u32
}

/// Cuts `keys` to the best `k` in order.
pub(crate) fn best_sorted(keys: &mut Vec<Key>, k: usize) {
    if keys.len() > k {
        keys.select_nth_unstable(k - 1);
        keys.truncate(k);
    }
    keys.sort_unstable();
}

/// The best `k` bank rows seen so far for each query of one panel.
///
/// Rows must come in rising order: a row that only equals the current k-th score then loses its tie and need not be kept.
pub(crate) struct TopK<'a> {
    k: usize,
    /// Score of a row is `scale * product + bias`.
    scales: Option<&'a [f32]>,
    biases: Option<&'a [f32]>,
    thresholds: Vec<f32>,
    candidates: Vec<Vec<Key>>,
}

impl<'a> TopK<'a> {
    /// A collector for `n_queries` queries of a panel of `width`.
    pub(crate) fn new(
        k: usize,
        width: usize,
        n_queries: usize,
        scales: Option<&'a [f32]>,
        biases: Option<&'a [f32]>,
    ) -> Self {
        let mut thresholds = vec![f32::NEG_INFINITY; width];
        // Lanes without a query never pass.
        thresholds[n_queries..].fill(f32::INFINITY);
        let candidates = (0..n_queries).map(|_| Vec::with_capacity(capacity(k))).collect();
        Self { k, scales, biases, thresholds, candidates }
    }

    /// The best rows of each query, unordered, at most `2 k + 64` keys each.
    pub(crate) fn into_candidates(self) -> Vec<Vec<Key>> {
        self.candidates
    }

    #[inline(never)]
    fn push(&mut self, lane: usize, score: f32, index: u32) {
        let candidates = &mut self.candidates[lane];
        candidates.push(key(score, index));
        if candidates.len() == capacity(self.k) {
            let (_, &mut last, _) = candidates.select_nth_unstable(self.k - 1);
            candidates.truncate(self.k);
            self.thresholds[lane] = key_score(last);
        }
    }
}

fn capacity(k: usize) -> usize {
    2 * k + 64
}

impl Sink for TopK<'_> {
    #[inline(always)]
    fn take<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first_row: usize,
        n_valid: usize,
        sums: &[[S::f32s; V]; R],
    ) {
        let mut scores = *sums;
        for (r, row) in scores.iter_mut().enumerate().take(n_valid) {
            if let Some(scales) = self.scales {
                let scale = simd.splat_f32s(scales[first_row + r]);
                row.iter_mut().for_each(|score| *score = simd.mul_f32s(*score, scale));
            }
            if let Some(biases) = self.biases {
                let bias = simd.splat_f32s(biases[first_row + r]);
                row.iter_mut().for_each(|score| *score = simd.add_f32s(*score, bias));
            }
        }
        // One test of the best score per vector covers the whole tile: late in a search almost every tile fails it.
        for v in 0..V {
            let mut best = scores[0][v];
            for row in &scores[1..] {
                best = simd.max_f32s(best, row[v]);
            }
            let threshold = S::as_simd_f32s(&self.thresholds).0[v];
            if none_above(simd, best, threshold) {
                continue;
            }
            for (r, row) in scores.iter().enumerate().take(n_valid) {
                if none_above(simd, row[v], threshold) {
                    continue;
                }
                let mut values = [0.0_f32; 16];
                S::as_mut_simd_f32s(&mut values).0[0] = row[v];
                for (lane, &value) in values.iter().enumerate().take(S::F32_LANES) {
                    let lane = v * S::F32_LANES + lane;
                    if value > self.thresholds[lane] {
                        self.push(lane, value, (first_row + r) as u32);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn none_above<S: Simd>(simd: S, values: S::f32s, threshold: S::f32s) -> bool {
    if S::IS_SCALAR {
        // The index of the first true lane means nothing on one lane.
        return simd.reduce_max_f32s(simd.sub_f32s(values, threshold)) <= 0.0;
    }
    simd.first_true_m32s(simd.less_than_f32s(threshold, values)) >= S::F32_LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_falling_score_then_rising_index() {
        let scores = [3.5_f32, 1.0, 0.0, -0.0, -1.0, -2.5e30];
        let mut keys: Vec<Key> = scores.iter().enumerate().map(|(i, &s)| key(s, i as u32)).rev().collect();
        keys.sort_unstable();
        assert_eq!(keys.iter().map(|&k| key_index(k)).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(keys.iter().map(|&k| key_score(k)).collect::<Vec<_>>(), scores);
    }

    #[test]
    fn one_lane_at_a_time_finds_the_same() {
        let mut collector = TopK::new(2, 2, 1, None, None);
        let sums = [[1.0_f32, 9.0], [5.0, 9.0], [-2.0, 9.0], [4.0, 9.0], [5.0, 9.0], [0.0, 9.0]];
        collector.take(pulp::Scalar, 10, 5, &sums);
        let mut lists = collector.into_candidates();
        best_sorted(&mut lists[0], 2);
        assert_eq!(lists[0].iter().map(|&k| key_index(k)).collect::<Vec<_>>(), [11, 14]);
    }
}
