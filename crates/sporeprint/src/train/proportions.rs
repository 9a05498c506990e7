//! How large neighbour sets must be for Local Aggregation to help, and whether it can: measured, not assumed.

use serde::{Deserialize, Serialize};
use sporeprint_cluster::{Error, Metric, RowsView, nearest};

use super::aggregate::clusterings;
use super::close_space::close_space;
use crate::config::AggregateConfig;
use crate::neighbors::Clusterings;

/// The overlap `|C n B| / |B|` over the one aimed at: the range within which nothing is changed.
const NEAR: std::ops::RangeInclusive<f64> = 0.7..=1.3;
/// Bounds of that ratio within which Local Aggregation works at all.
const WORKS: std::ops::RangeInclusive<f64> = 0.5..=1.5;
/// Images below which neighbour sets have no proportions worth the name. On 395 photographs Local Aggregation still gained a
/// point with batch norm frozen; with statistics of each batch it had mostly done harm below a thousand.
const FEWEST_IMAGES: usize = 200;
/// Attempts to hit the target.
const ATTEMPTS: usize = 8;
/// Rows that stand for all where overlap and agreement are measured.
const SAMPLE: usize = 1000;

/// Sizes of the neighbour sets, and what was measured with them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proportions {
    /// Background neighbours, the paper's k.
    pub background: usize,
    /// Centroids of each clustering, the paper's m.
    pub centroids: usize,
    /// Mean of `|C n B| / |B|` over bank rows.
    pub overlap: f64,
    /// A proxy of how many close neighbours are right: `P(together in another clustering | together in one)`.
    ///
    /// `sum_ij c_ij (c_ij - 1) / ((H - 1) sum_ij c_ij)` over pairs of an image and a background neighbour, `c_ij` of `H`
    /// clusterings having put them together. Clusters that chance has drawn through a cloud agree little; those of groups
    /// that are there agree much. 1 for a single clustering, which has nothing to disagree with.
    pub agreement: f64,
}

impl Proportions {
    /// Sizes for these bank rows: `k` is a quarter of the images (64 to 4096) and `m` is raised or lowered from a twentieth of
    /// the images until the measured overlap is near the one that the settings aim at. Sizes that the settings give stay as they are.
    ///
    /// # Errors
    /// When the rows cannot be clustered.
    pub fn fit(rows: RowsView<'_>, config: &AggregateConfig, seed: u64, step: u64) -> Result<Self, Error> {
        let n = rows.len();
        let background = config.background_neighbors(n);
        let mut centroids = config.centroids.unwrap_or(n / 20).clamp(2.min(n), n);
        let mut best: Option<Self> = None;
        let space = close_space(rows, config, seed, step)?;
        for _ in 0..ATTEMPTS {
            let found = Self::measure(
                rows,
                &clusterings(space.rows(rows), config, centroids, seed, step)?,
                background,
                centroids,
            )?;
            if best.is_none_or(|best| distance(found.overlap, config) < distance(best.overlap, config)) {
                best = Some(found);
            }
            let next = rescaled(centroids, found.overlap / config.overlap, n);
            if config.centroids.is_some() || NEAR.contains(&(found.overlap / config.overlap)) || next == centroids {
                break;
            }
            centroids = next;
        }
        best.ok_or(Error::Empty { what: "bank rows" })
    }

    /// Overlap and agreement of given clusterings on the bank's own rows.
    ///
    /// # Errors
    /// When there are no rows.
    pub fn measure(
        rows: RowsView<'_>,
        clusterings: &Clusterings,
        background: usize,
        centroids: usize,
    ) -> Result<Self, Error> {
        let n = rows.len();
        let step = n.div_ceil(SAMPLE).max(1);
        let sample: Vec<u32> = (0..n as u32).step_by(step).collect();
        let near = nearest(rows.gather(&sample).view(), rows, background.min(n), Metric::Dot)?;
        let h = clusterings.n_clusterings() as u64;
        let (mut close, mut together, mut again) = (0u64, 0u64, 0u64);
        for (query, &image) in sample.iter().enumerate() {
            for &other in near.indices_of(query) {
                let c = clusterings.n_together(image, other) as u64;
                close += u64::from(c > 0);
                if other != image {
                    together += c;
                    again += c * c.saturating_sub(1);
                }
            }
        }
        let overlap = close as f64 / (sample.len() * near.k()) as f64;
        let agreement = if h < 2 || together == 0 { 1.0 } else { again as f64 / ((h - 1) * together) as f64 };
        Ok(Self { background: near.k(), centroids, overlap, agreement })
    }

    /// The same sizes moved after an epoch whose mean overlap was `overlap`, if that left the range.
    #[must_use]
    pub fn adjusted(self, overlap: f64, config: &AggregateConfig, n_images: usize) -> Self {
        let ratio = overlap / config.overlap;
        if config.centroids.is_some() || WORKS.contains(&ratio) {
            return self;
        }
        Self { centroids: rescaled(self.centroids, ratio, n_images), ..self }
    }

