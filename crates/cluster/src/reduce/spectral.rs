//! Spectral embedding of a graph.

use super::eigen::{Filter, fix_sign, top_eigenpairs};
use crate::error::{Result, check_setting};
use crate::graph::Graph;
use crate::rows::Codes;

/// Coordinates in which rows joined in the graph are near: the first `n_components` eigenvectors of
/// `D^-1/2 W D^-1/2`, rows scaled to unit length. k-means of them with as many clusters is spectral clustering.
///
/// # Shapes
/// - graph: `n` rows, result: `[n, n_components]`
/// # Errors
/// - `n_components` outside `1..=n`
/// # Reference
/// Ng, Jordan and Weiss 2001.
pub fn spectral_embedding(graph: &Graph, n_components: usize, seed: u64) -> Result<Codes> {
    let n = graph.len();
    check_setting((1..=n).contains(&n_components), "n_components", n_components, format!("1 to {n} (the rows)"))?;
    let mut vectors = normalized_eigenvectors(graph, n_components, seed);
    vectors.iter_mut().for_each(|vector| fix_sign(vector));
    let data = (0..n * n_components).map(|at| vectors[at % n_components][at / n_components] as f32).collect();
    Ok(Codes::trusted(data, n_components).view().normalized())
}

/// Eigenvectors of the symmetrically normalised graph, largest eigenvalue first.
pub(super) fn normalized_eigenvectors(graph: &Graph, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let roots: Vec<f64> =
        graph.degrees().iter().map(|&degree| if degree > 0.0 { 1.0 / degree.sqrt() } else { 0.0 }).collect();
    let apply = |v: &[f64]| -> Vec<f64> {
        let sum = |row: usize| {
            graph.edges(row).map(|(j, weight)| f64::from(weight) * roots[j as usize] * v[j as usize]).sum::<f64>()
        };
        (0..graph.len()).map(|row| roots[row] * sum(row)).collect()
    };
    top_eigenpairs(graph.len(), count, &Filter::Chebyshev(8), apply, seed).vectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KMeans, Silent, agreement};

    #[test]
    fn rings_that_k_means_cannot_part_are_parted() {
        let mut data = Vec::new();
        for i in 0..300 {
            let (radius, angle) = (if i % 2 == 0 { 1.0 } else { 4.0 }, i as f64 * 0.0419);
            data.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
        }
        let rows = Codes::new(data, 2).unwrap();
        let labels: Vec<i32> = (0..300).map(|i| i % 2).collect();
        let near = crate::nearest_others(rows.view(), 6, crate::Metric::Euclidean).unwrap();
        let pairs = (0..300).flat_map(|row| near.indices_of(row).iter().map(move |&other| (row as u32, other, 1.0)));
        let graph = Graph::from_pairs(300, pairs);
        let embedding = spectral_embedding(&graph, 2, 0).unwrap();
        let run = KMeans { n_init: 4, ..KMeans::new(2) }.fit(embedding.view(), &Silent).unwrap();
        assert_eq!(agreement(&labels, &run.labels).unwrap().accuracy, 1.0);
    }
}
