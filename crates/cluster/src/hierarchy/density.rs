//! HDBSCAN: clusters of any shape and number, and noise.

use super::merges::{Merge, MergeTree};
use crate::error::{Result, check_setting};
use crate::labels::{Labels, relabel_by_size};
use crate::lanes;
use crate::neighbors::{Metric, nearest};
use crate::progress::{Progress, Step, report};
use crate::rows::RowsView;
use rayon::prelude::*;

/// Settings of HDBSCAN, on reduced rows (UMAP or some ten principal components): in many columns every density looks alike.
///
/// Takes `O(n^2 dim)` time and `O(n dim)` memory.
///
/// # Reference
/// Campello, Moulavi and Sander 2013; McInnes and Healy 2017. Clusters are chosen by excess of mass; the whole is never one
/// cluster. Mutual reachabilities are often equal; equal heights are taken in the order of Prim's method from row 0, and another
/// order, such as scikit-learn's, can give another split where clusters touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hdbscan {
    /// Fewest rows of a cluster.
    pub min_cluster_size: usize,
    /// Rows, itself included, that make a row's surroundings dense: larger values call more rows noise.
    pub min_samples: usize,
}

/// Clusters by density.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityClusters {
    /// `[n]`, ids by falling size, noise -1.
    pub labels: Labels,
    /// How deep each row lies in its cluster, 0 to 1; 0 for noise. `[n]`
    pub membership: Vec<f32>,
}

impl Hdbscan {
    /// Clusters of at least `min_cluster_size` rows, with `min_samples` alike.
    #[must_use]
    pub fn new(min_cluster_size: usize) -> Self {
        Self { min_cluster_size, min_samples: min_cluster_size }
    }

    /// Clusters `rows` by Euclidean distance.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`
    /// # Errors
    /// - no rows, `min_cluster_size` below 2, `min_samples` outside `1..=n`, or `progress` asks to stop
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<DensityClusters> {
        rows.require_rows("rows to cluster")?;
        let n = rows.len();
        check_setting(self.min_cluster_size >= 2, "min_cluster_size", self.min_cluster_size, "at least 2")?;
        check_setting(
            (1..=n).contains(&self.min_samples),
            "min_samples",
            self.min_samples,
            format!("1 to {n} (the rows)"),
        )?;
        let near = nearest(rows, rows, self.min_samples, Metric::Euclidean)?;
        let core: Vec<f32> = (0..n).map(|row| near.scores_of(row)[self.min_samples - 1]).collect();
        let tree = spanning_tree(rows, &core, progress)?;
        Ok(self.condense(n, &tree))
    }

    /// Walks the single-linkage tree down from the root, letting go of splits smaller than a cluster, then keeps the
    /// clusters with the largest excess of mass.
    fn condense(&self, n: usize, tree: &MergeTree) -> DensityClusters {
        let dendrogram = Dendrogram::new(n, tree);
        // Parents come before children, so one pass backwards sums up stabilities.
        let mut clusters =
            vec![Condensed { parent: None, birth: 0.0, stability: 0.0, rows: Vec::new(), chosen: false }];
        let mut stack = vec![(dendrogram.root(), 0_usize)];
        while let Some((node, cluster)) = stack.pop() {
            let Some((left, right, height)) = dendrogram.children(node) else {
                // Only a cluster of one row gets here, when there is one row in all.
                clusters[cluster].rows.push((node as u32, f64::INFINITY));
                continue;
            };
            let lambda = if height > 0.0 { 1.0 / height } else { f64::MAX };
            let large = |child: usize| dendrogram.size(child) >= self.min_cluster_size;
            if large(left) && large(right) {
                let size = (dendrogram.size(left) + dendrogram.size(right)) as f64;
                clusters[cluster].leave(size, lambda);
                for child in [left, right] {
                    clusters.push(Condensed {
                        parent: Some(cluster),
                        birth: lambda,
                        stability: 0.0,
                        rows: Vec::new(),
                        chosen: false,
                    });
                    stack.push((child, clusters.len() - 1));
                }
                continue;
            }
            for child in [left, right] {
                if large(child) {
                    stack.push((child, cluster));
                } else {
                    clusters[cluster].leave(dendrogram.size(child) as f64, lambda);
                    dendrogram.for_each_row(child, |row| clusters[cluster].rows.push((row, lambda)));
                }
            }
        }
        choose(&mut clusters);
        let mut labels = vec![-1; n];
        let mut lambdas = vec![0.0_f64; n];
        // How deep a cluster reaches before it ends or splits.
        let mut deepest: Vec<f64> =
            clusters.iter().map(|cluster| cluster.rows.iter().map(|&(_, lambda)| lambda).fold(0.0, f64::max)).collect();
        for cluster in &clusters {
            if let Some(parent) = cluster.parent {
                deepest[parent] = deepest[parent].max(cluster.birth);
            }
        }
        for at in 0..clusters.len() {
            // Rows of an unchosen part belong to the nearest chosen cluster above it.
            let mut owner = Some(at);
            while let Some(cluster) = owner.filter(|&cluster| !clusters[cluster].chosen) {
                owner = clusters[cluster].parent;
            }
            let Some(owner) = owner else { continue };
            for &(row, lambda) in &clusters[at].rows {
                labels[row as usize] = owner as i32;
                lambdas[row as usize] = lambda;
            }
        }
        let depth = |(&label, &lambda): (&i32, &f64)| match label {
            -1 => 0.0,
            _ if deepest[label as usize] > 0.0 => (lambda / deepest[label as usize]).min(1.0) as f32,
            _ => 1.0,
        };
        let membership = labels.iter().zip(&lambdas).map(depth).collect();
        DensityClusters { labels: relabel_by_size(&labels), membership }
    }
}

