//! x86-64: AVX2 (Haswell, 2013) and AVX-512 with VNNI (Ice Lake, Zen 4).

mod avx2;
mod avx512;

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use crate::table::Kernels;

/// The tables this processor can run, best first.
pub(crate) fn detect() -> Vec<&'static Kernels> {
    let mut tables: Vec<&'static Kernels> = Vec::new();
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    if avx2 && avx512 {
        tables.push(&avx512::TABLE);
    }
    if avx2 {
        tables.push(&avx2::TABLE);
    }
    tables
}

/// Upper half onto lower half until one is left.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn fold8(a: __m256) -> f32 {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// Sum of eight integers, wrapping.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sum8(a: __m256i) -> i32 {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        let four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
    }
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
