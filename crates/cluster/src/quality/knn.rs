//! Whether neighbours share a class.

use crate::error::{Error, Result};
use crate::neighbors::Neighbors;
use crate::rng::Rng;

/// Fraction of rows whose class is the most frequent one among their neighbours; equal counts go to the smaller class, as in
/// scikit-learn's `KNeighborsClassifier`. With the table of [`nearest_others`](crate::nearest_others) this is the
/// leave-one-out accuracy.
///
/// # Shapes
/// - classes of queries: `[n]`, of the bank: `[m]`
/// # Errors
/// - no queries, another number of classes than queries, or a neighbour without a class
pub fn knn_accuracy(neighbors: &Neighbors, classes: &[i32], bank_classes: &[i32]) -> Result<f64> {
    let vote = |query: usize| {
        let mut found: Vec<i32> = neighbors.indices_of(query).iter().map(|&i| bank_classes[i as usize]).collect();
        found.sort_unstable();
        let mut best = (0, i32::MAX);
        for group in found.chunk_by(|a, b| a == b) {
            if group.len() > best.0 {
                best = (group.len(), group[0]);
            }
        }
        best.1
    };
    share_right(neighbors, classes, bank_classes, vote)
}

/// Fraction of queries that get their own class from `vote`.
pub(super) fn share_right(
    neighbors: &Neighbors,
    classes: &[i32],
    bank_classes: &[i32],
    vote: impl Fn(usize) -> i32,
) -> Result<f64> {
    if classes.len() != neighbors.len() {
        return Err(Error::Length { what: "classes of the queries", found: classes.len(), expected: neighbors.len() });
    }
    if neighbors.is_empty() {
        return Err(Error::Empty { what: "queries" });
    }
    let needed = neighbors.indices().iter().max().map_or(0, |&index| index as usize + 1);
    if bank_classes.len() < needed {
        return Err(Error::Length { what: "classes of the bank", found: bank_classes.len(), expected: needed });
    }
    let right = (0..neighbors.len()).filter(|&query| vote(query) == classes[query]).count();
    Ok(right as f64 / neighbors.len() as f64)
}

/// How far the neighbourhoods of an embedding can be trusted: 1 when its `k` nearest rows are also near in the space it was
/// made from, less for every one that was far.
///
/// `1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_j max(0, rank(i, j) - k)` over the `k` nearest `j` of `i` in the embedding.
/// Takes `O(n^2 dim)` time, `O(n)` memory per thread.
///
/// # Shapes
/// - rows: `[n, dim]`, embedding: `[n, any]`
/// # Errors
/// - different numbers of rows, or `k` outside `1..n / 2`
/// # Reference
/// Venna and Kaski 2001; `sklearn.manifold.trustworthiness`, Euclidean.
pub fn trustworthiness(rows: crate::RowsView<'_>, embedding: crate::RowsView<'_>, k: usize) -> Result<f64> {
    sampled_trustworthiness(rows, embedding, k, rows.len(), 0)
}

/// [`trustworthiness`] from the neighbourhoods of `n_sampled` rows, drawn with `seed`, among all rows: `O(n_sampled n dim)`
/// time. With `n_sampled` at least the number of rows it is the whole figure.
///
/// # Errors
/// - as [`trustworthiness`], and `n_sampled` of 0
pub fn sampled_trustworthiness(
    rows: crate::RowsView<'_>,
    embedding: crate::RowsView<'_>,
    k: usize,
    n_sampled: usize,
    seed: u64,
) -> Result<f64> {
    use rayon::prelude::*;
    let n = rows.len();
    if embedding.len() != n {
        return Err(Error::Length { what: "rows of the embedding", found: embedding.len(), expected: n });
    }
    let allowed = format!("1 to {} (below half the rows)", n.saturating_sub(1) / 2);
    crate::error::check_setting(k >= 1 && 2 * k < n, "k", k, allowed)?;
    crate::error::check_setting(n_sampled >= 1, "n_sampled", n_sampled, "at least 1")?;
    let mut sample: Vec<u32> =
        if n_sampled < n { Rng::stream(seed, 0).sample(n, n_sampled) } else { (0..n as u32).collect() };
    sample.sort_unstable();
    let penalties: Vec<u64> = sample
        .par_iter()
        .map(|&i| {
            let i = i as usize;
            let distances = |of: crate::RowsView<'_>| -> Vec<f32> {
                crate::lanes::dispatch(|| of.iter().map(|row| crate::lanes::squared_distance(row, of.row(i))).collect())
            };
            let (far, near) = (distances(rows), distances(embedding));
            let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let by_nearness = |&a: &usize, &b: &usize| near[a].total_cmp(&near[b]).then(a.cmp(&b));
            others.select_nth_unstable_by(k - 1, by_nearness);
            let rank = |&j: &usize| {
                let nearer = |&(l, &d): &(usize, &f32)| l != i && (d < far[j] || (d == far[j] && l < j));
                (1 + far.iter().enumerate().filter(nearer).count()).saturating_sub(k) as u64
            };
            others[..k].iter().map(rank).sum()
        })
        .collect();
    let (n, k) = (n as f64, k as f64);
    let sum = penalties.iter().sum::<u64>() as f64;
    Ok(1.0 - sum * 2.0 / (sample.len() as f64 * k * (2.0 * n - 3.0 * k - 1.0)))
}
