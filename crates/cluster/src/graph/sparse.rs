//! Symmetric sparse graphs over rows.

use crate::error::{Error, Result};
use crate::neighbors::Neighbors;

/// A symmetric graph with weights above zero and no loops, in compressed rows.
///
/// # Shapes
/// - starts: `[n + 1]`, columns and weights: `[2 n_edges]`, columns rising in each row
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f32>,
}

impl Graph {
    /// Builds a graph of `n` rows from pairs; both directions are added, weights of the same pair are summed, pairs of a row
    /// with itself and weights not above zero are left out.
    pub(crate) fn from_pairs(n: usize, pairs: impl IntoIterator<Item = (u32, u32, f32)>) -> Self {
        let mut entries: Vec<(u32, u32, f32)> = Vec::new();
        for (a, b, weight) in pairs {
            if a != b && weight > 0.0 {
                entries.push((a, b, weight));
                entries.push((b, a, weight));
            }
        }
        // The weight takes part so that sums have one order.
        entries.sort_unstable_by(|x, y| (x.0, x.1).cmp(&(y.0, y.1)).then(x.2.total_cmp(&y.2)));
        entries.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 += next.2;
            }
            same
        });
        let mut starts = vec![0; n + 1];
        entries.iter().for_each(|&(row, _, _)| starts[row as usize + 1] += 1);
        (0..n).for_each(|row| starts[row + 1] += starts[row]);
        let columns = entries.iter().map(|&(_, column, _)| column).collect();
        Self { starts, columns, weights: entries.iter().map(|&(_, _, weight)| weight).collect() }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows joined to `row` and the weights, by rising row.
    pub fn edges(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    /// Every pair once, with its weight.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32, f32)> + '_ {
        let of = move |row: usize| self.edges(row).map(move |(column, weight)| (row as u32, column, weight));
        (0..self.len()).flat_map(of).filter(|&(a, b, _)| a < b)
    }

    /// Sum of the weights of each row.
    #[must_use]
    pub fn degrees(&self) -> Vec<f64> {
        (0..self.len()).map(|row| self.edges(row).map(|(_, weight)| f64::from(weight)).sum()).collect()
    }
}

/// Turns Euclidean distances into similarities by each row's own scale: `exp(-d_ij^2 / (s_i s_j))` with `s_i` the distance of
/// the last neighbour of row `i`. The order of a row's neighbours stays.
///
/// # Shapes
/// - neighbors, result: `[n, k]`
/// # Reference
/// Zelnik-Manor and Perona 2004. Differs: the scale is that of the last neighbour in the list, whatever `k`.
#[must_use]
pub fn local_scaling(neighbors: &Neighbors) -> Neighbors {
    let scale = |row: usize| neighbors.scores_of(row).last().copied().unwrap_or(0.0);
    let scores = (0..neighbors.len()).flat_map(|row| {
        let pairs = neighbors.indices_of(row).iter().zip(neighbors.scores_of(row));
        pairs.map(move |(&other, &distance)| {
            let product = scale(row) * scale(other as usize);
            // Copies lie at distance 0 of each other, where any scale says the same.
            if product > 0.0 { (-distance * distance / product).exp() } else { f32::from(distance == 0.0) }
        })
    });
    Neighbors::new(neighbors.k(), neighbors.indices().to_vec(), scores.collect())
}

/// Joins rows that are among each other's nearest, weighted by similarity. A row that no one answers is joined to its nearest,
/// so that none is alone.
///
/// # Shapes
/// - neighbors: `[n, k]`, of [`nearest_others`](crate::nearest_others) with cosine or dot; distances go through
///   [`local_scaling`] first
#[must_use]
pub fn mutual_graph(neighbors: &Neighbors) -> Graph {
    let n = neighbors.len();
    // A similarity of zero still says "nearest": it must not vanish from the graph.
    let weight = |score: f32| score.max(1e-6);
    let listed = |row: usize, other: u32| neighbors.indices_of(row).contains(&other);
    let mut pairs = Vec::new();
    for row in 0..n {
        let mut answered = false;
        for (&other, &score) in neighbors.indices_of(row).iter().zip(neighbors.scores_of(row)) {
            if listed(other as usize, row as u32) {
                answered = true;
                if (row as u32) < other {
                    pairs.push((row as u32, other, weight(score)));
                }
            }
        }
        if let (false, Some(&nearest)) = (answered, neighbors.indices_of(row).first()) {
            pairs.push((row as u32, nearest, weight(neighbors.scores_of(row)[0])));
        }
    }
    Graph::from_pairs(n, pairs)
}

