//! The gradient with respect to the filters, again in one of two orders.
//!
//! With few channels the sums over all tiles fit in the second-level cache: a fixed number of groups of tiles
//! each sum on their own, and the sums are added in order. With many channels every tile is transformed
//! first and each piece of work makes one block of the gradient.

use super::forward::{Panels, padded_row, transform_tiles};
use super::transform::{Block, load_gradient, load_input};
use super::weights::{planes, taps_len, untransform};
use crate::cpu::buffer::Buffer;
use crate::cpu::gemm::{PanelProduct, panel_product};
use crate::cpu::map::Map;
use crate::cpu::parallel::{Shared, for_each_piece, with_scratch};
use crate::cpu::simd::Isa;

/// Largest transformed gradient, in floats, that groups of tiles sum on their own.
const GROUP_SUM_FLOATS: usize = 36 * 64 * 128;
/// Groups of tiles that sum on their own, at most.
const GROUPS: usize = 16;
/// Floats of transformed tiles that a group works on at once.
const TILE_BLOCK_FLOATS: usize = 220_000;
/// Tiles transformed at once when every tile is transformed first.
const ROUND: usize = 1024;
/// Input channels of one block of the gradient.
const DEPTH: usize = 128;

/// Gradient of the filters of a convolution from `map.channels` to `outputs` channels.
///
/// `taps[o,c,u,v] = sum over b,i,j of g[b,i,j,o] * x[b,i+u-1,j+v-1,c]`, all of `taps` overwritten.
///
/// # Panics
/// When a slice is shorter than its shape says.
pub(crate) fn weight_gradient(isa: Isa, out: usize, map: Map, x: &[f32], g: &[f32], outputs: usize, taps: &mut [f32]) {
    let inputs = map.channels;
    assert!(x.len() >= map.len() && g.len() >= map.with_channels(outputs).len());
    assert!(taps.len() >= inputs * outputs * 9);
    let sum = planes(out) * inputs * Panels::new(isa, outputs).padded();
    if sum <= GROUP_SUM_FLOATS && map.tiles(out) > 64 {
        by_groups(isa, out, map, x, g, outputs, taps);
    } else {
        by_blocks(isa, out, map, x, g, outputs, taps);
    }
}

fn by_groups(isa: Isa, out: usize, map: Map, x: &[f32], g: &[f32], outputs: usize, taps: &mut [f32]) {
    let (inputs, tiles) = (map.channels, map.tiles(out));
    let g_map = map.with_channels(outputs);
    let panels = Panels::new(isa, outputs);
    let row = padded_row(isa, inputs);
    let block = (TILE_BLOCK_FLOATS / (planes(out) * (row + panels.padded()))).clamp(8, 64);
    let groups = tiles.div_ceil(block).min(GROUPS);
    let group_tiles = tiles.div_ceil(groups).next_multiple_of(block);
    let groups = tiles.div_ceil(group_tiles);
    let sum = planes(out) * inputs * panels.padded();
    let mut sums = Buffer::new(groups * sum);
    let to = Shared::new(&mut sums);
    for_each_piece(groups, |group| {
        let (plane, g_plane) = (block * row + 16, block * panels.padded() + 16);
        with_scratch(planes(out) * (plane + g_plane), |scratch| {
            let (x_block, g_block) = scratch.split_at_mut(planes(out) * plane);
            let end = tiles.min((group + 1) * group_tiles);
            for first_tile in (group * group_tiles..end).step_by(block) {
                let tiles = block.min(end - first_tile);
                let block = Block { map, out, first_tile, tiles, first_channel: 0, channels: inputs, plane, row };
                // SAFETY: lengths are asserted by the caller; the scratch holds both blocks; each group
                // has a sum of its own.
                unsafe {
                    load_input(isa, block, x.as_ptr(), x_block.as_mut_ptr());
                    let sum = to.ptr().add(group * sum);
                    for panel in 0..panels.count() {
                        let (first, lanes, width) = panels.get(panel);
                        let block = Block {
                            map: g_map,
                            first_channel: first,
                            channels: lanes,
                            plane: g_plane,
                            row: width,
                            ..block
                        };
                        load_gradient(isa, block, g.as_ptr(), g_block.as_mut_ptr());
                        for i in 0..planes(out) {
                            let shape = PanelProduct {
                                rows: inputs,
                                depth: tiles,
                                columns: width,
                                a_row: 1,
                                a_depth: row,
                                b_depth: width,
                                c_row: width,
                                accumulate: first_tile > group * group_tiles,
                            };
                            panel_product(
                                isa,
                                shape,
                                x_block.as_ptr().add(i * plane),
                                g_block.as_ptr().add(i * g_plane),
                                sum.add((planes(out) * first + i * width) * inputs),
                            );
                        }
                    }
                }
            }
        });
    });
    let taps = Shared::new(taps);
    let step = 8;
    let chunks = inputs.div_ceil(step);
    for_each_piece(panels.count() * chunks, |piece| {
        let (panel, chunk) = (piece / chunks, piece % chunks);
        let (first, lanes, width) = panels.get(panel);
        let (start, count) = (chunk * step, step.min(inputs - chunk * step));
        let len = count * width;
        with_scratch(taps_len(width) + planes(out) * len, |scratch| {
            let (taps_scratch, total) = scratch.split_at_mut(taps_len(width));
            for (i, total) in total.chunks_exact_mut(len).enumerate() {
                let at = (planes(out) * first + i * width) * inputs + start * width;
                total.copy_from_slice(&sums[at..at + len]);
                for group in 1..groups {
                    let add = &sums[group * sum + at..][..len];
                    total.iter_mut().zip(add).for_each(|(total, add)| *total += add);
                }
            }
            // SAFETY: pieces write the taps of different inputs or outputs.
            unsafe {
                let (inputs_of, outputs_of) = ((start, count), (first, lanes));
                let taps = taps.ptr();
                untransform(isa, out, total, len, inputs_of, outputs_of, width, taps_scratch, taps, inputs * 9, false);
            }
        });
    });
}