    /// Why Local Aggregation would do harm here, or nothing where it should help.
    pub fn objection(&self, config: &AggregateConfig, n_images: usize) -> Option<String> {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        if n_images < FEWEST_IMAGES {
            return Some(format!(
                "neighbour sets of fewer than {FEWEST_IMAGES} images have no proportions, and this folder has {n_images} \
                 (agreement of the clusterings about neighbours: {})",
                percent(self.agreement)
            ));
        }
        if !WORKS.contains(&(self.overlap / config.overlap)) {
            let bound = |factor: &f64| format!("{:.0}", 100.0 * config.overlap * factor);
            return Some(format!(
                "{n_images} images cannot be cut so that {} to {} % of the background neighbours are close ones (found {} \
                 with {} centroids and {} background neighbours)",
                bound(WORKS.start()),
                bound(WORKS.end()),
                percent(self.overlap),
                self.centroids,
                self.background
            ));
        }
        None
    }
}

/// How far an overlap is from the one aimed at, as a ratio.
fn distance(overlap: f64, config: &AggregateConfig) -> f64 {
    (overlap.max(1e-6) / config.overlap).ln().abs()
}

/// Centroids for an overlap that was `ratio` times the one aimed at: it falls about as 1 / m.
fn rescaled(centroids: usize, ratio: f64, n_images: usize) -> usize {
    let factor = ratio.clamp(0.5, 2.0);
    ((centroids as f64 * factor).round() as usize).clamp(2, (n_images / 2).max(2))
}

#[cfg(test)]
mod tests {
    use sporeprint_cluster::Rng;

    use super::*;
    use crate::rows::normalize;

    /// Unit rows around `k` directions.
    fn rows(n: usize, k: usize, noise: f64) -> Vec<f32> {
        let mut rng = Rng::new(5);
        let centres: Vec<f64> = (0..k * 24).map(|_| rng.normal()).collect();
        let mut rows: Vec<f32> =
            (0..n * 24).map(|at| (centres[at / 24 % k * 24 + at % 24] + noise * rng.normal()) as f32).collect();
        rows.chunks_exact_mut(24).for_each(|row| {
            normalize(row);
        });
        rows
    }

    fn fit(n: usize, k: usize, noise: f64, config: &AggregateConfig) -> Proportions {
        let rows = rows(n, k, noise);
        Proportions::fit(RowsView::new(&rows, 24).expect("finite"), config, 1, 0).expect("clusters")
    }

    #[test]
    fn centroids_are_moved_until_a_tenth_of_the_background_is_close() {
        for n in [300, 1500] {
            let found = fit(n, 20, 0.5, &AggregateConfig::fine_tuning());
            assert!((0.05..=0.15).contains(&found.overlap), "{n}: {found:?}");
        }
    }

    #[test]
    fn given_sizes_are_kept() {
        let config =
            AggregateConfig { centroids: Some(7), background_neighbors: Some(90), ..AggregateConfig::fine_tuning() };
        let found = fit(400, 20, 0.5, &config);
        assert_eq!((found.centroids, found.background), (7, 90));
        assert_eq!(found.adjusted(0.9, &config, 400), found);
    }

    #[test]
    fn small_folders_and_impossible_proportions_are_refused_with_words() {
        let sizes = Proportions { background: 250, centroids: 50, overlap: 0.1, agreement: 0.5 };
        let config = AggregateConfig::fine_tuning();
        assert_eq!(sizes.objection(&config, 1000), None);
        assert!(sizes.objection(&config, 150).expect("too few").contains("150"));
        let crowded = Proportions { overlap: 0.4, ..sizes };
        assert!(crowded.objection(&config, 1000).expect("too many close").contains("40 %"));
    }

    #[test]
    fn clusterings_of_groups_agree_more_than_those_of_a_cloud() {
        let config = AggregateConfig::fine_tuning();
        let (groups, cloud) = (fit(600, 30, 0.2, &config), fit(600, 1, 50.0, &config));
        assert!(groups.agreement > cloud.agreement + 0.2, "{groups:?} {cloud:?}");
    }

    #[test]
    fn an_overlap_that_drifted_moves_the_centroids_back() {
        let sizes = Proportions { background: 100, centroids: 40, overlap: 0.1, agreement: 0.5 };
        let config = AggregateConfig::fine_tuning();
        assert_eq!(sizes.adjusted(0.11, &config, 400), sizes);
        assert_eq!(sizes.adjusted(0.2, &config, 400).centroids, 80);
        assert_eq!(sizes.adjusted(0.04, &config, 400).centroids, 20);
    }
}
