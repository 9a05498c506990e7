//! NEON: 4 floats a vector, 32 registers.

use std::arch::aarch64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Neon;

// SAFETY (all blocks): the trait's contract gives valid pointers; every aarch64 processor has NEON.
impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const PANEL_VECTORS: usize = 4;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: float32x4_t) {
        // SAFETY: see the impl.
        unsafe { vst1q_f32(to, value) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> float32x4_t {
        let mut lanes = [0.0f32; 4];
        // SAFETY: only the first n <= 4 floats are read.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: float32x4_t, n: usize) {
        let mut lanes = [0.0f32; 4];
        // SAFETY: only the first n <= 4 floats are written.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), value);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn at_most(value: float32x4_t, bound: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl; this instruction hands NaN on.
        unsafe { vminq_f32(value, bound) }
    }
    #[inline(always)]
    unsafe fn where_positive(condition: float32x4_t, value: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl.
        unsafe { vbslq_f32(vcgtq_f32(condition, vdupq_n_f32(0.0)), value, vdupq_n_f32(0.0)) }
    }
    #[inline(always)]
    unsafe fn where_nonzero(condition: float32x4_t, value: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl; NaN equals nothing.
        unsafe { vbslq_f32(vceqzq_f32(condition), vdupq_n_f32(0.0), value) }
    }
    #[inline(always)]
    unsafe fn at_least(value: float32x4_t, bound: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl; this instruction hands NaN on.
        unsafe { vmaxq_f32(value, bound) }
    }
    #[inline(always)]
    unsafe fn relu(value: float32x4_t) -> float32x4_t {
        // SAFETY: see the impl; this instruction hands NaN on.
        unsafe { vmaxq_f32(value, vdupq_n_f32(0.0)) }
    }
}
