//! Codes smoothed along a graph.

use super::sparse::Graph;
use crate::error::{Error, Result, check_setting};
use crate::lanes;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Moves every row towards the weighted mean of its neighbours, `rounds` times: groups contract, and k-means then sees them
/// better. Two or three rounds are enough; many melt small groups together.
///
/// `x <- normalise((1 - strength) x + strength sum_j w_ij x_j / sum_j w_ij)`, starting from unit rows.
///
/// # Shapes
/// - rows, result: `[n, dim]`, graph: `n` rows
/// # Errors
/// - a graph of another number of rows, or `strength` outside `[0, 1]`
pub fn diffuse(rows: RowsView<'_>, graph: &Graph, rounds: usize, strength: f32) -> Result<Codes> {
    if graph.len() != rows.len() {
        return Err(Error::Length { what: "rows of the graph", found: graph.len(), expected: rows.len() });
    }
    check_setting((0.0..=1.0).contains(&strength), "strength", strength, "0 to 1")?;
    let dim = rows.dim();
    let mut now = rows.normalized();
    for _ in 0..rounds {
        let mut next = now.data().to_vec();
        next.par_chunks_mut(dim).enumerate().with_min_len(64).for_each(|(row, out)| {
            lanes::dispatch(|| {
                let total: f32 = graph.edges(row).map(|(_, weight)| weight).sum();
                if total > 0.0 {
                    out.iter_mut().for_each(|x| *x *= 1.0 - strength);
                    for (other, weight) in graph.edges(row) {
                        let share = strength * weight / total;
                        out.iter_mut().zip(now.row(other as usize)).for_each(|(x, y)| *x += share * y);
                    }
                    lanes::normalize(out);
                }
            });
        });
        now = Codes::trusted(next, dim);
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::{Metric, mutual_graph, nearest_others, silhouette};

    #[test]
    fn groups_contract() {
        let mut rng = Rng::seed_from_u64(4);
        let labels: Vec<i32> = (0..200).map(|i| i % 4).collect();
        let shift = |row: usize, c: usize| if labels[row] as usize == c { 2.5 } else { 0.0 };
        let data = (0..200 * 10).map(|at| (rng.normal() + shift(at / 10, at % 10)) as f32).collect();
        let rows = Codes::new(data, 10).unwrap();
        let graph = mutual_graph(&nearest_others(rows.view(), 10, Metric::Cosine).unwrap());
        let score = |rows: &Codes| silhouette(rows.view(), &labels, Metric::Cosine).unwrap();
        let after = diffuse(rows.view(), &graph, 3, 0.7).unwrap();
        assert!(score(&after) > score(&rows) + 0.1, "{} {}", score(&after), score(&rows));
        assert_eq!(diffuse(rows.view(), &graph, 0, 0.7).unwrap(), rows.view().normalized());
    }
}
