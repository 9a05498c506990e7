//! k-means for many rows: by batches, and by levels.

use super::{CentroidClusters, Init, KMeans};
use crate::best_rows::best_rows;
use crate::error::{Result, check_setting};
use crate::lanes;
use crate::panels::Panels;
use crate::progress::{Progress, Silent, Step, report};
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// k-means from small random batches, for more rows than full rounds are worth: above some 500 000.
///
/// Each batch moves its centroids to the mean of all rows they have been given so far. One full pass assigns all rows at the
/// end. The inertia is a few per cent above that of full rounds.
///
/// # Reference
/// Sculley 2010.
#[derive(Debug, Clone, PartialEq)]
pub struct MiniBatchKMeans {
    /// Number of clusters, start, seed and spherical as in full k-means; restarts and tolerance are not used.
    pub config: KMeans,
    /// Rows per batch.
    pub batch_size: usize,
    /// Number of batches.
    pub n_batches: usize,
}

impl MiniBatchKMeans {
    /// `n_clusters` clusters from 100 batches of 16 rows per cluster, 4096 at least.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { config: KMeans::new(n_clusters), batch_size: (16 * n_clusters).max(4096), n_batches: 100 }
    }

    /// Clusters `rows`.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - as [`KMeans::fit`], and `batch_size` of 0
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<CentroidClusters> {
        self.config.check(rows)?;
        check_setting(self.batch_size > 0, "batch_size", self.batch_size, "at least 1")?;
        let (k, dim, spherical) = (self.config.n_clusters, rows.dim(), self.config.spherical);
        let mut rng = Rng::stream(self.config.seed, 31);
        let mut draw = |count: usize| {
            let sample = rows.gather(&draw_rows(&mut rng, rows.len(), count));
            if spherical { sample.view().normalized() } else { sample }
        };
        let first = draw(self.batch_size.max(k));
        let start = KMeans { max_iter: 1, n_init: 1, ..self.config.clone() }.fit(first.view(), &Silent)?;
        let sizes = start.sizes();
        let mut centroids = start.centroids.into_data();
        let mut counts: Vec<f64> = sizes.into_iter().map(|size| size as f64).collect();
        for batch in 0..self.n_batches {
            let sample = draw(self.batch_size);
            let n = sample.len();
            let bank = RowsView::trusted(&centroids, dim);
            let bias: Vec<f32> =
                bank.iter().map(|row| if spherical { 0.0 } else { -0.5 * lanes::dot(row, row) }).collect();
            let (mut indices, mut scores) = (vec![0; n], vec![0.0; n]);
            best_rows(&Panels::pack(sample.view()), bank, &bias, &mut indices, &mut scores);
            lanes::dispatch(|| {
                for (row, &cluster) in sample.view().iter().zip(&indices) {
                    let cluster = cluster as usize;
                    counts[cluster] += 1.0;
                    let rate = (1.0 / counts[cluster]) as f32;
                    let centroid = &mut centroids[cluster * dim..(cluster + 1) * dim];
                    centroid.iter_mut().zip(row).for_each(|(c, x)| *c += rate * (x - *c));
                }
                if spherical {
                    centroids.chunks_exact_mut(dim).for_each(lanes::normalize);
                }
            });
            report(
                progress,
                Step { stage: "mini-batch k-means", done: batch + 1, total: self.n_batches, value: f64::NAN },
            )?;
        }
        finish(rows, Codes::trusted(centroids, dim), &self.config, 1, progress)
    }
}

/// k-means in two levels, for tens of thousands of clusters of millions of rows: about `sqrt(k)` groups first, then each group
/// on its own. Costs `O(n sqrt(k) dim)` per round instead of `O(n k dim)`.
#[derive(Debug, Clone, PartialEq)]
pub struct HierarchicalKMeans {
    /// Number of clusters and settings of both levels.
    pub config: KMeans,
    /// Full rounds over all rows and centroids at the end, at least 1: rows near the edge of a group find their centroid.
    pub n_refine: usize,
}

