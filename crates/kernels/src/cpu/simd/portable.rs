//! Plain Rust on four floats, for every other processor, for Miri and as a second opinion in tests.

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

// SAFETY (all blocks): the trait's contract gives pointers valid for four floats, or for the first n.
impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const PANEL_VECTORS: usize = 2;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: see the impl.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [f32; 4]) {
        // SAFETY: see the impl.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> [f32; 4] {
        let mut lanes = [0.0; 4];
        // SAFETY: only the first n <= 4 floats are read.
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n) };
        lanes
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: [f32; 4], n: usize) {
        // SAFETY: only the first n <= 4 floats are written.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, n) };
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn at_most(value: [f32; 4], bound: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if value[i] > bound[i] { bound[i] } else { value[i] })
    }
    #[inline(always)]
    unsafe fn where_positive(condition: [f32; 4], value: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if condition[i] > 0.0 { value[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn where_nonzero(condition: [f32; 4], value: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if condition[i] != 0.0 { value[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn at_least(value: [f32; 4], bound: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if value[i] < bound[i] { bound[i] } else { value[i] })
    }
    #[inline(always)]
    unsafe fn relu(value: [f32; 4]) -> [f32; 4] {
        value.map(|x| if x < 0.0 { 0.0 } else { x })
    }
}
