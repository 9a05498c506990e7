//! Silhouettes: how much nearer a row is to its own cluster than to the next.

use super::contingency::dense;
use crate::error::{Error, Result, check_setting};
use crate::neighbors::Metric;
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Mean silhouette over all rows that are not noise (-1): `(b - a) / max(a, b)` with `a` the mean distance to the other rows
/// of the own cluster and `b` the smallest mean distance to another cluster; 0 for a cluster of one row.
///
/// Distances are `|x - y|`, or `1 - cosine`, in `f64`. Takes `O(n k dim)` time by cosine, where sums over a cluster have a closed
/// form, else `O(n^2 dim)`: see [`sampled_silhouette`] for more than some ten thousand rows.
///
/// # Shapes
/// - rows: `[n, dim]`, labels: `[n]`
/// # Errors
/// - another number of labels than rows, fewer than two clusters or as many as rows, or [`Metric::Dot`], which is no distance
/// # Reference
/// Rousseeuw 1987; `sklearn.metrics.silhouette_score`.
pub fn silhouette(rows: RowsView<'_>, labels: &[i32], metric: Metric) -> Result<f64> {
    let values = silhouettes(rows, labels, metric)?;
    let kept: Vec<f64> = values.into_iter().flatten().collect();
    Ok(kept.iter().sum::<f64>() / kept.len() as f64)
}

/// The silhouette of every row, none for noise. Otherwise as [`silhouette`].
///
/// # Errors
/// - as [`silhouette`]
pub fn silhouettes(rows: RowsView<'_>, labels: &[i32], metric: Metric) -> Result<Vec<Option<f64>>> {
    let kept = check(rows, labels, metric)?;
    let clusters: Vec<i32> = kept.iter().map(|&row| labels[row as usize]).collect();
    let (clusters, k) = dense(&clusters);
    check_setting((2..kept.len()).contains(&k), "clusters", k, format!("2 to {}", kept.len().saturating_sub(1)))?;
    let weights = vec![1.0; k];
    let values = measure(rows, &kept, &clusters, &weights, metric);
    let mut all = vec![None; rows.len()];
    kept.iter().zip(values).for_each(|(&row, value)| all[row as usize] = Some(value));
    Ok(all)
}

