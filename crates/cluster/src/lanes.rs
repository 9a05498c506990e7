//! Vector arithmetic on single rows, written in fixed lanes so that it vectorises and gives the same bits on every
//! processor: sixteen partial sums, combined in one order.
//!
//! What is public here is shared with the crate `sporeprint` and may change with any release.

/// Partial sums of a row.
pub const LANES: usize = 16;

/// Runs `work` compiled for the widest instruction set that this processor has.
///
/// The lane functions of this module are inlined into it; call it around a loop over rows, not around one row.
#[inline(always)]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Work<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _simd: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}

/// `sum term(row[i])`
#[inline(always)]
pub fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    fold(
        row,
        row,
        #[inline(always)]
        |x, _| term(x),
    )
}

/// `sum a[i] b[i]`
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| x * y)
}

/// `sum (a[i] - b[i])^2`
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

/// Scales `row` to unit L2 length; a row of zeros stays as it is.
#[inline(always)]
pub(crate) fn normalize(row: &mut [f32]) {
    let scale = inverse_length(row);
    if scale > 0.0 {
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

/// `1 / |row|`, or 0 for a row of zeros. Rows too short for `f32` squares are measured in `f64`.
#[inline(always)]
pub(crate) fn inverse_length(row: &[f32]) -> f32 {
    let squared = dot(row, row);
    if squared > 1e-30 {
        return 1.0 / squared.sqrt();
    }
    let squared: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if squared > 0.0 { (1.0 / squared.sqrt()).min(f64::from(f32::MAX)) as f32 } else { 0.0 }
}

/// `sums[i] += row[i]` in `f64`.
#[inline(always)]
pub(crate) fn add_into(sums: &mut [f64], row: &[f32]) {
    for (sum, &x) in sums.iter_mut().zip(row) {
        *sum += f64::from(x);
    }
}

#[inline(always)]
fn fold(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    for (lane, (&x, &y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += term(x, y);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lane_sums_equal_the_plain_sum() {
        let a: Vec<f32> = (0..101).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..101).map(|i| (i as f32 * 0.11).cos()).collect();
        let plain: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
        assert!((f64::from(dispatch(|| dot(&a, &b))) - plain).abs() <= 1e-5);
        let plain: f64 = a.iter().zip(&b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
        assert!((f64::from(dispatch(|| squared_distance(&a, &b))) - plain).abs() <= 1e-4);
    }

    #[test]
    fn tiny_rows_still_get_a_direction() {
        let mut row = [3e-25_f32, 4e-25];
        normalize(&mut row);
        assert!((row[0] - 0.6).abs() <= 1e-6 && (row[1] - 0.8).abs() <= 1e-6, "{row:?}");
    }
}
