//! The sums of a residual network: a shortcut joined to its block, and gradients that meet again.

use super::activation::Activation;
use super::parallel::{Shared, for_each_piece};
use super::simd::{Isa, Simd, simd_dispatch};

/// Floats of one piece of work.
const PIECE: usize = 32 * 1024;

/// `y = max(a + b, 0)`
pub(crate) fn add_relu(isa: Isa, a: &[f32], b: &[f32], y: &mut [f32]) {
    let len = y.len();
    assert!(a.len() == len && b.len() == len, "three maps of one length");
    let y = Shared::new(y);
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let (start, count) = range(piece, len);
        // SAFETY: the three slices are of one length and pieces do not overlap.
        unsafe { add_relu_piece(isa, count, a.as_ptr().add(start), b.as_ptr().add(start), y.ptr().add(start)) };
    });
}

/// `y = a + b`
pub(crate) fn add(isa: Isa, a: &[f32], b: &[f32], y: &mut [f32]) {
    let len = y.len();
    assert!(a.len() == len && b.len() == len, "three maps of one length");
    let y = Shared::new(y);
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let (start, count) = range(piece, len);
        // SAFETY: as above.
        unsafe { add_piece(isa, count, a.as_ptr().add(start), b.as_ptr().add(start), y.ptr().add(start)) };
    });
}

/// Turns the gradient `g` of an activation's output `y` into that of its argument, in place.
pub(crate) fn activation_gradient(isa: Isa, activation: Activation, y: &[f32], g: &mut [f32]) {
    let len = g.len();
    assert_eq!(y.len(), len, "two maps of one length");
    let g = Shared::new(g);
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let (start, count) = range(piece, len);
        // SAFETY: as above.
        unsafe { activation_gradient_piece(isa, activation, count, y.as_ptr().add(start), g.ptr().add(start)) };
    });
}

/// `dx = g` where the output `y` of [`add_relu`] was positive or NaN, zero elsewhere.
pub(crate) fn relu_gradient(isa: Isa, y: &[f32], g: &[f32], dx: &mut [f32]) {
    let len = dx.len();
    assert!(y.len() == len && g.len() == len, "three maps of one length");
    let dx = Shared::new(dx);
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let (start, count) = range(piece, len);
        // SAFETY: as above.
        unsafe { relu_gradient_piece(isa, count, y.as_ptr().add(start), g.as_ptr().add(start), dx.ptr().add(start)) };
    });
}

/// `sum += other`
pub(crate) fn add_to(isa: Isa, sum: &mut [f32], other: &[f32]) {
    let len = sum.len();
    assert_eq!(other.len(), len, "two maps of one length");
    let sum = Shared::new(sum);
    for_each_piece(len.div_ceil(PIECE), |piece| {
        let (start, count) = range(piece, len);
        // SAFETY: as above.
        unsafe { add_to_piece(isa, count, other.as_ptr().add(start), sum.ptr().add(start)) };
    });
}

fn range(piece: usize, len: usize) -> (usize, usize) {
    let start = piece * PIECE;
    (start, PIECE.min(len - start))
}

simd_dispatch! {
    unsafe fn add_relu_piece = add_relu_body(count: usize, a: *const f32, b: *const f32, y: *mut f32)
}
simd_dispatch! {
    unsafe fn relu_gradient_piece = relu_gradient_body(count: usize, y: *const f32, g: *const f32, dx: *mut f32)
}
simd_dispatch! {
    unsafe fn add_piece = add_body(count: usize, a: *const f32, b: *const f32, y: *mut f32)
}
simd_dispatch! {
    unsafe fn activation_gradient_piece = activation_gradient_body(
        activation: Activation, count: usize, y: *const f32, g: *mut f32)
}
simd_dispatch! {
    unsafe fn add_to_piece = add_to_body(count: usize, other: *const f32, sum: *mut f32)
}

// SAFETY (all bodies): the caller vouches for `count` floats behind every pointer.

#[inline(always)]
unsafe fn add_relu_body<S: Simd>(count: usize, a: *const f32, b: *const f32, y: *mut f32) {
    let whole = count / S::LANES * S::LANES;
    // SAFETY: see above.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(y.add(i), S::relu(S::add(S::load(a.add(i)), S::load(b.add(i)))));
        }
        let n = count - whole;
        if n > 0 {
            let sum = S::add(S::load_first(a.add(whole), n), S::load_first(b.add(whole), n));
            S::store_first(y.add(whole), S::relu(sum), n);
        }
    }
}

#[inline(always)]
unsafe fn add_body<S: Simd>(count: usize, a: *const f32, b: *const f32, y: *mut f32) {
    let whole = count / S::LANES * S::LANES;
    // SAFETY: see above.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(y.add(i), S::add(S::load(a.add(i)), S::load(b.add(i))));
        }
        let n = count - whole;
        if n > 0 {
            S::store_first(y.add(whole), S::add(S::load_first(a.add(whole), n), S::load_first(b.add(whole), n)), n);
        }
    }
}

#[inline(always)]
unsafe fn activation_gradient_body<S: Simd>(activation: Activation, count: usize, y: *const f32, g: *mut f32) {
    let whole = count / S::LANES * S::LANES;
    // SAFETY: see above.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(g.add(i), activation.gradient::<S>(S::load(y.add(i)), S::load(g.add(i))));
        }
        let n = count - whole;
        if n > 0 {
            let value = activation.gradient::<S>(S::load_first(y.add(whole), n), S::load_first(g.add(whole), n));
            S::store_first(g.add(whole), value, n);
        }
    }
}

#[inline(always)]
unsafe fn relu_gradient_body<S: Simd>(count: usize, y: *const f32, g: *const f32, dx: *mut f32) {
    let whole = count / S::LANES * S::LANES;
    // SAFETY: see above. The gradient passes where the output is not zero, which NaN is not.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(dx.add(i), S::where_nonzero(S::load(y.add(i)), S::load(g.add(i))));
        }
        let n = count - whole;
        if n > 0 {
            let value = S::where_nonzero(S::load_first(y.add(whole), n), S::load_first(g.add(whole), n));
            S::store_first(dx.add(whole), value, n);
        }
    }
}

#[inline(always)]
unsafe fn add_to_body<S: Simd>(count: usize, other: *const f32, sum: *mut f32) {
    let whole = count / S::LANES * S::LANES;
    // SAFETY: see above.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(sum.add(i), S::add(S::load(sum.add(i)), S::load(other.add(i))));
        }
        let n = count - whole;
        if n > 0 {
            let total = S::add(S::load_first(sum.add(whole), n), S::load_first(other.add(whole), n));
            S::store_first(sum.add(whole), total, n);
        }
    }
}
