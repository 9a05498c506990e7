//! Seeded initial values: the same bytes for the same seed, whatever the thread or the backend.

use std::f64::consts::TAU;

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, and every seed is a good one.
///
/// Burn's own generator is global to a device, so that any other draw would change the weights.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    /// A stream of its own for each part of a network, so that adding a head leaves the encoder as it was.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        // FNV-1a of the part's name.
        let hash = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut generator = Self { state: seed };
        generator.state = generator.next() ^ hash;
        generator
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform in `(0, 1]`, so that its logarithm is finite.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// `count` values, uniform in `(-bound, bound]`.
    pub(crate) fn uniform(&mut self, count: usize, bound: f64) -> Vec<f32> {
        (0..count).map(|_| ((2.0 * self.unit() - 1.0) * bound) as f32).collect()
    }

    /// `count` values, normal around 0 (Box and Muller).
    pub(crate) fn normal(&mut self, count: usize, deviation: f64) -> Vec<f32> {
        let mut values = Vec::with_capacity(count + 1);
        while values.len() < count {
            let radius = (-2.0 * self.unit().ln()).sqrt() * deviation;
            let (sine, cosine) = (TAU * self.unit()).sin_cos();
            values.push((radius * cosine) as f32);
            values.push((radius * sine) as f32);
        }
        values.truncate(count);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::Generator;

    #[test]
    fn a_seed_gives_the_same_values_and_another_seed_or_part_gives_others() {
        let draw = |seed, part| Generator::new(seed, part).normal(9, 1.0);
        assert_eq!(draw(1, "encoder"), draw(1, "encoder"));
        assert_ne!(draw(1, "encoder"), draw(2, "encoder"));
        assert_ne!(draw(1, "encoder"), draw(1, "decoder"));
    }

    #[test]
    fn moments_are_those_asked_for() {
        let n = 100_000;
        let moments = |values: Vec<f32>| {
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
            (mean, variance)
        };
        let (mean, variance) = moments(Generator::new(7, "").normal(n, 0.5));
        assert!(mean.abs() <= 0.01 && (variance - 0.25).abs() <= 0.01, "{mean} {variance}");
        let (mean, variance) = moments(Generator::new(7, "").uniform(n, 3.0));
        assert!(mean.abs() <= 0.03 && (variance - 3.0).abs() <= 0.05, "{mean} {variance}");
    }
}
