//! The shape of a batch of feature maps in channels-last order.

/// A batch of maps stored as `[batch][height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Map {
    /// Pixels of one image.
    pub(crate) fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Floats of the whole batch.
    pub(crate) fn len(self) -> usize {
        self.batch * self.pixels() * self.channels
    }

    /// The same maps with another number of channels.
    pub(crate) fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Tiles of `out x out` outputs that cover the batch.
    pub(crate) fn tiles(self, out: usize) -> usize {
        self.batch * self.height.div_ceil(out) * self.width.div_ceil(out)
    }

    /// Image, tile row and tile column of a tile.
    #[inline(always)]
    pub(crate) fn tile(self, out: usize, index: usize) -> (usize, usize, usize) {
        let (down, across) = (self.height.div_ceil(out), self.width.div_ceil(out));
        (index / (down * across), index / across % down, index % across)
    }
}
