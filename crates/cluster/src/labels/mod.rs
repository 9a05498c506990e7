//! Cluster ids: by size at first, kept when a folder is clustered again. Noise is -1 throughout.

mod matching;
mod relabel;

pub use matching::{MatchedIds, match_ids};
pub use relabel::relabel_by_size;

use std::ops::Deref;

/// The cluster of every row, `[n]`: ids from 0 on, -1 for noise, which is in no cluster.
///
/// Every method of this crate gives its labels so, and reads as a slice: `labels[3]`, `labels.iter()`, and `&labels` wherever a
/// function takes `&[i32]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Vec<i32>);

impl Labels {
    /// Label of rows that belong to no cluster.
    pub const NOISE: i32 = -1;

    /// Clusters of a method that knows no noise.
    pub(crate) fn of_clusters(clusters: Vec<u32>) -> Self {
        Self(clusters.into_iter().map(|cluster| cluster as i32).collect())
    }

    /// Clusters that have rows.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.sizes().iter().filter(|&&size| size > 0).count()
    }

    /// Rows that are noise.
    #[must_use]
    pub fn n_noise(&self) -> usize {
        self.0.iter().filter(|&&label| label < 0).count()
    }

    /// Rows per cluster, `[largest id + 1]`; 0 for ids that no row has.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        let largest = self.0.iter().copied().max().unwrap_or(Self::NOISE);
        let mut sizes = vec![0; usize::try_from(largest).map_or(0, |largest| largest + 1)];
        self.0.iter().filter_map(|&label| usize::try_from(label).ok()).for_each(|cluster| sizes[cluster] += 1);
        sizes
    }

    /// Gives the plain numbers back.
    #[must_use]
    pub fn into_vec(self) -> Vec<i32> {
        self.0
    }
}

/// Labels that were made elsewhere; every negative one is noise and becomes -1.
impl From<Vec<i32>> for Labels {
    fn from(labels: Vec<i32>) -> Self {
        Self(labels.into_iter().map(|label| label.max(Self::NOISE)).collect())
    }
}

impl Deref for Labels {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a i32;
    type IntoIter = std::slice::Iter<'a, i32>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_counted_without_noise_and_without_ids_that_nobody_has() {
        let labels = Labels::from(vec![3, 0, -1, 3, -7]);
        assert_eq!(*labels, [3, 0, -1, 3, -1]);
        assert_eq!((labels.n_clusters(), labels.n_noise()), (2, 2));
        assert_eq!(labels.sizes(), [1, 0, 0, 2]);
        assert_eq!((&labels).into_iter().sum::<i32>(), 4);
        let noise = Labels::from(vec![-1; 3]);
        assert_eq!((noise.n_clusters(), noise.n_noise(), noise.sizes()), (0, 3, vec![]));
        assert_eq!(Labels::default().n_clusters(), 0);
    }
}
