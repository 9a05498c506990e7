//! The tile: integer scores of six bank rows with the queries of a panel.

use super::CoarseBank;
use std::ops::Range;

/// Queries side by side: two registers.
pub(super) const WIDTH: usize = 16;
/// Bank rows per tile: with two registers of queries twelve sums, and what they are made of, fill sixteen registers.
pub(super) const TILE: usize = 6;

/// Takes the integer scores of a tile.
pub(super) trait CoarseSink {
    /// `scores[r]` belong to bank row `first_row + r`; at most [`TILE`] rows.
    fn take(&mut self, first_row: usize, scores: &[[i32; WIDTH]]);
}

/// Scores the bank rows of a range, tile after tile.
pub(super) fn sweep<K: CoarseSink>(panel: &[u32], bank: &CoarseBank, range: Range<usize>, sink: &mut K) {
    assert_eq!(panel.len(), bank.pairs * WIDTH, "one panel as wide as the bank");
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(avx2::Sweep { simd, panel, bank, range, sink });
    }
    plain(panel, bank, range, sink);
}

/// The definition, for processors without AVX2 and for tests.
pub(super) fn plain<K: CoarseSink>(panel: &[u32], bank: &CoarseBank, range: Range<usize>, sink: &mut K) {
    for row in range {
        let words = &bank.words[row * bank.pairs..][..bank.pairs];
        let mut scores = [bank.biases[row]; WIDTH];
        for (&word, column) in words.iter().zip(panel.chunks_exact(WIDTH)) {
            for (score, &other) in scores.iter_mut().zip(column) {
                let product = |shift: u32| i32::from((word >> shift) as i16) * i32::from((other >> shift) as i16);
                *score += product(0) + product(16);
            }
        }
        sink.take(row, &[scores]);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CoarseBank, CoarseSink, TILE, WIDTH};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, Simd, cast, i32x8};
    use std::ops::Range;

    const VECTORS: usize = WIDTH / 8;

    pub(super) struct Sweep<'a, K> {
        pub(super) simd: V3,
        pub(super) panel: &'a [u32],
        pub(super) bank: &'a CoarseBank,
        pub(super) range: Range<usize>,
        pub(super) sink: &'a mut K,
    }

    impl<K: CoarseSink> NullaryFnOnce for Sweep<'_, K> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, panel, bank, range, sink } = self;
            let (columns, _) = V3::as_simd_u32s(panel);
            let (columns, _) = columns.as_chunks::<VECTORS>();
            let mut first = range.start;
            while first < range.end {
                let n_valid = TILE.min(range.end - first);
                // Tiles behind the end repeat the last row, and nobody looks at its sums.
                let rows: [&[u32]; TILE] = std::array::from_fn(|r| {
                    let at = (first + r.min(n_valid - 1)) * bank.pairs;
                    &bank.words[at..at + columns.len()]
                });
                let mut sums: [[i32x8; VECTORS]; TILE] =
                    std::array::from_fn(|r| [simd.splat_i32x8(bank.biases[first + r.min(n_valid - 1)]); VECTORS]);
                for (c, column) in columns.iter().enumerate() {
                    for r in 0..TILE {
                        let pair = cast(simd.splat_u32x8(rows[r][c]));
                        for v in 0..VECTORS {
                            let product = simd.multiply_wrapping_add_adjacent_i16x16(cast(column[v]), pair);
                            sums[r][v] = cast(simd.avx2._mm256_add_epi32(cast(sums[r][v]), cast(product)));
                        }
                    }
                }
                let scores: [[i32; WIDTH]; TILE] = cast(sums);
                sink.take(first, &scores[..n_valid]);
                first += TILE;
            }
        }
    }
}
