//! TensorFlow's padding SAME.

use crate::cpu::padding::Padding;

/// Output length and zeros along one side of a map.
///
/// `out = ceil(length / stride)`, and the zeros of [`Padding::Same`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Same {
    pub(crate) out: usize,
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl Same {
    pub(crate) fn new(length: usize, kernel: usize, stride: usize) -> Self {
        let [before, after] = Padding::Same.zeros(length, kernel, stride);
        Self { out: length.div_ceil(stride), before, after }
    }
}

/// How a convolution lies on maps of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) down: Same,
    pub(super) across: Same,
    /// Rows and columns of the input.
    pub(super) size: [usize; 2],
}

impl Window {
    pub(super) fn new(size: [usize; 2], kernel: usize, stride: usize) -> Self {
        let [down, across] = size.map(|length| Same::new(length, kernel, stride));
        Self { kernel, stride, down, across, size }
    }

    pub(super) fn out(self) -> [usize; 2] {
        [self.down.out, self.across.out]
    }

    /// Pixels of an input row with its zeros.
    pub(super) fn row(self) -> usize {
        self.across.before + self.size[1] + self.across.after
    }

    /// Input rows under the output rows `first..end`, without the zeros.
    pub(super) fn under(self, first: usize, end: usize) -> [usize; 2] {
        let begin = (first * self.stride).saturating_sub(self.down.before);
        let end = ((end - 1) * self.stride + self.kernel).saturating_sub(self.down.before);
        [begin.min(self.size[0]), end.min(self.size[0])]
    }
}
