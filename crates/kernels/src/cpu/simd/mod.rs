//! The few vector operations that the kernels are written in, and the choice of instruction set.
//!
//! A kernel is an `#[inline(always)]` function generic over [`Simd`]; [`simd_dispatch!`] compiles it once
//! per instruction set inside a function with the matching `#[target_feature]` and picks one at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Isa {
    /// The best instruction set of this processor, found once.
    ///
    /// The environment variable `SPOREPRINT_ISA` (`avx512`, `avx2`, `neon`, `portable`) asks for another
    /// one, for tests and measurements; a set that the processor lacks is never used.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let supported = Self::supported();
            let wanted = std::env::var("SPOREPRINT_ISA").ok();
            let asked = supported.iter().find(|isa| wanted.as_deref() == Some(isa.name()));
            asked.copied().unwrap_or(supported[0])
        })
    }

    /// Every instruction set that this processor can run, best first.
    pub(crate) fn supported() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                sets.push(Self::Avx512);
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                sets.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(Self::Neon);
        sets.push(Self::Portable);
        sets
    }

    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Floats in one vector register.
    pub(crate) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::LANES,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::LANES,
            Self::Portable => Portable::LANES,
        }
    }

    /// Floats that a core's second-level cache holds: 2 MB where there is AVX-512, as a rule, 512 KB elsewhere.
    pub(crate) fn cache_floats(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 400_000,
            _ => 130_000,
        }
    }

    /// Floats in one full panel of the matrix kernel: its vectors times their lanes.
    pub(crate) fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::PANEL_VECTORS * Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::PANEL_VECTORS * Avx2::LANES,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::PANEL_VECTORS * Neon::LANES,
            Self::Portable => Portable::PANEL_VECTORS * Portable::LANES,
        }
    }
}

/// One vector of `f32` and what the kernels do with it.
///
/// # Safety of every method
/// The processor must support the instruction set. Pointers must be valid for [`Self::LANES`] floats, or
/// for the first `n` of them in the methods that say so; no alignment is needed.
pub(crate) trait Simd: Copy + 'static {
    /// A vector register.
    type V: Copy;
    /// Floats in a vector.
    const LANES: usize;
    /// Vectors across one panel of the matrix kernel.
    const PANEL_VECTORS: usize;
    /// Whether there are 32 vector registers rather than 16.
    const MANY_REGISTERS: bool;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// Loads the first `n` floats (`n <= LANES`), zeros after them.
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V;
    /// Stores the first `n` floats (`n <= LANES`).
    unsafe fn store_first(to: *mut f32, value: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the set has it.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater of `value` and `bound`, a `value` of NaN staying NaN.
    unsafe fn at_least(value: Self::V, bound: Self::V) -> Self::V;
    /// `max(value, 0)`, NaN staying NaN.
    unsafe fn relu(value: Self::V) -> Self::V;
    /// The lesser of `value` and `bound`, a `value` of NaN staying NaN.
    unsafe fn at_most(value: Self::V, bound: Self::V) -> Self::V;
    /// `value` where `condition > 0`, zero elsewhere.
    unsafe fn where_positive(condition: Self::V, value: Self::V) -> Self::V;
    /// `value` where `condition` is not zero (NaN is not), zero elsewhere.
    unsafe fn where_nonzero(condition: Self::V, value: Self::V) -> Self::V;

    /// Transposes at most 16 rows by 16 columns: `to[c * to_row + r] = from[r * from_row + c]`.
    #[inline(always)]
    unsafe fn transpose16(from: *const f32, from_row: usize, rows: usize, columns: usize, to: *mut f32, to_row: usize) {
        for column in 0..columns {
            for row in 0..rows {
                // SAFETY: the caller vouches for both matrices.
                unsafe { *to.add(column * to_row + row) = *from.add(row * from_row + column) };
            }
        }
    }
}

/// Defines `$name(isa, args..)`, which runs `$body::<S>(args..)` compiled for the instruction set `isa`.
macro_rules! simd_dispatch {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident = $body:ident ($($arg:ident : $ty:ty),* $(,)?)) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name(isa: $crate::cpu::simd::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($($arg: $ty),*) {
                // SAFETY: the caller's promises are handed on; the instruction set is enabled here.
                unsafe { $body::<$crate::cpu::simd::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) {
                // SAFETY: as above.
                unsafe { $body::<$crate::cpu::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($arg: $ty),*) {
                // SAFETY: as above.
                unsafe { $body::<$crate::cpu::simd::Neon>($($arg),*) }
            }
            // SAFETY: `Isa` values come from run-time detection; the caller vouches for the arguments.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::simd::Isa::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::simd::Isa::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::cpu::simd::Isa::Neon => neon($($arg),*),
                    $crate::cpu::simd::Isa::Portable => $body::<$crate::cpu::simd::Portable>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use simd_dispatch;
