//! The two-dimensional transforms between maps or weights and the Winograd domain, vectors across channels.
//!
//! In the Winograd domain a block of tiles is `[SIDE * SIDE][tiles][channels]`.
#![expect(clippy::needless_range_loop, reason = "a line goes into a column: two indices say so best")]

use super::tile::{Four, Line, MAX_SIDE, Tile, Two};
use crate::cpu::activation::Activation;
use crate::cpu::map::Map;
use crate::cpu::simd::{Simd, simd_dispatch};

/// Which tiles and channels of a map to transform, and the layout of the transformed block.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) map: Map,
    /// Outputs along one side of a tile: 2 or 4.
    pub(crate) out: usize,
    /// First tile, counted over batch, tile rows and tile columns.
    pub(crate) first_tile: usize,
    pub(crate) tiles: usize,
    pub(crate) first_channel: usize,
    pub(crate) channels: usize,
    /// Floats between the planes of one tile position and the next.
    pub(crate) plane: usize,
    /// Floats between one tile and the next.
    pub(crate) row: usize,
}

/// What [`store_tiles`] adds to each output value.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue {
    /// One value per channel, or null.
    pub(crate) bias: *const f32,
    pub(crate) activation: Activation,
}

simd_dispatch! {
    /// `B^T d B` of every tile of a block; rows of the block are padded with zeros to whole vectors.
    ///
    /// # Safety
    /// `x` is the map, `to` the block, both valid for what `block` says.
    pub(crate) unsafe fn load_input = input_body(block: Block, x: *const f32, to: *mut f32)
}

simd_dispatch! {
    /// `A g A^T` of every tile of a block, where `g` is the gradient of an output map.
    ///
    /// # Safety
    /// As [`load_input`].
    pub(crate) unsafe fn load_gradient = gradient_body(block: Block, x: *const f32, to: *mut f32)
}

simd_dispatch! {
    /// `A^T m A` of every tile of a block, written to the map after the epilogue.
    ///
    /// # Safety
    /// As [`load_input`]; no other thread may touch these tiles of the map.
    pub(crate) unsafe fn store_tiles = output_body(block: Block, from: *const f32, epilogue: Epilogue, y: *mut f32)
}

simd_dispatch! {
    /// `G w G^T` of `count` filters per lane: from `[count][9][width]` to `[SIDE * SIDE][count][width]`,
    /// planes `plane` floats apart; the nine taps run backwards when `flip`.
    ///
    /// # Safety
    /// Both pointers are valid for that; `width` is a multiple of the lanes.
    pub(crate) unsafe fn load_weights = weights_body(
        out: usize, flip: bool, count: usize, width: usize, from: *const f32, to: *mut f32, plane: usize)
}

simd_dispatch! {
    /// `G^T u G`, the adjoint of [`load_weights`] without the flip.
    ///
    /// # Safety
    /// As [`load_weights`].
    pub(crate) unsafe fn store_weights = weights_adjoint_body(
        out: usize, count: usize, width: usize, from: *const f32, plane: usize, to: *mut f32)
}

#[inline(always)]
unsafe fn input_body<S: Simd>(block: Block, x: *const f32, to: *mut f32) {
    // SAFETY: handed on.
    unsafe {
        match block.out {
            2 => load_tiles::<S, Two, false>(block, x, to),
            _ => load_tiles::<S, Four, false>(block, x, to),
        }
    }
}

#[inline(always)]
unsafe fn gradient_body<S: Simd>(block: Block, x: *const f32, to: *mut f32) {
    // SAFETY: handed on.
    unsafe {
        match block.out {
            2 => load_tiles::<S, Two, true>(block, x, to),
            _ => load_tiles::<S, Four, true>(block, x, to),
        }
    }
}