fn by_blocks(isa: Isa, out: usize, map: Map, x: &[f32], g: &[f32], outputs: usize, taps: &mut [f32]) {
    let (inputs, tiles) = (map.channels, map.tiles(out));
    let panels = Panels::new(isa, outputs);
    let row = padded_row(isa, inputs);
    let taps = Shared::new(taps);
    for round_start in (0..tiles).step_by(ROUND) {
        let tiles = ROUND.min(tiles - round_start);
        let x_tiles = transform_tiles(isa, out, map, x, round_start, tiles);
        let g_tiles = gradient_tiles(isa, out, map.with_channels(outputs), g, panels, round_start, tiles);
        let plane = tiles * row + 16;
        let chunks = inputs.div_ceil(DEPTH);
        for_each_piece(panels.count() * chunks, |piece| {
            let (panel, chunk) = (piece / chunks, piece % chunks);
            let (first, lanes, width) = panels.get(panel);
            let (start, count) = (chunk * DEPTH, DEPTH.min(inputs - chunk * DEPTH));
            let block_plane = count * width + 16;
            with_scratch(taps_len(width) + planes(out) * block_plane, |scratch| {
                let (taps_scratch, block) = scratch.split_at_mut(taps_len(width));
                for i in 0..planes(out) {
                    let shape = PanelProduct {
                        rows: count,
                        depth: tiles,
                        columns: width,
                        a_row: 1,
                        a_depth: row,
                        b_depth: width,
                        c_row: width,
                        accumulate: false,
                    };
                    // SAFETY: all three blocks hold plane i.
                    unsafe {
                        panel_product(
                            isa,
                            shape,
                            x_tiles.as_ptr().add(i * plane + start),
                            g_tiles.as_ptr().add((planes(out) * first + i * width) * tiles),
                            block.as_mut_ptr().add(i * block_plane),
                        );
                    }
                }
                // SAFETY: pieces write the taps of different inputs or outputs.
                unsafe {
                    let (inputs_of, outputs_of, add) = ((start, count), (first, lanes), round_start > 0);
                    let (taps, row) = (taps.ptr(), inputs * 9);
                    untransform(
                        isa,
                        out,
                        block,
                        block_plane,
                        inputs_of,
                        outputs_of,
                        width,
                        taps_scratch,
                        taps,
                        row,
                        add,
                    );
                }
            });
        });
    }
}

/// Transforms every tile of a gradient: panels of `[planes][tiles][width]`.
fn gradient_tiles(
    isa: Isa,
    out: usize,
    map: Map,
    g: &[f32],
    panels: Panels,
    first_tile: usize,
    tiles: usize,
) -> Buffer {
    let mut data = Buffer::new(planes(out) * tiles * panels.padded());
    let to = Shared::new(&mut data);
    let step = 8;
    for_each_piece(tiles.div_ceil(step), |piece| {
        let start = piece * step;
        for panel in 0..panels.count() {
            let (first, lanes, width) = panels.get(panel);
            let block = Block {
                map,
                out,
                first_tile: first_tile + start,
                tiles: step.min(tiles - start),
                first_channel: first,
                channels: lanes,
                plane: tiles * width,
                row: width,
            };
            // SAFETY: the buffer holds every panel and pieces write different rows of them.
            unsafe {
                let to = to.ptr().add(planes(out) * first * tiles + start * width);
                load_gradient(isa, block, g.as_ptr(), to);
            }
        }
    });
    data
}
