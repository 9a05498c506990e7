//! One stage on one or more images.

use super::depthwise::{Depthwise, depthwise};
use super::geometry::Window;
use super::load::Image;
use super::plan::{Cut, Plan, Slice, ring_rows};
use super::product::{Initial, Output, Product, product};
use super::stage::{Rows, Stage};
use super::weights::{Dense, Panel, Taps};
use crate::cpu::simd::Isa;

/// Floats of input that meet all panels of a pointwise convolution before the next ones do.
const BLOCK_FLOATS: usize = 65_536;
/// No bounds: the values are not finished.
const UNFINISHED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// What stages are computed with.
pub(super) struct Work<'a> {
    pub(super) isa: Isa,
    pub(super) weights: &'a [f32],
    /// A row of zeros as long as any.
    pub(super) zeros: &'a [f32],
    /// [`work_len`] floats.
    pub(super) memory: &'a mut [f32],
}

/// Where a stage's output goes: all images' maps one after another, or their sums over the pixels.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    Map(*mut f32),
    Sum(*mut f32),
}

/// What one stage works in: the input with zeros around it, rows of the wide map, rows after the depthwise convolution.
#[derive(Clone, Copy)]
struct Lengths {
    padded: usize,
    ring: usize,
    middle: usize,
}

impl Lengths {
    fn new(isa: Isa, stage: &Stage, plan: &Plan, images: usize) -> Self {
        let pad = |channels: usize| channels.next_multiple_of(isa.lanes());
        let padded = plan.dense.map_or(0, |window| {
            (window.down.before + window.size[0] + window.down.after) * window.row() * stage.inputs
        });
        let [height, width] = plan.window.out();
        let (ring, middle) = match (&plan.cut, &stage.depthwise) {
            (Cut::Strips(rows), Some(taps)) => {
                let channels = pad(taps.channels);
                (ring_rows(plan.window, *rows) * plan.window.row() * channels, rows * width * channels)
            }
            (Cut::Slices(slices), Some(_)) => {
                let channels = slices.iter().map(|slice| slice.channels).max().unwrap_or(0);
                (images * plan.window.size[0] * plan.window.row() * channels, images * height * width * channels)
            }
            _ => (0, 0),
        };
        let [padded, ring, middle] = [padded, ring, middle].map(|len| len.next_multiple_of(16));
        Self { padded, ring, middle }
    }
}

/// Floats that the stages work in: those before `joint` on one image, the others on `images`.
pub(super) fn work_len(isa: Isa, stages: &[Stage], plans: &[Plan], joint: usize, images: usize) -> usize {
    let lengths = stages.iter().zip(plans).enumerate().map(|(at, (stage, plan))| {
        let lengths = Lengths::new(isa, stage, plan, if at < joint { 1 } else { images });
        lengths.padded + lengths.ring + lengths.middle
    });
    lengths.max().unwrap_or(0)
}

/// Floats of the longest row of a wide map.
pub(super) fn zeros_len(isa: Isa, stages: &[Stage], plans: &[Plan]) -> usize {
    let rows = stages.iter().zip(plans).filter_map(|(stage, plan)| {
        Some(plan.window.row() * stage.depthwise.as_ref()?.channels.next_multiple_of(isa.lanes()))
    });
    rows.max().unwrap_or(0).next_multiple_of(16)
}

/// Rows of the wide map as they lie in memory.
#[derive(Clone, Copy)]
struct Ring {
    start: *mut f32,
    /// Rows of one image that are there at once.
    rows: usize,
    /// Floats of a pixel and of a row.
    pixel: usize,
    row: usize,
    /// Floats of the zeros left and right of the map.
    before: usize,
    after: usize,
}

impl Ring {
    fn new(start: *mut f32, window: Window, rows: usize, pixel: usize) -> Self {
        let [before, after] = [window.across.before, window.across.after].map(|zeros| zeros * pixel);
        Self { start, rows, pixel, row: window.row() * pixel, before, after }
    }

    /// Where row `i` of an image begins, zeros included.
    fn at(self, image: usize, i: usize) -> *mut f32 {
        self.start.wrapping_add((image * self.rows + i % self.rows) * self.row)
    }

    /// Sets the columns of zeros.
    ///
    /// # Safety
    /// The ring must be there for that many images.
    unsafe fn clear_sides(self, images: usize) {
        for i in 0..images * self.rows {
            // SAFETY: both sides lie within the row.
            unsafe {
                let row = self.start.add(i * self.row);
                row.write_bytes(0, self.before);
                row.add(self.row - self.after).write_bytes(0, self.after);
            }
        }
    }
}

