//! 3x3 filters on their way into and out of the Winograd domain.

use std::borrow::Cow;

use super::transform::{load_weights, store_weights};
use crate::cpu::simd::Isa;
use crate::cpu::transpose::{transpose, transpose_raw};

/// Filters gathered and transformed together: their taps for one panel stay in the first-level cache.
const CHUNK: usize = 8;

/// The 3x3 filters of a layer, `[first][second][3][3]`, and which way they are used.
#[derive(Clone, Copy)]
pub(crate) struct Filters<'a> {
    pub(crate) taps: &'a [f32],
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// False: a convolution from `second` to `first` channels. True: its adjoint, from `first` to `second`.
    pub(crate) adjoint: bool,
}

impl Filters<'_> {
    pub(crate) fn inputs(self) -> usize {
        if self.adjoint { self.first } else { self.second }
    }

    pub(crate) fn outputs(self) -> usize {
        if self.adjoint { self.second } else { self.first }
    }

    /// The taps as those of a plain convolution, `[outputs][inputs][3][3]`.
    pub(crate) fn plain_taps(&self) -> Cow<'_, [f32]> {
        if !self.adjoint {
            return Cow::Borrowed(self.taps);
        }
        let mut plain = Vec::with_capacity(self.taps.len());
        for output in 0..self.second {
            for input in 0..self.first {
                plain.extend(self.taps[(input * self.second + output) * 9..][..9].iter().rev());
            }
        }
        Cow::Owned(plain)
    }

    /// Copies the taps from `count` inputs to `lanes` outputs into `[count][9][width]`, zeros after the lanes.
    fn gather(self, isa: Isa, inputs: (usize, usize), outputs: (usize, usize), width: usize, to: &mut [f32]) {
        let ((input, count), (output, lanes)) = (inputs, outputs);
        if lanes < width {
            to[..count * 9 * width].fill(0.0);
        }
        if self.adjoint {
            for (k, to) in to.chunks_exact_mut(9 * width).take(count).enumerate() {
                let from = &self.taps[((input + k) * self.second + output) * 9..][..lanes * 9];
                transpose(isa, from, 9, lanes, 9, to, width);
            }
        } else {
            let row = self.second * 9;
            let from = &self.taps[output * row + input * 9..];
            transpose(isa, from, row, lanes, count * 9, to, width);
        }
    }

    /// Transforms the taps from inputs `(first, count)` to outputs `(first, lanes)` into planes of
    /// `[count][width]`, `plane` floats apart; `taps` is scratch of [`taps_len`].
    #[expect(clippy::too_many_arguments, reason = "a leaf that is called in two places")]
    pub(crate) fn transform(
        self,
        isa: Isa,
        out: usize,
        inputs: (usize, usize),
        outputs: (usize, usize),
        width: usize,
        taps: &mut [f32],
        to: &mut [f32],
        plane: usize,
    ) {
        assert!(to.len() >= (planes(out) - 1) * plane + inputs.1 * width, "the block must hold every plane");
        for start in (0..inputs.1).step_by(CHUNK) {
            let count = CHUNK.min(inputs.1 - start);
            self.gather(isa, (inputs.0 + start, count), outputs, width, taps);
            // SAFETY: `taps` holds `[count][9][width]`, `to` holds every plane (asserted above).
            unsafe {
                let to = to.as_mut_ptr().add(start * width);
                load_weights(isa, out, self.adjoint, count, width, taps.as_ptr(), to, plane);
            }
        }
    }
}

/// Multiplications per tile.
pub(crate) fn planes(out: usize) -> usize {
    (out + 2) * (out + 2)
}

/// Floats of scratch that [`Filters::transform`] and [`untransform`] need.
pub(crate) fn taps_len(width: usize) -> usize {
    CHUNK * 9 * width
}

/// Takes a block of weight gradients `[planes][inputs][width]` back to taps and writes (or adds) them to
/// `taps`, `[outputs of the layer][row / 9][9]`.
///
/// # Safety
/// No other thread may touch the taps between these inputs and outputs.
#[expect(clippy::too_many_arguments, reason = "a leaf that is called in two places")]
pub(crate) unsafe fn untransform(
    isa: Isa,
    out: usize,
    from: &[f32],
    plane: usize,
    inputs: (usize, usize),
    outputs: (usize, usize),
    width: usize,
    scratch: &mut [f32],
    taps: *mut f32,
    row: usize,
    accumulate: bool,
) {
    for start in (0..inputs.1).step_by(CHUNK) {
        let count = CHUNK.min(inputs.1 - start);
        // SAFETY: the block holds every plane; the taps written are those the caller vouches for.
        unsafe {
            store_weights(isa, out, count, width, from.as_ptr().add(start * width), plane, scratch.as_mut_ptr());
            let to = taps.add(outputs.0 * row + (inputs.0 + start) * 9);
            if !accumulate {
                transpose_raw(isa, scratch.as_ptr(), width, count * 9, outputs.1, to, row);
                continue;
            }
            for lane in 0..outputs.1 {
                for tap in 0..count * 9 {
                    *to.add(lane * row + tap) += scratch[tap * width + lane];
                }
            }
        }
    }
}
