//! A linear classifier on codes: how much of the classes a plane can tell.

use rayon::prelude::*;

use crate::error::{Error, Result, check_setting};
use crate::lanes::{dispatch, dot};
use crate::rng::Rng;
use crate::rows::RowsView;

/// Rows whose share of the gradient is computed at once; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 256;

/// Softmax regression in folds: every row is judged by a classifier that has not seen it.
///
/// Per fold, columns are brought to mean 0 and deviation 1 (of the training rows) and
/// `mean cross-entropy + |W|^2 / (2 c n)` is minimised by Nesterov's method, which is scikit-learn's
/// `LogisticRegression(C=c)` behind a `StandardScaler`.
///
/// # Reference
/// Zhang et al. 2016, arXiv:1603.08511, section 3.2, for the measure on frozen features.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProbe {
    /// Folds; each class is spread over all of them.
    pub folds: usize,
    /// Strength of the classifier against its penalty, scikit-learn's `C`.
    pub c: f64,
    /// Most steps per fold.
    pub max_iter: usize,
    /// Seed of the folds.
    pub seed: u64,
}

impl Default for LinearProbe {
    fn default() -> Self {
        Self { folds: 5, c: 0.1, max_iter: 300, seed: 0 }
    }
}

/// Weights `[classes, dim]` and biases `[classes]`.
struct Classifier {
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl LinearProbe {
    /// Fraction of rows whose class the classifier of the other folds gives.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, classes: `[n]`
    /// # Errors
    /// - no rows, another number of classes than rows, or a setting out of its range
    pub fn accuracy(&self, rows: RowsView<'_>, classes: &[i32]) -> Result<f64> {
        if rows.is_empty() {
            return Err(Error::Empty { what: "rows" });
        }
        if classes.len() != rows.len() {
            return Err(Error::Length { what: "classes", found: classes.len(), expected: rows.len() });
        }
        let range = format!("2 to the number of rows, {}", rows.len());
        check_setting((2..=rows.len()).contains(&self.folds), "folds", self.folds, range)?;
        check_setting(self.c.is_finite() && self.c > 0.0, "c", self.c, "a positive number")?;
        let mut names: Vec<i32> = classes.to_vec();
        names.sort_unstable();
        names.dedup();
        let targets: Vec<usize> = classes.iter().map(|class| names.binary_search(class).unwrap_or(0)).collect();
        let folds = self.assign_folds(&targets, names.len());
        let mut right = 0;
        for fold in 0..self.folds {
            let (test, train): (Vec<u32>, Vec<u32>) = (0..rows.len() as u32).partition(|&i| folds[i as usize] == fold);
            let mut codes = rows.gather(&train).into_data();
            let scaler = Scaler::of(&codes, rows.dim());
            scaler.apply(&mut codes);
            let wanted: Vec<usize> = train.iter().map(|&i| targets[i as usize]).collect();
            let classifier = self.fit(&codes, rows.dim(), &wanted, names.len());
            let mut codes = rows.gather(&test).into_data();
            scaler.apply(&mut codes);
            let judged = codes.chunks_exact(rows.dim()).zip(&test);
            right += judged.filter(|(row, i)| classifier.class_of(row) == targets[**i as usize]).count();
        }
        Ok(right as f64 / rows.len() as f64)
    }

    /// The rows of each class, shuffled, go round the folds; the round goes on from class to class.
    fn assign_folds(&self, targets: &[usize], n_classes: usize) -> Vec<usize> {
        let mut folds = vec![0; targets.len()];
        let mut rng = Rng::seed_from_u64(self.seed);
        let mut next = 0;
        for class in 0..n_classes {
            let mut rows: Vec<usize> = (0..targets.len()).filter(|&i| targets[i] == class).collect();
            rng.shuffle(&mut rows);
            for row in rows {
                folds[row] = next % self.folds;
                next += 1;
            }
        }
        folds
    }

    fn fit(&self, codes: &[f32], dim: usize, targets: &[usize], n_classes: usize) -> Classifier {
        let n = targets.len();
        let penalty = (1.0 / (self.c * n as f64)) as f32;
        // The softmax's curvature is at most half the largest eigenvalue of the codes' second moments (bias included).
        let step = 1.0 / (0.5 * (largest_eigenvalue(codes, dim) + 1.0) + penalty);
        let size = n_classes * (dim + 1);
        let (mut at, mut before) = (vec![0.0_f32; size], vec![0.0_f32; size]);
        let mut ahead = at.clone();
        let mut momentum = 1.0_f32;
        for _ in 0..self.max_iter {
            let mut gradient = gradient(codes, dim, targets, &ahead);
            let (weights, slopes) = (&ahead[..n_classes * dim], &mut gradient[..n_classes * dim]);
            slopes.iter_mut().zip(weights).for_each(|(g, w)| *g += penalty * w);
            std::mem::swap(&mut at, &mut before);
            at.iter_mut().zip(&ahead).zip(&gradient).for_each(|((x, y), g)| *x = y - step * g);
            let next = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            let forward = (momentum - 1.0) / next;
            momentum = next;
            ahead.iter_mut().zip(&at).zip(&before).for_each(|((y, x), old)| *y = x + forward * (x - old));
            if gradient.iter().all(|g| g.abs() <= 1e-5) {
                break;
            }
        }
        let biases = at.split_off(n_classes * dim);
        Classifier { weights: at, biases }
    }
}

/// Mean gradient of the cross-entropy: weights `[classes, dim]`, then biases.
fn gradient(codes: &[f32], dim: usize, targets: &[usize], parameters: &[f32]) -> Vec<f32> {
    let n_classes = parameters.len() / (dim + 1);
    let (weights, biases) = parameters.split_at(n_classes * dim);
    let mut total = vec![0.0_f32; parameters.len()];
    let chunks: Vec<(&[f32], &[usize])> = codes.chunks(CHUNK * dim).zip(targets.chunks(CHUNK)).collect();
    // A few chunks at a time: memory stays small, and the sums keep their order.
    for wave in chunks.chunks(16) {
        let parts: Vec<Vec<f32>> =
            wave.par_iter().map(|(codes, targets)| part(codes, dim, targets, weights, biases)).collect();
        for part in parts {
            total.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
    }
    let scale = 1.0 / targets.len() as f32;
    total.iter_mut().for_each(|x| *x *= scale);
    total
}

fn part(codes: &[f32], dim: usize, targets: &[usize], weights: &[f32], biases: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0_f32; weights.len() + biases.len()];
    dispatch(
        #[inline(always)]
        || {
            let (weight_sums, bias_sums) = sums.split_at_mut(weights.len());
            let mut scores = vec![0.0_f32; biases.len()];
            for (row, &target) in codes.chunks_exact(dim).zip(targets) {
                for ((score, weight), bias) in scores.iter_mut().zip(weights.chunks_exact(dim)).zip(biases) {
                    *score = dot(row, weight) + bias;
                }
                let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter_mut().for_each(|s| *s = (*s - largest).exp());
                let scale = 1.0 / scores.iter().sum::<f32>();
                for (class, (score, sums)) in scores.iter().zip(weight_sums.chunks_exact_mut(dim)).enumerate() {
                    let slope = score * scale - f32::from(u8::from(class == target));
                    bias_sums[class] += slope;
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += slope * x);
                }
            }
        },
    );
    sums
}

