//! Resizing with antialiasing, bit for bit as Pillow does it.

use serde::{Deserialize, Serialize};

use super::rgb::{RgbImage, RgbView};

/// Binary places of the fixed-point weights, as in Pillow: 32 bits less 8 of the sample and 2 of headroom.
const PRECISION_BITS: u32 = 22;

/// How much each source pixel counts, by its distance from where the new pixel looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// `1 - |x|` up to 1: what networks trained with torchvision's transforms expect.
    #[default]
    Bilinear,
    /// Keys' cubic with a = -1/2 up to 2: what DINOv2 and CLIP were trained with.
    Bicubic,
}

impl Filter {
    /// Half-width, in pixels of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// Weight at distance `x`, the arithmetic in Pillow's order.
    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }
}

/// Part of a resized picture that is wanted, in pixels of the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// Resized picture, equal to Pillow's `Image.resize((width, height), filter)`.
///
/// For each output position: scale = in/out, filter scale s = max(scale, 1), centre (x + 1/2) scale, the filter stretched
/// by s and normalised to sum 1, rounded to 22-bit fixed point; first along rows to 8 bits, then along columns.
///
/// # Panics
/// - when a side of either picture is 0
pub fn resize(source: RgbView<'_>, width: usize, height: usize, filter: Filter) -> RgbImage {
    resize_window(source, (width, height), Window { left: 0, top: 0, width, height }, filter)
}

/// Size after the shorter side is brought to `size`: the longer one is `floor(size * long / short)`, as torchvision has it.
///
/// # Panics
/// - when a side is 0
pub fn fit_short_side(width: usize, height: usize, size: usize) -> (usize, usize) {
    assert!(width > 0 && height > 0, "a picture of {width} x {height} pixels has no shape");
    let long = |long: usize, short: usize| (size as u128 * long as u128 / short as u128) as usize;
    if width <= height { (size, long(height, width)) } else { (long(width, height), size) }
}

/// Shorter side to `size`, then the centre square: torchvision's `Resize(size)` and `CenterCrop(size)` on Pillow pictures.
///
/// Only what the crop shows is computed, so a picture of 20000 x 2 pixels costs no more than another. The offset is
/// half the surplus, rounded half to even.
///
/// # Panics
/// - when a side of the source or `size` is 0
pub fn resize_and_crop(source: RgbView<'_>, size: usize, filter: Filter) -> RgbImage {
    let (width, height) = fit_short_side(source.width, source.height, size);
    let (left, top) = (center_offset(width, size), center_offset(height, size));
    resize_window(source, (width, height), Window { left, top, width: size, height: size }, filter)
}

/// `round((whole - part) / 2)`, halves to even, as Python rounds.
pub(crate) fn center_offset(whole: usize, part: usize) -> usize {
    let surplus = whole - part;
    let half = surplus / 2;
    half + (surplus % 2) * (half % 2)
}

/// The part `window` of `source` resized to `width` x `height`.
pub(crate) fn resize_window(
    source: RgbView<'_>,
    (width, height): (usize, usize),
    window: Window,
    filter: Filter,
) -> RgbImage {
    let whole = |length: usize| (0.0, length as f64);
    if (width, height) == (source.width, source.height) && (window.width, window.height) == (width, height) {
        // Every weight would be 1.
        return RgbImage::new(width, height, source.data.to_vec());
    }
    let columns = Taps::filtered(filter, source.width, whole(source.width), width, window.left, window.width);
    let rows = Taps::filtered(filter, source.height, whole(source.height), height, window.top, window.height);
    let mut scratch = Vec::new();
    let mut data = vec![0; window.width * window.height * 3];
    apply(source, &columns, &rows, &mut scratch, &mut data);
    RgbImage::new(window.width, window.height, data)
}

/// Which source positions each output position reads along one axis, and with which weights.
pub(crate) struct Taps {
    /// First source position and range in `weights`, per output position.
    spans: Vec<(usize, std::ops::Range<usize>)>,
    /// Fixed-point weights.
    weights: Vec<i32>,
}

