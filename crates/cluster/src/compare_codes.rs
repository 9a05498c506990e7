//! What can be told without labels of several kinds of codes of the same rows.

use crate::choose_k::ChooseK;
use crate::error::{Error, Result, check_setting};
use crate::kmeans::KMeans;
use crate::neighbors::{Metric, nearest_others};
use crate::progress::{Progress, Silent, Step, report};
use crate::quality::{modularity, sampled_silhouette};
use crate::reduce::Pca;
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// Neighbours of each row in the graph on which clusters are judged, as where their number is chosen.
const GRAPH_NEIGHBORS: usize = 15;

/// Settings of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareCodes {
    /// Clusters that the codes will be grouped into.
    pub n_clusters: usize,
    /// Principal components that rows are reduced to first.
    pub n_components: usize,
    /// Pairs of half samples whose clusterings are compared.
    pub n_resamples: usize,
    /// Rows looked at: more are sampled.
    pub max_rows: usize,
    /// Seed of all random draws.
    pub seed: u64,
}

/// The evidence for one kind of codes, each figure better when larger.
#[derive(Debug, Clone, PartialEq)]
pub struct CodesScore {
    /// Mean silhouette of its own clusters in its own reduced space, -1 to 1. Training on the rows raises it by itself.
    pub silhouette: f64,
    /// Mean adjusted Rand index of clusterings learnt from different halves of the rows. Drawing near rows together, as Local
    /// Aggregation does, raises it by itself.
    pub stability: f64,
    /// Mean silhouette of its own clusters in the reduced spaces of the *other* candidates, over that of their own clusters
    /// there: near 1 when every space agrees that these clusters are good, low when only its own space does.
    pub support: f64,
    /// Modularity of its own clusters on the graph of the *reference's* nearest rows: whether rows that were near before are
    /// together, beyond chance. Training on the rows does not raise it by itself. None without a reference.
    pub modularity: Option<f64>,
}

