//! Seeded initial values: the same bytes for the same seed, whatever the thread or the backend.

use sporeprint_cluster::Rng;

/// Draws the initial values of one part of a network.
///
/// Burn's own generator is global to a device, so that any other draw would change the weights.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    rng: Rng,
}

impl Generator {
    /// A stream of its own for each part of a network, so that adding a head leaves the encoder as it was.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        Self { rng: Rng::for_stage(seed, part, 0) }
    }

    /// `count` values, uniform in `[-bound, bound)`.
    pub(crate) fn uniform(&mut self, count: usize, bound: f64) -> Vec<f32> {
        (0..count).map(|_| ((2.0 * self.rng.unit_f64() - 1.0) * bound) as f32).collect()
    }

    /// `count` values, normal around 0.
    pub(crate) fn normal(&mut self, count: usize, deviation: f64) -> Vec<f32> {
        (0..count).map(|_| (self.rng.normal() * deviation) as f32).collect()
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
