//! Ids by falling size.

use super::Labels;
use crate::quality::dense;

/// Renames clusters to `0..k` by falling size; equal sizes in the order of their first rows. Noise (any negative label)
/// becomes -1.
///
/// # Shapes
/// - labels, result: `[n]`
#[must_use]
pub fn relabel_by_size(labels: &[i32]) -> Labels {
    let ids = ids_by_size(labels);
    let (dense_labels, _) = dense(labels);
    Labels(dense_labels.into_iter().map(|cluster| ids[cluster]).collect())
}

/// The id of every different label, labels in rising order; -1 for negative ones.
pub(super) fn ids_by_size(labels: &[i32]) -> Vec<i32> {
    let (dense_labels, n_labels) = dense(labels);
    let mut groups: Vec<(usize, usize, usize)> = (0..n_labels).map(|label| (0, usize::MAX, label)).collect();
    let mut noise = vec![false; n_labels];
    for (row, (&cluster, &label)) in dense_labels.iter().zip(labels).enumerate() {
        groups[cluster].0 += 1;
        groups[cluster].1 = groups[cluster].1.min(row);
        noise[cluster] = label < 0;
    }
    groups.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut ids = vec![-1; n_labels];
    for (id, (_, _, cluster)) in groups.into_iter().filter(|&(_, _, cluster)| !noise[cluster]).enumerate() {
        ids[cluster] = id as i32;
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fall_by_size_and_ties_go_to_the_first_row() {
        assert_eq!(*relabel_by_size(&[7, 3, 3, -1, 9, 9, 5]), [2, 0, 0, -1, 1, 1, 3]);
        assert_eq!(*relabel_by_size(&[-1, -2]), [-1, -1]);
        assert_eq!(*relabel_by_size(&[]), [0_i32; 0]);
    }

    #[test]
    fn relabelling_again_changes_nothing() {
        let once = relabel_by_size(&[4, 4, 1, 2, 2, 2, -1, 8]);
        assert_eq!(relabel_by_size(&once), once);
    }
}