/// The average of several graphs over the same rows: one per kind of code, so that none needs the scale of another.
///
/// # Errors
/// - no graphs, or graphs of different numbers of rows
pub fn fuse_graphs(graphs: &[Graph]) -> Result<Graph> {
    let first = graphs.first().ok_or(Error::Empty { what: "graphs" })?;
    if let Some(other) = graphs.iter().find(|graph| graph.len() != first.len()) {
        return Err(Error::Length { what: "rows of a graph", found: other.len(), expected: first.len() });
    }
    let share = 1.0 / graphs.len() as f32;
    let pairs = graphs.iter().flat_map(|graph| graph.pairs().map(|(a, b, weight)| (a, b, weight * share)));
    Ok(Graph::from_pairs(first.len(), pairs))
}

/// Joins neighbours by the fraction of partitions that put them together: a consensus without an `n x n` table. Noise (-1)
/// agrees with nothing.
///
/// # Shapes
/// - neighbors: `[n, k]`, partitions: any number of `[n]`
/// # Errors
/// - no partitions, or one of another length
pub fn consensus_graph(neighbors: &Neighbors, partitions: &[&[i32]]) -> Result<Graph> {
    if partitions.is_empty() {
        return Err(Error::Empty { what: "partitions" });
    }
    let n = neighbors.len();
    if let Some(other) = partitions.iter().find(|partition| partition.len() != n) {
        return Err(Error::Length { what: "labels of a partition", found: other.len(), expected: n });
    }
    let together = |a: usize, b: usize| {
        let agree = partitions.iter().filter(|partition| partition[a] >= 0 && partition[a] == partition[b]).count();
        agree as f32 / partitions.len() as f32
    };
    let mut pairs: Vec<(u32, u32)> = (0..n as u32)
        .flat_map(|row| neighbors.indices_of(row as usize).iter().map(move |&other| (row.min(other), row.max(other))))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    Ok(Graph::from_pairs(n, pairs.into_iter().map(|(a, b)| (a, b, together(a as usize, b as usize)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Neighbors {
        // 0 - 1 - 2 near each other, 3 far to the right and answered by no one.
        Neighbors::new(2, vec![1, 2, 0, 2, 1, 0, 2, 1], vec![0.9, 0.5, 0.9, 0.8, 0.8, 0.5, 0.3, 0.2])
    }

    #[test]
    fn only_mutual_neighbours_are_joined_and_none_is_alone() {
        let graph = mutual_graph(&line());
        assert_eq!(graph.pairs().collect::<Vec<_>>(), [(0, 1, 0.9), (0, 2, 0.5), (1, 2, 0.8), (2, 3, 0.3)]);
        assert_eq!(graph.edges(2).map(|(column, _)| column).collect::<Vec<_>>(), [0, 1, 3]);
    }

    #[test]
    fn distances_become_similarities_on_the_scale_of_their_rows() {
        let far = Neighbors::new(2, vec![1, 2, 0, 2, 1, 0], vec![1.0, 2.0, 1.0, 1.0, 1.0, 2.0]);
        let near = Neighbors::new(2, vec![1, 2, 0, 2, 1, 0], vec![0.1, 0.2, 0.1, 0.1, 0.1, 0.2]);
        let (far, near) = (local_scaling(&far), local_scaling(&near));
        for (a, b) in far.scores().iter().zip(near.scores()) {
            assert!((a - b).abs() <= 1e-6 && *a > 0.0 && *a < 1.0, "{a} {b}");
        }
        assert!((far.scores()[0] - (-0.5_f32).exp()).abs() <= 1e-6);
        let copies = local_scaling(&Neighbors::new(1, vec![1, 0], vec![0.0, 0.0]));
        assert_eq!(copies.scores(), [1.0, 1.0]);
    }

    #[test]
    fn fused_graphs_average_their_weights() {
        let (a, b) = (Graph::from_pairs(3, [(0, 1, 0.5)]), Graph::from_pairs(3, [(1, 0, 0.25), (2, 1, 1.0)]));
        let fused = fuse_graphs(&[a, b]).unwrap();
        assert_eq!(fused.pairs().collect::<Vec<_>>(), [(0, 1, 0.375), (1, 2, 0.5)]);
        assert!(fuse_graphs(&[]).is_err());
    }

    #[test]
    fn consensus_counts_the_partitions_that_agree() {
        let graph = consensus_graph(&line(), &[&[0, 0, 0, 1], &[0, 0, 1, 1], &[-1, -1, 2, 2]]).unwrap();
        let third = 1.0 / 3.0;
        let pairs: Vec<_> = graph.pairs().collect();
        assert_eq!(pairs, [(0, 1, 2.0 * third), (0, 2, third), (1, 2, third), (2, 3, 2.0 * third)]);
    }
}
