//! The convolution itself, in one of two orders.
//!
//! * *By tiles*: all filters are transformed first; each piece of work takes a block of tiles through input
//!   transform, products and output transform inside its second-level cache. Best where tiles are many.
//! * *By filters*: all tiles are transformed first; each piece of work transforms the filters of one panel
//!   of output channels and multiplies them with every tile. Best where filters are many, because their
//!   transformed form (four times the size of the weights) never leaves the cache.

use super::transform::{Block, Epilogue, load_input, store_tiles};
use super::weights::{Filters, planes, taps_len};
use crate::cpu::activation::Activation;
use crate::cpu::buffer::Buffer;
use crate::cpu::gemm::{PanelProduct, panel_product};
use crate::cpu::map::Map;
use crate::cpu::parallel::{Shared, for_each_piece, with_scratch};
use crate::cpu::plan::{Algorithm, choose};
use crate::cpu::simd::Isa;

/// Floats of transformed tiles that a piece of work keeps in its second-level cache.
const TILE_BLOCK_FLOATS: usize = 150_000;
/// Inputs whose filters are transformed and used together when going by filters.
const FILTER_DEPTH: usize = 128;
/// Tiles of one piece of work when going by filters.
const TILES_PER_PIECE: usize = 256;

/// Convolves `x` with `filters` into `y`; see [`Epilogue`] for the rest.
///
/// # Panics
/// When a slice is shorter than its shape says.
#[expect(clippy::too_many_arguments, reason = "the inputs of a convolution")]
pub(crate) fn convolve(
    isa: Isa,
    out: usize,
    map: Map,
    x: &[f32],
    filters: Filters<'_>,
    epilogue: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    if by_tiles(isa, out, map, filters.outputs()) {
        let prepared = Prepared::new(isa, out, filters);
        convolve_prepared(isa, map, x, &prepared, epilogue, activation, y);
    } else {
        convolve_by_filters(isa, out, map, x, filters, epilogue, activation, y);
    }
}

/// Whether going by tiles moves fewer bytes than going by filters.
fn by_tiles(isa: Isa, out: usize, map: Map, outputs: usize) -> bool {
    let tiles = map.tiles(out);
    let filter_floats = map.channels * outputs;
    let tile_floats = tiles * map.channels;
    let blocks = tiles.div_ceil(tile_block(out, map.channels));
    (blocks + 1) * filter_floats <= (outputs.div_ceil(isa.panel()) + 1) * tile_floats
}

fn tile_block(out: usize, channels: usize) -> usize {
    (TILE_BLOCK_FLOATS / (planes(out) * channels.max(64))).clamp(12, 96) / 12 * 12
}

/// Floats between two rows of a transformed block: whole vectors, and not a power of two where that would
/// put every row on the same few cache sets.
pub(super) fn padded_row(isa: Isa, channels: usize) -> usize {
    let row = channels.next_multiple_of(isa.lanes());
    if row >= 64 && row.is_multiple_of(32) { row + 16 } else { row }
}

/// Filters transformed once, to convolve many batches by tiles.
pub(crate) struct Prepared {
    out: usize,
    inputs: usize,
    outputs: usize,
    /// Panels of `[planes][inputs][width]`.
    data: Buffer,
}

impl Prepared {
    /// Transforms all filters, in parallel.
    pub(crate) fn new(isa: Isa, out: usize, filters: Filters<'_>) -> Self {
        let (inputs, outputs) = (filters.inputs(), filters.outputs());
        let panels = Panels::new(isa, outputs);
        let mut data = Buffer::new(planes(out) * inputs * panels.padded());
        let to = Shared::new(&mut data);
        let chunks = inputs.div_ceil(FILTER_DEPTH / 4);
        for_each_piece(panels.count() * chunks, |piece| {
            let (panel, chunk) = (piece / chunks, piece % chunks);
            let (first, lanes, width) = panels.get(panel);
            let start = chunk * (FILTER_DEPTH / 4);
            let count = (FILTER_DEPTH / 4).min(inputs - start);
            let (begin, plane) = (planes(out) * inputs * first, inputs * width);
            let len = (planes(out) - 1) * plane + count * width;
            with_scratch(taps_len(width), |taps| {
                // SAFETY: pieces interleave in memory but write different rows, and each row once.
                let to = unsafe { std::slice::from_raw_parts_mut(to.ptr().add(begin + start * width), len) };
                filters.transform(isa, out, (start, count), (first, lanes), width, taps, to, plane);
            });
        });
        Self { out, inputs, outputs, data }
    }

