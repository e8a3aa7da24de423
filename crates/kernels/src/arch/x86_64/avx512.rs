//! AVX-512 (F, BW, VL) with VNNI.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | f32 | one zmm register for 16 lanes | Zen 4 splits zmm: one multiply-add a cycle |
//! | packed f32 | vpmovzxbd, vpsrld, vpermps as look-up of the code, vfmadd | decoding: 3 operations for 16 products |
//! | packed int8 | vpsrlw, vpand, vpdpbusd on ymm | 3 operations for 32 products with one row of x, 1 + 2/M with M rows |
//!
//! The int8 product uses ymm because a block is 32 bytes; on Zen 4 two ymm a cycle do what one zmm does.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use crate::arch::{contract, each, lift, table, wrap};
use crate::lanes::{Bits, Bytes, Lanes};

pub(super) struct Avx512;

table!(
    "avx512", floats: Avx512, bytes: Avx512, bits: Avx512, "avx2,fma,popcnt,f16c,avx512f,avx512bw,avx512vl,avx512vnni,avx512vpopcntdq",
    f32: 4 x 4, vector: 4, binary: 4, i8: 4 x 4, signs: 4 x 4
);

/// Sixteen integers as eight: the upper half added to the lower.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn halve(a: __m512i) -> __m256i {
    // SAFETY: the caller has AVX-512; registers only.
    unsafe { _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64::<1>(a)) }
}

/// Its argument, without the compiler knowing that it is (see `Bytes::btriple`).
///
/// # Safety
/// The processor has the features named.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn hidden(a: __m512i) -> __m512i {
    let mut a = a;
    // SAFETY: no instruction at all; the register keeps its value.
    unsafe {
        std::arch::asm!("/* {0} */", inout(zmm_reg) a, options(pure, nomem, nostack, preserves_flags));
    }
    a
}

impl Lanes for Avx512 {
    type F = [__m512; 1];
    const PRODUCT_ROWS: usize = 4;
    type I = [__m512i; 1];
    type D = [__m512d; 1];
    type M = [__mmask16; 1];
    type N = [__mmask8; 1];

    lift! { 1:
        add(a: F, b: F) -> F = _mm512_add_ps;
        sub(a: F, b: F) -> F = _mm512_sub_ps;
        mul(a: F, b: F) -> F = _mm512_mul_ps;
        div(a: F, b: F) -> F = _mm512_div_ps;
        sqrt(a: F) -> F = _mm512_sqrt_ps;
        abs(a: F) -> F = _mm512_abs_ps;
        mul_add_exact(a: F, b: F, c: F) -> F = _mm512_fmadd_ps;
        lt(a: F, b: F) -> M = _mm512_cmp_ps_mask::<_CMP_LT_OQ>;
        bits(a: F) -> I = _mm512_castps_si512;
        float(a: I) -> F = _mm512_castsi512_ps;
        iadd(a: I, b: I) -> I = _mm512_add_epi32;
        isub(a: I, b: I) -> I = _mm512_sub_epi32;
        iand(a: I, b: I) -> I = _mm512_and_si512;
        ihalf(a: I) -> I = _mm512_srai_epi32::<1>;
        dadd(a: D, b: D) -> D = _mm512_add_pd;
        dsub(a: D, b: D) -> D = _mm512_sub_pd;
        dmul(a: D, b: D) -> D = _mm512_mul_pd;
        ddiv(a: D, b: D) -> D = _mm512_div_pd;
        dlt(a: D, b: D) -> N = _mm512_cmp_pd_mask::<_CMP_LT_OQ>;
    }

    contract! {
        fn splat(x: f32) -> Self::F { [_mm512_set1_ps(x)] }
        fn load(from: *const f32) -> Self::F { [_mm512_loadu_ps(from)] }
        fn store(to: *mut f32, x: Self::F) { _mm512_storeu_ps(to, x[0]); }
        fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
            [_mm512_mask_blend_ps(mask[0], no[0], yes[0])]
        }
        fn fold(a: Self::F) -> f32 {
            let high = _mm512_castpd_ps(_mm512_shuffle_f64x2::<0b1110>(
                _mm512_castps_pd(a[0]),
                _mm512_castps_pd(a[0]),
            ));
            let eight = _mm512_castps512_ps256(_mm512_add_ps(a[0], high));
            super::fold8(eight)
        }

