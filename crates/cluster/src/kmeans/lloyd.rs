//! Lloyd's rounds.

use super::update::{Members, means};
use super::{CentroidClusters, KMeans, empty};
use crate::best_rows::best_rows;
use crate::coarse::{self, CoarsePanels};
use crate::error::Result;
use crate::labels::Labels;
use crate::lanes;
use crate::panels::Panels;
use crate::progress::{Progress, Step, report};
use crate::rows::{Codes, RowsView};
use rayon::prelude::*;

/// Coarse products are given up when more than one row in this many has to be repeated.
const MOST_REPEATED: usize = 3;

/// What all runs of one call share.
pub(super) struct Job<'a> {
    config: &'a KMeans,
    rows: RowsView<'a>,
    panels: &'a Panels,
    coarse: Option<CoarsePanels>,
    progress: &'a dyn Progress,
    /// Squared movement of all centroids together at which a run ends.
    tolerance: f64,
}

impl<'a> Job<'a> {
    pub(super) fn new(config: &'a KMeans, rows: RowsView<'a>, panels: &'a Panels, progress: &'a dyn Progress) -> Self {
        let tolerance = if config.tol > 0.0 { config.tol * mean_variance(rows) } else { 0.0 };
        Self { config, rows, panels, coarse: coarse_panels(rows, config.n_clusters), progress, tolerance }
    }

    /// Runs to the end from `start`.
    pub(super) fn run(&self, start: Codes) -> Result<CentroidClusters> {
        let (n, k) = (self.rows.len(), self.config.n_clusters);
        let mut centroids = start.into_data();
        let mut search = Search::new(self.rows, self.panels, self.coarse.as_ref(), self.config.spherical, k);
        let mut previous = vec![u32::MAX; n];
        let mut n_iter = 0;
        loop {
            search.assign(&centroids);
            if n_iter == self.config.max_iter {
                break;
            }
            let mut sizes = vec![0; k];
            search.assignments.iter().for_each(|&cluster| sizes[cluster as usize] += 1);
            empty::refill(self.rows, &centroids, &mut search.assignments, &mut sizes);

            let mut stale = vec![false; k];
            let mut n_changed = 0;
            for (&now, &before) in search.assignments.iter().zip(&previous) {
                if now != before {
                    n_changed += 1;
                    stale[now as usize] = true;
                    if before != u32::MAX {
                        stale[before as usize] = true;
                    }
                }
            }
            let step = Step {
                stage: "k-means",
                done: n_iter + 1,
                total: self.config.max_iter,
                value: n_changed as f64 / n as f64,
            };
            report(self.progress, step)?;
            if n_changed == 0 {
                break;
            }
            n_iter += 1;
            previous.copy_from_slice(&search.assignments);
            let members = Members::new(&search.assignments, k);
            let moves = means(self.rows, &members, &stale, self.config.spherical, &mut centroids);
            let moved: f64 = moves.iter().map(|&squared| f64::from(squared)).sum();
            search.moved = stale;
            if moved <= self.tolerance {
                // The centroids moved, so the rows are assigned once more: assignments always belong to the centroids.
                search.assign(&centroids);
                break;
            }
        }
        let centroids = Codes::trusted(centroids, self.rows.dim());
        let inertia = inertia(self.rows, centroids.view(), &search.assignments);
        let labels = Labels::of_clusters(search.assignments);
        Ok(CentroidClusters { centroids, labels, inertia, n_iter, spherical: self.config.spherical })
    }
}

/// Rows for coarse products, where these are faster.
fn coarse_panels(rows: RowsView<'_>, n_clusters: usize) -> Option<CoarsePanels> {
    if coarse::pays(n_clusters, rows.dim()) { CoarsePanels::pack(rows) } else { None }
}

/// The nearest centroid of every row, unit rows when `spherical`: the bits that [`Job::run`] ends with.
///
/// # Shapes
/// - centroids: `[k, dim]`, result: `[n]`
pub(super) fn nearest_centroids(rows: RowsView<'_>, centroids: &[f32], spherical: bool) -> Vec<u32> {
    let k = centroids.len() / rows.dim();
    let (panels, coarse) = (Panels::pack(rows), coarse_panels(rows, k));
    let mut search = Search::new(rows, &panels, coarse.as_ref(), spherical, k);
    search.assign(centroids);
    search.assignments
}

/// `sum_i |x_i - c(i)|^2` by direct differences.
pub(crate) fn inertia(rows: RowsView<'_>, centroids: RowsView<'_>, assignments: &[u32]) -> f64 {
    let dim = rows.dim();
    let blocks: Vec<f64> = rows
        .data()
        .par_chunks(1024 * dim)
        .zip(assignments.par_chunks(1024))
        .map(|(rows, assignments)| {
            lanes::dispatch(|| {
                let pairs = rows.chunks_exact(dim).zip(assignments);
                pairs.map(|(row, &c)| f64::from(lanes::squared_distance(row, centroids.row(c as usize)))).sum()
            })
        })
        .collect();
    blocks.iter().sum()
}

