//! UMAP on an exact neighbour graph, with a serial optimiser: the same bytes for a seed whatever the threads.

use super::pca::Pca;
use crate::error::{Error, Result, check_setting};
use crate::graph::{Graph, fuse_graphs};
use crate::neighbors::{Metric, Neighbors, nearest_others};
use crate::progress::{Progress, Silent, Step, report};
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// Settings of UMAP.
///
/// For a map to look at use 2 components and `min_dist` 0.1; before clustering use 5 to 10 and 0. Distances between far
/// groups mean little. Not for new rows: it has no transform.
///
/// # Reference
/// McInnes, Healy and Melville 2018, arXiv:1802.03426. Differs: exact neighbours, principal components as the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Umap {
    /// Columns of the result.
    pub n_components: usize,
    /// Neighbours per row; fewer rows use all others.
    pub n_neighbors: usize,
    /// Distance below which rows are not drawn together any further.
    pub min_dist: f64,
    /// Rounds over all edges; `None` is 500 up to 10 000 rows and 200 above.
    pub n_epochs: Option<usize>,
    /// Rows pushed away per edge.
    pub n_negatives: usize,
    /// What near means.
    pub metric: Metric,
    /// Seed of all random draws.
    pub seed: u64,
}

impl Default for Umap {
    fn default() -> Self {
        Self {
            n_components: 2,
            n_neighbors: 15,
            min_dist: 0.1,
            n_epochs: None,
            n_negatives: 5,
            metric: Metric::Cosine,
            seed: 0,
        }
    }
}

