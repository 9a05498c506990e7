//! Runs a chain: images over threads, each image through all stages.

use super::load::{Image, Images};
use super::plan::{Cut, Plan};
use super::stage::{Rows, Stage, stages};
use super::weights::{Packer, Step};
use super::work::{Ends, Work, work_len, zeros_len};
use crate::cpu::buffer::Buffer;
use crate::cpu::parallel::{Shared, for_each_piece, with_scratch};
use crate::cpu::simd::Isa;

/// Most images that go through the small maps together: each weight is then read once for all of them.
const MOST_TOGETHER: usize = 4;

/// A chain of convolutions, its weights packed.
pub(crate) struct Chain {
    isa: Isa,
    stages: Vec<Stage>,
    weights: Buffer,
}

/// What becomes of the last map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Result {
    Map,
    Mean,
}

/// A chain on images of one size.
struct Course {
    plans: Vec<Plan>,
    /// Size of every map: the images', then each stage's output.
    sizes: Vec<[usize; 2]>,
    /// Stages before this one take one image after another, the others several together.
    joint: usize,
    /// Images that are together.
    together: usize,
}

impl Chain {
    /// Packs the steps' weights.
    pub(crate) fn new(isa: Isa, steps: &[Step]) -> Self {
        let mut packer = Packer { isa, data: Vec::new() };
        let stages = stages(steps, &mut packer);
        let mut weights = Buffer::new(packer.data.len());
        weights.copy_from_slice(&packer.data);
        Self { isa, stages, weights }
    }