#[inline(always)]
unsafe fn load_tiles<S: Simd, T: Tile, const GRADIENT: bool>(block: Block, x: *const f32, to: *mut f32) {
    let map = block.map;
    // A gradient tile is the outputs themselves, an input tile has a border of one.
    let (side, border) = if GRADIENT { (T::OUT, 0) } else { (T::SIDE, 1) };
    for tile in 0..block.tiles {
        let (image, tile_y, tile_x) = map.tile(T::OUT, block.first_tile + tile);
        let (top, left) = ((tile_y * T::OUT) as isize - border, (tile_x * T::OUT) as isize - border);
        let inside = top >= 0 && left >= 0 && top as usize + side <= map.height && left as usize + side <= map.width;
        // Pixels outside the map are never read: `pixel` is only followed where `exists`.
        let pixel = |i: usize, j: usize| {
            let (row, column) = (top + i as isize, left + j as isize);
            (image * map.pixels()) as isize + row * map.width as isize + column
        };
        let exists = |i: usize, j: usize| {
            let (row, column) = (top + i as isize, left + j as isize);
            (0..map.height as isize).contains(&row) && (0..map.width as isize).contains(&column)
        };
        let mut channel = 0;
        while channel < block.channels {
            let n = S::LANES.min(block.channels - channel);
            // SAFETY: reads stay on pixels that exist and on their channels, writes within the block.
            unsafe {
                let base = x.add(block.first_channel + channel);
                let at = |i, j| base.offset(pixel(i, j) * map.channels as isize);
                let to = to.add(tile * block.row + channel);
                let zero = S::splat(0.0);
                let mut half = [[zero; MAX_SIDE]; MAX_SIDE];
                for j in 0..side {
                    let mut line = [zero; MAX_SIDE];
                    for (i, value) in line.iter_mut().enumerate().take(side) {
                        if inside && n == S::LANES {
                            *value = S::load(at(i, j));
                        } else if exists(i, j) {
                            *value = S::load_first(at(i, j), n);
                        }
                    }
                    let line: Line<S> = if GRADIENT { T::output_adjoint::<S>(line) } else { T::input::<S>(line) };
                    for i in 0..T::SIDE {
                        half[i][j] = line[i];
                    }
                }
                for (i, &line) in half.iter().enumerate().take(T::SIDE) {
                    let line = if GRADIENT { T::output_adjoint::<S>(line) } else { T::input::<S>(line) };
                    for (j, &value) in line.iter().enumerate().take(T::SIDE) {
                        S::store(to.add((i * T::SIDE + j) * block.plane), value);
                    }
                }
            }
            channel += S::LANES;
        }
    }
}

#[inline(always)]
unsafe fn output_body<S: Simd>(block: Block, from: *const f32, epilogue: Epilogue, y: *mut f32) {
    // SAFETY: handed on.
    unsafe {
        match block.out {
            2 => write_tiles::<S, Two>(block, from, epilogue, y),
            _ => write_tiles::<S, Four>(block, from, epilogue, y),
        }
    }
}

#[inline(always)]
unsafe fn write_tiles<S: Simd, T: Tile>(block: Block, from: *const f32, epilogue: Epilogue, y: *mut f32) {
    let map = block.map;
    for tile in 0..block.tiles {
        let (image, tile_y, tile_x) = map.tile(T::OUT, block.first_tile + tile);
        let (top, left) = (tile_y * T::OUT, tile_x * T::OUT);
        let rows = T::OUT.min(map.height - top);
        let columns = T::OUT.min(map.width - left);
        let first_pixel = image * map.pixels() + top * map.width + left;
        let mut channel = 0;
        while channel < block.channels {
            let n = S::LANES.min(block.channels - channel);
            // SAFETY: reads stay within the block, writes on pixels that exist and on their channels.
            unsafe {
                let from = from.add(tile * block.row + channel);
                let bias = match epilogue.bias.is_null() {
                    true => S::splat(0.0),
                    false => S::load_first(epilogue.bias.add(block.first_channel + channel), n),
                };
                let mut half = [[S::splat(0.0); MAX_SIDE]; MAX_SIDE];
                for j in 0..T::SIDE {
                    let mut line = [S::splat(0.0); MAX_SIDE];
                    for (i, value) in line.iter_mut().enumerate().take(T::SIDE) {
                        *value = S::load(from.add((i * T::SIDE + j) * block.plane));
                    }
                    let line = T::output::<S>(line);
                    for i in 0..T::OUT {
                        half[i][j] = line[i];
                    }
                }
                let base = y.add(first_pixel * map.channels + block.first_channel + channel);
                for (i, &line) in half.iter().enumerate().take(T::OUT) {
                    let line = T::output::<S>(line);
                    for (j, &value) in line.iter().enumerate().take(T::OUT) {
                        if i >= rows || j >= columns {
                            continue;
                        }
                        let value = S::add(value, bias);
                        let value = epilogue.activation.of_vector::<S>(value);
                        let to = base.add((i * map.width + j) * map.channels);
                        if n == S::LANES {
                            S::store(to, value);
                        } else {
                            S::store_first(to, value, n);
                        }
                    }
                }
            }
            channel += S::LANES;
        }
    }
}