impl Umap {
    /// Embeds `rows`.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, result: `[n, n_components]`
    /// # Errors
    /// - fewer than 2 rows, a setting of 0, `min_dist` outside `[0, 1]`, [`Metric::Dot`], or `progress` asks to stop
    pub fn fit(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<Codes> {
        check_setting(rows.len() >= 2, "rows", rows.len(), "at least 2")?;
        check_setting(self.n_neighbors > 0, "n_neighbors", self.n_neighbors, "at least 1")?;
        check_setting(self.metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
        let neighbors = nearest_others(rows, self.n_neighbors.min(rows.len() - 1), self.metric)?;
        self.fit_neighbors(rows, &[&neighbors], progress)
    }

    /// [`Umap::fit`] with neighbours found before in the same metric. With several lists, one per kind of codes of the same
    /// rows, their graphs are averaged, so that none needs the scale of another. `n_neighbors` is not used.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, from which the start is taken; neighbors: any number of `[n, k]`
    /// # Errors
    /// - as [`Umap::fit`], no lists, or lists of another number of rows
    pub fn fit_neighbors(
        &self,
        rows: RowsView<'_>,
        neighbors: &[&Neighbors],
        progress: &dyn Progress,
    ) -> Result<Codes> {
        check_setting(rows.len() >= 2, "rows", rows.len(), "at least 2")?;
        check_setting(self.n_components > 0, "n_components", self.n_components, "at least 1")?;
        check_setting((0.0..=1.0).contains(&self.min_dist), "min_dist", self.min_dist, "0 to 1")?;
        check_setting(self.metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
        if let Some(other) = neighbors.iter().find(|list| list.len() != rows.len()) {
            return Err(Error::Length { what: "lists of neighbours", found: other.len(), expected: rows.len() });
        }
        let graphs: Vec<Graph> = neighbors.iter().map(|list| fuzzy_graph(list, self.metric)).collect();
        let graph = fuse_graphs(&graphs)?;
        let start = self.start(rows)?;
        self.optimize(&graph, start, progress)
    }

    /// Principal components with a largest coordinate of 10, and a little noise so that equal rows can part.
    fn start(&self, rows: RowsView<'_>) -> Result<Vec<f32>> {
        let unit = if self.metric == Metric::Cosine {
            rows.normalized()
        } else {
            Codes::trusted(rows.data().to_vec(), rows.dim())
        };
        let pca = Pca { n_components: self.n_components, seed: self.seed };
        let found = pca.fit(unit.view(), &Silent)?.transform(unit.view(), 0.0)?;
        let largest = found.data().iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let scale = if largest > 0.0 { 10.0 / largest } else { 0.0 };
        let mut rng = Rng::stream(self.seed, 11);
        let mut start = Vec::with_capacity(rows.len() * self.n_components);
        for row in found.view().iter() {
            let padded = row.iter().copied().chain(std::iter::repeat(0.0)).take(self.n_components);
            start.extend(padded.map(|x| x * scale + 1e-3 * rng.normal() as f32));
        }
        Ok(start)
    }

    fn optimize(&self, graph: &Graph, mut at: Vec<f32>, progress: &dyn Progress) -> Result<Codes> {
        let (n, dim) = (graph.len(), self.n_components);
        let n_epochs = self.n_epochs.unwrap_or(if n <= 10_000 { 500 } else { 200 });
        let (a, b) = curve(self.min_dist);
        let (a, b) = (a as f32, b as f32);
        let strongest = graph.pairs().map(|(_, _, weight)| weight).fold(0.0, f32::max);
        // Strong edges act in every epoch, weak ones less often, the weakest never.
        let mut edges: Vec<(u32, u32, f32, f32)> = graph
            .pairs()
            .filter(|&(_, _, weight)| weight * n_epochs as f32 >= strongest)
            .flat_map(|(i, j, weight)| {
                let period = strongest / weight;
                [(i, j, period, period), (j, i, period, period)]
            })
            .collect();
        edges.sort_unstable_by_key(|&(i, j, _, _)| (i, j));
        let mut rng = Rng::stream(self.seed, 12);
        for epoch in 0..n_epochs {
            let rate = 1.0 - epoch as f32 / n_epochs as f32;
            let now = epoch as f32;
            for (i, j, period, due) in &mut edges {
                if *due > now {
                    continue;
                }
                *due += *period;
                let (i, j) = (*i as usize * dim, *j as usize * dim);
                let squared = squared_distance(&at, i, j, dim);
                if squared > 0.0 {
                    let power = squared.powf(b);
                    let pull = -2.0 * a * b * power / squared / (a * power + 1.0);
                    for c in 0..dim {
                        let step = (pull * (at[i + c] - at[j + c])).clamp(-4.0, 4.0) * rate;
                        at[i + c] += step;
                        at[j + c] -= step;
                    }
                }
                for _ in 0..self.n_negatives {
                    let other = rng.below(n) * dim;
                    if other == i {
                        continue;
                    }
                    let squared = squared_distance(&at, i, other, dim);
                    let push = 2.0 * b / ((0.001 + squared) * (a * squared.powf(b) + 1.0));
                    for c in 0..dim {
                        at[i + c] += (push * (at[i + c] - at[other + c])).clamp(-4.0, 4.0) * rate;
                    }
                }
            }
            report(progress, Step { stage: "umap", done: epoch + 1, total: n_epochs, value: f64::NAN })?;
        }
        Ok(Codes::trusted(at, dim))
    }
}

fn squared_distance(at: &[f32], i: usize, j: usize, dim: usize) -> f32 {
    at[i..i + dim].iter().zip(&at[j..j + dim]).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The fuzzy union of the neighbourhoods: memberships `exp(-(d - nearest) / sigma)` with `sigma` such that they sum to
/// `log2 k` per row, joined as `a + b - a b`.
fn fuzzy_graph(neighbors: &Neighbors, metric: Metric) -> Graph {
    let n = neighbors.len();
    let target = (neighbors.k() as f64 + 1.0).log2();
    let mut directed: Vec<(u32, u32, f32, bool)> = Vec::new();
    for row in 0..n {
        let to_distance =
            |&score: &f32| f64::from(if metric == Metric::Cosine { (1.0 - score).max(0.0) } else { score });
        let distances: Vec<f64> = neighbors.scores_of(row).iter().map(to_distance).collect();
        let nearest = distances.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let membership = |d: f64, sigma: f64| if d <= nearest { 1.0 } else { (-(d - nearest) / sigma).exp() };
        let (mut low, mut high) = (0.0_f64, f64::INFINITY);
        let mut sigma = 1.0_f64;
        for _ in 0..64 {
            let sum: f64 = distances.iter().map(|&d| membership(d, sigma)).sum();
            if sum > target {
                high = sigma;
                sigma = f64::midpoint(low, high);
            } else {
                low = sigma;
                sigma = if high.is_finite() { f64::midpoint(low, high) } else { sigma * 2.0 };
            }
        }
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let sigma = sigma.max(1e-3 * mean).max(f64::MIN_POSITIVE);
        for (&other, &d) in neighbors.indices_of(row).iter().zip(&distances) {
            let (a, b) = (row as u32, other);
            directed.push((a.min(b), a.max(b), membership(d, sigma) as f32, a < b));
        }
    }
    directed.sort_unstable_by_key(|&(a, b, _, forward)| (a, b, forward));
    let pairs = directed.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)).map(|both| {
        let union = both.iter().fold(0.0, |union, &(_, _, weight, _)| union + weight - union * weight);
        (both[0].0, both[0].1, union)
    });
    Graph::from_pairs(n, pairs)
}

/// `a` and `b` for which `1 / (1 + a d^(2 b))` is nearest to 1 up to `min_dist` and `exp(min_dist - d)` beyond, on `[0, 3]`.
fn curve(min_dist: f64) -> (f64, f64) {
    let error = |a: f64, b: f64| -> f64 {
        let point = |i: usize| {
            let d = 0.01 * i as f64;
            let wanted = if d <= min_dist { 1.0 } else { (min_dist - d).exp() };
            (1.0 / (1.0 + a * d.powf(2.0 * b)) - wanted).powi(2)
        };
        (0..=300).map(point).sum()
    };
    // A shrinking pattern search: two parameters, a smooth bowl, no derivative to get wrong.
    let (mut a, mut b, mut step) = (1.5_f64, 0.9_f64, 0.4_f64);
    while step > 1e-6 {
        let moves = [
            (step, 0.0),
            (-step, 0.0),
            (0.0, step),
            (0.0, -step),
            (step, step),
            (-step, -step),
            (step, -step),
            (-step, step),
        ];
        let best = moves
            .iter()
            .map(|(da, db)| ((a + da).max(0.01), (b + db).max(0.1)))
            .min_by(|x, y| error(x.0, x.1).total_cmp(&error(y.0, y.1)));
        match best {
            Some(next) if error(next.0, next.1) < error(a, b) => (a, b) = next,
            _ => step /= 2.0,
        }
    }
    (a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{silhouette, trustworthiness};

    fn groups() -> (Codes, Vec<i32>) {
        let mut rng = Rng::seed_from_u64(6);
        let labels: Vec<i32> = (0..240).map(|i| i % 6).collect();
        let shift = |row: usize, c: usize| if labels[row] as usize == c { 8.0 } else { 0.0 };
        let data = (0..240 * 20).map(|at| (rng.normal() + shift(at / 20, at % 20)) as f32).collect();
        (Codes::new(data, 20).unwrap(), labels)
    }

    #[test]
    fn the_curve_is_that_of_the_authors() {
        let (a, b) = curve(0.1);
        assert!((a - 1.577).abs() <= 0.02 && (b - 0.895).abs() <= 0.01, "{a} {b}");
        let (a, b) = curve(0.0);
        assert!((a - 1.93).abs() <= 0.03 && (b - 0.79).abs() <= 0.01, "{a} {b}");
    }

    #[test]
    fn groups_stay_apart_and_neighbourhoods_can_be_trusted() {
        let (rows, labels) = groups();
        let map = Umap::default().fit(rows.view(), &Silent).unwrap();
        let apart = silhouette(map.view(), &labels, Metric::Euclidean).unwrap();
        let trust = trustworthiness(rows.view(), map.view(), 10).unwrap();
        assert!(apart > 0.6 && trust > 0.85, "{apart} {trust}");
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() {
        let (rows, _) = groups();
        let config = Umap { n_components: 5, min_dist: 0.0, n_epochs: Some(50), ..Umap::default() };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| config.fit(rows.view(), &Silent).unwrap())
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn equal_rows_and_two_rows_have_a_map() {
        let rows = Codes::new(vec![1.0; 60], 3).unwrap();
        let map = Umap::default().fit(rows.view(), &Silent).unwrap();
        assert!(map.data().iter().all(|x| x.is_finite()));
        assert_eq!(Umap::default().fit(rows.view().gather(&[0, 1]).view(), &Silent).unwrap().len(), 2);
    }
}