impl HierarchicalKMeans {
    /// `n_clusters` clusters with 20 rounds per level and one full round.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { config: KMeans { max_iter: 20, ..KMeans::new(n_clusters) }, n_refine: 1 }
    }

    /// Clusters `rows`.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - as [`KMeans::fit`], and `n_refine` of 0
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<CentroidClusters> {
        self.config.check(rows)?;
        check_setting(self.n_refine > 0, "n_refine", self.n_refine, "at least 1")?;
        let k = self.config.n_clusters;
        let n_groups = (k as f64).sqrt().ceil() as usize;
        let level = |n_clusters| KMeans { n_clusters, init: Init::PlusPlus, ..self.config.clone() };
        let coarse = level(n_groups).fit(rows, progress)?;
        let mut members = vec![Vec::new(); n_groups];
        (0..).zip(coarse.labels.iter()).for_each(|(row, &group)| members[group as usize].push(row));
        let shares = share(&members.iter().map(Vec::len).collect::<Vec<_>>(), k);
        let mut centroids = Vec::with_capacity(k * rows.dim());
        for (members, share) in members.iter().zip(shares).filter(|(_, share)| *share > 0) {
            let group = rows.gather(members);
            centroids.extend(level(share).fit(group.view(), progress)?.centroids.into_data());
        }
        finish(rows, Codes::trusted(centroids, rows.dim()), &self.config, self.n_refine, progress)
    }
}

/// Full rounds from given centroids.
fn finish(
    rows: RowsView<'_>,
    start: Codes,
    config: &KMeans,
    rounds: usize,
    progress: &dyn Progress,
) -> Result<CentroidClusters> {
    KMeans { init: Init::Given(start), max_iter: rounds, ..config.clone() }.fit(rows, progress)
}

/// Different rows for small draws would cost a pass over all; repeats hardly matter in a batch.
fn draw_rows(rng: &mut Rng, n: usize, count: usize) -> Vec<u32> {
    if count * 4 >= n {
        return rng.sample(n, count);
    }
    (0..count).map(|_| rng.below(n) as u32).collect()
}

/// Splits `k` clusters over groups in proportion to their sizes: at least one for a group with rows, never more than rows.
fn share(sizes: &[usize], k: usize) -> Vec<usize> {
    let n: usize = sizes.iter().sum();
    let mut shares: Vec<usize> = sizes.iter().map(|&size| (size * k / n.max(1)).max(1).min(size)).collect();
    loop {
        let total: usize = shares.iter().sum();
        if total == k {
            return shares;
        }
        // The group that is shortest of clusters, or has the most, per row; the first of equals.
        let load = |&group: &usize| sizes[group] as f64 / shares[group].max(1) as f64;
        let groups = 0..sizes.len();
        let chosen = if total < k {
            groups.filter(|&g| shares[g] < sizes[g]).reduce(|best, g| if load(&g) > load(&best) { g } else { best })
        } else {
            groups.filter(|&g| shares[g] > 1).reduce(|best, g| if load(&g) < load(&best) { g } else { best })
        };
        match chosen {
            Some(group) if total < k => shares[group] += 1,
            Some(group) => shares[group] -= 1,
            // With k between the number of groups and of rows some group can always give or take.
            None => return shares,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, dim: usize) -> Codes {
        let mut rng = Rng::seed_from_u64(13);
        Codes::new((0..n * dim).map(|_| rng.normal() as f32).collect(), dim).unwrap()
    }

    #[test]
    fn batches_and_levels_come_near_full_rounds() {
        let rows = noise(6000, 8);
        let full = KMeans::new(60).fit(rows.view(), &Silent).unwrap().inertia;
        let batches =
            MiniBatchKMeans { batch_size: 1000, ..MiniBatchKMeans::new(60) }.fit(rows.view(), &Silent).unwrap();
        assert!(batches.inertia <= 1.06 * full, "{} {full}", batches.inertia);
        let levels = HierarchicalKMeans::new(60).fit(rows.view(), &Silent).unwrap();
        assert!(levels.inertia <= 1.06 * full, "{} {full}", levels.inertia);
        assert_eq!((batches.labels.n_clusters(), levels.labels.n_clusters(), levels.centroids.len()), (60, 60, 60));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() {
        let rows = noise(3000, 6);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let batches = MiniBatchKMeans { n_batches: 10, ..MiniBatchKMeans::new(20) };
                (
                    batches.fit(rows.view(), &Silent).unwrap(),
                    HierarchicalKMeans::new(40).fit(rows.view(), &Silent).unwrap(),
                )
            })
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn shares_sum_to_k_and_fit_their_groups() {
        for (sizes, k) in [(vec![100, 1, 0, 9], 20), (vec![2, 2, 2], 6), (vec![1000, 1, 1, 1], 4), (vec![5], 5)] {
            let shares = share(&sizes, k);
            assert_eq!(shares.iter().sum::<usize>(), k, "{sizes:?}");
            assert!(shares.iter().zip(&sizes).all(|(share, size)| share <= size && (*size == 0 || *share > 0)));
        }
        let copies = Codes::new(vec![1.0; 50], 1).unwrap();
        assert_eq!(HierarchicalKMeans::new(9).fit(copies.view(), &Silent).unwrap().inertia, 0.0);
    }
}