struct Condensed {
    parent: Option<usize>,
    /// Inverse distance at which it split off.
    birth: f64,
    stability: f64,
    /// Rows that leave it as noise, with the inverse distance at which they do.
    rows: Vec<(u32, f64)>,
    chosen: bool,
}

impl Condensed {
    fn leave(&mut self, size: f64, lambda: f64) {
        // Copies merge at distance 0; their infinite density must not swallow every comparison.
        self.stability += size * (lambda.min(1e30) - self.birth.min(1e30));
    }
}

/// Chooses the clusters, none inside another, whose stabilities sum to the most. The root is never one.
fn choose(clusters: &mut [Condensed]) {
    let mut below = vec![0.0; clusters.len()];
    let mut children = vec![Vec::new(); clusters.len()];
    for at in (1..clusters.len()).rev() {
        let keep = children[at].is_empty() || clusters[at].stability >= below[at];
        clusters[at].chosen = keep;
        if keep {
            let mut inner: Vec<usize> = children[at].clone();
            while let Some(child) = inner.pop() {
                clusters[child].chosen = false;
                inner.extend(children[child].iter().copied());
            }
        }
        let parent = clusters[at].parent.unwrap_or(0);
        below[parent] += if keep { clusters[at].stability } else { below[at] };
        children[parent].push(at);
    }
}

/// The minimum spanning tree of the mutual reachability `max(core_i, core_j, |x_i - x_j|)`, by Prim's method.
fn spanning_tree(rows: RowsView<'_>, core: &[f32], progress: &dyn Progress) -> Result<MergeTree> {
    const PER_TASK: usize = 2048;
    let (n, dim) = (rows.len(), rows.dim());
    // Distance to the tree and the row of the tree that it is measured to; rows in the tree have infinity.
    let mut reach = vec![(f32::INFINITY, 0_u32); n];
    let mut inside = vec![false; n];
    inside[0] = true;
    let mut last = 0_usize;
    let mut merges = Vec::with_capacity(n - 1);
    while merges.len() + 1 < n {
        let row = rows.row(last);
        let tasks = reach.par_chunks_mut(PER_TASK).zip(rows.data().par_chunks(PER_TASK * dim)).enumerate();
        let found: Vec<(f32, usize)> = tasks
            .map(|(task, (reach, others))| {
                lanes::dispatch(|| {
                    let mut best = (f32::INFINITY, usize::MAX);
                    for (i, (slot, other)) in reach.iter_mut().zip(others.chunks_exact(dim)).enumerate() {
                        let at = task * PER_TASK + i;
                        if inside[at] {
                            continue;
                        }
                        let distance = lanes::squared_distance(row, other).sqrt().max(core[last]).max(core[at]);
                        if distance < slot.0 {
                            *slot = (distance, last as u32);
                        }
                        if slot.0 < best.0 {
                            best = (slot.0, at);
                        }
                    }
                    best
                })
            })
            .collect();
        let best = found.into_iter().filter(|&(_, at)| at != usize::MAX);
        let Some((distance, at)) = best.reduce(|best, next| if next.0 < best.0 { next } else { best }) else { break };
        merges.push(Merge {
            a: reach[at].1.min(at as u32),
            b: reach[at].1.max(at as u32),
            height: f64::from(distance),
        });
        inside[at] = true;
        last = at;
        if merges.len().is_multiple_of(1024) || merges.len() + 1 == n {
            report(progress, Step { stage: "hdbscan", done: merges.len(), total: n - 1, value: f64::from(distance) })?;
        }
    }
    Ok(MergeTree::new(n, merges))
}

/// Merges as a binary tree: nodes below `n` are rows, node `n + i` is merge `i`.
struct Dendrogram {
    n: usize,
    nodes: Vec<(usize, usize, f64, usize)>,
}

impl Dendrogram {
    fn new(n: usize, tree: &MergeTree) -> Self {
        let mut sets = super::merges::Sets::new(n);
        let mut node_of: Vec<usize> = (0..n).collect();
        let mut nodes: Vec<(usize, usize, f64, usize)> = Vec::with_capacity(n.saturating_sub(1));
        for merge in tree.merges() {
            let (a, b) = (sets.root(merge.a as usize), sets.root(merge.b as usize));
            let (left, right) = (node_of[a], node_of[b]);
            let size = |node: usize| if node < n { 1 } else { nodes[node - n].3 };
            let size = size(left) + size(right);
            nodes.push((left, right, merge.height, size));
            let root = sets.join(a, b);
            node_of[root] = n + nodes.len() - 1;
        }
        Self { n, nodes }
    }

