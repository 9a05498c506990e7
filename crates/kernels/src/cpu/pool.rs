//! Max-pooling on channels-last maps: every loop runs along the channels, where the compiler vectorises it.

use super::map::Map;
use super::parallel::for_each_piece;
use super::simd::{Isa, Simd, simd_dispatch};

/// A pointer to indices that may cross threads.
#[derive(Clone, Copy)]
struct Pointer<T>(*mut T);

// SAFETY: pieces of work touch different rows; see the calls.
unsafe impl<T> Send for Pointer<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Pointer<T> {}

impl<T> Pointer<T> {
    fn at(self, offset: usize) -> *mut T {
        // SAFETY: offsets are rows of the slice that the pointer came from.
        unsafe { self.0.add(offset) }
    }
}

/// Maximum and its place (`row * width + column`, first in scan order, NaN largest) of every 2x2 window.
pub(crate) fn max_pool2x2(isa: Isa, map: Map, x: &[f32], y: &mut [f32], indices: &mut [i32]) {
    let small = Map { height: map.height / 2, width: map.width / 2, ..map };
    assert!(x.len() == map.len() && y.len() == small.len() && indices.len() == small.len());
    let row = small.width * map.channels;
    let (y, indices) = (Pointer(y.as_mut_ptr()), Pointer(indices.as_mut_ptr()));
    for_each_piece(map.batch * small.height, |piece| {
        let (image, i) = (piece / small.height, piece % small.height);
        let from = (image * map.pixels() + 2 * i * map.width) * map.channels;
        // SAFETY: each piece reads two rows of x and writes a row of its own.
        unsafe {
            let (y, indices) = (y.at(piece * row), indices.at(piece * row));
            pool_row(isa, map, 2 * i * map.width, x.as_ptr().add(from), y, indices);
        }
    });
}

/// Writes each value of `x` to its place in the doubled map, zeros elsewhere: the unpooling, and the gradient
/// of the pooling. `y_map` is the larger map; an odd last row or column of it is zero.
pub(crate) fn scatter2x2(isa: Isa, y_map: Map, x: &[f32], indices: &[i32], y: &mut [f32]) {
    let small = Map { height: y_map.height / 2, width: y_map.width / 2, ..y_map };
    assert!(x.len() == small.len() && indices.len() == small.len() && y.len() == y_map.len());
    let row = small.width * y_map.channels;
    let y_ptr = Pointer(y.as_mut_ptr());
    let rows = y_map.height.div_ceil(2);
    for_each_piece(y_map.batch * rows, |piece| {
        let (image, i) = (piece / rows, piece % rows);
        let to = (image * y_map.pixels() + 2 * i * y_map.width) * y_map.channels;
        let y_row = y_map.width * y_map.channels;
        // SAFETY: each piece writes one or two rows of its own and reads one row of x and indices.
        unsafe {
            let y = y_ptr.at(to);
            if small.height == i {
                y.write_bytes(0, y_row);
                return;
            }
            let from = (image * small.height + i) * row;
            let (x, indices) = (x.as_ptr().add(from), indices.as_ptr().add(from));
            scatter_row(isa, y_map, 2 * i * y_map.width, x, indices, y);
        }
    });
}

/// Takes the values of the larger map back from their places: the gradient of the unpooling.
pub(crate) fn gather2x2(map: Map, x: &[f32], indices: &[i32], y: &mut [f32]) {
    let small = Map { height: map.height / 2, width: map.width / 2, ..map };
    assert!(x.len() == map.len() && indices.len() == small.len() && y.len() == small.len());
    let row = small.width * map.channels;
    let y_ptr = Pointer(y.as_mut_ptr());
    for_each_piece(map.batch * small.height, |piece| {
        let image = &x[piece / small.height * map.pixels() * map.channels..][..map.pixels() * map.channels];
        let indices = &indices[piece * row..][..row];
        // SAFETY: each piece writes a row of its own.
        let y = unsafe { std::slice::from_raw_parts_mut(y_ptr.at(piece * row), row) };
        for (pixel, y) in y.chunks_exact_mut(map.channels).enumerate() {
            let indices = &indices[pixel * map.channels..];
            for (c, y) in y.iter_mut().enumerate() {
                *y = image[indices[c] as usize * map.channels + c];
            }
        }
    });
}

/// Whether every index lies in the 2x2 window of its own value, as those of [`max_pool2x2`] do.
pub(crate) fn stay_in_windows(map: Map, indices: &[i32]) -> bool {
    let small = Map { height: map.height / 2, width: map.width / 2, ..map };
    let row = small.width * map.channels;
    if row == 0 {
        return true;
    }
    indices.chunks_exact(row).enumerate().all(|(line, indices)| {
        let top = 2 * (line % small.height) * map.width;
        indices.chunks_exact(map.channels).enumerate().all(|(j, indices)| {
            let first = (top + 2 * j) as i32;
            let below = first + map.width as i32;
            indices.iter().fold(true, |inside, &index| {
                inside & ((index.wrapping_sub(below) as u32 <= 1) | (index.wrapping_sub(first) as u32 <= 1))
            })
        })
    })
}

