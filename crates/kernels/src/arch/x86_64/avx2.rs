//! AVX2 with FMA and F16C.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | f32 | two ymm registers for 16 lanes | two multiply-adds a cycle |
//! | packed f32 | vpmovzxbd, vpsrld, vpermps as look-up of the code, vfmadd | decoding: 3 operations for 8 products |
//! | packed int8 | vpsrlw, vpand, vpmaddubsw, vpaddw | 4 operations for 32 products with one row of x, 2 + 2/M with M rows |
//!
//! Sixteen registers: a tile of 2 by 2 keeps 8 of them for sums of f32.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use crate::arch::{contract, each, lift, table, wrap};
use crate::lanes::{Bits, Bytes, Lanes};

pub(super) struct Avx2;

table!(
    "avx2", floats: Avx2, bytes: Avx2, bits: Avx2, "avx2,fma,popcnt,f16c",
    f32: 2 x 2, vector: 2, binary: 2, i8: 2 x 4, signs: 2 x 4
);

/// Its argument, without the compiler knowing that it is (see `Bytes::btriple`).
///
/// # Safety
/// The processor has the features named.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn hidden(a: __m256i) -> __m256i {
    let mut a = a;
    // SAFETY: no instruction at all; the register keeps its value.
    unsafe {
        std::arch::asm!("/* {0} */", inout(ymm_reg) a, options(pure, nomem, nostack, preserves_flags));
    }
    a
}

impl Lanes for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type D = [__m256d; 2];
    type M = [__m256; 2];
    type N = [__m256d; 2];

    lift! { 2:
        add(a: F, b: F) -> F = _mm256_add_ps;
        sub(a: F, b: F) -> F = _mm256_sub_ps;
        mul(a: F, b: F) -> F = _mm256_mul_ps;
        div(a: F, b: F) -> F = _mm256_div_ps;
        sqrt(a: F) -> F = _mm256_sqrt_ps;
        mul_add_exact(a: F, b: F, c: F) -> F = _mm256_fmadd_ps;
        lt(a: F, b: F) -> M = _mm256_cmp_ps::<_CMP_LT_OQ>;
        bits(a: F) -> I = _mm256_castps_si256;
        float(a: I) -> F = _mm256_castsi256_ps;
        iadd(a: I, b: I) -> I = _mm256_add_epi32;
        isub(a: I, b: I) -> I = _mm256_sub_epi32;
        iand(a: I, b: I) -> I = _mm256_and_si256;
        ihalf(a: I) -> I = _mm256_srai_epi32::<1>;
        dadd(a: D, b: D) -> D = _mm256_add_pd;
        dsub(a: D, b: D) -> D = _mm256_sub_pd;
        dmul(a: D, b: D) -> D = _mm256_mul_pd;
        ddiv(a: D, b: D) -> D = _mm256_div_pd;
        dlt(a: D, b: D) -> N = _mm256_cmp_pd::<_CMP_LT_OQ>;
    }

    contract! {
        fn splat(x: f32) -> Self::F { [_mm256_set1_ps(x); 2] }
        fn load(from: *const f32) -> Self::F { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        fn store(to: *mut f32, x: Self::F) {
            _mm256_storeu_ps(to, x[0]);
            _mm256_storeu_ps(to.add(8), x[1]);
        }
        fn abs(a: Self::F) -> Self::F {
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, a[0]), _mm256_andnot_ps(sign, a[1])]
        }
        fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
            [_mm256_blendv_ps(no[0], yes[0], mask[0]), _mm256_blendv_ps(no[1], yes[1], mask[1])]
        }
        fn fold(a: Self::F) -> f32 { super::fold8(_mm256_add_ps(a[0], a[1])) }

        fn isplat(x: i32) -> Self::I { [_mm256_set1_epi32(x); 2] }
        fn ishl(a: Self::I, by: u32) -> Self::I {
            let by = _mm_cvtsi32_si128(by as i32);
            [_mm256_sll_epi32(a[0], by), _mm256_sll_epi32(a[1], by)]
        }
        fn ishr(a: Self::I, by: u32) -> Self::I {
            let by = _mm_cvtsi32_si128(by as i32);
            [_mm256_srl_epi32(a[0], by), _mm256_srl_epi32(a[1], by)]
        }
        fn store_codes(to: *mut i8, x: Self::F) {
            let words = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
            // The packing works within halves: put the four quarters back in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.cast(), bytes);
        }

        fn dsplat(x: f64) -> Self::D { [_mm256_set1_pd(x); 2] }
        fn dload(from: *const f64) -> Self::D { [_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(4))] }
        fn dstore(to: *mut f64, x: Self::D) {
            _mm256_storeu_pd(to, x[0]);
            _mm256_storeu_pd(to.add(4), x[1]);
        }
        fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D {
            [_mm256_blendv_pd(no[0], yes[0], mask[0]), _mm256_blendv_pd(no[1], yes[1], mask[1])]
        }
        fn dpow2(shifted: Self::D) -> Self::D {
            let bias = _mm256_set1_epi64x(1023);
            let low = _mm256_add_epi64(_mm256_castpd_si256(shifted[0]), bias);
            let high = _mm256_add_epi64(_mm256_castpd_si256(shifted[1]), bias);
            [
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(low)),
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(high)),
            ]
        }
        fn widen(a: Self::F) -> [Self::D; 2] { [super::widen8(a[0]), super::widen8(a[1])] }
        fn narrow(a: [Self::D; 2]) -> Self::F { [super::narrow8(a[0]), super::narrow8(a[1])] }

        fn halves(from: *const u8) -> Self::I {
            let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(16).cast()));
            [_mm256_cvtepu16_epi32(low), _mm256_cvtepu16_epi32(high)]
        }
        fn f16(from: *const u8) -> Self::F {
            let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(16).cast()));
            [_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)]
        }
        fn digits(from: *const u8) -> Self::I {
            let bytes = _mm_loadu_si128(from.cast());
            [_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes))]
        }
        fn trit(a: Self::I) -> Self::F {
            // The look-up uses the low three bits of an index; a table of period four makes it use two.
            let codes = _mm256_setr_ps(-1.0, 0.0, 1.0, 2.0, -1.0, 0.0, 1.0, 2.0);
            [_mm256_permutevar8x32_ps(codes, a[0]), _mm256_permutevar8x32_ps(codes, a[1])]
        }
        fn sign(a: Self::I) -> Self::F {
            let codes = _mm256_setr_ps(-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0);
            [_mm256_permutevar8x32_ps(codes, a[0]), _mm256_permutevar8x32_ps(codes, a[1])]
        }

        fn diff(a: *const i8, b: *const i8) -> u32 {
            let (a0, a1) = (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(a.add(32).cast()));
            let (b0, b1) = (_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(32).cast()));
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a0, b0));
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a1, b1));
            64 - low.count_ones() - high.count_ones()
        }
    }
}

