//! Approximate nearest neighbours, for tables of rows that are too long to be compared with each other.

use crate::error::{Result, check_setting};
use crate::kmeans::KMeans;
use crate::lanes;
use crate::neighbors::{Metric, Neighbors, nearest};
use crate::progress::Silent;
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Rows per cell that the cells are learnt from.
const TRAINED_ON: usize = 40;
/// Cells that every row votes for.
const VOTES: usize = 8;

/// Neighbours from the cells of k-means instead of from all rows, then one round of asking the neighbours' neighbours.
///
/// Rows fall into about `sqrt(n)` cells; a cell is searched, exactly and by blocked products, in the `n_probes` cells that its
/// rows lie nearest to. Takes `O(n^1.5 n_probes dim)` time, so it wins over [`nearest_others`](crate::nearest_others) from some
/// hundred thousand rows on. Deterministic whatever the threads, which graph indices built by several threads are not. How
/// much is found depends on the rows, so measure it: [`ApproximateSearch::recall`]. Codes of photographs lie in groups and
/// lose little; in noise of many columns much is lost.
///
/// # Reference
/// Jégou, Douze and Schmid 2011 (inverted file); Dong, Moses and Li 2011 (neighbours of neighbours).
#[derive(Debug, Clone, PartialEq)]
pub struct ApproximateSearch {
    /// Cells; `None` is the square root of the number of rows.
    pub n_cells: Option<usize>,
    /// Cells that each cell is searched in, its own included.
    pub n_probes: usize,
    /// Seed of the cells.
    pub seed: u64,
}

impl Default for ApproximateSearch {
    fn default() -> Self {
        Self { n_cells: None, n_probes: 16, seed: 0 }
    }
}

