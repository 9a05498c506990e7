//! Rows of numbers.

/// Scales `row` to unit length in place and returns the length it had; a row of zeros stays as it is.
pub fn normalize(row: &mut [f32]) -> f32 {
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
    length
}
