//! x86-64, from SSE4.2 (2008) to AVX-512.
//!
//! | table | needs | first processors |
//! |---|---|---|
//! | `avx512` | AVX2, FMA, F16C, popcnt, AVX-512 F, BW, VL, VNNI, VPOPCNTDQ | Ice Lake (2019), Zen 4 |
//! | `avx512vnni` | the same without VPOPCNTDQ | Cascade Lake (2019), Cooper Lake |
//! | `avxvnni` | AVX2, FMA, F16C, popcnt, AVX-VNNI | Alder Lake (2021), Sierra Forest |
//! | `avx2` | AVX2, FMA, F16C, popcnt | Haswell (2013), Zen |
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
    let avx2 = has!("avx2", "fma", "popcnt", "f16c");
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

/// Sums of four times eight integers, wrapping.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn sum8x4([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        let (ab, cd) = (_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let halves = _mm256_hadd_epi32(ab, cd);
        let sums =
            _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
        std::mem::transmute(sums)
    }
}

/// The five base-3 digits of each byte, two at a time: `floor(9 t / 256)` is the number of the first two digits, `floor(81 t / 256)` that of the first
/// four, and a look-up splits a number below nine. 24 operations, where taking one digit after the other is 35.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn base3(t: __m256i) -> [__m256i; 5] {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        // Products of the even bytes and of the odd bytes; the upper byte of a product is the number.
        let products = |factor: i8| {
            let factor = _mm256_set1_epi16(i16::from(factor));
            (
                _mm256_maddubs_epi16(t, factor),
                _mm256_maddubs_epi16(t, _mm256_slli_epi16::<8>(factor)),
            )
        };
        let upper = _mm256_set1_epi16(-256);
        let numbers = |(even, odd)| {
            _mm256_or_si256(_mm256_srli_epi16::<8>(even), _mm256_and_si256(odd, upper))
        };
        let table = |entries: [i8; 9]| {
            let mut padded = [0i8; 16];
            padded[..9].copy_from_slice(&entries);
            _mm256_broadcastsi128_si256(_mm_loadu_si128(padded.as_ptr().cast()))
        };
        let first = table([0, 0, 0, 1, 1, 1, 2, 2, 2]);
        let second = table([0, 1, 2, 0, 1, 2, 0, 1, 2]);
        let nines = table([0, 9, 18, 27, 36, 45, 54, 63, 72]);
        let (two, fourfold) = (numbers(products(9)), products(81));
        let next = _mm256_sub_epi8(numbers(fourfold), _mm256_shuffle_epi8(nines, two));
        // What is left of the fraction after four digits is the lower byte of 81 t; its digit as in `Bytes::base3`.
        let (even, odd) = fourfold;
        let rest = _mm256_or_si256(_mm256_andnot_si256(upper, even), _mm256_slli_epi16::<8>(odd));
        let u = _mm256_subs_epu8(rest, _mm256_set1_epi8(1));
        let average = _mm256_avg_epu8(u, _mm256_avg_epu8(u, _mm256_setzero_si256()));
        let last = _mm256_and_si256(_mm256_srli_epi16::<6>(average), _mm256_set1_epi8(3));
        [
            _mm256_shuffle_epi8(first, two),
            _mm256_shuffle_epi8(second, two),
            _mm256_shuffle_epi8(first, next),
            _mm256_shuffle_epi8(second, next),
            last,
        ]
    }
}

/// Set bits of each byte, by a look-up of both halves (W. Mula, 2008).
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn popcount8(x: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2; registers only.
    unsafe {
        let low = _mm256_set1_epi8(15);
        let counts = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
        ));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(x), low);
        _mm256_add_epi8(
            _mm256_shuffle_epi8(counts, _mm256_and_si256(x, low)),
            _mm256_shuffle_epi8(counts, high),
        )
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
