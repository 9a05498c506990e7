//! Convolutions by their definition in `f64`: what the tests hold every kernel to.

use super::map::Map;

/// Deterministic numbers in (-1, 1) from a seed (SplitMix64).
pub(crate) fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// `||a - b|| / ||b||`
pub(crate) fn relative_error(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum();
    let norm: f64 = b.iter().map(|b| b * b).sum();
    difference.sqrt() / norm.sqrt().max(1e-30)
}

/// Calls `visit(y index, x index, weight index)` for every product of a 3x3 convolution on channels-last maps.
pub(crate) fn products3x3(map: Map, outputs: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (h, w, c) = (map.height as isize, map.width as isize, map.channels);
    for pixel in 0..map.batch * map.pixels() {
        let (image, i, j) = (pixel / map.pixels(), pixel / map.width % map.height, pixel % map.width);
        for tap in 0..9 {
            let (row, column) = (i as isize + tap / 3 - 1, j as isize + tap % 3 - 1);
            if row < 0 || row >= h || column < 0 || column >= w {
                continue;
            }
            let from = image * map.pixels() + (row * w + column) as usize;
            for o in 0..outputs {
                for k in 0..c {
                    visit(pixel * outputs + o, from * c + k, (o * c + k) * 9 + tap as usize);
                }
            }
        }
    }
}