    /// Whether convolving these maps by tiles with these filters is the fastest way.
    pub(crate) fn suits(&self, isa: Isa, map: Map) -> bool {
        choose(isa, map, self.outputs) == Algorithm::Winograd(self.out) && by_tiles(isa, self.out, map, self.outputs)
    }
}

/// The output channels cut into panels of the matrix kernel.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    channels: usize,
    panel: usize,
    lanes: usize,
}

impl Panels {
    pub(super) fn new(isa: Isa, channels: usize) -> Self {
        Self { channels, panel: isa.panel(), lanes: isa.lanes() }
    }

    pub(super) fn count(self) -> usize {
        self.channels.div_ceil(self.panel)
    }

    /// Channels rounded up to whole vectors.
    pub(super) fn padded(self) -> usize {
        self.channels.next_multiple_of(self.lanes)
    }

    /// First channel, channels, and channels rounded up to whole vectors.
    pub(super) fn get(self, panel: usize) -> (usize, usize, usize) {
        let first = panel * self.panel;
        let lanes = self.panel.min(self.channels - first);
        (first, lanes, lanes.next_multiple_of(self.lanes))
    }
}

/// As [`convolve`], by tiles, with filters transformed before.
pub(crate) fn convolve_prepared(
    isa: Isa,
    map: Map,
    x: &[f32],
    filters: &Prepared,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    let (out, inputs) = (filters.out, filters.inputs);
    let y_map = map.with_channels(filters.outputs);
    assert!(x.len() >= map.len() && y.len() >= y_map.len() && inputs == map.channels);
    assert!(bias.is_none_or(|bias| bias.len() >= filters.outputs), "one bias per output channel");
    let panels = Panels::new(isa, filters.outputs);
    let (tiles, block) = (map.tiles(out), tile_block(out, inputs));
    let row = padded_row(isa, inputs);
    let (plane, product_plane) = (block * row + 16, block * isa.panel() + 16);
    let y = Shared::new(y);
    let bias = Shareable(bias.map_or(std::ptr::null(), <[f32]>::as_ptr));
    for_each_piece(tiles.div_ceil(block), |piece| {
        let epilogue = Epilogue { bias: bias.ptr(), activation };
        let first_tile = piece * block;
        let tiles = block.min(tiles - first_tile);
        with_scratch(planes(out) * (plane + product_plane), |scratch| {
            let (inputs_block, products) = scratch.split_at_mut(planes(out) * plane);
            let block = Block { map, out, first_tile, tiles, first_channel: 0, channels: inputs, plane, row };
            // SAFETY: slice lengths are asserted above; the scratch holds both blocks; pieces write
            // different tiles of y.
            unsafe {
                load_input(isa, block, x.as_ptr(), inputs_block.as_mut_ptr());
                for panel in 0..panels.count() {
                    let (first, lanes, width) = panels.get(panel);
                    let weights = filters.data.as_ptr().add(planes(out) * inputs * first);
                    for i in 0..planes(out) {
                        let shape = PanelProduct {
                            rows: tiles,
                            depth: inputs,
                            columns: width,
                            a_row: row,
                            a_depth: 1,
                            b_depth: width,
                            c_row: isa.panel(),
                            accumulate: false,
                        };
                        panel_product(
                            isa,
                            shape,
                            inputs_block.as_ptr().add(i * plane),
                            weights.add(i * inputs * width),
                            products.as_mut_ptr().add(i * product_plane),
                        );
                    }
                    let block = Block {
                        map: y_map,
                        first_channel: first,
                        channels: lanes,
                        plane: product_plane,
                        row: isa.panel(),
                        ..block
                    };
                    store_tiles(isa, block, products.as_ptr(), epilogue, y.ptr());
                }
            }
        });
    });
}

/// A read-only pointer that may cross threads.
#[derive(Clone, Copy)]
struct Shareable(*const f32);

impl Shareable {
    fn ptr(self) -> *const f32 {
        self.0
    }
}

// SAFETY: it points into a slice borrowed for the whole parallel section, and is only read.
unsafe impl Send for Shareable {}
// SAFETY: as above.
unsafe impl Sync for Shareable {}

