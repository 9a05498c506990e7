//! The largest eigenpairs of symmetric operators.

use crate::lanes;
use crate::rng::Rng;
use rayon::prelude::*;

/// Eigenvalues, largest first, and their unit vectors.
///
/// # Shapes
/// - values: `[count]`, vectors: `[count]` of `[n]`
pub(super) struct Eigenpairs {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Vec<Vec<f64>>,
}

/// How subspace iteration brings out the top of the spectrum.
pub(super) enum Filter {
    /// Multiply once per round: for spectra that fall over orders of magnitude and have no negative part.
    Power,
    /// A Chebyshev polynomial of this degree, for spectra inside `[-1, 1]` that crowd near 1.
    Chebyshev(usize),
}

/// The `count` largest eigenpairs of a symmetric operator on vectors of `n` values, by filtered subspace iteration with
/// Rayleigh-Ritz steps. Deterministic: vectors are worked on one per task.
///
/// # Reference
/// Zhou, Saad et al. 2006 (Chebyshev-filtered subspace iteration).
pub(super) fn top_eigenpairs(
    n: usize,
    count: usize,
    filter: &Filter,
    apply: impl Fn(&[f64]) -> Vec<f64> + Sync,
    seed: u64,
) -> Eigenpairs {
    let count = count.min(n);
    let width = (count + (count / 2).clamp(8, 24)).min(n);
    let mut rng = Rng::stream(seed, 77);
    let mut basis: Vec<Vec<f64>> = (0..width).map(|_| (0..n).map(|_| rng.normal()).collect()).collect();
    orthonormalize(&mut basis);
    let mut previous = vec![f64::INFINITY; count];
    for round in 0..60 {
        let images: Vec<Vec<f64>> = basis.par_iter().map(|v| apply(v)).collect();
        let (values, rotation) = ritz(&basis, &images);
        basis = rotate(&basis, &rotation);
        let images = rotate(&images, &rotation);
        let scale = values[0].abs().max(f64::MIN_POSITIVE);
        let still = values[..count].iter().zip(&previous).all(|(now, then)| (now - then).abs() <= 1e-9 * scale);
        if width == n || (round > 2 && still) || round == 59 {
            basis.truncate(count);
            return Eigenpairs { values: values[..count].to_vec(), vectors: basis };
        }
        previous.copy_from_slice(&values[..count]);
        basis = match filter {
            Filter::Power => images,
            Filter::Chebyshev(degree) => {
                let cut = values[width - 1].clamp(-0.9, 1.0 - 1e-6);
                let pairs = basis.par_iter().zip(images);
                pairs.map(|(v, image)| chebyshev(v, image, *degree, cut, &apply)).collect()
            }
        };
        orthonormalize(&mut basis);
    }
    unreachable!("the last round returns")
}

/// Damps everything in `[-1, cut]` and lifts what lies above.
fn chebyshev(v: &[f64], image: Vec<f64>, degree: usize, cut: f64, apply: &impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let (half, center) = ((cut + 1.0) / 2.0, (cut - 1.0) / 2.0);
    let mut last = v.to_vec();
    let mut now: Vec<f64> = image.iter().zip(v).map(|(image, x)| (image - center * x) / half).collect();
    for _ in 1..degree {
        let image = apply(&now);
        let next = image.iter().zip(&now).zip(&last).map(|((image, x), last)| 2.0 * (image - center * x) / half - last);
        let next: Vec<f64> = next.collect();
        last = std::mem::replace(&mut now, next);
    }
    now
}

/// Ritz values, largest first, and the rotation of the basis (one row per new vector).
fn ritz(basis: &[Vec<f64>], images: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let width = basis.len();
    let rows: Vec<Vec<f64>> = (0..width)
        .into_par_iter()
        .map(|i| lanes::dispatch(|| (0..width).map(|j| dot(&basis[i], &images[j])).collect()))
        .collect();
    let matrix = (0..width * width).map(|at| f64::midpoint(rows[at / width][at % width], rows[at % width][at / width]));
    symmetric_eigen(matrix.collect(), width)
}

fn rotate(vectors: &[Vec<f64>], rotation: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let combine = |weights: &Vec<f64>| {
        lanes::dispatch(|| {
            let mut sum = vec![0.0; vectors[0].len()];
            for (&weight, vector) in weights.iter().zip(vectors) {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * x);
            }
            sum
        })
    };
    rotation.par_iter().map(combine).collect()
}