#[inline(always)]
unsafe fn weights_body<S: Simd>(
    out: usize,
    flip: bool,
    count: usize,
    width: usize,
    from: *const f32,
    to: *mut f32,
    plane: usize,
) {
    // SAFETY: handed on.
    unsafe {
        match out {
            2 => filters::<S, Two>(flip, count, width, from, to, plane),
            _ => filters::<S, Four>(flip, count, width, from, to, plane),
        }
    }
}

#[inline(always)]
unsafe fn filters<S: Simd, T: Tile>(
    flip: bool,
    count: usize,
    width: usize,
    from: *const f32,
    to: *mut f32,
    plane: usize,
) {
    for filter in 0..count {
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: reads stay within [count][9][width], writes within [SIDE * SIDE][count][width].
            unsafe {
                let from = from.add(filter * 9 * width + lane);
                let to = to.add(filter * width + lane);
                let zero = S::splat(0.0);
                let mut half = [[zero; MAX_SIDE]; MAX_SIDE];
                for j in 0..3 {
                    let mut line = [zero; MAX_SIDE];
                    for (i, value) in line.iter_mut().enumerate().take(3) {
                        let tap = if flip { 8 - (i * 3 + j) } else { i * 3 + j };
                        *value = S::load(from.add(tap * width));
                    }
                    let line = T::weight::<S>(line);
                    for i in 0..T::SIDE {
                        half[i][j] = line[i];
                    }
                }
                for (i, &line) in half.iter().enumerate().take(T::SIDE) {
                    let line = T::weight::<S>(line);
                    for (j, &value) in line.iter().enumerate().take(T::SIDE) {
                        S::store(to.add((i * T::SIDE + j) * plane), value);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn weights_adjoint_body<S: Simd>(
    out: usize,
    count: usize,
    width: usize,
    from: *const f32,
    plane: usize,
    to: *mut f32,
) {
    // SAFETY: handed on.
    unsafe {
        match out {
            2 => filters_adjoint::<S, Two>(count, width, from, plane, to),
            _ => filters_adjoint::<S, Four>(count, width, from, plane, to),
        }
    }
}

#[inline(always)]
unsafe fn filters_adjoint<S: Simd, T: Tile>(count: usize, width: usize, from: *const f32, plane: usize, to: *mut f32) {
    for filter in 0..count {
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: reads stay within [SIDE * SIDE][count][width], writes within [count][9][width].
            unsafe {
                let from = from.add(filter * width + lane);
                let to = to.add(filter * 9 * width + lane);
                let zero = S::splat(0.0);
                let mut half = [[zero; MAX_SIDE]; MAX_SIDE];
                for j in 0..T::SIDE {
                    let mut line = [zero; MAX_SIDE];
                    for (i, value) in line.iter_mut().enumerate().take(T::SIDE) {
                        *value = S::load(from.add((i * T::SIDE + j) * plane));
                    }
                    let line = T::weight_adjoint::<S>(line);
                    for i in 0..3 {
                        half[i][j] = line[i];
                    }
                }
                for (i, &line) in half.iter().enumerate().take(3) {
                    let line = T::weight_adjoint::<S>(line);
                    for (j, &value) in line.iter().enumerate().take(3) {
                        S::store(to.add((i * 3 + j) * width), value);
                    }
                }
            }
        }
    }
}
