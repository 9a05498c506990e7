//! How many clusters: a curve of evidence rather than one number.

use crate::error::{Result, check_setting};
use crate::kmeans::KMeans;
use crate::labels::Labels;
use crate::neighbors::{Metric, Neighbors, nearest, nearest_others};
use crate::progress::{Progress, Silent, Step, report};
use crate::quality::{agreement, modularity, sampled_silhouette};
use crate::reduce::Pca;
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// Neighbours of each row that should be in its cluster.
const NEIGHBORS: usize = 15;

/// Settings of the search for the number of clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct ChooseK {
    /// Fewest clusters to try, at least 2.
    pub min_k: usize,
    /// Most clusters to try; `None` is `sqrt(2 n)`, at most 150.
    pub max_k: Option<usize>,
    /// Principal components that rows are reduced to first.
    pub n_components: usize,
    /// Pairs of half samples whose clusterings are compared.
    pub n_resamples: usize,
    /// Rows looked at: more are sampled, which the curve hardly notices.
    pub max_rows: usize,
    /// Seed of all random draws.
    pub seed: u64,
}

impl Default for ChooseK {
    fn default() -> Self {
        Self { min_k: 2, max_k: None, n_components: 32, n_resamples: 3, max_rows: 20_000, seed: 0 }
    }
}

/// The evidence for one number of clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Number of clusters.
    pub k: usize,
    /// How many of the 15 nearest rows are in the same cluster beyond chance, see [`modularity`]: what the choice is made by.
    /// -1 where fewer rows differ than there are to be clusters.
    pub modularity: f64,
    /// Mean silhouette in the reduced space, sampled by cluster, -1 to 1.
    pub silhouette: f64,
    /// Mean adjusted Rand index of clusterings learnt from different halves of the rows: 1 when they always agree.
    pub stability: f64,
}

/// The choice and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenK {
    /// The best number of clusters.
    pub k: usize,
    /// The best number at most two thirds of `k`.
    pub coarser: Option<usize>,
    /// The best number at least one and a half times `k`.
    pub finer: Option<usize>,
    /// Evidence by rising `k`: a geometric grid, and every number near its best points.
    pub curve: Vec<Evidence>,
}

impl ChooseK {
    /// Tries numbers of clusters and picks the one that keeps neighbours together best, beyond chance ([`modularity`]).
    ///
    /// Silhouette and stability stand beside it as evidence and do not choose: both favour a few coarse groups where clusters
    /// blend into each other, as kinds of photographs do.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - fewer than 4 rows, `min_k` below 2, `max_k` below `min_k` or not below the rows, or `progress` asks to stop
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<ChosenK> {
        check_setting(rows.len() >= 4, "rows", rows.len(), "at least 4")?;
        check_setting(self.min_k >= 2, "min_k", self.min_k, "at least 2")?;
        check_setting(self.max_rows >= 4, "max_rows", self.max_rows, "at least 4")?;
        let mut chosen = Rng::stream(self.seed, 0).sample(rows.len(), self.max_rows);
        chosen.sort_unstable();
        let sample = rows.gather(&chosen);
        let n = sample.len();
        let max_k = self.max_k.unwrap_or((((2 * n) as f64).sqrt() as usize).min(150).max(self.min_k).min(n - 1));
        check_setting(max_k >= self.min_k && max_k < n, "max_k", max_k, format!("{} to {}", self.min_k, n - 1))?;
        let reduced = self.reduce(sample.view())?;
        let near = nearest_others(reduced.view(), NEIGHBORS.min(n - 1), Metric::Euclidean)?;

        let mut curve: Vec<Evidence> = Vec::new();
        let mut queue = grid(self.min_k, max_k);
        for pass in 0..2 {
            let total = curve.len() + queue.len();
            for k in queue {
                let evidence = self.evidence(&reduced, &near, k)?;
                curve.push(evidence);
                report(progress, Step { stage: "choosing k", done: curve.len(), total, value: evidence.modularity })?;
            }
            curve.sort_unstable_by_key(|evidence| evidence.k);
            queue = if pass == 0 { between_neighbors_of_best(&curve) } else { Vec::new() };
        }
        let best_of = |keep: &dyn Fn(usize) -> bool| {
            let kept = curve.iter().filter(|evidence| keep(evidence.k));
            kept.reduce(|best, next| if next.modularity > best.modularity { next } else { best })
                .map(|evidence| evidence.k)
        };
        let k = best_of(&|_| true).unwrap_or(self.min_k);
        Ok(ChosenK {
            k,
            coarser: best_of(&|other| other * 3 <= k * 2),
            finer: best_of(&|other| other * 2 >= k * 3),
            curve,
        })
    }