    /// Channels of the last map.
    pub(crate) fn outputs(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.outputs)
    }

    /// Rows and columns of the last map.
    pub(crate) fn out(&self, size: [usize; 2]) -> [usize; 2] {
        self.stages.iter().fold(size, |size, stage| stage.out(size))
    }

    /// The last map, `[batch][height][width][channels]`.
    pub(crate) fn map(&self, images: Images<'_>, y: &mut [f32]) {
        let [height, width] = self.out(images.size);
        assert_eq!(y.len(), images.batch * height * width * self.outputs(), "room for the last map");
        self.run(images, Result::Map, y);
    }

    /// The mean of the last map over its pixels, `[batch][channels]`.
    pub(crate) fn mean(&self, images: Images<'_>, y: &mut [f32]) {
        assert_eq!(y.len(), images.batch * self.outputs(), "room for the means");
        self.run(images, Result::Mean, y);
    }

    fn pad(&self, channels: usize) -> usize {
        channels.next_multiple_of(self.isa.lanes())
    }

    fn course(&self, images: Images<'_>) -> Course {
        let threads = rayon::current_num_threads();
        let rounds = images.batch.div_ceil(threads * MOST_TOGETHER);
        let together = images.batch.div_ceil(threads * rounds);
        let mut sizes = vec![images.size];
        let mut plans = Vec::new();
        for stage in &self.stages {
            let size = sizes[sizes.len() - 1];
            plans.push(Plan::new(self.isa, stage, size, together));
            sizes.push(stage.out(size));
        }
        let alone = |(stage, plan): &(&Stage, &Plan)| {
            matches!(plan.cut, Cut::Strips(_)) || matches!(stage.rows, Rows::Dense(_))
        };
        let stages: Vec<_> = self.stages.iter().zip(&plans).collect();
        let joint = stages.iter().rposition(alone).map_or(0, |last| last + 1);
        Course { plans, sizes, joint, together }
    }

    /// Floats of the map before stage `at`, of one image.
    fn map_len(&self, course: &Course, at: usize) -> usize {
        let channels = if at == 0 { self.stages[0].inputs } else { self.stages[at - 1].outputs };
        course.sizes[at][0] * course.sizes[at][1] * self.pad(channels)
    }

    fn run(&self, images: Images<'_>, result: Result, y: &mut [f32]) {
        assert_eq!(images.channels, self.stages[0].inputs, "the channels that the chain begins with");
        let course = self.course(images);
        let count = self.stages.len();
        let largest = |range: std::ops::RangeInclusive<usize>| {
            range.map(|at| self.map_len(&course, at)).max().unwrap_or(0).next_multiple_of(16)
        };
        let zeros = zeros_len(self.isa, &self.stages, &course.plans);
        let work = work_len(self.isa, &self.stages, &course.plans, course.joint, course.together);
        let alone = largest(0..=course.joint);
        let joint = course.together * largest(course.joint..=count);
        let sums = self.pad(self.outputs()).next_multiple_of(16) * course.together;
        let image_len = y.len() / images.batch;
        let y = Shared::new(y);
        for_each_piece(images.batch.div_ceil(course.together), |piece| {
            let first = piece * course.together;
            let n = course.together.min(images.batch - first);
            with_scratch(zeros + work + 2 * alone + 2 * joint + sums, |scratch| {
                let (zeros, rest) = scratch.split_at_mut(zeros);
                let (work, rest) = rest.split_at_mut(work);
                let (alone, rest) = rest.split_at_mut(2 * alone);
                let (joint, sums) = rest.split_at_mut(2 * joint);
                zeros.fill(0.0);
                let memory = Memory { alone, joint, sums };
                let work = Work { isa: self.isa, weights: &self.weights, zeros, memory: work };
                // SAFETY: each piece writes images of its own.
                let y = unsafe { std::slice::from_raw_parts_mut(y.ptr().add(first * image_len), n * image_len) };
                self.piece(&course, images, [first, n], result, work, memory, y);
            });
        });
    }

    #[allow(clippy::too_many_arguments, reason = "one call, in sight")]
    fn piece(
        &self,
        course: &Course,
        images: Images<'_>,
        [first, n]: [usize; 2],
        result: Result,
        mut work: Work<'_>,
        memory: Memory<'_>,
        y: &mut [f32],
    ) {
        let (count, joint) = (self.stages.len(), course.joint);
        let (here, there) = memory.joint.split_at_mut(memory.joint.len() / 2);
        let (mut here, mut there) = (here, there);
        let slot = self.map_len(course, joint);
        for image in 0..n {
            let source = images.image(first + image);
            let (a, b) = memory.alone.split_at_mut(memory.alone.len() / 2);
            let (mut from, mut to) = (a, b);
            let slot = &mut here[image * slot..][..slot];
            // A dense convolution reads the image itself.
            if joint == 0 || !matches!(self.stages[0].rows, Rows::Dense(_)) {
                let pixel = self.pad(self.stages[0].inputs);
                let to = if joint == 0 { &mut *slot } else { &mut *from };
                for i in 0..source.size[0] {
                    let row = &mut to[i * source.size[1] * pixel..][..source.size[1] * pixel];
                    // SAFETY: the image was checked and the row is one of the map's.
                    unsafe { source.row(i, pixel, row.as_mut_ptr()) };
                }
            }
            for at in 0..joint {
                let x = match (at, &self.stages[at].rows) {
                    (0, Rows::Dense(_)) => source,
                    _ => self.image(course, at, from),
                };
                let to_map = if at + 1 == joint { &mut *slot } else { &mut *to };
                work.stage(&self.stages[at], &course.plans[at], x, 1, Ends::Map(to_map.as_mut_ptr()));
                std::mem::swap(&mut from, &mut to);
            }
        }
        let pixels = (course.sizes[count][0] * course.sizes[count][1]) as f32;
        let (outputs, padded) = (self.outputs(), self.pad(self.outputs()));
        for at in joint..count {
            let x = self.image(course, at, here);
            let stage = &self.stages[at];
            let last = at + 1 == count;
            if last && result == Result::Mean && stage.depthwise.is_none() {
                // The last map is only summed.
                let sums = &mut memory.sums[..n * padded];
                sums.fill(0.0);
                work.stage(stage, &course.plans[at], x, n, Ends::Sum(sums.as_mut_ptr()));
                for (y, sums) in y.chunks_exact_mut(outputs).zip(sums.chunks_exact(padded)) {
                    y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum / pixels);
                }
                return;
            }
            if last && result == Result::Map && outputs == padded {
                work.stage(stage, &course.plans[at], x, n, Ends::Map(y.as_mut_ptr()));
                return;
            }
            work.stage(stage, &course.plans[at], x, n, Ends::Map(there.as_mut_ptr()));
            std::mem::swap(&mut here, &mut there);
        }
        match result {
            Result::Map => {
                for (y, pixel) in y.chunks_exact_mut(outputs).zip(here.chunks_exact(padded)) {
                    y.copy_from_slice(&pixel[..outputs]);
                }
            }
            Result::Mean => {
                let map = course.sizes[count][0] * course.sizes[count][1] * padded;
                for (y, map) in y.chunks_exact_mut(outputs).zip(here.chunks_exact(map)) {
                    y.fill(0.0);
                    for pixel in map.chunks_exact(padded) {
                        y.iter_mut().zip(pixel).for_each(|(y, x)| *y += x);
                    }
                    y.iter_mut().for_each(|y| *y /= pixels);
                }
            }
        }
    }

    /// The map before stage `at`.
    fn image(&self, course: &Course, at: usize, map: &[f32]) -> Image {
        let channels = if at == 0 { self.stages[0].inputs } else { self.stages[at - 1].outputs };
        let (size, pixel) = (course.sizes[at], self.pad(channels));
        Image { start: map.as_ptr(), channels, size, strides: [1, size[1] * pixel, pixel] }
    }
}

/// Where the maps between stages lie.
struct Memory<'a> {
    /// Two maps of one image.
    alone: &'a mut [f32],
    /// Two maps of all images of a piece.
    joint: &'a mut [f32],
    sums: &'a mut [f32],
}