/// A fixed-point weight in two parts, `(high << LOW_BITS) + low`: products of 16-bit numbers are vector instructions on every
/// processor, those of 32-bit ones are not, and the two sums make the same number in the end. Along rows, where three
/// channels are summed at a time, plain numbers are faster.
#[derive(Debug, Clone, Copy)]
struct Weight {
    high: i16,
    /// 0 to `2^LOW_BITS - 1`.
    low: i16,
}

const LOW_BITS: u32 = 11;

impl From<i32> for Weight {
    fn from(weight: i32) -> Self {
        // Weights are of sum 2^22 and, where some are negative, at most a quarter more: the upper part has 13 bits.
        Self { high: (weight >> LOW_BITS) as i16, low: (weight & ((1 << LOW_BITS) - 1)) as i16 }
    }
}

/// The weighted sums of `N` neighbouring bytes.
#[derive(Clone, Copy)]
struct Sums<const N: usize> {
    high: [i32; N],
    low: [i32; N],
}

impl<const N: usize> Sums<N> {
    /// A half, so that what is cut off later is rounded.
    const HALF: Self = Self { high: [0; N], low: [1 << (PRECISION_BITS - 1); N] };

    #[inline(always)]
    fn add(&mut self, weight: Weight, values: &[u8; N]) {
        for (sum, &value) in self.high.iter_mut().zip(values) {
            *sum += i32::from(weight.high) * i32::from(value);
        }
        for (sum, &value) in self.low.iter_mut().zip(values) {
            *sum += i32::from(weight.low) * i32::from(value);
        }
    }

    #[inline(always)]
    fn bytes(&self) -> [u8; N] {
        std::array::from_fn(|i| to_byte((self.high[i] << LOW_BITS) + self.low[i]))
    }
}

impl Taps {
    /// Bilinear taps of output positions `first..first + count` of `out_size`, spread over the part `part` (start, end) of
    /// a source axis of `in_size` positions.
    pub(crate) fn new(in_size: usize, part: (f64, f64), out_size: usize, first: usize, count: usize) -> Self {
        Self::filtered(Filter::Bilinear, in_size, part, out_size, first, count)
    }

    fn filtered(filter: Filter, in_size: usize, part: (f64, f64), out_size: usize, first: usize, count: usize) -> Self {
        assert!(in_size > 0 && out_size > 0, "cannot resize {in_size} pixels to {out_size}");
        let scale = (part.1 - part.0) / out_size as f64;
        let stretch = scale.max(1.0);
        let (support, inverse) = (filter.support() * stretch, 1.0 / stretch);
        let mut taps = Self { spans: Vec::with_capacity(count), weights: Vec::new() };
        let mut exact = Vec::new();
        for x in first..first + count {
            let center = part.0 + (x as f64 + 0.5) * scale;
            // `as` truncates towards zero and turns negative numbers into 0, which is what Pillow does in two steps.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(in_size);
            exact.clear();
            exact.extend((start..end).map(|i| filter.weight((i as f64 - center + 0.5) * inverse)));
            let sum: f64 = exact.iter().sum();
            let from = taps.weights.len();
            let one = f64::from(1u32 << PRECISION_BITS);
            taps.weights.extend(exact.iter().map(|weight| (weight / sum * one + 0.5f64.copysign(*weight)) as i32));
            taps.spans.push((start, from..taps.weights.len()));
        }
        taps
    }

    /// Reverses the outputs: the mirrored picture.
    pub(crate) fn mirror(&mut self) {
        self.spans.reverse();
    }
}