simd_dispatch! {
    unsafe fn pool_row = pool_row_body(map: Map, first_index: usize, x: *const f32, y: *mut f32, indices: *mut i32)
}
simd_dispatch! {
    unsafe fn scatter_row = scatter_row_body(
        map: Map, first_index: usize, x: *const f32, indices: *const i32, y: *mut f32)
}

#[inline(always)]
unsafe fn pool_row_body<S: Simd>(map: Map, first_index: usize, x: *const f32, y: *mut f32, indices: *mut i32) {
    let (channels, below) = (map.channels, map.width * map.channels);
    for j in 0..map.width / 2 {
        let at = first_index + 2 * j;
        let places = [at, at + 1, at + map.width, at + map.width + 1].map(|place| place as i32);
        // SAFETY: the caller vouches for two rows of x and one row of the outputs.
        unsafe {
            let x = x.add(2 * j * channels);
            let window = [x, x.add(channels), x.add(below), x.add(below + channels)];
            for c in 0..channels {
                let (mut best, mut place) = (*window[0].add(c), places[0]);
                for k in 1..4 {
                    let value = *window[k].add(c);
                    let wins = value > best || value.is_nan();
                    best = if wins { value } else { best };
                    place = if wins { places[k] } else { place };
                }
                *y.add(j * channels + c) = best;
                *indices.add(j * channels + c) = place;
            }
        }
    }
}

#[inline(always)]
unsafe fn scatter_row_body<S: Simd>(map: Map, first_index: usize, x: *const f32, indices: *const i32, y: *mut f32) {
    let (channels, below) = (map.channels, map.width * map.channels);
    for j in 0..map.width / 2 {
        let at = first_index + 2 * j;
        let places = [at, at + 1, at + map.width, at + map.width + 1].map(|place| place as i32);
        // SAFETY: the caller vouches for one row of x and indices and two rows of y.
        unsafe {
            let y = y.add(2 * j * channels);
            let window = [y, y.add(channels), y.add(below), y.add(below + channels)];
            for c in 0..channels {
                let value = *x.add(j * channels + c);
                let index = *indices.add(j * channels + c);
                for k in 0..4 {
                    *window[k].add(c) = if index == places[k] { value } else { 0.0 };
                }
            }
        }
    }
    if map.width % 2 == 1 {
        // SAFETY: the last column of both rows.
        unsafe {
            let last = y.add((map.width - 1) * channels);
            last.write_bytes(0, channels);
            last.add(below).write_bytes(0, channels);
        }
    }
}

/// The places of the maxima of 3x3 windows, stride 2, padding 1; `y` gets the maxima.
pub(crate) fn max_pool3x3s2(map: Map, x: &[f32], y: &mut [f32], indices: &mut [i32]) {
    let small = Map { height: map.height.div_ceil(2), width: map.width.div_ceil(2), ..map };
    assert!(x.len() == map.len() && y.len() == small.len() && indices.len() == small.len());
    let (channels, row) = (map.channels, small.width * map.channels);
    let (y, indices) = (Pointer(y.as_mut_ptr()), Pointer(indices.as_mut_ptr()));
    for_each_piece(map.batch * small.height, |piece| {
        let (image, i) = (piece / small.height, piece % small.height);
        let x = &x[image * map.pixels() * channels..][..map.pixels() * channels];
        // SAFETY: each piece writes a row of its own.
        let (y, indices) = unsafe {
            let y = std::slice::from_raw_parts_mut(y.at(piece * row), row);
            (y, std::slice::from_raw_parts_mut(indices.at(piece * row), row))
        };
        for j in 0..small.width {
            let y = &mut y[j * channels..][..channels];
            let indices = &mut indices[j * channels..][..channels];
            let mut first = true;
            for row in (2 * i).saturating_sub(1)..map.height.min(2 * i + 2) {
                for column in (2 * j).saturating_sub(1)..map.width.min(2 * j + 2) {
                    let place = row * map.width + column;
                    let x = &x[place * channels..][..channels];
                    for c in 0..channels {
                        let wins = first || x[c] > y[c] || x[c].is_nan();
                        y[c] = if wins { x[c] } else { y[c] };
                        indices[c] = if wins { place as i32 } else { indices[c] };
                    }
                    first = false;
                }
            }
        }
    });
}

/// Adds each gradient to the place its maximum came from: the gradient of [`max_pool3x3s2`], whose windows
/// overlap. `dx` is overwritten.
pub(crate) fn scatter_add(map: Map, g: &[f32], indices: &[i32], dx: &mut [f32]) {
    assert!(dx.len() == map.len() && g.len() == indices.len());
    let (channels, image_len) = (map.channels, map.pixels() * map.channels);
    let g_len = g.len() / map.batch.max(1);
    let dx = Pointer(dx.as_mut_ptr());
    // One piece per image: additions to a place then always come in the same order.
    for_each_piece(map.batch, |image| {
        // SAFETY: each piece writes an image of its own.
        let dx = unsafe { std::slice::from_raw_parts_mut(dx.at(image * image_len), image_len) };
        dx.fill(0.0);
        let (g, indices) = (&g[image * g_len..][..g_len], &indices[image * g_len..][..g_len]);
        for (g, indices) in g.chunks_exact(channels).zip(indices.chunks_exact(channels)) {
            for (c, (g, &index)) in g.iter().zip(indices).enumerate() {
                dx[index as usize * channels + c] += g;
            }
        }
    });
}
