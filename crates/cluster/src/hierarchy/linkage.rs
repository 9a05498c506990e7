//! Ward and average linkage without a table of distances.

use super::merges::{Merge, MergeTree};
use crate::error::Result;
use crate::lanes;
use crate::progress::{Progress, Step, report};
use crate::rows::RowsView;
use rayon::prelude::*;

/// How far two clusters lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// Square root of twice the growth of the sum of squares: `sqrt(2 |A||B| / (|A|+|B|)) |mean A - mean B|`.
    /// Compact clusters of similar size; the recommended end after UMAP.
    Ward,
    /// Mean squared distance of their rows. Of unit rows that is twice the mean of `1 - cosine`.
    Average,
}

/// Clusters searched per task; fixed, so that results do not depend on threads.
const PER_TASK: usize = 1024;

impl Linkage {
    /// Merges rows into clusters until one is left, by chains of nearest neighbours.
    ///
    /// Both linkages follow from means, sizes and scatter alone, so memory is `O(n dim)` and nothing is `n x n`. Takes
    /// `O(n^2 dim)` time: ten thousand rows of 32 values take seconds; reduce wide rows first.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - no rows, or `progress` asks to stop
    /// # Reference
    /// Murtagh 1983 (nearest-neighbour chain); heights equal `scipy.cluster.hierarchy.linkage(.., "ward")`.
    pub fn fit(self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<MergeTree> {
        rows.require_rows("rows to merge")?;
        let n = rows.len();
        let mut clusters = Clusters::new(rows, self);
        let mut merges = Vec::with_capacity(n - 1);
        let mut chain: Vec<usize> = Vec::new();
        while merges.len() + 1 < n {
            if chain.is_empty() {
                chain.push(0);
            }
            let tip = chain[chain.len() - 1];
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            let (nearest, distance) = clusters.nearest(tip, before);
            if before != Some(nearest) {
                chain.push(nearest);
                continue;
            }
            chain.truncate(chain.len() - 2);
            let height =
                if self == Self::Ward { f64::from(distance).max(0.0).sqrt() } else { f64::from(distance).max(0.0) };
            let (a, b) = (clusters.slots[tip].first, clusters.slots[nearest].first);
            merges.push(Merge { a: a.min(b), b: a.max(b), height });
            let moved = clusters.merge(tip, nearest);
            // The last cluster took the place of the one that went; the chain must follow it.
            chain.iter_mut().for_each(|at| {
                if *at == moved.0 {
                    *at = moved.1;
                }
            });
            if merges.len().is_multiple_of(256) || merges.len() + 1 == n {
                report(progress, Step { stage: "linkage", done: merges.len(), total: n - 1, value: height })?;
            }
        }
        Ok(MergeTree::new(n, merges))
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Its lowest row.
    first: u32,
    size: f32,
    /// Mean squared distance of its rows to their mean.
    scatter: f32,
}

/// The clusters left, packed together so that a search reads memory in order.
struct Clusters {
    means: Vec<f32>,
    slots: Vec<Slot>,
    dim: usize,
    linkage: Linkage,
}

impl Clusters {
    fn new(rows: RowsView<'_>, linkage: Linkage) -> Self {
        let slots = (0..rows.len() as u32).map(|first| Slot { first, size: 1.0, scatter: 0.0 }).collect();
        Self { means: rows.data().to_vec(), slots, dim: rows.dim(), linkage }
    }

    /// The nearest other cluster; `preferred` wins ties, so that a chain ends, then the one with the lowest row.
    fn nearest(&self, of: usize, preferred: Option<usize>) -> (usize, f32) {
        let own = self.slots[of];
        let mean = &self.means[of * self.dim..(of + 1) * self.dim];
        let rank = |at: usize| (Some(at) != preferred, self.slots[at].first);
        let better = |a: (f32, usize), b: (f32, usize)| {
            if a.0 < b.0 || (a.0 == b.0 && rank(a.1) < rank(b.1)) { a } else { b }
        };
        let search = |(task, (slots, means)): (usize, (&[Slot], &[f32]))| {
            lanes::dispatch(|| {
                let mut best = (f32::INFINITY, usize::MAX);
                for (i, (slot, other)) in slots.iter().zip(means.chunks_exact(self.dim)).enumerate() {
                    let at = task * PER_TASK + i;
                    if at == of {
                        continue;
                    }
                    let squared = lanes::squared_distance(mean, other);
                    let distance = match self.linkage {
                        Linkage::Ward => 2.0 * own.size * slot.size / (own.size + slot.size) * squared,
                        // The same bits from both sides, or a chain could run in a circle.
                        Linkage::Average => squared + (own.scatter + slot.scatter),
                    };
                    if distance <= best.0 {
                        best = if best.1 == usize::MAX { (distance, at) } else { better((distance, at), best) };
                    }
                }
                best
            })
        };
        let tasks = self.slots.par_chunks(PER_TASK).zip(self.means.par_chunks(PER_TASK * self.dim)).enumerate();
        let found: Vec<(f32, usize)> = tasks.map(search).collect();
        let best = found.into_iter().filter(|&(_, at)| at != usize::MAX).reduce(|best, next| better(next, best));
        let (distance, at) = best.unwrap_or((f32::INFINITY, usize::from(of == 0)));
        (at, distance)
    }

    /// Merges two clusters; returns `(from, to)` of the cluster that was moved to close the gap.
    fn merge(&mut self, a: usize, b: usize) -> (usize, usize) {
        let (keep, gone) = (a.min(b), a.max(b));
        let (x, y) = (self.slots[keep], self.slots[gone]);
        let size = x.size + y.size;
        let (head, tail) = self.means.split_at_mut(gone * self.dim);
        let (mean, other) = (&mut head[keep * self.dim..(keep + 1) * self.dim], &tail[..self.dim]);
        let squared = lanes::squared_distance(mean, other);
        for (m, &o) in mean.iter_mut().zip(other) {
            *m += (o - *m) * (y.size / size);
        }
        let scatter = (x.size * x.scatter + y.size * y.scatter + x.size * y.size / size * squared) / size;
        self.slots[keep] = Slot { first: x.first.min(y.first), size, scatter };
        let last = self.slots.len() - 1;
        self.slots.swap_remove(gone);
        self.means.copy_within(last * self.dim..(last + 1) * self.dim, gone * self.dim);
        self.means.truncate(last * self.dim);
        (last, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;
    use crate::progress::Silent;
    use crate::rng::Rng;
    use crate::rows::Codes;

    fn noise(n: usize, dim: usize) -> Codes {
        let mut rng = Rng::seed_from_u64(21);
        Codes::new((0..n * dim).map(|_| rng.normal() as f32).collect(), dim).unwrap()
    }

    /// Merges the nearest pair again and again, distances from all rows.
    fn plain(rows: &Codes, linkage: Linkage, n_clusters: usize) -> (Vec<f64>, Labels) {
        let mut clusters: Vec<Vec<usize>> = (0..rows.len()).map(|row| vec![row]).collect();
        let squared = |i: usize, j: usize| -> f64 {
            rows.row(i).iter().zip(rows.row(j)).map(|(&x, &y)| f64::from(x - y).powi(2)).sum()
        };
        let mean_squared = |a: &[usize], b: &[usize]| {
            a.iter().flat_map(|&i| b.iter().map(move |&j| squared(i, j))).sum::<f64>() / (a.len() * b.len()) as f64
        };
        let scatter = |a: &[usize]| mean_squared(a, a) / 2.0;
        let distance = |a: &[usize], b: &[usize]| match linkage {
            Linkage::Average => mean_squared(a, b),
            Linkage::Ward => {
                let (n, m) = (a.len() as f64, b.len() as f64);
                (2.0 * n * m / (n + m) * (mean_squared(a, b) - scatter(a) - scatter(b))).max(0.0).sqrt()
            }
        };
        let mut heights = Vec::new();
        let mut labels = vec![0; rows.len()];
        while clusters.len() > 1 {
            if clusters.len() == n_clusters {
                clusters.iter().enumerate().for_each(|(c, rows)| rows.iter().for_each(|&row| labels[row] = c as i32));
            }
            let pairs = (0..clusters.len()).flat_map(|a| (a + 1..clusters.len()).map(move |b| (a, b)));
            let best =
                pairs.map(|(a, b)| (distance(&clusters[a], &clusters[b]), a, b)).min_by(|x, y| x.0.total_cmp(&y.0));
            let (height, a, b) = best.unwrap();
            heights.push(height);
            let gone = clusters.remove(b);
            clusters[a].extend(gone);
        }
        (heights, crate::relabel_by_size(&labels))
    }

    #[test]
    fn chains_equal_merging_the_nearest_pair() {
        let rows = noise(60, 4);
        for linkage in [Linkage::Ward, Linkage::Average] {
            let tree = linkage.fit(rows.view(), &Silent).unwrap();
            let (heights, labels) = plain(&rows, linkage, 7);
            assert_eq!(tree.merges().len(), 59);
            for (merge, expected) in tree.merges().iter().zip(heights) {
                assert!((merge.height - expected).abs() <= 1e-4 * (1.0 + expected), "{} {expected}", merge.height);
            }
            assert_eq!(crate::agreement(&tree.cut(7).unwrap(), &labels).unwrap().ari, 1.0, "{linkage:?}");
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_tree() {
        let rows = noise(2500, 5);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Linkage::Ward.fit(rows.view(), &Silent).unwrap())
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn equal_rows_one_row_and_bad_cuts_have_answers() {
        let rows = Codes::new(vec![1.0; 20], 2).unwrap();
        let tree = Linkage::Average.fit(rows.view(), &Silent).unwrap();
        assert!(tree.merges().iter().all(|merge| merge.height == 0.0));
        assert_eq!(*tree.cut(1).unwrap(), [0; 10]);
        assert_eq!(*tree.cut(10).unwrap(), (0..10).collect::<Vec<_>>());
        assert!(tree.cut(11).is_err() && tree.cut(0).is_err());
        let one = Linkage::Ward.fit(rows.view().gather(&[0]).view(), &Silent).unwrap();
        assert_eq!(*one.cut(1).unwrap(), [0]);
    }
}
