//! A tree of merges and its cuts.

use crate::error::{Result, check_setting};
use crate::labels::{Labels, relabel_by_size};

/// Two clusters becoming one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// A row of the first cluster.
    pub a: u32,
    /// A row of the second cluster.
    pub b: u32,
    /// The distance at which they merge.
    pub height: f64,
}

/// All `n - 1` merges of `n` rows, by rising height.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeTree {
    n_rows: usize,
    merges: Vec<Merge>,
}

impl MergeTree {
    /// Orders merges by height, equal ones as they were made.
    pub(super) fn new(n_rows: usize, mut merges: Vec<Merge>) -> Self {
        merges.sort_by(|x, y| x.height.total_cmp(&y.height));
        Self { n_rows, merges }
    }

    /// The merges by rising height, `[n - 1]`.
    #[must_use]
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// Labels of the `n_clusters` clusters that the highest merges part, ids by falling size.
    ///
    /// # Errors
    /// - `n_clusters` outside `1..=n`
    pub fn cut(&self, n_clusters: usize) -> Result<Labels> {
        let n = self.n_rows;
        check_setting((1..=n).contains(&n_clusters), "n_clusters", n_clusters, format!("1 to {n} (the rows)"))?;
        let mut sets = Sets::new(n);
        self.merges[..n - n_clusters].iter().for_each(|merge| {
            sets.join(merge.a as usize, merge.b as usize);
        });
        let roots: Vec<i32> = (0..n).map(|row| sets.root(row) as i32).collect();
        Ok(relabel_by_size(&roots))
    }
}

/// Disjoint sets of rows.
pub(super) struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    pub(super) fn new(n: usize) -> Self {
        Self { parents: (0..n as u32).collect() }
    }

    pub(super) fn root(&mut self, mut row: usize) -> usize {
        while self.parents[row] as usize != row {
            self.parents[row] = self.parents[self.parents[row] as usize];
            row = self.parents[row] as usize;
        }
        row
    }

    /// Joins two sets; the lower root stays.
    pub(super) fn join(&mut self, a: usize, b: usize) -> usize {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high] = low as u32;
        low
    }
}