    fn root(&self) -> usize {
        if self.nodes.is_empty() { 0 } else { self.n + self.nodes.len() - 1 }
    }

    fn children(&self, node: usize) -> Option<(usize, usize, f64)> {
        let &(left, right, height, _) = self.nodes.get(node.checked_sub(self.n)?)?;
        Some((left, right, height))
    }

    fn size(&self, node: usize) -> usize {
        if node < self.n { 1 } else { self.nodes[node - self.n].3 }
    }

    fn for_each_row(&self, node: usize, mut visit: impl FnMut(u32)) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            match self.children(node) {
                Some((left, right, _)) => stack.extend([left, right]),
                None => visit(node as u32),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::rng::Rng;
    use crate::rows::Codes;

    #[test]
    fn blobs_are_clusters_and_the_rest_is_noise() {
        let mut rng = Rng::seed_from_u64(14);
        let mut data = Vec::new();
        for i in 0..180 {
            let center = [(0.0, 0.0), (10.0, 0.0), (0.0, 12.0)][i % 3];
            data.extend([(center.0 + 0.5 * rng.normal()) as f32, (center.1 + 0.5 * rng.normal()) as f32]);
        }
        for far in [(40.0, 40.0), (-50.0, 7.0), (6.0, -60.0)] {
            data.extend([far.0, far.1]);
        }
        let rows = Codes::new(data, 2).unwrap();
        let found = Hdbscan::new(10).fit(rows.view(), &Silent).unwrap();
        assert_eq!(found.labels[180..], [-1, -1, -1]);
        assert_eq!(found.membership[180..], [0.0, 0.0, 0.0]);
        assert_eq!(found.labels.iter().max(), Some(&2));
        let kept: Vec<usize> = (0..180).filter(|&i| found.labels[i] >= 0).collect();
        assert!(kept.len() >= 160, "{}", kept.len());
        let truth: Vec<i32> = kept.iter().map(|&i| i as i32 % 3).collect();
        let labels: Vec<i32> = kept.iter().map(|&i| found.labels[i]).collect();
        assert_eq!(crate::agreement(&truth, &labels).unwrap().ari, 1.0);
        assert!(found.membership.iter().all(|m| (0.0..=1.0).contains(m)));
    }

    /// The numbers come from `reference/cluster/hdbscan.py`.
    #[test]
    fn labels_and_depths_equal_scikit_learn() {
        let golden = include_str!("../../../../reference/cluster/hdbscan.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        for case in golden.as_array().unwrap() {
            let numbers = |name: &str| -> Vec<f64> {
                case[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
            };
            let data = numbers("data").into_iter().map(|x| x as f32).collect();
            let rows = Codes::new(data, case["dim"].as_u64().unwrap() as usize).unwrap();
            let setting = |name: &str| case[name].as_u64().unwrap() as usize;
            let config = Hdbscan { min_cluster_size: setting("min_cluster_size"), min_samples: setting("min_samples") };
            let found = config.fit(rows.view(), &Silent).unwrap();
            let expected: Vec<i32> = numbers("labels").into_iter().map(|x| x as i32).collect();
            // Mutual reachabilities are often equal, and a row between two clusters may then join either: one per case may,
            // and it may swap the ids of clusters of nearly equal size.
            let labels = crate::match_ids(&expected, &found.labels, 1000).unwrap().labels;
            let differ = |row: &usize| labels[*row] != expected[*row];
            let other: Vec<usize> = (0..rows.len()).filter(differ).collect();
            assert!(other.len() <= 1, "{other:?}");
            let depths = found.membership.iter().zip(numbers("membership")).enumerate();
            for (row, (found, expected)) in depths.filter(|(row, _)| !other.contains(row)) {
                assert!((f64::from(*found) - expected).abs() <= 1e-4, "{row}: {found} {expected}");
            }
            assert!(other.iter().all(|&row| labels[row] >= 0 && expected[row] >= 0));
        }
    }

    #[test]
    fn copies_and_few_rows_end_without_a_hang() {
        let rows = Codes::new(vec![1.0; 40], 2).unwrap();
        let found = Hdbscan::new(5).fit(rows.view(), &Silent).unwrap();
        assert_eq!(found.labels.len(), 20);
        let one =
            Hdbscan { min_cluster_size: 2, min_samples: 1 }.fit(rows.view().gather(&[0]).view(), &Silent).unwrap();
        assert_eq!(*one.labels, [-1]);
        assert!(Hdbscan::new(1).fit(rows.view(), &Silent).is_err());
        assert!(Hdbscan::new(21).fit(rows.view(), &Silent).is_err());
    }
}