/// Both passes, into `out` of `rows x columns` pixels; `scratch` holds the rows between them and may be used again.
pub(crate) fn apply(source: RgbView<'_>, columns: &Taps, rows: &Taps, scratch: &mut Vec<u8>, out: &mut [u8]) {
    let row_bytes = columns.spans.len() * 3;
    let top = rows.spans.iter().map(|span| span.0).min().unwrap_or(0);
    let bottom = rows.spans.iter().map(|(start, range)| start + range.len()).max().unwrap_or(0);
    scratch.resize((bottom - top) * row_bytes, 0);
    for (y, row) in (top..bottom).zip(scratch.chunks_exact_mut(row_bytes)) {
        resize_row(source.row(y), columns, row);
    }
    for ((start, range), line) in rows.spans.iter().zip(out.chunks_exact_mut(row_bytes)) {
        let weights = &rows.weights[range.clone()];
        let above = &scratch[(start - top) * row_bytes..];
        let (blocks, rest) = line.as_chunks_mut::<BLOCK>();
        for (at, block) in blocks.iter_mut().enumerate() {
            *block = column_sums(above, row_bytes, at * BLOCK, weights).bytes();
        }
        let done = row_bytes - rest.len();
        for (at, byte) in rest.iter_mut().enumerate() {
            [*byte] = column_sums(above, row_bytes, done + at, weights).bytes();
        }
    }
}

/// Neighbouring bytes of a row that are summed at a time: as many as stay in registers.
const BLOCK: usize = 16;

/// Sums of `N` bytes from byte `at` of each row on, one weight a row.
#[inline(always)]
fn column_sums<const N: usize>(rows: &[u8], row_bytes: usize, at: usize, weights: &[i32]) -> Sums<N> {
    let mut sums = Sums::HALF;
    for (row, &weight) in rows.chunks_exact(row_bytes).zip(weights) {
        if let Some(values) = row[at..].first_chunk() {
            sums.add(Weight::from(weight), values);
        }
    }
    sums
}

fn resize_row(source: &[u8], columns: &Taps, out: &mut [u8]) {
    for ((start, range), pixel) in columns.spans.iter().zip(out.chunks_exact_mut(3)) {
        let weights = &columns.weights[range.clone()];
        let mut sums = [1i32 << (PRECISION_BITS - 1); 3];
        for (rgb, &weight) in source[start * 3..].chunks_exact(3).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(rgb) {
                *sum += weight * i32::from(value);
            }
        }
        for (byte, sum) in pixel.iter_mut().zip(sums) {
            *byte = to_byte(sum);
        }
    }
}

/// Bilinear sums are never negative and exceed 255 by rounding of the weights at most; bicubic ones overshoot at edges.
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_cluster::Rng;

    fn noise(width: usize, height: usize) -> RgbImage {
        let mut rng = Rng::new(width as u64 * 1_000 + height as u64);
        RgbImage::new(width, height, (0..width * height * 3).map(|_| rng.next_u64() as u8).collect())
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let picture = noise(13, 9);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            assert_eq!(resize(picture.view(), 13, 9, filter), picture);
        }
    }

    #[test]
    fn a_crop_equals_the_crop_of_the_whole() {
        for (width, height) in [(61, 40), (40, 61), (17, 17), (9, 120), (300, 5)] {
            let picture = noise(width, height);
            let (full_width, full_height) = fit_short_side(width, height, 16);
            let full = resize(picture.view(), full_width, full_height, Filter::Bicubic);
            let (left, top) = (center_offset(full_width, 16), center_offset(full_height, 16));
            let cropped: Vec<u8> =
                (top..top + 16).flat_map(|y| full.view().row(y)[left * 3..(left + 16) * 3].to_vec()).collect();
            assert_eq!(resize_and_crop(picture.view(), 16, Filter::Bicubic).data, cropped, "{width} x {height}");
        }
    }

    #[test]
    fn offsets_round_half_to_even() {
        let offsets: Vec<usize> = (0..8).map(|surplus| center_offset(64 + surplus, 64)).collect();
        assert_eq!(offsets, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn thin_pictures_keep_every_side() {
        for (width, height) in [(1, 1), (20_000, 2), (1, 8_000)] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let picture = resize_and_crop(RgbImage::filled(width, height, [9, 200, 31]).view(), 64, filter);
                assert_eq!((picture.width, picture.height), (64, 64));
                assert!(picture.data.chunks_exact(3).all(|rgb| rgb == [9, 200, 31]));
            }
        }
    }
}