impl CompareCodes {
    /// Settings for `n_clusters` clusters.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { n_clusters, n_components: 32, n_resamples: 4, max_rows: 10_000, seed: 0 }
    }

    /// The evidence for every candidate, in their order. Reports after each; the value is its silhouette.
    ///
    /// Each is centred, scaled to unit rows and reduced to its first principal components, as it would be clustered.
    ///
    /// # Shapes
    /// - candidates, reference: `[n, dim]` with dimensions of their own
    /// # Errors
    /// - no candidates, different numbers of rows, fewer than 4 rows, `n_clusters` outside `2..n`, or `progress`
    ///   asks to stop
    pub fn compare(
        &self,
        candidates: &[RowsView<'_>],
        reference: Option<RowsView<'_>>,
        progress: &dyn Progress,
    ) -> Result<Vec<CodesScore>> {
        let n = candidates.first().ok_or(Error::Empty { what: "kinds of codes" })?.len();
        check_setting(n >= 4, "rows", n, "at least 4")?;
        check_setting((2..n).contains(&self.n_clusters), "n_clusters", self.n_clusters, format!("2 to {}", n - 1))?;
        if let Some(other) = candidates.iter().chain(&reference).find(|rows| rows.len() != n) {
            return Err(Error::Length { what: "rows of a kind of codes", found: other.len(), expected: n });
        }
        let mut sample = Rng::stream(self.seed, 0).sample(n, self.max_rows);
        sample.sort_unstable();
        let spaces =
            candidates.iter().map(|rows| self.space(rows.gather(&sample).view())).collect::<Result<Vec<_>>>()?;
        let k = self.n_clusters.min(sample.len() - 1);
        let k_means = KMeans { n_init: 4, max_iter: 60, seed: self.seed, ..KMeans::new(k) };
        let mut partitions = Vec::with_capacity(spaces.len());
        for space in &spaces {
            partitions.push(k_means.fit(space.view(), &Silent)?.labels);
        }
        let near = match reference {
            Some(rows) => {
                let space = self.space(rows.gather(&sample).view())?;
                Some(nearest_others(space.view(), GRAPH_NEIGHBORS.min(sample.len() - 1), Metric::Cosine)?)
            }
            None => None,
        };
        let separation = |space: &Codes, labels: &[i32]| {
            // One cluster, or as many as rows, separates nothing.
            sampled_silhouette(space.view(), labels, Metric::Euclidean, (3000 / k).max(10), self.seed).unwrap_or(0.0)
        };
        let own: Vec<f64> = spaces.iter().zip(&partitions).map(|(space, labels)| separation(space, labels)).collect();
        let resampled = ChooseK { n_resamples: self.n_resamples, seed: self.seed, ..ChooseK::default() };
        let mut scores = Vec::with_capacity(candidates.len());
        for (at, labels) in partitions.iter().enumerate() {
            let others: Vec<usize> = (0..spaces.len()).filter(|&other| other != at).collect();
            let elsewhere = others.iter().map(|&other| separation(&spaces[other], labels) / own[other].max(1e-3));
            scores.push(CodesScore {
                silhouette: own[at],
                stability: resampled.stability(&spaces[at], k)?,
                support: if others.is_empty() { 1.0 } else { elsewhere.sum::<f64>() / others.len() as f64 },
                modularity: near.as_ref().map(|near| modularity(near, labels)).transpose()?,
            });
            let (done, total) = (at + 1, candidates.len());
            report(progress, Step { stage: "comparing codes", done, total, value: own[at] })?;
        }
        Ok(scores)
    }

    /// Centred unit rows in their first principal components.
    fn space(&self, rows: RowsView<'_>) -> Result<Codes> {
        let mut sums = vec![0.0_f64; rows.dim()];
        rows.iter().for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x)));
        let n = rows.len() as f64;
        let centered = rows.iter().flat_map(|row| row.iter().zip(&sums).map(|(&x, sum)| x - (sum / n) as f32));
        let unit = Codes::new(centered.collect(), rows.dim())?.view().normalized();
        let pca = Pca { n_components: self.n_components, seed: self.seed };
        pca.fit(unit.view(), &Silent)?.transform(unit.view(), 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` rows around `k` centres whose distance is `spread` times the noise.
    fn rows(n: usize, k: usize, spread: f64, seed: u64) -> Codes {
        let mut rng = Rng::seed_from_u64(seed);
        let centers: Vec<f64> = (0..k * 16).map(|_| spread * rng.normal()).collect();
        Codes::new((0..n * 16).map(|at| (centers[at / 16 % k * 16 + at % 16] + rng.normal()) as f32).collect(), 16)
            .unwrap()
    }

    #[test]
    fn codes_with_groups_are_more_stable_than_codes_without() {
        let (cloud, groups) = (rows(300, 1, 0.0, 1), rows(300, 6, 3.0, 2));
        let found = CompareCodes::new(6).compare(&[cloud.view(), groups.view()], None, &Silent).unwrap();
        assert!(
            found[1].stability >= found[0].stability + 0.3 && found[1].silhouette > found[0].silhouette,
            "{found:?}"
        );
        assert_eq!(found[0].modularity, None);
    }

    #[test]
    fn modularity_is_judged_on_the_neighbours_of_the_reference() {
        // Other groups, drawn apart so far that nothing looks more stable, have no neighbours of the first ones.
        let (groups, others) = (rows(300, 6, 3.0, 2), rows(300, 5, 30.0, 4));
        let candidates = [groups.view(), others.view()];
        let by = |reference: &Codes| {
            let found = CompareCodes::new(6).compare(&candidates, Some(reference.view()), &Silent).unwrap();
            [found[0].modularity.unwrap(), found[1].modularity.unwrap()]
        };
        let (first, second) = (by(&groups), by(&others));
        assert!(first[0] >= 0.7 && first[1] <= 0.1, "{first:?}");
        assert!(second[0] <= 0.1 && second[1] >= 0.7, "{second:?}");
    }

    #[test]
    fn equal_codes_have_equal_figures_and_support_each_other() {
        let groups = rows(200, 4, 3.0, 3);
        let found =
            CompareCodes::new(4).compare(&[groups.view(), groups.view()], Some(groups.view()), &Silent).unwrap();
        assert_eq!(found[0], found[1]);
        assert!((found[0].support - 1.0).abs() <= 1e-9, "{found:?}");
    }

    #[test]
    fn tables_that_do_not_belong_together_are_refused() {
        let (a, b) = (rows(50, 2, 3.0, 1), rows(40, 2, 3.0, 1));
        let with = |k: usize, candidates: &[RowsView<'_>], reference| {
            CompareCodes::new(k).compare(candidates, reference, &Silent)
        };
        assert!(with(2, &[], None).is_err());
        assert!(with(2, &[a.view(), b.view()], None).is_err());
        assert!(with(2, &[a.view()], Some(b.view())).is_err());
        assert!(with(50, &[a.view()], None).is_err());
    }
}