impl Classifier {
    fn class_of(&self, row: &[f32]) -> usize {
        let scores = self.weights.chunks_exact(row.len()).zip(&self.biases).map(|(w, b)| dot(row, w) + b);
        let best = scores.enumerate().fold(
            (0, f32::NEG_INFINITY),
            |best, (class, score)| {
                if score > best.1 { (class, score) } else { best }
            },
        );
        best.0
    }
}

/// Mean and inverse deviation per column.
struct Scaler {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    fn of(codes: &[f32], dim: usize) -> Self {
        let n = (codes.len() / dim) as f64;
        let (mut sums, mut squares) = (vec![0.0_f64; dim], vec![0.0_f64; dim]);
        for row in codes.chunks_exact(dim) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        for row in codes.chunks_exact(dim) {
            squares.iter_mut().zip(row).zip(&mean).for_each(|((sum, &x), m)| *sum += (f64::from(x) - m).powi(2));
        }
        // A constant column says nothing and becomes 0.
        let scale =
            squares.iter().map(|sum| if *sum > 0.0 { (n / sum).sqrt().min(1e12) as f32 } else { 0.0 }).collect();
        Self { mean: mean.iter().map(|&m| m as f32).collect(), scale }
    }

    fn apply(&self, codes: &mut [f32]) {
        for row in codes.chunks_exact_mut(self.mean.len()) {
            row.iter_mut().zip(&self.mean).zip(&self.scale).for_each(|((x, m), s)| *x = (*x - m) * s);
        }
    }
}

