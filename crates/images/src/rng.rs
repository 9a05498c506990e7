//! The random numbers of the pipeline: a small generator whose state fits a checkpoint.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use serde::{Deserialize, Serialize};

/// xoshiro256++ generator, seeded by SplitMix64.
///
/// A generator is keyed by what it is for ([`Rng::for_view`], [`Rng::keyed`]) instead of being handed from
/// call to call, so that work shared among threads gives the same numbers in any order.
///
/// Not for cryptography.
///
/// # Reference
/// Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators" (public-domain C of xoshiro256++).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Generator of one seed.
    pub fn new(seed: u64) -> Self {
        Self::keyed(seed, &[])
    }

    /// Generator of a seed and any further numbers that name its purpose; every part changes the whole stream.
    pub fn keyed(seed: u64, key: &[u64]) -> Self {
        let mut mixed = seed;
        let mut hash = split_mix(&mut mixed);
        for &part in key {
            mixed = hash ^ part;
            hash = split_mix(&mut mixed).rotate_left(17) ^ split_mix(&mut mixed);
        }
        Self { state: std::array::from_fn(|_| split_mix(&mut hash)) }
    }

    /// Generator of one augmented view: the same for a run's `seed`, `epoch`, image index and number of the view,
    /// whatever was drawn before and on whichever thread.
    pub fn for_view(seed: u64, epoch: u64, image_index: usize, view: usize) -> Self {
        Self::keyed(seed, &[0x76_69_65_77, epoch, image_index as u64, view as u64])
    }

    /// Generator of one step of a named stage of a run, such as the order of the images in an epoch.
    pub fn for_stage(seed: u64, stage: &str, step: u64) -> Self {
        let mut name: Vec<u64> = stage.bytes().map(u64::from).collect();
        name.push(step);
        Self::keyed(seed, &name)
    }

    /// Next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = self.state;
        let out = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
        let (s2, s3) = (s2 ^ s0, s3 ^ s1);
        self.state = [s0 ^ s3, s1 ^ s2, s2 ^ (s1 << 17), s3.rotate_left(45)];
        out
    }

    /// Uniform number in `[0, 1)` with 24 random bits.
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform number in `[0, 1)` with 53 random bits.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform number between `low` and `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`; always draws one number, so that the stream does not depend on `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Uniform integer in `0..n`, by Lemire's multiplication (bias under `n / 2^64`).
    ///
    /// # Panics
    /// - when `n` is 0
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a number below 0 does not exist");
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal number, by Box and Muller's transform.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit_f64()).cos()
    }

    /// Random order of a slice (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the reference C program for the state `{1, 2, 3, 4}`.
    #[test]
    fn outputs_equal_the_published_generator() {
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn every_part_of_the_key_changes_the_stream() {
        let base = Rng::for_view(1, 2, 3, 4).next_u64();
        for other in [(0, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5), (1, 3, 2, 4)] {
            assert_ne!(base, Rng::for_view(other.0, other.1, other.2, other.3).next_u64());
        }
        assert_eq!(base, Rng::for_view(1, 2, 3, 4).next_u64());
    }

    #[test]
    fn stages_have_streams_of_their_own() {
        let first = |stage, step| Rng::for_stage(1, stage, step).next_u64();
        assert_eq!(first("bank", 2), first("bank", 2));
        assert!(first("bank", 2) != first("bank", 3) && first("bank", 2) != first("noise", 2));
    }

    #[test]
    fn a_saved_generator_goes_on_where_it_was() {
        let mut rng = Rng::new(7);
        rng.next_u64();
        let mut copy: Rng = serde_json::from_str(&serde_json::to_string(&rng).unwrap()).unwrap();
        assert_eq!(
            (0..9).map(|_| rng.next_u64()).collect::<Vec<_>>(),
            (0..9).map(|_| copy.next_u64()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut rng = Rng::new(3);
        let mut counts = [0usize; 7];
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
            let x = rng.normal();
            (sum, square) = (sum + x, square + x * x);
        }
        assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}");
        assert!((sum / 70_000.0).abs() <= 0.02 && (square / 70_000.0 - 1.0).abs() <= 0.03);
    }
}