/// [`silhouette`] of at most `per_cluster` rows of each cluster, each cluster weighted by its size.
///
/// Sampling by cluster keeps small clusters in the figure, which a plain sample loses. With `per_cluster` at least the largest
/// cluster it equals [`silhouette`].
///
/// # Errors
/// - as [`silhouette`], and `per_cluster` below 2
pub fn sampled_silhouette(
    rows: RowsView<'_>,
    labels: &[i32],
    metric: Metric,
    per_cluster: usize,
    seed: u64,
) -> Result<f64> {
    let kept = check(rows, labels, metric)?;
    check_setting(per_cluster >= 2, "per_cluster", per_cluster, "at least 2")?;
    let clusters: Vec<i32> = kept.iter().map(|&row| labels[row as usize]).collect();
    let (clusters, k) = dense(&clusters);
    check_setting((2..kept.len()).contains(&k), "clusters", k, format!("2 to {}", kept.len().saturating_sub(1)))?;
    let mut members = vec![Vec::new(); k];
    kept.iter().zip(&clusters).for_each(|(&row, &cluster)| members[cluster].push(row));
    let (mut sample, mut sample_clusters, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (cluster, members) in members.iter().enumerate() {
        let mut chosen = Rng::stream(seed, cluster as u64).sample(members.len(), per_cluster);
        chosen.sort_unstable();
        weights.push(members.len() as f64 / chosen.len() as f64);
        sample_clusters.extend(std::iter::repeat_n(cluster, chosen.len()));
        sample.extend(chosen.into_iter().map(|i| members[i as usize]));
    }
    let values = measure(rows, &sample, &sample_clusters, &weights, metric);
    let sum: f64 = values.iter().zip(&sample_clusters).map(|(value, &cluster)| value * weights[cluster]).sum();
    Ok(sum / kept.len() as f64)
}

fn check(rows: RowsView<'_>, labels: &[i32], metric: Metric) -> Result<Vec<u32>> {
    if labels.len() != rows.len() {
        return Err(Error::Length { what: "labels", found: labels.len(), expected: rows.len() });
    }
    check_setting(metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
    Ok((0..rows.len() as u32).filter(|&row| labels[row as usize] >= 0).collect())
}

/// Silhouettes of the rows `sample` among themselves. A sampled cluster stands for `weights` times as many rows, which
/// matters only for its own members: a cluster of one row scores 0.
fn measure(rows: RowsView<'_>, sample: &[u32], clusters: &[usize], weights: &[f64], metric: Metric) -> Vec<f64> {
    let table: Codes = rows.gather(sample);
    let mut sizes = vec![0_usize; weights.len()];
    clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
    if metric == Metric::Cosine {
        by_cosine(table.view(), clusters, &sizes)
    } else {
        by_distance(table.view(), clusters, &sizes)
    }
}

/// The silhouette of a row from the sums of its distances to the rows of each cluster, its own distance being 0.
fn score(sums: &[f64], sizes: &[usize], own: usize) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let inside = sums[own] / (sizes[own] - 1) as f64;
    let others = sums.iter().zip(sizes).enumerate().filter(|&(cluster, _)| cluster != own);
    let outside = others.map(|(_, (sum, &size))| sum / size as f64).fold(f64::INFINITY, f64::min);
    let larger = inside.max(outside);
    if larger > 0.0 { (outside - inside) / larger } else { 0.0 }
}

/// Cosine distances need no pairs: to the `n_c` unit rows of a cluster they sum to `n_c - x . sum of its rows`.
fn by_cosine(rows: RowsView<'_>, clusters: &[usize], sizes: &[usize]) -> Vec<f64> {
    let dim = rows.dim();
    // In f64 to agree with scikit-learn, whose f32 input is also measured in f64. A row of zeros is at distance 1 of all.
    let scale = |row: &[f32]| {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 { 1.0 / length } else { 0.0 }
    };
    let mut totals = vec![0.0; sizes.len() * dim];
    for (row, &cluster) in rows.iter().zip(clusters) {
        let scale = scale(row);
        totals[cluster * dim..][..dim].iter_mut().zip(row).for_each(|(total, &x)| *total += scale * f64::from(x));
    }
    let one = |i: usize| {
        let (row, own) = (rows.row(i), clusters[i]);
        let scale = scale(row);
        let wide: Vec<f64> = row.iter().map(|&x| scale * f64::from(x)).collect();
        // Its cosine with itself, which is in the sum of its own cluster.
        let itself = if scale > 0.0 { 1.0 } else { 0.0 };
        let mut sums = vec![0.0; sizes.len()];
        crate::lanes::dispatch(|| {
            for (cluster, (sum, total)) in sums.iter_mut().zip(totals.chunks_exact(dim)).enumerate() {
                let (n, cosines) = (sizes[cluster] as f64, fold(&wide, total, |x, y| x * y));
                let distances = if cluster == own { n - 1.0 - (cosines - itself) } else { n - cosines };
                // What is left of equal rows is rounding, whose ratios would mean nothing.
                *sum = if distances > 1e-12 * n { distances } else { 0.0 };
            }
        });
        score(&sums, sizes, own)
    };
    (0..rows.len()).into_par_iter().map(one).collect()
}

fn by_distance(rows: RowsView<'_>, clusters: &[usize], sizes: &[usize]) -> Vec<f64> {
    let dim = rows.dim();
    let wide: Vec<f64> = rows.data().iter().map(|&x| f64::from(x)).collect();
    let one = |i: usize| {
        if sizes[clusters[i]] == 1 {
            return 0.0;
        }
        let mut sums = vec![0.0; sizes.len()];
        let a = &wide[i * dim..(i + 1) * dim];
        crate::lanes::dispatch(|| {
            for (j, (b, &cluster)) in wide.chunks_exact(dim).zip(clusters).enumerate() {
                if i != j {
                    sums[cluster] += fold(a, b, |x, y| (x - y) * (x - y)).sqrt();
                }
            }
        });
        score(&sums, sizes, clusters[i])
    };
    (0..rows.len()).into_par_iter().map(one).collect()
}

#[inline(always)]
fn fold(a: &[f64], b: &[f64], term: fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    a_rest.iter().zip(b_rest).enumerate().for_each(|(lane, (&x, &y))| sums[lane] += term(x, y));
    sums.iter().sum::<f64>()
}