/// Of `X^T X / n`, by thirty rounds of the power method from a fixed start, and a tenth more for safety.
fn largest_eigenvalue(codes: &[f32], dim: usize) -> f32 {
    let n = codes.len() / dim;
    let mut direction: Vec<f32> = (0..dim).map(|i| 1.0 + (i % 7) as f32 * 0.1).collect();
    let mut value = 0.0;
    for _ in 0..30 {
        let length = direction.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            return 0.0;
        }
        direction.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        let mut image = vec![0.0_f32; dim];
        dispatch(
            #[inline(always)]
            || {
                for row in codes.chunks_exact(dim) {
                    let along = dot(row, &direction) / n as f32;
                    image.iter_mut().zip(row).for_each(|(sum, x)| *sum += along * x);
                }
            },
        );
        value = dot(&image, &direction);
        direction = image;
    }
    1.1 * value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns of noise, and one that tells three classes by its level.
    fn blobs(n: usize, separation: f32) -> (Vec<f32>, Vec<i32>) {
        let mut rng = Rng::seed_from_u64(5);
        let classes: Vec<i32> = (0..n).map(|i| (i % 3) as i32 - 1).collect();
        let mut noise = || rng.normal() as f32;
        let codes = classes.iter().flat_map(|&c| [noise(), separation * c as f32 + 0.2 * noise(), noise()]).collect();
        (codes, classes)
    }

    #[test]
    fn planes_tell_separated_classes_and_guess_on_noise() {
        let (codes, classes) = blobs(300, 4.0);
        let rows = RowsView::new(&codes, 3).unwrap();
        let accuracy = LinearProbe::default().accuracy(rows, &classes).unwrap();
        assert!(accuracy >= 0.99, "{accuracy}");
        let (codes, classes) = blobs(300, 0.0);
        let accuracy = LinearProbe::default().accuracy(RowsView::new(&codes, 3).unwrap(), &classes).unwrap();
        assert!((0.2..=0.47).contains(&accuracy), "{accuracy}");
    }

    #[test]
    fn the_minimum_is_found() {
        let (codes, classes) = blobs(200, 1.0);
        let targets: Vec<usize> = classes.iter().map(|c| (c + 1) as usize).collect();
        let probe = LinearProbe { max_iter: 2000, ..LinearProbe::default() };
        let Classifier { weights, biases } = probe.fit(&codes, 3, &targets, 3);
        let parameters = [weights.clone(), biases].concat();
        let mut slopes = gradient(&codes, 3, &targets, &parameters);
        let penalty = 1.0 / (0.1 * 200.0);
        slopes.iter_mut().zip(&weights).for_each(|(g, w)| *g += penalty * w);
        assert!(slopes.iter().all(|g| g.abs() <= 1e-4), "{slopes:?}");
    }

    #[test]
    fn folds_hold_every_class_and_the_same_rows_each_time() {
        let targets: Vec<usize> = (0..100).map(|i| i % 4).collect();
        let probe = LinearProbe::default();
        let folds = probe.assign_folds(&targets, 4);
        for fold in 0..5 {
            for class in 0..4 {
                assert!((0..100).filter(|&i| folds[i] == fold && targets[i] == class).count() == 5);
            }
        }
        assert_eq!(folds, probe.assign_folds(&targets, 4));
    }

    #[test]
    fn threads_do_not_change_the_figure() {
        let (codes, classes) = blobs(700, 1.0);
        let rows = RowsView::new(&codes, 3).unwrap();
        let run = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| LinearProbe::default().accuracy(rows, &classes).unwrap())
        };
        assert_eq!(run(1).to_bits(), run(3).to_bits());
    }

    #[test]
    fn settings_out_of_range_and_other_lengths_are_refused() {
        let rows = RowsView::new(&[0.0, 1.0, 2.0], 1).unwrap();
        assert!(LinearProbe { folds: 4, ..LinearProbe::default() }.accuracy(rows, &[0, 1, 1]).is_err());
        assert!(LinearProbe { folds: 2, c: 0.0, ..LinearProbe::default() }.accuracy(rows, &[0, 1, 1]).is_err());
        assert!(LinearProbe { folds: 2, ..LinearProbe::default() }.accuracy(rows, &[0, 1]).is_err());
    }
}
