//! Where the pixels of some rows of a map lie.

use std::ops::Range;

use crate::cpu::map::Map;

/// Pointers to the first channel of each pixel, zeros standing in for the pixels left and right of the map.
pub(super) struct Table {
    pixels: Vec<*const f32>,
    width: usize,
    first_row: usize,
}

/// One pixel of zeros.
pub(super) fn zeros(channels: usize) -> Vec<f32> {
    vec![0.0; channels]
}

impl Table {
    /// The rows of one image, each of `width` pixels of which `before` lie left of the map.
    pub(super) fn new(map: Map, image: &[f32], rows: Range<usize>, before: usize, width: usize, zeros: &[f32]) -> Self {
        assert!(image.len() == map.pixels() * map.channels && rows.end <= map.height && zeros.len() == map.channels);
        let (first_row, channels) = (rows.start, map.channels);
        let mut pixels = Vec::with_capacity(rows.len() * width);
        let inside = map.width.min(width.saturating_sub(before));
        let left = before.min(width);
        for row in rows {
            let row = &image[row * map.width * channels..][..map.width * channels];
            pixels.resize(pixels.len() + left, zeros.as_ptr());
            pixels.extend(row.chunks_exact(channels).take(inside).map(<[f32]>::as_ptr));
            pixels.resize(pixels.len() + width - left - inside, zeros.as_ptr());
        }
        Self { pixels, width, first_row }
    }

    /// The pixels of a row of the map.
    pub(super) fn row(&self, row: usize) -> &[*const f32] {
        &self.pixels[(row - self.first_row) * self.width..][..self.width]
    }
}
