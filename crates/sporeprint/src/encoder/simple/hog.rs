//! Histograms of oriented gradients.

use super::SIDE;

const CELL: usize = 8;
const CELLS: usize = SIDE / CELL;
const BLOCKS: usize = CELLS - 1;
const ORIENTATIONS: usize = 9;
/// Values above this share of a block's length are cut before it is normalised again.
const CLIP: f32 = 0.2;
const EPSILON: f32 = 1e-5;

/// Length of [`hog`]'s result: 3 x 3 blocks of 2 x 2 cells of 9 orientations.
pub const HOG_DIM: usize = BLOCKS * BLOCKS * 4 * ORIENTATIONS;

/// Histograms of oriented gradients of a grey picture: cells of 8 x 8 pixels, 9 unsigned orientations, blocks of 2 x 2 cells
/// normalised by L2-Hys.
///
/// Gradients are central differences, 0 at the border; every pixel counts for one orientation by its magnitude.
///
/// # Shapes
/// - `rgb`: `[32, 32, 3]`, the mean of the three is taken for grey
/// - result: `[3, 3, 2, 2, 9]`, flat
/// # Panics
/// When `rgb` has another length.
/// # Reference
/// Dalal and Triggs 2005; `skimage.feature.hog(pixels_per_cell=(8, 8), cells_per_block=(2, 2))`.
pub fn hog(rgb: &[f32]) -> Vec<f32> {
    assert_eq!(rgb.len(), SIDE * SIDE * 3, "a picture of {SIDE} x {SIDE}");
    let grey: Vec<f32> = rgb.chunks_exact(3).map(|p| (p[0] + p[1] + p[2]) / 3.0).collect();
    let inside = 1..SIDE - 1;
    let mut cells = [[0.0f32; ORIENTATIONS]; CELLS * CELLS];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let down = if inside.contains(&y) { grey[(y + 1) * SIDE + x] - grey[(y - 1) * SIDE + x] } else { 0.0 };
            let right = if inside.contains(&x) { grey[y * SIDE + x + 1] - grey[y * SIDE + x - 1] } else { 0.0 };
            let turn = down.atan2(right).to_degrees().rem_euclid(180.0);
            let orientation = ((turn / (180.0 / ORIENTATIONS as f32)) as usize).min(ORIENTATIONS - 1);
            cells[y / CELL * CELLS + x / CELL][orientation] += down.hypot(right) / (CELL * CELL) as f32;
        }
    }
    let mut out = Vec::with_capacity(HOG_DIM);
    for y in 0..BLOCKS {
        for x in 0..BLOCKS {
            let start = out.len();
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                out.extend(cells[(y + dy) * CELLS + x + dx]);
            }
            let block = &mut out[start..];
            normalise(block);
            block.iter_mut().for_each(|value| *value = value.min(CLIP));
            normalise(block);
        }
    }
    out
}

fn normalise(block: &mut [f32]) {
    let length = (block.iter().map(|v| v * v).sum::<f32>() + EPSILON * EPSILON).sqrt();
    block.iter_mut().for_each(|value| *value /= length);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(grey: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        (0..SIDE * SIDE).flat_map(|at| [grey(at % SIDE, at / SIDE); 3]).collect()
    }

    #[test]
    fn a_flat_picture_has_no_edges() {
        assert!(hog(&picture(|_, _| 0.7)).iter().all(|&v| v == 0.0));
    }

    #[test]
    fn a_ramp_has_one_orientation_in_every_cell() {
        // A gradient to the right is orientation 0; each of a block's four equal values is 0.5 after normalising.
        let across = hog(&picture(|x, _| x as f32 / 31.0));
        assert_eq!(across.len(), HOG_DIM);
        for (at, value) in across.iter().enumerate() {
            let expected = if at.is_multiple_of(ORIENTATIONS) { 0.5 } else { 0.0 };
            assert!((value - expected).abs() <= 0.03, "{at}: {value}");
        }
        let down = hog(&picture(|_, y| y as f32 / 31.0));
        assert!(down.iter().enumerate().all(|(at, &v)| (at % ORIENTATIONS == 4) == (v > 0.4)));
    }

    /// `skimage.feature.hog(a, pixels_per_cell=(8, 8), cells_per_block=(2, 2))` of `a = (x x + 3 y x + 5 y) % 97 / 96`, version
    /// 0.26: its first nine values and its last nine.
    #[test]
    fn values_equal_those_of_scikit_image() {
        let found = hog(&picture(|x, y| ((x * x + 3 * y * x + 5 * y) % 97) as f32 / 96.0));
        let first = [0.078_544, 0.287_05, 0.287_05, 0.0, 0.034_213, 0.0, 0.053_543, 0.083_093, 0.0];
        let last = [0.058_936, 0.116_981, 0.119_341, 0.110_884, 0.031_866, 0.260_137, 0.080_145, 0.186_356, 0.149_36];
        for (found, expected) in found.iter().zip(first).chain(found[HOG_DIM - 9..].iter().zip(last)) {
            assert!((found - expected).abs() <= 1e-4, "{found}, expected {expected}");
        }
    }
}
