//! x86-64, from SSE4.2 (2008) to AVX-512.
//!
//! | table | needs | first processors |
//! |---|---|---|
//! | `avx512` | AVX2, FMA, popcnt, AVX-512 F, BW, VL, VNNI, VPOPCNTDQ | Ice Lake (2019), Zen 4 |
//! | `avx512vnni` | the same without VPOPCNTDQ | Cascade Lake (2019), Cooper Lake |
//! | `avxvnni` | AVX2, FMA, popcnt, AVX-VNNI | Alder Lake (2021), Sierra Forest |
//! | `avx2` | AVX2, FMA, popcnt | Haswell (2013), Zen |
//! | `sse42` | SSE4.2, popcnt | Nehalem (2008), Bulldozer |
//!
//! AVX-512 without VNNI (Skylake-X) runs `avx2`.

mod avx2;
mod avx512;
mod avx512vnni;
mod avxvnni;
mod sse42;

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use crate::table::Kernels;

/// Whether this processor (and its operating system) has all of some features.
macro_rules! has {
    ($($feature:tt),+) => { $(is_x86_feature_detected!($feature))&&+ };
}

/// The tables this processor can run, best first.
pub(crate) fn detect() -> Vec<&'static Kernels> {
    let avx2 = has!("avx2", "fma", "popcnt");
    let avx512vnni = avx2 && has!("avx512f", "avx512bw", "avx512vl", "avx512vnni");
    let tables = [
        (avx512vnni && has!("avx512vpopcntdq"), &avx512::TABLE),
        (avx512vnni, &avx512vnni::TABLE),
        (avx2 && has!("avxvnni"), &avxvnni::TABLE),
        (avx2, &avx2::TABLE),
        (has!("sse4.2", "popcnt"), &sse42::TABLE),
    ];
    tables.into_iter().filter(|(runs, _)| *runs).map(|(_, table)| table).collect()
}

/// Upper half onto lower half until one is left.
///
/// # Safety
/// The processor has SSE4.2.
#[inline(always)]
unsafe fn fold4(a: __m128) -> f32 {
    // SAFETY: the caller has SSE4.2; registers only.
    unsafe {
        let two = _mm_add_ps(a, _mm_movehl_ps(a, a));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// As [`fold4`], of eight.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn fold8(a: __m256) -> f32 {
    // SAFETY: the caller has AVX2; registers only.
    unsafe { fold4(_mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))) }
}

/// Sum of four integers, wrapping.
///
/// # Safety
/// The processor has SSE4.2.
#[inline(always)]
unsafe fn sum4(a: __m128i) -> i32 {
    // SAFETY: the caller has SSE4.2; registers only.
    unsafe {
        let two = _mm_add_epi32(a, _mm_shuffle_epi32::<0b01_00_11_10>(a));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
    }
}

/// Sum of eight integers, wrapping.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sum8(a: __m256i) -> i32 {
    // SAFETY: the caller has AVX2; registers only.
    unsafe { sum4(_mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a))) }
}

/// Eight f32 as f64.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn widen8(a: __m256) -> [__m256d; 2] {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        [_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a))]
    }
}

/// Eight f64 as f32, to nearest even.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn narrow8(a: [__m256d; 2]) -> __m256 {
    // SAFETY: the caller has AVX2; registers only.
    unsafe { _mm256_set_m128(_mm256_cvtpd_ps(a[1]), _mm256_cvtpd_ps(a[0])) }
}