/// Transforms every tile of a map: planes of `[tiles][row]`.
pub(super) fn transform_tiles(isa: Isa, out: usize, map: Map, x: &[f32], first_tile: usize, tiles: usize) -> Buffer {
    assert!(x.len() >= map.len());
    let row = padded_row(isa, map.channels);
    let plane = tiles * row + 16;
    let mut data = Buffer::new(planes(out) * plane);
    let to = Shared::new(&mut data);
    let step = 8;
    for_each_piece(tiles.div_ceil(step), |piece| {
        let start = piece * step;
        let block = Block {
            map,
            out,
            first_tile: first_tile + start,
            tiles: step.min(tiles - start),
            first_channel: 0,
            channels: map.channels,
            plane,
            row,
        };
        // SAFETY: the buffer holds every plane and pieces write different rows of it.
        unsafe { load_input(isa, block, x.as_ptr(), to.ptr().add(start * row)) };
    });
    data
}

#[expect(clippy::too_many_arguments, reason = "the inputs of a convolution")]
fn convolve_by_filters(
    isa: Isa,
    out: usize,
    map: Map,
    x: &[f32],
    filters: Filters<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) {
    let (inputs, outputs) = (filters.inputs(), filters.outputs());
    let y_map = map.with_channels(outputs);
    assert!(x.len() >= map.len() && y.len() >= y_map.len() && inputs == map.channels);
    assert!(bias.is_none_or(|bias| bias.len() >= outputs), "one bias per output channel");
    let panels = Panels::new(isa, outputs);
    let tiles = map.tiles(out);
    let row = padded_row(isa, inputs);
    let y = Shared::new(y);
    let bias = Shareable(bias.map_or(std::ptr::null(), <[f32]>::as_ptr));
    // Many tiles are taken in rounds, so that their transformed form stays bounded.
    let round = TILES_PER_PIECE * 4;
    for round_start in (0..tiles).step_by(round) {
        let round_tiles = round.min(tiles - round_start);
        let transformed = transform_tiles(isa, out, map, x, round_start, round_tiles);
        let plane = round_tiles * row + 16;
        let groups = round_tiles.div_ceil(TILES_PER_PIECE);
        for_each_piece(panels.count() * groups, |piece| {
            let (panel, group) = (piece / groups, piece % groups);
            let (first, lanes, width) = panels.get(panel);
            let start = group * TILES_PER_PIECE;
            let tiles = TILES_PER_PIECE.min(round_tiles - start);
            let depth = FILTER_DEPTH.min(inputs);
            let (weights_plane, product_plane) = (depth * width + 16, tiles * width + 16);
            let lens = [taps_len(width), planes(out) * weights_plane, planes(out) * product_plane];
            with_scratch(lens.iter().sum(), |scratch| {
                let (taps, scratch) = scratch.split_at_mut(lens[0]);
                let (weights, products) = scratch.split_at_mut(lens[1]);
                for input in (0..inputs).step_by(depth) {
                    let count = depth.min(inputs - input);
                    filters.transform(isa, out, (input, count), (first, lanes), width, taps, weights, weights_plane);
                    for i in 0..planes(out) {
                        let shape = PanelProduct {
                            rows: tiles,
                            depth: count,
                            columns: width,
                            a_row: row,
                            a_depth: 1,
                            b_depth: width,
                            c_row: width,
                            accumulate: input > 0,
                        };
                        // SAFETY: all three blocks hold plane i.
                        unsafe {
                            panel_product(
                                isa,
                                shape,
                                transformed.as_ptr().add(i * plane + start * row + input),
                                weights.as_ptr().add(i * weights_plane),
                                products.as_mut_ptr().add(i * product_plane),
                            );
                        }
                    }
                }
                let block = Block {
                    map: y_map,
                    out,
                    first_tile: round_start + start,
                    tiles,
                    first_channel: first,
                    channels: lanes,
                    plane: product_plane,
                    row: width,
                };
                // SAFETY: pieces write different tiles or channels of y; lengths are asserted above.
                unsafe {
                    let epilogue = Epilogue { bias: bias.ptr(), activation };
                    store_tiles(isa, block, products.as_ptr(), epilogue, y.ptr());
                }
            });
        });
    }
}