impl ApproximateSearch {
    /// Finds about the `k` nearest other rows of every row.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, result: `[n, k]`
    /// # Errors
    /// - `k` outside `1..n`, a setting of 0, more cells than rows, or [`Metric::Dot`], by which a row need not be near itself
    pub fn nearest_others(&self, rows: RowsView<'_>, k: usize, metric: Metric) -> Result<Neighbors> {
        rows.require_rows("rows")?;
        let n = rows.len();
        check_setting(k >= 1 && k < n, "k", k, format!("1 to {} (one less than the rows)", n - 1))?;
        check_setting(self.n_probes > 0, "n_probes", self.n_probes, "at least 1")?;
        check_setting(metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
        let n_cells = self.n_cells.unwrap_or((n as f64).sqrt() as usize).max(1);
        check_setting(n_cells <= n, "n_cells", n_cells, format!("at most {n} (the rows)"))?;
        let unit = (metric == Metric::Cosine).then(|| rows.normalized());
        let rows = unit.as_ref().map_or(rows, Codes::view);
        let cells = self.cells(rows, n_cells)?;
        let mut indices = vec![0; n * k];
        let mut scores = vec![0.0; n * k];
        let found: Vec<(Vec<u32>, Neighbors)> = cells
            .par_iter()
            .map(|cell| Ok((cell.rows.clone(), cell.search(rows, &cells, k, metric)?)))
            .collect::<Result<_>>()?;
        for (cell_rows, near) in found {
            for (at, &row) in cell_rows.iter().enumerate() {
                let slots = row as usize * k..(row as usize + 1) * k;
                indices[slots.clone()].copy_from_slice(near.indices_of(at));
                scores[slots].copy_from_slice(near.scores_of(at));
            }
        }
        Ok(ask_neighbors(rows, &Neighbors::new(k, indices, scores), metric))
    }

    /// Share of the true neighbours that were found, over a sample of `n_rows` rows: a neighbour counts when it is no farther
    /// than the last of the true ones, so that rows at equal distance are worth the same.
    ///
    /// # Errors
    /// - neighbours of other rows
    pub fn recall(&self, rows: RowsView<'_>, found: &Neighbors, metric: Metric, n_rows: usize) -> Result<f64> {
        let k = found.k();
        check_setting(found.len() == rows.len(), "lists of neighbours", found.len(), rows.len())?;
        let sample = Rng::stream(self.seed, 41).sample(rows.len(), n_rows);
        let exact = nearest(rows.gather(&sample).view(), rows, (k + 1).min(rows.len()), metric)?;
        let sign = if metric == Metric::Euclidean { -1.0 } else { 1.0 };
        let mut hits = 0;
        for (at, &row) in sample.iter().enumerate() {
            // The row itself stands first, or among its copies.
            let last = sign * exact.scores_of(at)[exact.k() - 1];
            let enough = last - 1e-5 * (1.0 + last.abs());
            hits += found.scores_of(row as usize).iter().filter(|&&score| sign * score >= enough).count();
        }
        Ok(hits as f64 / (sample.len() * k).max(1) as f64)
    }

    fn cells(&self, rows: RowsView<'_>, n_cells: usize) -> Result<Vec<Cell>> {
        let mut sample = Rng::stream(self.seed, 40).sample(rows.len(), TRAINED_ON * n_cells);
        sample.sort_unstable();
        let config = KMeans { max_iter: 10, seed: self.seed, ..KMeans::new(n_cells) };
        let centroids = config.fit(rows.gather(&sample).view(), &Silent)?.centroids;
        let n_votes = VOTES.min(n_cells);
        let near = nearest(rows, centroids.view(), n_votes, Metric::Euclidean)?;
        let mut cells: Vec<Cell> = (0..n_cells).map(|_| Cell { rows: Vec::new(), probes: Vec::new() }).collect();
        (0..rows.len()).for_each(|row| cells[near.indices_of(row)[0] as usize].rows.push(row as u32));
        for cell in &mut cells {
            let mut votes = vec![0_u32; n_cells];
            for &row in &cell.rows {
                for (rank, &other) in near.indices_of(row as usize).iter().enumerate() {
                    votes[other as usize] += (n_votes - rank) as u32;
                }
            }
            let mut order: Vec<u32> = (0..n_cells as u32).filter(|&other| votes[other as usize] > 0).collect();
            order.sort_unstable_by_key(|&other| (std::cmp::Reverse(votes[other as usize]), other));
            order.truncate(self.n_probes);
            cell.probes = order;
        }
        Ok(cells)
    }
}

struct Cell {
    /// Its rows, rising.
    rows: Vec<u32>,
    /// The cells that its rows lie nearest to.
    probes: Vec<u32>,
}

impl Cell {
    /// The `k` nearest other rows of each row of the cell within its probes; more cells join until they hold enough rows.
    fn search(&self, rows: RowsView<'_>, cells: &[Cell], k: usize, metric: Metric) -> Result<Neighbors> {
        if self.rows.is_empty() {
            return Ok(Neighbors::new(k, Vec::new(), Vec::new()));
        }
        let mut bank: Vec<u32> =
            self.probes.iter().flat_map(|&cell| cells[cell as usize].rows.iter().copied()).collect();
        let mut rest = (0..cells.len() as u32).filter(|cell| !self.probes.contains(cell));
        while bank.len() <= k {
            // All cells together hold all rows, of which there are more than `k`.
            let Some(cell) = rest.next() else { break };
            bank.extend(&cells[cell as usize].rows);
        }
        bank.sort_unstable();
        let metric = if metric == Metric::Cosine { Metric::Dot } else { metric };
        let near = nearest(rows.gather(&self.rows).view(), rows.gather(&bank).view(), k + 1, metric)?;
        let (mut indices, mut scores) = (Vec::new(), Vec::new());
        for (at, &row) in self.rows.iter().enumerate() {
            let found = near.indices_of(at);
            let own = found.iter().position(|&place| bank[place as usize] == row).unwrap_or(k);
            for rank in (0..=k).filter(|&rank| rank != own) {
                indices.push(bank[found[rank] as usize]);
                scores.push(near.scores_of(at)[rank]);
            }
        }
        Ok(Neighbors::new(k, indices, scores))
    }
}

/// Looks at the neighbours of every row's neighbours and keeps the best.
fn ask_neighbors(rows: RowsView<'_>, found: &Neighbors, metric: Metric) -> Neighbors {
    let k = found.k();
    let sign = if metric == Metric::Euclidean { -1.0 } else { 1.0 };
    let score = |a: usize, b: u32| {
        let (a, b) = (rows.row(a), rows.row(b as usize));
        if metric == Metric::Euclidean { lanes::squared_distance(a, b).sqrt() } else { lanes::dot(a, b) }
    };
    let mut indices = vec![0; rows.len() * k];
    let mut scores = vec![0.0; rows.len() * k];
    let slots = indices.par_chunks_mut(64 * k).zip(scores.par_chunks_mut(64 * k)).enumerate();
    slots.for_each(|(task, (indices, scores))| {
        let (mut candidates, mut best) = (Vec::new(), Vec::new());
        lanes::dispatch(|| {
            let slots = indices.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
            for (at, (indices, scores)) in slots.enumerate() {
                let row = task * 64 + at;
                candidates.clear();
                for &near in found.indices_of(row) {
                    candidates.extend(found.indices_of(near as usize));
                }
                candidates.extend(found.indices_of(row));
                candidates.sort_unstable();
                candidates.dedup();
                candidates.retain(|&other| other as usize != row);
                best.clear();
                best.extend(candidates.iter().map(|&other| (score(row, other), other)));
                best.sort_unstable_by(|a, b| (sign * b.0).total_cmp(&(sign * a.0)).then(a.1.cmp(&b.1)));
                for (slot, &(score, other)) in best.iter().take(k).enumerate() {
                    (indices[slot], scores[slot]) = (other, score);
                }
            }
        });
    });
    Neighbors::new(k, indices, scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Overlapping groups in a few columns, as codes of photographs are.
    fn groups(n: usize, dim: usize) -> Codes {
        let mut rng = Rng::seed_from_u64(17);
        let centers: Vec<f64> = (0..20 * dim).map(|_| 1.5 * rng.normal()).collect();
        let data = (0..n * dim).map(|at| (centers[at / dim % 20 * dim + at % dim] + rng.normal()) as f32).collect();
        Codes::new(data, dim).unwrap()
    }

    #[test]
    fn most_neighbours_are_found_and_the_recall_says_how_many() {
        let rows = groups(4000, 16);
        for metric in [Metric::Cosine, Metric::Euclidean] {
            let search = ApproximateSearch { n_probes: 8, ..ApproximateSearch::default() };
            let found = search.nearest_others(rows.view(), 10, metric).unwrap();
            let exact = crate::nearest_others(rows.view(), 10, metric).unwrap();
            let same = (0..4000).map(|row| {
                let hits = found.indices_of(row).iter().filter(|other| exact.indices_of(row).contains(other));
                hits.count()
            });
            let share = same.sum::<usize>() as f64 / 40_000.0;
            assert!(share >= 0.95, "{metric:?} {share}");
            let recall = search.recall(rows.view(), &found, metric, 4000).unwrap();
            assert!((recall - share).abs() <= 0.005, "{metric:?} {recall} {share}");
            assert!((0..4000).all(|row| !found.indices_of(row).contains(&(row as u32))));
        }
    }

    #[test]
    fn one_cell_is_the_exact_search() {
        let rows = groups(300, 8);
        let search = ApproximateSearch { n_cells: Some(1), ..ApproximateSearch::default() };
        let found = search.nearest_others(rows.view(), 12, Metric::Euclidean).unwrap();
        assert_eq!(found.indices(), crate::nearest_others(rows.view(), 12, Metric::Euclidean).unwrap().indices());
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes_and_copies_do_no_harm() {
        let mut data = groups(900, 6).into_data();
        data.extend([1.0; 6].repeat(300));
        let rows = Codes::new(data, 6).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ApproximateSearch::default().nearest_others(rows.view(), 7, Metric::Cosine).unwrap())
        };
        let found = run(1);
        assert_eq!(found, run(3));
        assert!((900..1200).all(|row| found.scores_of(row)[6] > 0.999));
        let few = rows.view().gather(&[0, 1, 2]);
        let all = ApproximateSearch::default().nearest_others(few.view(), 2, Metric::Cosine).unwrap();
        assert_eq!(all.len(), 3);
        assert!(ApproximateSearch::default().nearest_others(few.view(), 3, Metric::Cosine).is_err());
        assert!(ApproximateSearch::default().nearest_others(few.view(), 1, Metric::Dot).is_err());
    }
}
