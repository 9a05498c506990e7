//! The one-dimensional Winograd transforms F(2,3) and F(4,3), and their adjoints.
//!
//! `y = A^T [(G w) * (B^T d)]` yields M outputs of a 3-tap filter from M + 2 inputs with M + 2
//! multiplications. In two dimensions each matrix acts on columns, then rows. Source: Lavin and Gray 2015,
//! arXiv:1509.09308.

use crate::cpu::simd::Simd;

/// Values along one side of the larger transform; the smaller one leaves the last two unused.
pub(crate) const MAX_SIDE: usize = 6;

/// A line of vectors on its way through a transform.
pub(crate) type Line<S> = [<S as Simd>::V; MAX_SIDE];

/// One Winograd algorithm: the outputs of a tile and the transforms of its lines.
///
/// Safety of every method: the processor supports the instruction set `S`.
pub(crate) trait Tile {
    /// Outputs along one side of a tile.
    const OUT: usize;
    /// Inputs, and multiplications, along one side of a tile.
    const SIDE: usize = Self::OUT + 2;

    /// `B^T d`
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S>;
    /// `A^T m`
    unsafe fn output<S: Simd>(m: Line<S>) -> Line<S>;
    /// `A g`, the adjoint of [`Tile::output`]
    unsafe fn output_adjoint<S: Simd>(g: Line<S>) -> Line<S>;
    /// `G w`
    unsafe fn weight<S: Simd>(w: Line<S>) -> Line<S>;
    /// `G^T u`, the adjoint of [`Tile::weight`]
    unsafe fn weight_adjoint<S: Simd>(u: Line<S>) -> Line<S>;
}

/// F(4x4, 3x3): a quarter of the multiplications.
pub(crate) struct Four;

impl Tile for Four {
    const OUT: usize = 4;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (four, five, two) = (S::splat(4.0), S::splat(-5.0), S::splat(2.0));
            let minus_four = S::splat(-4.0);
            let even = S::fma(minus_four, d[2], d[4]);
            let odd = S::fma(minus_four, d[1], d[3]);
            let outer = S::sub(d[4], d[2]);
            let inner = S::mul(two, S::sub(d[3], d[1]));
            [
                S::fma(four, d[0], S::fma(five, d[2], d[4])),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(outer, inner),
                S::sub(outer, inner),
                S::fma(four, d[1], S::fma(five, d[3], d[5])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (sum1, difference1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, difference2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            let zero = S::splat(0.0);
            [
                S::add(m[0], S::add(sum1, sum2)),
                S::fma(S::splat(2.0), difference2, difference1),
                S::fma(S::splat(4.0), sum2, sum1),
                S::add(m[5], S::fma(S::splat(8.0), difference2, difference1)),
                zero,
                zero,
            ]
        }
    }

    #[inline(always)]
    unsafe fn output_adjoint<S: Simd>(g: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let even1 = S::add(g[0], g[2]);
            let odd1 = S::add(g[1], g[3]);
            let even2 = S::fma(S::splat(4.0), g[2], g[0]);
            let odd2 = S::fma(S::splat(8.0), g[3], S::add(g[1], g[1]));
            [g[0], S::add(even1, odd1), S::sub(even1, odd1), S::add(even2, odd2), S::sub(even2, odd2), g[3]]
        }
    }

    #[inline(always)]
    unsafe fn weight<S: Simd>(w: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (sixth, twelfth) = (S::splat(-1.0 / 6.0), S::splat(1.0 / 12.0));
            let even1 = S::mul(sixth, S::add(w[0], w[2]));
            let odd1 = S::mul(sixth, w[1]);
            let even2 = S::fma(S::splat(1.0 / 24.0), w[0], S::mul(S::splat(1.0 / 6.0), w[2]));
            let odd2 = S::mul(twelfth, w[1]);
            [
                S::mul(S::splat(0.25), w[0]),
                S::add(even1, odd1),
                S::sub(even1, odd1),
                S::add(even2, odd2),
                S::sub(even2, odd2),
                w[2],
            ]
        }
    }

    #[inline(always)]
    unsafe fn weight_adjoint<S: Simd>(u: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (sixth, zero) = (S::splat(1.0 / 6.0), S::splat(0.0));
            let (sum1, sum2) = (S::mul(sixth, S::add(u[1], u[2])), S::add(u[3], u[4]));
            let first = S::sub(S::fma(S::splat(0.25), u[0], S::mul(S::splat(1.0 / 24.0), sum2)), sum1);
            let second = S::fma(sixth, S::sub(u[2], u[1]), S::mul(S::splat(1.0 / 12.0), S::sub(u[3], u[4])));
            let third = S::add(u[5], S::sub(S::mul(sixth, sum2), sum1));
            [first, second, third, zero, zero, zero]
        }
    }
}

/// F(2x2, 3x3): four ninths of the multiplications, for maps too small for [`Four`].
pub(crate) struct Two;

impl Tile for Two {
    const OUT: usize = 2;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let zero = S::splat(0.0);
            [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3]), zero, zero]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let zero = S::splat(0.0);
            let first = S::add(m[0], S::add(m[1], m[2]));
            [first, S::sub(S::sub(m[1], m[2]), m[3]), zero, zero, zero, zero]
        }
    }

    #[inline(always)]
    unsafe fn output_adjoint<S: Simd>(g: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let zero = S::splat(0.0);
            [g[0], S::add(g[0], g[1]), S::sub(g[0], g[1]), S::sub(zero, g[1]), zero, zero]
        }
    }

    #[inline(always)]
    unsafe fn weight<S: Simd>(w: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (half, zero) = (S::splat(0.5), S::splat(0.0));
            let (even, odd) = (S::mul(half, S::add(w[0], w[2])), S::mul(half, w[1]));
            [w[0], S::add(even, odd), S::sub(even, odd), w[2], zero, zero]
        }
    }

    #[inline(always)]
    unsafe fn weight_adjoint<S: Simd>(u: Line<S>) -> Line<S> {
        // SAFETY: the trait's contract.
        unsafe {
            let (half, zero) = (S::splat(0.5), S::splat(0.0));
            let sum = S::mul(half, S::add(u[1], u[2]));
            [S::add(u[0], sum), S::mul(half, S::sub(u[1], u[2])), S::add(sum, u[3]), zero, zero, zero]
        }
    }
}
