//! AVX2 with FMA: 8 floats a vector, 16 registers.

use std::arch::x86_64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight integers from position 8 - n lie within the table for n in 0..=8.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()) }
}

// SAFETY (all blocks): the trait's contract gives valid pointers and a processor with AVX2 and FMA.
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const PANEL_VECTORS: usize = 2;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        // SAFETY: see the impl.
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> __m256 {
        // SAFETY: lanes outside the mask are not touched.
        unsafe { _mm256_maskload_ps(from, first(n)) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: __m256, n: usize) {
        // SAFETY: lanes outside the mask are not touched.
        unsafe { _mm256_maskstore_ps(to, first(n), value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn at_most(value: __m256, bound: __m256) -> __m256 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm256_min_ps(bound, value) }
    }
    #[inline(always)]
    unsafe fn where_positive(condition: __m256, value: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps()), value) }
    }
    #[inline(always)]
    unsafe fn where_nonzero(condition: __m256, value: __m256) -> __m256 {
        // SAFETY: see the impl.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(condition, _mm256_setzero_ps()), value) }
    }
    #[inline(always)]
    unsafe fn at_least(value: __m256, bound: __m256) -> __m256 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm256_max_ps(bound, value) }
    }
    #[inline(always)]
    unsafe fn relu(value: __m256) -> __m256 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), value) }
    }
    #[inline(always)]
    unsafe fn transpose16(from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize) {
        for row in (0..rows).step_by(8) {
            for column in (0..columns).step_by(8) {
                // SAFETY: the block lies within the caller's rows and columns.
                unsafe {
                    let from = from.add(row * from_row + column);
                    let to = to.add(column * to_row + row);
                    transpose8(from, from_row, (rows - row).min(8), (columns - column).min(8), to, to_row);
                }
            }
        }
    }
}

/// As [`Simd::transpose16`], of at most 8 rows by 8 columns.
#[inline(always)]
unsafe fn transpose8(from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize) {
    // SAFETY: loads and stores stay within the given rows and columns.
    unsafe {
        let mut r = [_mm256_setzero_ps(); 8];
        for (i, row) in r.iter_mut().enumerate() {
            if i < rows {
                let from = from.add(i * from_row);
                *row = if columns == 8 { Avx2::load(from) } else { Avx2::load_first(from, columns) };
            }
        }
        // Pairs, then quadruples of rows within each 128-bit lane, then the lanes themselves.
        let mut t = [_mm256_setzero_ps(); 8];
        for i in 0..4 {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..2 {
            let (a, b, c, d) = (t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]);
            r[4 * i] = _mm256_shuffle_ps::<0x44>(a, c);
            r[4 * i + 1] = _mm256_shuffle_ps::<0xee>(a, c);
            r[4 * i + 2] = _mm256_shuffle_ps::<0x44>(b, d);
            r[4 * i + 3] = _mm256_shuffle_ps::<0xee>(b, d);
        }
        for i in 0..4 {
            t[i] = _mm256_permute2f128_ps::<0x20>(r[i], r[i + 4]);
            t[i + 4] = _mm256_permute2f128_ps::<0x31>(r[i], r[i + 4]);
        }
        for (i, &row) in t.iter().enumerate() {
            if i < columns {
                let to = to.add(i * to_row);
                if rows == 8 { Avx2::store(to, row) } else { Avx2::store_first(to, row, rows) }
            }
        }
    }
}
