//! A picture in memory: rows of interleaved RGB bytes, top to bottom.

/// Owned picture of interleaved 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// `height * width * 3` bytes, row by row.
    pub data: Vec<u8>,
}

impl RgbImage {
    /// Picture from its bytes.
    ///
    /// # Panics
    /// - when `data` does not hold `width * height * 3` bytes
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), width * height * 3, "bytes of a {width}x{height} RGB picture");
        Self { width, height, data }
    }

    /// Picture of one colour.
    pub fn filled(width: usize, height: usize, color: [u8; 3]) -> Self {
        Self::new(width, height, color.repeat(width * height))
    }

    /// Borrowed form.
    pub fn view(&self) -> RgbView<'_> {
        RgbView { width: self.width, height: self.height, data: &self.data }
    }
}

/// Borrowed picture of interleaved 8-bit RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RgbView<'a> {
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// `height * width * 3` bytes, row by row.
    pub data: &'a [u8],
}

impl<'a> RgbView<'a> {
    /// Picture over borrowed bytes.
    ///
    /// # Panics
    /// - when `data` does not hold `width * height * 3` bytes
    pub fn new(width: usize, height: usize, data: &'a [u8]) -> Self {
        assert_eq!(data.len(), width * height * 3, "bytes of a {width}x{height} RGB picture");
        Self { width, height, data }
    }

    /// Bytes of one row.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.width * 3..(y + 1) * self.width * 3]
    }
}
