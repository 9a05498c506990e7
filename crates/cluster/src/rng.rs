//! The random numbers of the whole workspace: one generator with a fixed algorithm, so that a seed means the same
//! numbers in every release.

/// xoshiro256++, seeded by SplitMix64.
///
/// A generator is made for what it is to be used for ([`Rng::keyed`], [`Rng::stream`]) instead of being handed from call to
/// call, so that work shared among threads draws the same numbers in any order.
///
/// Not for cryptography.
///
/// # Reference
/// Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators" (public-domain C of xoshiro256++).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Generator of one seed: [`Rng::keyed`] without a key.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::keyed(seed, &[])
    }

    /// Generator whose state is the first four outputs of SplitMix64, as its authors have it: the numbers of
    /// `Xoshiro256PlusPlus::seed_from_u64` in `rand_xoshiro`, but not those of [`Rng::new`].
    #[must_use]
    pub fn seed_from_u64(seed: u64) -> Self {
        let mut mixed = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut mixed)) }
    }

    /// Generator of part `stream` of the work of `seed`, independent of the other parts.
    #[must_use]
    pub fn stream(seed: u64, stream: u64) -> Self {
        Self::seed_from_u64(seed ^ stream.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// Generator of a seed and any further numbers that name its purpose; every part changes the whole stream.
    #[must_use]
    pub fn keyed(seed: u64, key: &[u64]) -> Self {
        let mut mixed = seed;
        let mut hash = split_mix(&mut mixed);
        for &part in key {
            mixed = hash ^ part;
            hash = split_mix(&mut mixed).rotate_left(17) ^ split_mix(&mut mixed);
        }
        Self::seed_from_u64(hash)
    }

    /// Generator of one augmented view: the same for a run's `seed`, `epoch`, image index and number of the view,
    /// whatever was drawn before and on whichever thread.
    #[must_use]
    pub fn for_view(seed: u64, epoch: u64, image_index: usize, view: usize) -> Self {
        Self::keyed(seed, &[0x76_69_65_77, epoch, image_index as u64, view as u64])
    }

    /// Generator of one step of a named stage of a run, such as the order of the images in an epoch.
    #[must_use]
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

    /// `count` different numbers of `0..n` in random order; all of them when `count >= n`.
    pub fn sample(&mut self, n: usize, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n as u32).collect();
        let count = count.min(n);
        for i in 0..count {
            let j = i + self.below(n - i);
            all.swap(i, j);
        }
        all.truncate(count);
        all
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

    fn first(mut rng: Rng) -> [u64; 4] {
        std::array::from_fn(|_| rng.next_u64())
    }

    /// First outputs of the reference C program for the state `{1, 2, 3, 4}`.
    #[test]
    fn outputs_equal_the_published_generator() {
        let rng = Rng { state: [1, 2, 3, 4] };
        assert_eq!(first(rng), [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    /// What the generators of release 0.1 gave: clusters and views of a seed hang on them.
    #[test]
    fn every_way_of_seeding_keeps_its_numbers() {
        let expected = [
            (
                Rng::seed_from_u64(7),
                [
                    1_021_219_803_524_665_661,
                    3_174_977_118_032_272_916,
                    13_236_943_193_235_544_178,
                    7_880_630_202_246_103_356,
                ],
            ),
            (
                Rng::stream(7, 11),
                [
                    11_001_706_691_893_396_062,
                    1_321_542_246_139_170_525,
                    4_066_163_846_362_381_411,
                    13_396_585_397_012_789_397,
                ],
            ),
            (
                Rng::new(7),
                [
                    17_332_331_373_651_132_471,
                    12_483_220_123_959_339_309,
                    10_326_480_139_797_107_209,
                    13_606_035_095_540_272_462,
                ],
            ),
            (
                Rng::keyed(7, &[1, 2]),
                [
                    12_069_960_349_579_773_939,
                    2_615_692_113_642_334_301,
                    11_282_131_871_333_451_851,
                    2_775_485_304_779_669_637,
                ],
            ),
            (
                Rng::for_view(1, 2, 3, 4),
                [
                    9_987_148_103_417_115_960,
                    1_807_162_152_327_838_017,
                    10_484_427_009_577_065_151,
                    15_292_008_114_163_862_371,
                ],
            ),
            (
                Rng::for_stage(1, "bank", 2),
                [
                    6_303_952_562_542_667_844,
                    9_038_850_271_517_530_749,
                    3_446_846_654_155_545_015,
                    205_567_008_969_137_829,
                ],
            ),
        ];
        for (rng, expected) in expected {
            assert_eq!(first(rng), expected);
        }
    }

    #[test]
    fn every_kind_of_draw_keeps_its_numbers() {
        assert_eq!(Rng::stream(3, 5).sample(100, 8), [9, 90, 13, 28, 74, 20, 8, 23]);
        let mut order: Vec<u32> = (0..8).collect();
        let mut rng = Rng::new(3);
        rng.shuffle(&mut order);
        assert_eq!(order, [0, 7, 2, 1, 4, 6, 5, 3]);
        assert_eq!((rng.unit(), rng.unit_f64()), (0.130_364, 0.241_006_882_402_765_9));
        assert_eq!((rng.range(-2.0, 3.0), rng.chance(0.5), rng.below(1000)), (2.177_29, false, 90));
        assert!((rng.normal() - -0.124_365_392_634_766).abs() <= 1e-14);
    }

    #[test]
    fn every_part_of_the_key_changes_the_stream() {
        let base = Rng::for_view(1, 2, 3, 4).next_u64();
        for other in [(0, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5), (1, 3, 2, 4)] {
            assert_ne!(base, Rng::for_view(other.0, other.1, other.2, other.3).next_u64());
        }
        let of = |stage, step| Rng::for_stage(1, stage, step).next_u64();
        assert!(of("bank", 2) != of("bank", 3) && of("bank", 2) != of("noise", 2));
        assert_ne!(Rng::stream(1, 0).next_u64(), Rng::stream(1, 1).next_u64());
    }

    #[test]
    fn a_sample_has_no_duplicates_and_stays_in_range() {
        let mut sample = Rng::new(1).sample(100, 60);
        sample.sort_unstable();
        sample.dedup();
        assert_eq!(sample.len(), 60);
        assert!(sample.iter().all(|&i| i < 100));
        assert_eq!(Rng::new(1).sample(3, 9).len(), 3);
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
