//! Silhouettes: how much nearer a row is to its own cluster than to the next.

use super::contingency::dense;
use crate::error::{Error, Result, check_setting};
use crate::neighbors::Metric;
use crate::random::Random;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Mean silhouette over all rows that are not noise (-1): `(b - a) / max(a, b)` with `a` the mean distance to the other rows
/// of the own cluster and `b` the smallest mean distance to another cluster; 0 for a cluster of one row.
///
/// Takes `O(n^2 dim)` time and `O(n k)` memory; see [`sampled_silhouette`] for more than some ten thousand rows.
/// Distances are `|x - y|`, or `1 - cosine`, in `f64`.
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
        let mut chosen = Random::stream(seed, cluster as u64).sample(members.len(), per_cluster);
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
    let dim = table.dim();
    // In f64 to agree with scikit-learn, whose f32 input is also measured in f64.
    let scale = |row: &[f32]| match metric {
        Metric::Cosine => {
            let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            if length > 0.0 { 1.0 / length } else { 0.0 }
        }
        _ => 1.0,
    };
    let wide: Vec<f64> = table
        .view()
        .iter()
        .flat_map(|row| {
            let scale = scale(row);
            row.iter().map(move |&x| f64::from(x) * scale)
        })
        .collect();
    let mut sizes = vec![0_usize; weights.len()];
    clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
    let one = |i: usize| {
        let own = clusters[i];
        if sizes[own] == 1 {
            return 0.0;
        }
        let mut sums = vec![0.0; sizes.len()];
        let a = &wide[i * dim..(i + 1) * dim];
        crate::lanes::dispatch(|| {
            for (j, (b, &cluster)) in wide.chunks_exact(dim).zip(clusters).enumerate() {
                if i != j {
                    sums[cluster] += distance(a, b, metric);
                }
            }
        });
        let inside = sums[own] / (sizes[own] - 1) as f64;
        let others = sums.iter().zip(&sizes).enumerate().filter(|&(cluster, _)| cluster != own);
        let outside = others.map(|(_, (sum, &size))| sum / size as f64).fold(f64::INFINITY, f64::min);
        let larger = inside.max(outside);
        if larger > 0.0 { (outside - inside) / larger } else { 0.0 }
    };
    (0..sample.len()).into_par_iter().map(one).collect()
}

#[inline(always)]
fn distance(a: &[f64], b: &[f64], metric: Metric) -> f64 {
    let fold = |term: fn(f64, f64) -> f64| {
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
    };
    if metric == Metric::Cosine { (1.0 - fold(|x, y| x * y)).max(0.0) } else { fold(|x, y| (x - y) * (x - y)).sqrt() }
}
