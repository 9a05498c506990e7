//! Ids that survive a new clustering.

use super::Labels;
use super::relabel::ids_by_size;
use crate::error::{Error, Result, check_setting};
use crate::quality::{best_matching, dense};

/// New labels under old names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedIds {
    /// The id of every row, `[n]`; noise -1.
    pub labels: Labels,
    /// `(label given, id)` for every new cluster, by rising label.
    pub ids: Vec<(i32, i32)>,
    /// Old ids that no new cluster took over, rising. They must not be used again.
    pub retired: Vec<i32>,
    /// The first id that was never used: pass it to the next matching.
    pub next_id: i32,
}

/// Gives new clusters the ids of the old ones that they share most rows with, one to one, so that the number of rows that
/// keep their id is largest. Clusters without a partner get ids from `next_id` on, larger ones first.
///
/// Rows that were not there before, and noise, are -1 in `old`.
///
/// # Shapes
/// - old, new: `[n]`, of the same rows
/// # Errors
/// - lists of different length, or `next_id` not above every old id: an id would be used twice
pub fn match_ids(old: &[i32], new: &[i32], next_id: i32) -> Result<MatchedIds> {
    if old.len() != new.len() {
        return Err(Error::Length { what: "new labels", found: new.len(), expected: old.len() });
    }
    let highest = old.iter().copied().max().unwrap_or(-1).max(-1);
    check_setting(next_id > highest, "next_id", next_id, format!("above {highest}, the largest id in use"))?;

    let (old_dense, n_old) = dense(old);
    let (new_dense, n_new) = dense(new);
    let (mut old_labels, mut new_labels) = (vec![-1; n_old], vec![-1; n_new]);
    let mut overlap = vec![0_i64; n_new * n_old];
    for row in 0..old.len() {
        old_labels[old_dense[row]] = old[row];
        new_labels[new_dense[row]] = new[row];
        if old[row] >= 0 && new[row] >= 0 {
            overlap[new_dense[row] * n_old + old_dense[row]] += 1;
        }
    }
    let mut ids = vec![-1; n_new];
    let mut kept = vec![false; n_old];
    for (cluster, partner) in best_matching(&overlap, n_new, n_old).into_iter().enumerate() {
        if let Some(partner) = partner.filter(|&partner| overlap[cluster * n_old + partner] > 0) {
            ids[cluster] = old_labels[partner];
            kept[partner] = true;
        }
    }
    let rank = ids_by_size(new);
    let mut order: Vec<usize> = (0..n_new).filter(|&cluster| new_labels[cluster] >= 0 && ids[cluster] < 0).collect();
    order.sort_unstable_by_key(|&cluster| rank[cluster]);
    let mut next = next_id;
    for cluster in order {
        ids[cluster] = next;
        next += 1;
    }
    Ok(MatchedIds {
        labels: Labels(new_dense.iter().map(|&cluster| ids[cluster]).collect()),
        ids: new_labels.iter().zip(&ids).filter(|&(&label, _)| label >= 0).map(|(&label, &id)| (label, id)).collect(),
        retired: old_labels.iter().zip(&kept).filter(|&(&id, &kept)| id >= 0 && !kept).map(|(&id, _)| id).collect(),
        next_id: next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permuted_clustering_keeps_every_id() {
        let old = [0, 0, 1, 1, 2, 2];
        let matched = match_ids(&old, &[9, 9, 4, 4, 7, 7], 3).unwrap();
        assert_eq!(*matched.labels, old);
        assert_eq!((matched.retired, matched.next_id), (vec![], 3));
    }

    #[test]
    fn a_split_keeps_the_id_on_the_larger_part_and_appends_the_other() {
        let matched = match_ids(&[5, 5, 5, 5, 5, 2], &[0, 0, 1, 1, 1, 2], 8).unwrap();
        assert_eq!(*matched.labels, [8, 8, 5, 5, 5, 2]);
        assert_eq!(matched.next_id, 9);
    }

    #[test]
    fn retired_ids_are_named_and_never_used_again() {
        let first = match_ids(&[0, 0, 1, 1, 2], &[0, 0, 0, 0, 1], 3).unwrap();
        assert_eq!((&*first.labels, first.retired.as_slice()), (&[0, 0, 0, 0, 2][..], &[1][..]));
        let second = match_ids(&first.labels, &[0, 0, 1, 1, 2], first.next_id).unwrap();
        assert_eq!(*second.labels, [0, 0, 3, 3, 2]);
        assert!(match_ids(&[0, 4], &[0, 1], 4).is_err());
    }

    #[test]
    fn noise_and_new_rows_take_no_part() {
        let matched = match_ids(&[-1, -1, 0, 0, -1], &[-1, 3, 3, 3, 1], 1).unwrap();
        assert_eq!(*matched.labels, [-1, 0, 0, 0, 1]);
        assert_eq!(matched.ids, [(1, 1), (3, 0)]);
    }
}