    fn evidence(&self, rows: &Codes, near: &Neighbors, k: usize) -> Result<Evidence> {
        let n = rows.len();
        let labels = self.k_means(k).fit(rows.view(), &Silent)?.labels;
        let occupied = labels.n_clusters();
        let silhouette = if occupied >= 2 && occupied < n {
            sampled_silhouette(rows.view(), &labels, Metric::Euclidean, (3000 / k).max(10), self.seed)?
        } else {
            -1.0
        };
        let modularity = if occupied == k { modularity(near, &labels)? } else { -1.0 };
        Ok(Evidence { k, modularity, silhouette, stability: self.stability(rows, k)? })
    }

    fn reduce(&self, rows: RowsView<'_>) -> Result<Codes> {
        let pca = Pca { n_components: self.n_components, seed: self.seed };
        pca.fit(rows, &Silent)?.transform(rows, 0.0)
    }

    fn k_means(&self, k: usize) -> KMeans {
        KMeans { n_init: 4, max_iter: 60, seed: self.seed, ..KMeans::new(k) }
    }

    /// Mean adjusted Rand index, over all rows, of `k` clusters learnt from one half and from the other.
    pub(crate) fn stability(&self, rows: &Codes, k: usize) -> Result<f64> {
        let n = rows.len();
        let half = (n / 2).max(k.min(n));
        let mut sum = 0.0;
        for pair in 0..self.n_resamples {
            let mut partitions = Vec::with_capacity(2);
            for side in 0..2 {
                let stream = (1 + pair * 2 + side) as u64;
                let sample = rows.view().gather(&Rng::stream(self.seed, stream).sample(n, half));
                let k_means = KMeans { n_init: 2, seed: self.seed ^ stream, ..self.k_means(k) };
                let half = k_means.fit(sample.view(), &Silent)?;
                let near = nearest(rows.view(), half.centroids.view(), 1, Metric::Euclidean)?;
                partitions.push(Labels::of_clusters(near.indices().to_vec()));
            }
            sum += agreement(&partitions[0], &partitions[1])?.ari;
        }
        Ok(if self.n_resamples == 0 { 0.0 } else { sum / self.n_resamples as f64 })
    }
}

/// Every number up to 6, then steps of a fifth.
fn grid(min_k: usize, max_k: usize) -> Vec<usize> {
    let mut ks = Vec::new();
    let mut k = min_k;
    while k < max_k {
        ks.push(k);
        k += (k / 5).max(1);
    }
    ks.push(max_k);
    ks
}

/// The numbers not tried yet on both sides of the three best points.
fn between_neighbors_of_best(curve: &[Evidence]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..curve.len()).collect();
    order.sort_by(|&a, &b| curve[b].modularity.total_cmp(&curve[a].modularity));
    let mut ks = Vec::new();
    for at in order.into_iter().take(3) {
        let low = if at > 0 { curve[at - 1].k } else { curve[at].k };
        let high = curve.get(at + 1).map_or(curve[at].k, |next| next.k);
        ks.extend(low..=high);
    }
    ks.sort_unstable();
    ks.dedup();
    ks.retain(|k| curve.iter().all(|evidence| evidence.k != *k));
    ks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(k: usize, n: usize, dim: usize) -> Codes {
        let mut rng = Rng::seed_from_u64(k as u64);
        let centers: Vec<f64> = (0..k * dim).map(|_| 6.0 * rng.normal()).collect();
        let data = (0..n * dim).map(|at| (centers[(at / dim % k) * dim + at % dim] + rng.normal()) as f32);
        Codes::new(data.collect(), dim).unwrap()
    }

    #[test]
    fn separated_blobs_are_counted_exactly() {
        for (k, n) in [(3, 150), (10, 500), (30, 900)] {
            let chosen = ChooseK::default().fit(blobs(k, n, 12).view(), &Silent).unwrap();
            assert_eq!(chosen.k, k, "{:?}", chosen.curve);
            assert!(chosen.coarser.is_none_or(|c| c * 3 <= k * 2) && chosen.finer.is_none_or(|f| f * 2 >= k * 3));
            assert!(chosen.curve.windows(2).all(|pair| pair[0].k < pair[1].k));
        }
    }

    #[test]
    fn rows_without_differences_end_with_the_fewest_clusters() {
        let rows = Codes::new(vec![1.0; 40], 2).unwrap();
        let chosen = ChooseK::default().fit(rows.view(), &Silent).unwrap();
        assert_eq!(chosen.k, 2);
        assert!(ChooseK::default().fit(rows.view().gather(&[0, 1]).view(), &Silent).is_err());
    }
}
