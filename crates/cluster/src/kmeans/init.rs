//! Starting centroids.

use super::{Init, KMeans};
use crate::lanes;
use crate::neighbors::per_row;
use crate::panels::Panels;
use crate::products::products;
use crate::rng::Rng;
use crate::rows::{Codes, RowsView};

/// Candidates tried per centroid at most: one tile of the product.
const MAX_CANDIDATES: usize = 6;
/// Rows per cluster that seeding looks at, and the least that it looks at.
const ROWS_PER_CLUSTER: usize = 16;
const MIN_SAMPLE: usize = 8192;

/// The starting centroids of run `run` of `seed`.
pub(super) fn centroids(config: &KMeans, rows: RowsView<'_>, panels: &Panels, seed: u64, run: u64) -> Codes {
    let mut rng = Rng::stream(seed, run);
    match &config.init {
        Init::Given(start) if config.spherical => start.view().normalized(),
        Init::Given(start) => start.clone(),
        Init::Random => rows.gather(&rng.sample(rows.len(), config.n_clusters)),
        Init::PlusPlus => {
            let enough = (ROWS_PER_CLUSTER * config.n_clusters).max(MIN_SAMPLE);
            if rows.len() <= enough {
                return rows.gather(&plus_plus(config.n_clusters, rows, panels, &mut rng));
            }
            let sample = rows.gather(&rng.sample(rows.len(), enough));
            let chosen = plus_plus(config.n_clusters, sample.view(), &Panels::pack(sample.view()), &mut rng);
            sample.view().gather(&chosen)
        }
    }
}

/// Greedy k-means++: each next row is drawn with probability proportional to its squared distance to the rows drawn so
/// far, a few times, and the draw that lowers the sum of squared distances most is kept.
fn plus_plus(k: usize, rows: RowsView<'_>, panels: &Panels, rng: &mut Rng) -> Vec<u32> {
    let n = rows.len();
    let n_candidates = (2 + (k as f64).ln() as usize).min(MAX_CANDIDATES);
    let squares = per_row(rows, |row| lanes::dot(row, row));
    let mut distances = vec![f32::INFINITY; n];
    let mut chosen = Vec::with_capacity(k);
    let mut candidates = vec![rng.below(n) as u32];
    let mut scores = Vec::new();
    let mut trial = vec![0.0; n];
    let mut best = vec![0.0; n];
    loop {
        let bank = rows.gather(&candidates);
        let bias: Vec<f32> = candidates.iter().map(|&c| -0.5 * squares[c as usize]).collect();
        scores.resize(panels.n_panels() * panels.width() * candidates.len(), 0.0);
        products(panels, bank.view(), &bias, &mut scores);
        let mut lowest = f64::INFINITY;
        let mut winner = 0;
        for j in 0..candidates.len() {
            let blocks = scores.chunks_exact(panels.width() * candidates.len());
            let mut sum = 0.0;
            for (p, block) in blocks.enumerate() {
                let first = p * panels.width();
                let end = n.min(first + panels.width());
                let block = &block[j * panels.width()..(j + 1) * panels.width()];
                sum += lanes::dispatch(|| {
                    nearer(&distances[first..end], &squares[first..end], block, &mut trial[first..end])
                });
            }
            if sum < lowest {
                (lowest, winner) = (sum, j);
                std::mem::swap(&mut trial, &mut best);
            }
        }
        let drawn = candidates[winner];
        // Rounding leaves a drawn row a small distance to itself; it must not be drawn again.
        best[drawn as usize] = 0.0;
        std::mem::swap(&mut distances, &mut best);
        chosen.push(drawn);
        if chosen.len() == k {
            return chosen;
        }
        candidates = draw(&distances, n_candidates, &chosen, rng);
    }
}

/// `out = min(distances, squares - 2 scores)` and its sum.
#[inline(always)]
fn nearer(distances: &[f32], squares: &[f32], scores: &[f32], out: &mut [f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    for (i, (((&distance, &square), &score), out)) in
        distances.iter().zip(squares).zip(scores).zip(out.iter_mut()).enumerate()
    {
        let found = square - 2.0 * score;
        // Below the rounding of the product a distance is none: equal rows must weigh nothing.
        let found = if found > 1e-6 * square { found } else { 0.0 };
        *out = distance.min(found);
        sums[i % 16] += *out;
    }
    sums.iter().map(|&sum| f64::from(sum)).sum()
}

/// Draws rows with probability proportional to their weights; rows not chosen yet, uniformly, once all weights are zero.
fn draw(weights: &[f32], count: usize, chosen: &[u32], rng: &mut Rng) -> Vec<u32> {
    let block = 256;
    let sums: Vec<f64> =
        weights.chunks(block).map(|chunk| chunk.iter().map(|&weight| f64::from(weight)).sum()).collect();
    let total: f64 = sums.iter().sum();
    if total <= 0.0 {
        let mut free = vec![true; weights.len()];
        chosen.iter().for_each(|&row| free[row as usize] = false);
        let free: Vec<u32> = (0..weights.len() as u32).filter(|&row| free[row as usize]).collect();
        return vec![free[rng.below(free.len())]];
    }
    (0..count)
        .map(|_| {
            let mut left = rng.unit_f64() * total;
            let mut at = 0;
            while at + 1 < sums.len() && left >= sums[at] {
                left -= sums[at];
                at += 1;
            }
            let first = at * block;
            let chunk = &weights[first..weights.len().min(first + block)];
            let mut last = first;
            for (i, &weight) in chunk.iter().enumerate().filter(|&(_, &weight)| weight > 0.0) {
                last = first + i;
                left -= f64::from(weight);
                if left < 0.0 {
                    break;
                }
            }
            last as u32
        })
        .collect()
}
