//! AVX-512: 16 floats a vector, 32 registers, masked loads and stores.

use std::arch::x86_64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

#[inline(always)]
fn first(n: usize) -> __mmask16 {
    debug_assert!(n <= 16);
    ((1u32 << n) - 1) as __mmask16
}

// SAFETY (all blocks): the trait's contract gives valid pointers and a processor with AVX-512F.
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const PANEL_VECTORS: usize = 4;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        // SAFETY: see the impl.
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> __m512 {
        // SAFETY: lanes outside the mask are not touched.
        unsafe { _mm512_maskz_loadu_ps(first(n), from) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: __m512, n: usize) {
        // SAFETY: lanes outside the mask are not touched.
        unsafe { _mm512_mask_storeu_ps(to, first(n), value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn at_most(value: __m512, bound: __m512) -> __m512 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm512_min_ps(bound, value) }
    }
    #[inline(always)]
    unsafe fn where_positive(condition: __m512, value: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(positive, value)
        }
    }
    #[inline(always)]
    unsafe fn where_nonzero(condition: __m512, value: __m512) -> __m512 {
        // SAFETY: see the impl.
        unsafe {
            let nonzero = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(condition, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(nonzero, value)
        }
    }
    #[inline(always)]
    unsafe fn at_least(value: __m512, bound: __m512) -> __m512 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm512_max_ps(bound, value) }
    }
    #[inline(always)]
    unsafe fn relu(value: __m512) -> __m512 {
        // The instruction returns its second operand when either is NaN.
        // SAFETY: see the impl.
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), value) }
    }
    #[inline(always)]
    unsafe fn transpose16(from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize) {
        // SAFETY: masks keep loads and stores within the given rows and columns.
        unsafe {
            let mask = first(columns);
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, row) in r.iter_mut().enumerate() {
                if i < rows {
                    *row = _mm512_maskz_loadu_ps(mask, from.add(i * from_row));
                }
            }
            // Pairs, then quadruples of rows within each 128-bit lane, then the lanes themselves.
            let mut t = [_mm512_setzero_ps(); 16];
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..4 {
                let pd = |v: __m512| _mm512_castps_pd(v);
                let (a, b, c, d) = (pd(t[4 * i]), pd(t[4 * i + 1]), pd(t[4 * i + 2]), pd(t[4 * i + 3]));
                r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            for i in 0..4 {
                t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[i + 4]);
                t[i + 4] = _mm512_shuffle_f32x4::<0xdd>(r[i], r[i + 4]);
                t[i + 8] = _mm512_shuffle_f32x4::<0x88>(r[i + 8], r[i + 12]);
                t[i + 12] = _mm512_shuffle_f32x4::<0xdd>(r[i + 8], r[i + 12]);
            }
            for i in 0..4 {
                r[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[i + 8]);
                r[i + 4] = _mm512_shuffle_f32x4::<0x88>(t[i + 4], t[i + 12]);
                r[i + 8] = _mm512_shuffle_f32x4::<0xdd>(t[i], t[i + 8]);
                r[i + 12] = _mm512_shuffle_f32x4::<0xdd>(t[i + 4], t[i + 12]);
            }
            let mask = first(rows);
            for (i, &row) in r.iter().enumerate() {
                if i < columns {
                    _mm512_mask_storeu_ps(to.add(i * to_row), mask, row);
                }
            }
        }
    }
}
