//! How a stage is cut for the cache, and the memory that it works in.

use super::geometry::Window;
use super::stage::{Rows, Stage};
use super::weights::Panel;
use crate::cpu::simd::Isa;

/// Rows or channels at a time.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// That many output rows of all channels, one image after another; rows of the wide map are kept in a ring.
    Strips(usize),
    /// All rows of a few channels, of all images together.
    Slices(Vec<Slice>),
    /// No depthwise convolution in it: nothing is kept between input and output.
    Whole,
}

/// Some channels of the wide map.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub(super) first: usize,
    /// Whole vectors.
    pub(super) channels: usize,
    /// The panels of the expanding convolution that make them.
    pub(super) panels: std::ops::Range<usize>,
}

/// A stage on maps of one size.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The convolution with a kernel that decides the size of the output.
    pub(super) window: Window,
    /// The dense convolution that makes the wide map.
    pub(super) dense: Option<Window>,
    pub(super) cut: Cut,
}

/// Most channels of a slice, and least: shorter ones would load and store the output too often.
const SLICE: [usize; 2] = [96, 192];

impl Plan {
    /// For `images` images at a time.
    pub(super) fn new(isa: Isa, stage: &Stage, size: [usize; 2], images: usize) -> Self {
        let (dense, middle) = match &stage.rows {
            Rows::Dense(layer) => {
                let window = Window::new(size, layer.kernel, layer.stride);
                (Some(window), window.out())
            }
            _ => (None, size),
        };
        let Some(taps) = &stage.depthwise else {
            return Self { window: Window::new(middle, 1, 1), dense, cut: Cut::Whole };
        };
        let window = Window::new(middle, taps.kernel, taps.stride);
        let cut = Self::cut(isa, stage, window, images);
        Self { window, dense, cut }
    }

    fn cut(isa: Isa, stage: &Stage, window: Window, images: usize) -> Cut {
        let pad = |channels: usize| channels.next_multiple_of(isa.lanes());
        let taps = stage.depthwise.as_ref().expect("the caller has one");
        let (wide, [height, width]) = (pad(taps.channels), window.out());
        let budget = isa.cache_floats() * 4 / 5;
        let strip = |rows: usize| ring_rows(window, rows) * window.row() * wide + rows * width * wide;
        let weights = wide * (stage.inputs + stage.outputs + taps.kernel * taps.kernel);
        let rows = |weights: usize| (1..=height).rev().find(|&rows| strip(rows) + weights <= budget);
        // Strips of equal height.
        let even = |rows: usize| height.div_ceil(height.div_ceil(rows));
        if let Some(rows) = rows(weights).filter(|&rows| rows >= height.min(2)) {
            return Cut::Strips(even(rows));
        }
        let per_channel = images * (window.size[0] * window.row() + height * width);
        let ends = images * (window.size[0] * window.size[1] * pad(stage.inputs) + height * width * pad(stage.outputs));
        let most = budget.saturating_sub(ends) / (per_channel + stage.inputs + stage.outputs);
        if matches!(stage.rows, Rows::Dense(_)) || most < SLICE[0] / 2 {
            return Cut::Strips(even(rows(0).unwrap_or(1)));
        }
        let panels = match &stage.rows {
            Rows::Product(expand) => Some(&expand.panels[..]),
            _ => None,
        };
        Cut::Slices(slices(isa, wide, most.clamp(SLICE[0], SLICE[1]), panels))
    }
}

fn slices(isa: Isa, wide: usize, most: usize, panels: Option<&[Panel]>) -> Vec<Slice> {
    let count = wide.div_ceil(most);
    // Where a slice may end: after a panel, or after any vector.
    let ends: Vec<usize> = match panels {
        Some(panels) => panels.iter().map(|panel| panel.first + panel.vectors * isa.lanes()).collect(),
        None => (1..=wide / isa.lanes()).map(|vectors| vectors * isa.lanes()).collect(),
    };
    let (mut slices, mut begin): (Vec<Slice>, usize) = (Vec::new(), 0);
    for slice in 1..=count {
        let end = ends.partition_point(|&end| end <= (wide * slice).div_ceil(count).min(wide));
        if end > begin {
            let first = if begin == 0 { 0 } else { ends[begin - 1] };
            slices.push(Slice { first, channels: ends[end - 1] - first, panels: begin..end });
            begin = end;
        }
    }
    slices
}

/// Rows of the wide map that `rows` output rows need at once.
pub(super) fn ring_rows(window: Window, rows: usize) -> usize {
    ((rows - 1) * window.stride + window.kernel).min(window.size[0])
}
