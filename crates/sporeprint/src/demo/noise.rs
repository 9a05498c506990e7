//! Textures from hashed lattices.

/// Uniform number in `[0, 1)` of a lattice point.
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x8da6_b343) ^ (y as u32).wrapping_mul(0xd816_3841) ^ seed.wrapping_mul(0xcb1a_b31f);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1u32 << 24) as f32
}

/// Smooth noise from 0 to 1 with one bump per unit.
pub(super) fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (ease(x - x0), ease(y - y0));
    let (x0, y0) = (x0 as i32, y0 as i32);
    let upper = lattice(x0, y0, seed) * (1.0 - fx) + lattice(x0 + 1, y0, seed) * fx;
    let lower = lattice(x0, y0 + 1, seed) * (1.0 - fx) + lattice(x0 + 1, y0 + 1, seed) * fx;
    upper * (1.0 - fy) + lower * fy
}

/// Three octaves of [`smooth`], from 0 to 1.
pub(super) fn rough(x: f32, y: f32, seed: u32) -> f32 {
    (4.0 * smooth(x, y, seed) + 2.0 * smooth(2.0 * x, 2.0 * y, seed ^ 1) + smooth(4.0 * x, 4.0 * y, seed ^ 2)) / 7.0
}

/// Distances to the nearest and second nearest of points scattered one per unit square, and a number of the nearest.
pub(super) fn cells(x: f32, y: f32, seed: u32) -> (f32, f32, f32) {
    let (x0, y0) = (x.floor() as i32, y.floor() as i32);
    let (mut nearest, mut second, mut id) = (f32::MAX, f32::MAX, 0.0);
    for cy in y0 - 1..=y0 + 1 {
        for cx in x0 - 1..=x0 + 1 {
            let px = cx as f32 + 0.2 + 0.6 * lattice(cx, cy, seed);
            let py = cy as f32 + 0.2 + 0.6 * lattice(cx, cy, seed ^ 0x55);
            let distance = (px - x).hypot(py - y);
            if distance < nearest {
                (second, nearest, id) = (nearest, distance, lattice(cx, cy, seed ^ 0xaa));
            } else {
                second = second.min(distance);
            }
        }
    }
    (nearest, second, id)
}