/// Gram-Schmidt, twice; a vector lost in the span of the others is replaced by a unit vector.
fn orthonormalize(basis: &mut [Vec<f64>]) {
    for i in 0..basis.len() {
        let (done, rest) = basis.split_at_mut(i);
        let vector = &mut rest[0];
        let n = vector.len();
        for attempt in 0..=n {
            lanes::dispatch(|| {
                let before = dot(vector, vector).sqrt().max(f64::MIN_POSITIVE);
                vector.iter_mut().for_each(|x| *x /= before);
                for _ in 0..2 {
                    for other in done.iter() {
                        let along = dot(vector, other);
                        vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
                    }
                }
            });
            let length = dot(vector, vector).sqrt();
            if length > 1e-10 {
                vector.iter_mut().for_each(|x| *x /= length);
                break;
            }
            vector.fill(0.0);
            vector[(i + attempt) % n] = 1.0;
        }
    }
}

/// All eigenpairs of a small symmetric matrix by Jacobi rotations: values largest first, one row per vector.
pub(super) fn symmetric_eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut v: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..60 {
        let off: f64 = (0..n * n).filter(|at| at / n != at % n).map(|at| a[at] * a[at]).sum();
        if off <= 1e-26 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq.abs() <= 1e-300 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                turn(&mut a, n, p, q, c, s);
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                turn(&mut v, n, p, q, c, s);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let vectors = order.iter().map(|&i| v[i * n..(i + 1) * n].to_vec()).collect();
    (order.iter().map(|&i| a[i * n + i]).collect(), vectors)
}

/// Rotates rows `p` and `q`.
fn turn(m: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = m.split_at_mut(q * n);
    for (x, y) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    a_rest.iter().zip(b_rest).enumerate().for_each(|(lane, (x, y))| sums[lane] += x * y);
    sums.iter().sum()
}

/// Makes the entry of largest size positive, so that a vector does not change sign between processors.
pub(super) fn fix_sign(vector: &mut [f64]) {
    let largest = vector.iter().fold(0.0_f64, |best, &x| if x.abs() > best.abs() * (1.0 + 1e-6) { x } else { best });
    if largest < 0.0 {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(n: usize, values: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut rng = Rng::seed_from_u64(3);
        let mut basis: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| rng.normal()).collect()).collect();
        orthonormalize(&mut basis);
        let entry = |i: usize, j: usize| (0..n).map(|k| values(k) * basis[k][i] * basis[k][j]).sum();
        ((0..n * n).map(|at| entry(at / n, at % n)).collect(), basis)
    }

    #[test]
    fn known_spectra_are_found() {
        let n = 90;
        for (filter, values) in [
            (Filter::Power, Box::new(|k: usize| 100.0 * 0.8_f64.powi(k as i32)) as Box<dyn Fn(usize) -> f64>),
            (Filter::Chebyshev(8), Box::new(|k: usize| if k < 3 { 1.0 } else { 1.0 - 0.02 * k as f64 })),
        ] {
            let (matrix, _) = symmetric(n, &values);
            let apply = |v: &[f64]| (0..n).map(|i| dot(&matrix[i * n..(i + 1) * n], v)).collect();
            let found = top_eigenpairs(n, 6, &filter, apply, 0);
            for (k, (value, vector)) in found.values.iter().zip(&found.vectors).enumerate() {
                assert!((value - values(k)).abs() <= 1e-6 * values(0), "{k}: {value} {}", values(k));
                let residual: f64 = apply(vector).iter().zip(vector).map(|(a, x)| (a - value * x).powi(2)).sum();
                assert!(residual.sqrt() <= 1e-3 * values(0), "{k}: {residual}");
            }
        }
    }

    #[test]
    fn jacobi_diagonalises() {
        let (matrix, _) = symmetric(12, |k| k as f64 - 4.0);
        let (values, vectors) = symmetric_eigen(matrix.clone(), 12);
        for (k, (value, vector)) in values.iter().zip(&vectors).enumerate() {
            assert!((value - (7.0 - k as f64)).abs() <= 1e-9);
            for i in 0..12 {
                assert!((dot(&matrix[i * 12..(i + 1) * 12], vector) - value * vector[i]).abs() <= 1e-9);
            }
        }
    }
}
