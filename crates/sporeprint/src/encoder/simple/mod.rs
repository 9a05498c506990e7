//! Codes that need no network: edges, colours and whitened patches of small pictures.
//!
//! They see what a person would call texture, shape in outline and colour, take seconds, and err differently from learnt
//! codes, which is why joining both often beats each.

mod colour;
mod hog;
mod join;
mod patches;

pub use colour::{COLOUR_DIM, colour_histogram};
pub use hog::{HOG_DIM, hog};
pub use join::{Block, Scaling, join};
pub use patches::{PatchDictionary, PatchError};

/// Side of the pictures that simple features are taken from.
pub const SIDE: usize = 32;

/// A square picture averaged down to [`SIDE`] x [`SIDE`], RGB in 0..1, interleaved.
///
/// Each pixel is the mean of the area that it covers; a picture that is smaller already repeats its pixels.
///
/// # Shapes
/// - `picture`: `[side, side, 3]` bytes
/// # Panics
/// When the bytes are not those of a square picture of that side.
pub fn shrink(picture: &[u8], side: usize) -> Vec<f32> {
    assert_eq!(picture.len(), side * side * 3, "bytes of a picture of {side} x {side} pixels");
    let edges: Vec<usize> = (0..=SIDE).map(|at| at * side / SIDE).collect();
    let range = |at: usize| edges[at]..edges[at + 1].max(edges[at] + 1);
    let mut out = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let mut sums = [0u32; 3];
            for row in range(y) {
                for column in range(x) {
                    let pixel = &picture[(row * side + column) * 3..][..3];
                    sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u32::from(value));
                }
            }
            let area = (range(y).len() * range(x).len()) as f32 * 255.0;
            out.extend(sums.map(|sum| sum as f32 / area));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_averages_areas_and_repeats_pixels() {
        let picture: Vec<u8> =
            (0..64 * 64).flat_map(|at| [if usize::is_multiple_of(at, 2) { 0 } else { 255 }, 51, 0]).collect();
        let small = shrink(&picture, 64);
        assert!(small.chunks_exact(3).all(|p| (p[0] - 0.5).abs() <= 1e-6 && (p[1] - 0.2).abs() <= 1e-6 && p[2] == 0.0));
        let tiny = shrink(&[0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0, 0], 2);
        assert_eq!((tiny[0], tiny[16 * 3], tiny[31 * 3]), (0.0, 1.0, 1.0));
    }
}