/// Mean over the columns of their variance.
fn mean_variance(rows: RowsView<'_>) -> f64 {
    let (n, dim) = (rows.len(), rows.dim());
    let parts: Vec<(Vec<f64>, Vec<f64>)> = rows
        .data()
        .par_chunks(4096 * dim)
        .map(|chunk| {
            lanes::dispatch(|| {
                let (mut sums, mut squares) = (vec![0.0; dim], vec![0.0; dim]);
                for row in chunk.chunks_exact(dim) {
                    for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(row) {
                        *sum += f64::from(x);
                        *square += f64::from(x) * f64::from(x);
                    }
                }
                (sums, squares)
            })
        })
        .collect();
    let column = |c: usize| {
        let mean = parts.iter().map(|part| part.0[c]).sum::<f64>() / n as f64;
        (parts.iter().map(|part| part.1[c]).sum::<f64>() / n as f64 - mean * mean).max(0.0)
    };
    (0..dim).map(column).sum::<f64>() / dim as f64
}

/// Nearest centroids, skipping what cannot have changed.
///
/// A row whose centroid stands still can only be won by a centroid that moved. So all rows meet the moved centroids, and only
/// rows of moved clusters meet the others as well. Nothing is approximated: scores do not depend on which rows and
/// centroids are multiplied together.
struct Search<'a> {
    rows: RowsView<'a>,
    panels: &'a Panels,
    coarse: Option<&'a CoarsePanels>,
    spherical: bool,
    assignments: Vec<u32>,
    scores: Vec<f32>,
    found: Vec<u32>,
    found_scores: Vec<f32>,
    moved: Vec<bool>,
    fresh: bool,
}

impl<'a> Search<'a> {
    fn new(
        rows: RowsView<'a>,
        panels: &'a Panels,
        coarse: Option<&'a CoarsePanels>,
        spherical: bool,
        k: usize,
    ) -> Self {
        let n = rows.len();
        Self {
            rows,
            panels,
            coarse,
            spherical,
            assignments: vec![0; n],
            scores: vec![0.0; n],
            found: vec![0; n],
            found_scores: vec![0.0; n],
            moved: vec![true; k],
            fresh: true,
        }
    }

    fn assign(&mut self, centroids: &[f32]) {
        let bank = RowsView::trusted(centroids, self.rows.dim());
        let bias = |row: &[f32]| if self.spherical { 0.0 } else { -0.5 * lanes::dot(row, row) };
        let biases: Vec<f32> = lanes::dispatch(|| bank.iter().map(bias).collect());
        let (moved, still): (Vec<u32>, Vec<u32>) = (0..bank.len() as u32).partition(|&c| self.moved[c as usize]);
        if self.fresh || moved.len() * 10 > bank.len() * 9 {
            self.compare_all(bank, &biases);
            self.fresh = false;
            return;
        }
        if moved.is_empty() {
            return;
        }
        let pick = |of: &[u32]| -> Vec<f32> { of.iter().map(|&c| biases[c as usize]).collect() };
        best_rows(self.panels, bank.gather(&moved).view(), &pick(&moved), &mut self.found, &mut self.found_scores);
        let mut displaced = Vec::new();
        for row in 0..self.rows.len() {
            let (candidate, score) = (moved[self.found[row] as usize], self.found_scores[row]);
            let own = self.assignments[row];
            if self.moved[own as usize] {
                displaced.push(row as u32);
            } else if beats((score, candidate), (self.scores[row], own)) {
                (self.assignments[row], self.scores[row]) = (candidate, score);
            }
        }
        let (mut others, mut other_scores) = (vec![0; displaced.len()], vec![0.0; displaced.len()]);
        let panels = Panels::gather(self.rows, &displaced);
        best_rows(&panels, bank.gather(&still).view(), &pick(&still), &mut others, &mut other_scores);
        for ((&row, &other), &score) in displaced.iter().zip(&others).zip(&other_scores) {
            let row = row as usize;
            let (mut best, candidate) =
                ((self.found_scores[row], moved[self.found[row] as usize]), still[other as usize]);
            if beats((score, candidate), best) {
                best = (score, candidate);
            }
            (self.scores[row], self.assignments[row]) = best;
        }
    }

    /// Every row with every centroid.
    fn compare_all(&mut self, bank: RowsView<'_>, biases: &[f32]) {
        let Some(coarse) = self.coarse else {
            return best_rows(self.panels, bank, biases, &mut self.assignments, &mut self.scores);
        };
        let n_repeated = coarse.best_rows(self.rows, bank, biases, &mut self.assignments, &mut self.scores);
        // Rows in sight of many equal centroids gain nothing from coarse products.
        if n_repeated * MOST_REPEATED > self.rows.len() {
            self.coarse = None;
        }
    }
}

fn beats(a: (f32, u32), b: (f32, u32)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}