impl Work<'_> {
    /// Computes a stage on `images` maps that lie one after another.
    pub(super) fn stage(&mut self, stage: &Stage, plan: &Plan, x: Image, images: usize, ends: Ends) {
        let lengths = Lengths::new(self.isa, stage, plan, images);
        assert!(lengths.padded + lengths.ring + lengths.middle <= self.memory.len(), "memory for a stage");
        assert!(images == 1 || plan.dense.is_none(), "dense convolutions take one image at a time");
        // SAFETY: the caller's maps are as large as plan and stage say, and the rest of the memory was laid out for them.
        unsafe {
            let x = match plan.dense {
                Some(window) => self.surround(window, x),
                None => x,
            };
            let ring = self.memory.as_mut_ptr().add(lengths.padded);
            let middle = ring.add(lengths.ring);
            match (&plan.cut, &stage.depthwise, ends) {
                (Cut::Strips(rows), Some(taps), Ends::Map(y)) => {
                    self.strips(stage, taps, plan, *rows, x, ring, middle, images, y);
                }
                (Cut::Slices(slices), Some(taps), Ends::Map(y)) => {
                    self.slices(stage, taps, plan, slices, x, ring, middle, images, y);
                }
                (_, None, ends) => self.whole(stage, plan, x, images, ends),
                _ => unreachable!("only stages without a depthwise convolution are summed"),
            }
        }
    }

    fn pad(&self, channels: usize) -> usize {
        channels.next_multiple_of(self.isa.lanes())
    }

    /// The image with zeros around it and no space between its pixels.
    unsafe fn surround(&mut self, window: Window, x: Image) -> Image {
        let (pixel, row) = (x.channels, window.row() * x.channels);
        let start = self.memory.as_mut_ptr();
        // SAFETY: the memory begins with room for it.
        unsafe {
            start.write_bytes(0, window.down.before * row);
            for i in 0..window.size[0] {
                let to = start.add((window.down.before + i) * row);
                let (before, after) = (window.across.before * pixel, window.across.after * pixel);
                to.write_bytes(0, before);
                x.row(i, pixel, to.add(before));
                to.add(row - after).write_bytes(0, after);
            }
            start.add((window.down.before + window.size[0]) * row).write_bytes(0, window.down.after * row);
        }
        let size = [window.down.before + window.size[0] + window.down.after, window.row()];
        Image { start, channels: x.channels, size, strides: [1, row, pixel] }
    }

    /// Makes rows `begin..end` of the wide map, or its channels of a slice.
    #[expect(clippy::too_many_arguments, reason = "what a strip is made of and where it goes, said once")]
    unsafe fn make_rows(
        &self,
        rows: &Rows,
        width: usize,
        x: Image,
        slice: &Slice,
        ring: Ring,
        [begin, end]: [usize; 2],
        places: &mut Vec<usize>,
    ) {
        let [_, row, pixel] = x.strides;
        let place = |i: usize, j: usize| i % ring.rows * ring.row + ring.before + j * ring.pixel;
        // SAFETY: rows of the input, and no more of the ring than it holds.
        unsafe {
            match rows {
                Rows::Input => {
                    let x = Image { start: x.start.add(slice.first), channels: slice.channels, ..x };
                    for i in begin..end {
                        x.row(i, ring.pixel, ring.start.add(place(i, 0)));
                    }
                }
                Rows::Product(dense) => {
                    places.clear();
                    places.extend((begin..end).flat_map(|i| (0..width).map(move |j| place(i, j))));
                    let panels = &dense.panels[slice.panels.clone()];
                    let x = x.start.add(begin * row);
                    let task = self.task(dense, panels, places.len(), x, pixel, Output::Map(ring.start, places));
                    product(self.isa, &task);
                }
                Rows::Dense(dense) => {
                    for i in begin..end {
                        places.clear();
                        places.extend((0..width).map(|j| place(i, j)));
                        self.dense_row(dense, x, i, width, Output::Map(ring.start, places));
                    }
                }
            }
        }
    }

    /// A pointwise convolution of pixels that lie `x_pixel` apart.
    fn task<'a>(
        &self,
        dense: &Dense,
        panels: &'a [Panel],
        pixels: usize,
        x: *const f32,
        x_pixel: usize,
        output: Output<'a>,
    ) -> Product<'a> {
        Product {
            pixels,
            x,
            x_pixel,
            runs: 1,
            run: dense.inputs,
            run_stride: 0,
            panels,
            weights: self.weights.as_ptr(),
            first_row: 0,
            bias: self.weights[dense.bias + panels[0].first..].as_ptr(),
            initial: Initial::Bias,
            output,
            clamp: dense.clamp,
        }
    }

    /// Row `i` of a dense convolution over a map with zeros around it.
    unsafe fn dense_row(&self, dense: &Dense, x: Image, i: usize, width: usize, output: Output<'_>) {
        let [_, row, pixel] = x.strides;
        // SAFETY: the caller has the rows under it.
        unsafe {
            let x = x.start.add(i * dense.stride * row);
            let mut task = self.task(dense, &dense.panels, width, x, dense.stride * pixel, output);
            (task.runs, task.run, task.run_stride) = (dense.kernel, dense.kernel * dense.inputs, row);
            product(self.isa, &task);
        }
    }

    /// The rows under output rows `first..end` of an image, for the depthwise convolution.
    fn rows_under(&self, window: Window, ring: Ring, image: usize, first: usize, end: usize, to: &mut Vec<*const f32>) {
        for (i, u) in (first..end).flat_map(|i| (0..window.kernel).map(move |u| (i, u))) {
            let row = (i * window.stride + u).checked_sub(window.down.before).filter(|&row| row < window.size[0]);
            to.push(row.map_or(self.zeros.as_ptr(), |row| ring.at(image, row).cast_const()));
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, in sight")]
    unsafe fn strips(
        &self,
        stage: &Stage,
        taps: &Taps,
        plan: &Plan,
        strip: usize,
        x: Image,
        ring: *mut f32,
        middle: *mut f32,
        images: usize,
        y: *mut f32,
    ) {
        let (window, wide) = (plan.window, self.pad(taps.channels));
        let [height, width] = window.out();
        let panels = match &stage.rows {
            Rows::Product(dense) | Rows::Dense(dense) => dense.panels.len(),
            Rows::Input => 0,
        };
        let all = Slice { first: 0, channels: wide, panels: 0..panels };
        let ring = Ring::new(ring, window, ring_rows(window, strip), wide);
        let outputs = self.pad(stage.outputs);
        let (mut rows, mut places) = (Vec::with_capacity(strip * window.kernel), Vec::new());
        let adjacent: Vec<usize> = (0..strip * width).map(|pixel| pixel * outputs).collect();
        // SAFETY: as `stage` says.
        unsafe {
            ring.clear_sides(1);
            for image in 0..images {
                let x = Image { start: x.start.add(image * x.size[0] * x.strides[1]), ..x };
                let y = y.add(image * height * width * outputs);
                let mut made = 0;
                for first in (0..height).step_by(strip) {
                    let end = (first + strip).min(height);
                    let [begin, until] = window.under(first, end);
                    made = made.max(begin);
                    self.make_rows(&stage.rows, window.size[1], x, &all, ring, [made, until], &mut places);
                    made = made.max(until);
                    rows.clear();
                    self.rows_under(window, ring, 0, first, end, &mut rows);
                    let at = first * width;
                    let out = if stage.project.is_some() { middle } else { y.add(at * outputs) };
                    self.depthwise(taps, &all, &rows, width, out);
                    if let Some(project) = &stage.project {
                        let residual = stage.residual.then(|| x.start.add(at * x.strides[2]));
                        let places = &adjacent[..(end - first) * width];
                        self.project(project, &all, middle, residual, places, y.add(at * outputs));
                    }
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, in sight")]
    unsafe fn slices(
        &self,
        stage: &Stage,
        taps: &Taps,
        plan: &Plan,
        slices: &[Slice],
        x: Image,
        ring: *mut f32,
        middle: *mut f32,
        images: usize,
        y: *mut f32,
    ) {
        let window = plan.window;
        let [height, width] = window.out();
        let outputs = self.pad(stage.outputs);
        let (mut rows, mut places) = (Vec::with_capacity(images * height * window.kernel), Vec::new());
        let adjacent: Vec<usize> = (0..images * height * width).map(|pixel| pixel * outputs).collect();
        // SAFETY: as `stage` says; maps of several images follow each other, so their rows are those of one high map.
        unsafe {
            for slice in slices {
                let ring = Ring::new(ring, window, window.size[0], slice.channels);
                ring.clear_sides(images);
                let all = Ring { rows: images * ring.rows, ..ring };
                self.make_rows(&stage.rows, window.size[1], x, slice, all, [0, images * window.size[0]], &mut places);
                rows.clear();
                for image in 0..images {
                    self.rows_under(window, ring, image, 0, height, &mut rows);
                }
                match &stage.project {
                    Some(project) => {
                        self.depthwise(taps, slice, &rows, width, middle);
                        let residual = stage.residual.then_some(x.start);
                        self.project(project, slice, middle, residual, &adjacent, y);
                    }
                    None => {
                        let task = self.depthwise_task(taps, slice, &rows, width, y.add(slice.first), outputs);
                        depthwise(self.isa, &task);
                    }
                }
            }
        }
    }

    fn depthwise_task<'a>(
        &self,
        taps: &Taps,
        slice: &Slice,
        rows: &'a [*const f32],
        width: usize,
        y: *mut f32,
        y_pixel: usize,
    ) -> Depthwise<'a> {
        Depthwise {
            kernel: taps.kernel,
            stride: taps.stride,
            rows,
            width,
            channels: slice.channels,
            taps: self.weights[taps.at + slice.first * taps.kernel * taps.kernel..].as_ptr(),
            bias: self.weights[taps.bias + slice.first..].as_ptr(),
            y,
            y_pixel,
            clamp: taps.clamp,
        }
    }

    /// The depthwise convolution of a slice, its pixels without space between them.
    unsafe fn depthwise(&self, taps: &Taps, slice: &Slice, rows: &[*const f32], width: usize, y: *mut f32) {
        let task = self.depthwise_task(taps, slice, rows, width, y, slice.channels);
        // SAFETY: the rows are the ring's or zeros, and the output has room.
        unsafe { depthwise(self.isa, &task) };
    }

    /// Adds the products of a slice's channels to the output, or begins it with bias and residual.
    unsafe fn project(
        &self,
        dense: &Dense,
        slice: &Slice,
        x: *const f32,
        residual: Option<*const f32>,
        places: &[usize],
        y: *mut f32,
    ) {
        let last = slice.first + slice.channels >= dense.inputs;
        let output = Output::Map(y, places);
        let mut task = self.task(dense, &dense.panels, places.len(), x, slice.channels, output);
        task.run = slice.channels.min(dense.inputs - slice.first);
        task.first_row = slice.first;
        task.initial = match residual {
            _ if slice.first > 0 => Initial::Output,
            Some(start) => Initial::BiasAnd(start),
            None => Initial::Bias,
        };
        if !last {
            task.clamp = UNFINISHED;
        }
        // SAFETY: pixels of the slice and of the output are there.
        unsafe { product(self.isa, &task) };
    }

    /// A convolution by itself.
    unsafe fn whole(&self, stage: &Stage, plan: &Plan, x: Image, images: usize, ends: Ends) {
        let outputs = self.pad(stage.outputs);
        let pixel = x.strides[2];
        let [height, width] = plan.window.size;
        match (&stage.rows, ends) {
            (Rows::Input, _) => unreachable!("a stage without a depthwise convolution has a dense one"),
            (Rows::Product(dense), Ends::Map(y)) => {
                let pixels = images * height * width;
                let block = (BLOCK_FLOATS / dense.inputs.max(1)).max(48);
                let adjacent: Vec<usize> = (0..block.min(pixels)).map(|pixel| pixel * outputs).collect();
                for first in (0..pixels).step_by(block) {
                    let places = &adjacent[..block.min(pixels - first)];
                    // SAFETY: pixels of input and output.
                    unsafe {
                        let output = Output::Map(y.add(first * outputs), places);
                        let x = x.start.add(first * pixel);
                        product(self.isa, &self.task(dense, &dense.panels, places.len(), x, pixel, output));
                    }
                }
            }
            (Rows::Dense(dense), Ends::Map(y)) => {
                let adjacent: Vec<usize> = (0..width).map(|pixel| pixel * outputs).collect();
                for i in 0..height {
                    // SAFETY: rows of the surrounded input and of the output.
                    unsafe {
                        let output = Output::Map(y.add(i * width * outputs), &adjacent);
                        self.dense_row(dense, x, i, width, output);
                    }
                }
            }
            // Tiles must not reach over images: which values are added first would depend on the batch.
            (Rows::Product(dense), Ends::Sum(sums)) => {
                for (panel, image) in dense.panels.chunks(1).flat_map(|panel| (0..images).map(move |i| (panel, i))) {
                    // SAFETY: an image of the input and its sums.
                    unsafe {
                        let output = Output::Sum(sums.add(image * outputs + panel[0].first));
                        let x = x.start.add(image * height * width * pixel);
                        product(self.isa, &self.task(dense, panel, height * width, x, pixel, output));
                    }
                }
            }
            (Rows::Dense(dense), Ends::Sum(sums)) => {
                for i in 0..height {
                    // SAFETY: as above; there is one image.
                    unsafe { self.dense_row(dense, x, i, width, Output::Sum(sums)) };
                }
            }
        }
    }
}