        fn isplat(x: i32) -> Self::I { [_mm512_set1_epi32(x)] }
        fn ishl(a: Self::I, by: u32) -> Self::I { [_mm512_sll_epi32(a[0], _mm_cvtsi32_si128(by as i32))] }
        fn ishr(a: Self::I, by: u32) -> Self::I { [_mm512_srl_epi32(a[0], _mm_cvtsi32_si128(by as i32))] }
        fn store_codes(to: *mut i8, x: Self::F) {
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x[0])));
        }

        fn dsplat(x: f64) -> Self::D { [_mm512_set1_pd(x)] }
        fn dload(from: *const f64) -> Self::D { [_mm512_loadu_pd(from)] }
        fn dstore(to: *mut f64, x: Self::D) { _mm512_storeu_pd(to, x[0]); }
        fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D {
            [_mm512_mask_blend_pd(mask[0], no[0], yes[0])]
        }
        fn dpow2(shifted: Self::D) -> Self::D {
            let biased = _mm512_add_epi64(_mm512_castpd_si512(shifted[0]), _mm512_set1_epi64(1023));
            [_mm512_castsi512_pd(_mm512_slli_epi64::<52>(biased))]
        }
        fn widen(a: Self::F) -> [Self::D; 2] {
            let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a[0]));
            [
                [_mm512_cvtps_pd(_mm512_castps512_ps256(a[0]))],
                [_mm512_cvtps_pd(_mm256_castpd_ps(high))],
            ]
        }
        fn narrow(a: [Self::D; 2]) -> Self::F {
            let (low, high) = (_mm512_cvtpd_ps(a[0][0]), _mm512_cvtpd_ps(a[1][0]));
            let both = _mm512_castpd256_pd512(_mm256_castps_pd(low));
            [_mm512_castpd_ps(_mm512_insertf64x4::<1>(both, _mm256_castps_pd(high)))]
        }

        fn halves(from: *const u8) -> Self::I { [_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()))] }
        fn f16(from: *const u8) -> Self::F { [_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))] }
        fn digits(from: *const u8) -> Self::I { [_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))] }
        fn trit(a: Self::I) -> Self::F {
            // The look-up uses the low four bits of an index; a table of period four makes it use two.
            let codes = _mm512_broadcast_f32x4(_mm_setr_ps(-1.0, 0.0, 1.0, 2.0));
            [_mm512_permutexvar_ps(a[0], codes)]
        }
        fn sign(a: Self::I) -> Self::F {
            let codes = _mm512_broadcast_f32x4(_mm_setr_ps(-1.0, 1.0, -1.0, 1.0));
            [_mm512_permutexvar_ps(a[0], codes)]
        }

        fn diff(a: *const i8, b: *const i8) -> u32 {
            _mm512_cmpneq_epi8_mask(_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast())).count_ones()
        }
    }
}

impl Bytes for Avx512 {
    type B = [__m512i; 1];
    type P = [__m512i; 1];
    type T = [__m512i; 1];
    const BLOCKS: usize = 2;
    const X_BYTES: usize = 1;
    /// vpdpbusd adds four products into 32 bits.
    const DEPTH: usize = 1 << 21;
    const WHOLE_BYTES: bool = true;

    lift! { 1:
        badd(a: B, b: B) -> B = _mm512_add_epi8;
        band(a: B, b: B) -> B = _mm512_and_si512;
        bxor(a: B, b: B) -> B = _mm512_xor_si512;
        bsub_saturating(a: B, b: B) -> B = _mm512_subs_epu8;
        bavg(a: B, b: B) -> B = _mm512_avg_epu8;
        tadd(a: T, b: T) -> T = _mm512_add_epi32;
    }

    contract! {
        fn bload(from: *const u8) -> Self::B { [_mm512_loadu_si512(from.cast())] }
        fn bload_block(from: *const u8) -> Self::B {
            [_mm512_zextsi256_si512(_mm256_loadu_si256(from.cast()))]
        }
        fn bstore(to: *mut u8, x: Self::B) { _mm512_storeu_si512(to.cast(), x[0]); }
        fn btriple(a: Self::B) -> Self::B { [hidden(_mm512_add_epi8(a[0], _mm512_add_epi8(a[0], a[0])))] }
        fn prefetch(from: *const u8) { _mm_prefetch::<_MM_HINT_T0>(from.cast()); }
        fn bsplat(x: u8) -> Self::B { [_mm512_set1_epi8(x as i8)] }
        fn bshr(a: Self::B, by: u32) -> Self::B { [_mm512_srl_epi16(a[0], _mm_cvtsi32_si128(by as i32))] }

        fn prepare(x: *const i8, to: *mut u8) { std::ptr::copy_nonoverlapping(x.cast(), to, 32); }
        fn pzero() -> Self::P { [_mm512_setzero_si512()] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            [_mm512_dpbusd_epi32(sum[0], digits[0], _mm512_loadu_si512(x.cast()))]
        }
        fn tzero() -> Self::T { [_mm512_setzero_si512()] }
        fn drain(total: Self::T, sum: Self::P) -> Self::T { Self::tadd(total, sum) }
        fn tshr(total: Self::T, by: u32) -> Self::T { [_mm512_sra_epi32(total[0], _mm_cvtsi32_si128(by as i32))] }
        fn tshl(total: Self::T, by: u32) -> Self::T { [_mm512_sll_epi32(total[0], _mm_cvtsi32_si128(by as i32))] }
        fn tsum(total: Self::T) -> i32 {
            super::sum8(halve(total[0]))
        }
        fn tsum4(totals: [Self::T; 4]) -> [i32; 4] {
            let [[a], [b], [c], [d]] = totals;
            // Within each 128 bits the four totals come side by side; then the four 128 bits are added.
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let four = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            let two = halve(four);
            let one = _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256::<1>(two));
            std::mem::transmute(one)
        }
    }
}

impl Bits for Avx512 {
    type C = [__m512i; 1];
    const POPS: usize = usize::MAX;

    contract! {
        fn czero() -> Self::C { [_mm512_setzero_si512()] }
        fn cpop(count: Self::C, x: Self::B) -> Self::C {
            [_mm512_add_epi64(count[0], _mm512_popcnt_epi64(x[0]))]
        }
        fn csum(count: Self::C) -> u32 { _mm512_reduce_add_epi64(count[0]) as u32 }
    }
}