impl Bytes for Avx2 {
    type B = [__m256i; 1];
    type P = [__m256i; 1];
    type T = [__m256i; 1];
    const BLOCKS: usize = 1;
    const X_BYTES: usize = 1;
    /// A 16-bit sum takes two products a step, at worst digit * -128 each: -256 times the sum of the digits may reach -32768.
    const DEPTH: usize = 128;
    const WHOLE_BYTES: bool = false;

    lift! { 1:
        badd(a: B, b: B) -> B = _mm256_add_epi8;
        band(a: B, b: B) -> B = _mm256_and_si256;
        bsub_saturating(a: B, b: B) -> B = _mm256_subs_epu8;
        bavg(a: B, b: B) -> B = _mm256_avg_epu8;
        bxor(a: B, b: B) -> B = _mm256_xor_si256;
        tadd(a: T, b: T) -> T = _mm256_add_epi32;
    }

    contract! {
        fn bload(from: *const u8) -> Self::B { [_mm256_loadu_si256(from.cast())] }
        fn bload_block(from: *const u8) -> Self::B { Self::bload(from) }
        fn bstore(to: *mut u8, x: Self::B) { _mm256_storeu_si256(to.cast(), x[0]); }
        fn btriple(a: Self::B) -> Self::B { [hidden(_mm256_add_epi8(a[0], _mm256_add_epi8(a[0], a[0])))] }
        fn base3(bytes: Self::B) -> [Self::B; 5] {
            let [a, b, c, d, e] = super::base3(bytes[0]);
            [[a], [b], [c], [d], [e]]
        }
        fn prefetch(from: *const u8) { _mm_prefetch::<_MM_HINT_T0>(from.cast()); }
        fn bsplat(x: u8) -> Self::B { [_mm256_set1_epi8(x as i8)] }
        fn bshr(a: Self::B, by: u32) -> Self::B { [_mm256_srl_epi16(a[0], _mm_cvtsi32_si128(by as i32))] }

        fn prepare(x: *const i8, to: *mut u8) { std::ptr::copy_nonoverlapping(x.cast(), to, 32); }
        fn pzero() -> Self::P { [_mm256_setzero_si256()] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            let pairs = _mm256_maddubs_epi16(digits[0], _mm256_loadu_si256(x.cast()));
            [_mm256_add_epi16(sum[0], pairs)]
        }
        fn tzero() -> Self::T { [_mm256_setzero_si256()] }
        fn drain(total: Self::T, sum: Self::P) -> Self::T {
            [_mm256_add_epi32(total[0], _mm256_madd_epi16(sum[0], _mm256_set1_epi16(1)))]
        }
        fn tshr(total: Self::T, by: u32) -> Self::T { [_mm256_sra_epi32(total[0], _mm_cvtsi32_si128(by as i32))] }
        fn tshl(total: Self::T, by: u32) -> Self::T { [_mm256_sll_epi32(total[0], _mm_cvtsi32_si128(by as i32))] }
        fn tsum(total: Self::T) -> i32 { super::sum8(total[0]) }
        fn tsum4(totals: [Self::T; 4]) -> [i32; 4] { super::sum8x4([totals[0][0], totals[1][0], totals[2][0], totals[3][0]]) }
    }
}

impl Bits for Avx2 {
    type C = [__m256i; 1];
    /// Eight a byte and step.
    const POPS: usize = 31;

    contract! {
        fn czero() -> Self::C { [_mm256_setzero_si256()] }
        fn cpop(count: Self::C, x: Self::B) -> Self::C { [_mm256_add_epi8(count[0], super::popcount8(x[0]))] }
        fn csum(count: Self::C) -> u32 {
            let eights = _mm256_sad_epu8(count[0], _mm256_setzero_si256());
            super::sum8(eights) as u32
        }
    }
}
