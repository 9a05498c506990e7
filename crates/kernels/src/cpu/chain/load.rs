//! From images in any order to maps whose channels are last.

/// A batch of images in memory: pixel `(i, j)` of channel `c` of image `n` is at `n s0 + c s1 + i s2 + j s3`.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 4],
}

impl Images<'_> {
    /// One image; its pixels are checked to lie within the values.
    pub(super) fn image(&self, image: usize) -> Image {
        let [n, c, i, j] = self.strides;
        let last = image * n + (self.channels - 1) * c + (self.size[0] - 1) * i + (self.size[1] - 1) * j;
        assert!(image < self.batch && last < self.values.len(), "an image within its tensor");
        let start = self.values[image * n..].as_ptr();
        Image { start, channels: self.channels, size: self.size, strides: [c, i, j] }
    }
}

/// One image of a tensor, or a map within a chain.
#[derive(Clone, Copy)]
pub(super) struct Image {
    pub(super) start: *const f32,
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
    /// Floats between channels, rows and columns.
    pub(super) strides: [usize; 3],
}

impl Image {
    /// Writes row `i` as pixels of `pixel` floats, zeros after the channels.
    ///
    /// # Safety
    /// The image must be there, and `to` have room for the row.
    pub(super) unsafe fn row(self, i: usize, pixel: usize, to: *mut f32) {
        let [c, down, across] = self.strides;
        let width = self.size[1];
        // SAFETY: within the image and the row.
        unsafe {
            let from = self.start.add(i * down);
            if c == 1 && across == pixel && self.channels == pixel {
                std::ptr::copy_nonoverlapping(from, to, width * pixel);
                return;
            }
            if self.channels == 3 && pixel == 3 && across == 1 {
                // Colours in planes.
                let planes = [0, c, 2 * c].map(|plane| std::slice::from_raw_parts(from.add(plane), width));
                let to = std::slice::from_raw_parts_mut(to.cast::<[f32; 3]>(), width);
                for (((to, &r), &g), &b) in to.iter_mut().zip(planes[0]).zip(planes[1]).zip(planes[2]) {
                    *to = [r, g, b];
                }
                return;
            }
            if c == 1 && self.channels == pixel {
                for j in 0..width {
                    std::ptr::copy_nonoverlapping(from.add(j * across), to.add(j * pixel), pixel);
                }
                return;
            }
            for j in 0..width {
                let (from, to) = (from.add(j * across), to.add(j * pixel));
                for k in 0..self.channels {
                    *to.add(k) = *from.add(k * c);
                }
                for k in self.channels..pixel {
                    *to.add(k) = 0.0;
                }
            }
        }
    }
}
