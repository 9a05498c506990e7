//! One pass of stochastic gradient descent over a parameter.

use super::parallel::{Shared, for_each_piece};
use super::simd::{Isa, Simd, simd_dispatch};

/// Floats of one piece of work.
const PIECE: usize = 64 * 1024;

/// The numbers of one step, as [`crate::sgd_step`] explains them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) lr: f32,
    pub(crate) momentum: f32,
    pub(crate) weight_decay: f32,
}

/// Updates `param` and `buf` in place; `buf` holds nothing yet when `first`.
pub(crate) fn step(isa: Isa, rates: Rates, param: &mut [f32], grad: &[f32], buf: &mut [f32], first: bool) {
    let len = param.len();
    assert!(grad.len() == len && buf.len() == len);
    let (param, buf) = (Shared::new(param), Shared::new(buf));
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let count = PIECE.min(len - start);
        // SAFETY: the three slices are of one length and pieces do not overlap.
        unsafe {
            let (param, buf) = (param.ptr().add(start), buf.ptr().add(start));
            step_piece(isa, rates, first, count, param, grad.as_ptr().add(start), buf);
        }
    });
}

simd_dispatch! {
    unsafe fn step_piece = body(
        rates: Rates, first: bool, count: usize, param: *mut f32, grad: *const f32, buf: *mut f32)
}

#[inline(always)]
unsafe fn body<S: Simd>(rates: Rates, first: bool, count: usize, param: *mut f32, grad: *const f32, buf: *mut f32) {
    // SAFETY: the caller vouches for `count` floats behind every pointer.
    unsafe {
        let (decay, momentum) = (S::splat(rates.weight_decay), S::splat(rates.momentum));
        let minus_lr = S::splat(-rates.lr);
        for i in (0..count).step_by(S::LANES) {
            let n = S::LANES.min(count - i);
            let p = S::load_first(param.add(i), n);
            let g = S::fma(decay, p, S::load_first(grad.add(i), n));
            let b = if first { g } else { S::fma(momentum, S::load_first(buf.add(i), n), g) };
            S::store_first(buf.add(i), b, n);
            S::store_first(param.add(i), S::fma(minus_lr, b, p), n);
        }
    }
}
