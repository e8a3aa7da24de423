//! SSE4.2 with popcnt: x86-64 without AVX2 (before Haswell, 2013; Atoms up to Tremont; emulators). Four registers for 16 f32 lanes.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | f32 | mulps, addps on four xmm registers | no fused multiply-add |
//! | packed f32 | pmovzxbd, psrld, pand, cvtdq2ps, subps, mulps, addps | decoding: 4 operations for 4 products, so `M` rows of activations share it |
//! | packed int8 | psrlw, pand, pmaddubsw, paddw | 8 operations for 32 products with one row of x, 4 + 4/M with M rows |
//!
//! Sixteen registers, of which a sum of f32 takes four: a tile of 2 by 1 keeps 8 for sums.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use crate::arch::{contract, each, lift, table, wrap};
use crate::lanes::{Bits, Bytes, Lanes};

pub(super) struct Sse42;

table!(
    "sse42", floats: Sse42, bytes: Sse42, bits: Sse42, "sse4.2,popcnt",
    f32: 2 x 1, vector: 2, binary: 2, i8: 2 x 4, signs: 2 x 2
);

impl Lanes for Sse42 {
    type F = [__m128; 4];
    type I = [__m128i; 4];
    type D = [__m128d; 4];
    type M = [__m128; 4];
    type N = [__m128d; 4];

    lift! { 4:
        add(a: F, b: F) -> F = _mm_add_ps;
        sub(a: F, b: F) -> F = _mm_sub_ps;
        mul(a: F, b: F) -> F = _mm_mul_ps;
        div(a: F, b: F) -> F = _mm_div_ps;
        sqrt(a: F) -> F = _mm_sqrt_ps;
        lt(a: F, b: F) -> M = _mm_cmplt_ps;
        bits(a: F) -> I = _mm_castps_si128;
        float(a: I) -> F = _mm_castsi128_ps;
        iadd(a: I, b: I) -> I = _mm_add_epi32;
        isub(a: I, b: I) -> I = _mm_sub_epi32;
        iand(a: I, b: I) -> I = _mm_and_si128;
        ihalf(a: I) -> I = _mm_srai_epi32::<1>;
        dadd(a: D, b: D) -> D = _mm_add_pd;
        dsub(a: D, b: D) -> D = _mm_sub_pd;
        dmul(a: D, b: D) -> D = _mm_mul_pd;
        ddiv(a: D, b: D) -> D = _mm_div_pd;
        dlt(a: D, b: D) -> N = _mm_cmplt_pd;
    }

    contract! {
        fn splat(x: f32) -> Self::F { [_mm_set1_ps(x); 4] }
        fn load(from: *const f32) -> Self::F {
            [_mm_loadu_ps(from), _mm_loadu_ps(from.add(4)), _mm_loadu_ps(from.add(8)), _mm_loadu_ps(from.add(12))]
        }
        fn store(to: *mut f32, x: Self::F) {
            _mm_storeu_ps(to, x[0]);
            _mm_storeu_ps(to.add(4), x[1]);
            _mm_storeu_ps(to.add(8), x[2]);
            _mm_storeu_ps(to.add(12), x[3]);
        }
        fn abs(a: Self::F) -> Self::F { each!(4, _mm_andnot_ps, [_mm_set1_ps(-0.0); 4], a) }
        fn mul_add_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F { Self::add(Self::mul(a, b), c) }
        fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F { each!(4, _mm_blendv_ps, no, yes, mask) }
        fn fold(a: Self::F) -> f32 { super::fold4(_mm_add_ps(_mm_add_ps(a[0], a[2]), _mm_add_ps(a[1], a[3]))) }

        fn isplat(x: i32) -> Self::I { [_mm_set1_epi32(x); 4] }
        fn ishl(a: Self::I, by: u32) -> Self::I { each!(4, _mm_sll_epi32, a, [_mm_cvtsi32_si128(by as i32); 4]) }
        fn ishr(a: Self::I, by: u32) -> Self::I { each!(4, _mm_srl_epi32, a, [_mm_cvtsi32_si128(by as i32); 4]) }
        fn store_codes(to: *mut i8, x: Self::F) {
            let x = each!(4, _mm_cvtps_epi32, x);
            _mm_storeu_si128(to.cast(), _mm_packs_epi16(_mm_packs_epi32(x[0], x[1]), _mm_packs_epi32(x[2], x[3])));
        }

        fn dsplat(x: f64) -> Self::D { [_mm_set1_pd(x); 4] }
        fn dload(from: *const f64) -> Self::D {
            [_mm_loadu_pd(from), _mm_loadu_pd(from.add(2)), _mm_loadu_pd(from.add(4)), _mm_loadu_pd(from.add(6))]
        }
        fn dstore(to: *mut f64, x: Self::D) {
            _mm_storeu_pd(to, x[0]);
            _mm_storeu_pd(to.add(2), x[1]);
            _mm_storeu_pd(to.add(4), x[2]);
            _mm_storeu_pd(to.add(6), x[3]);
        }
        fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D { each!(4, _mm_blendv_pd, no, yes, mask) }
        fn dpow2(shifted: Self::D) -> Self::D {
            let biased = each!(4, _mm_add_epi64, each!(4, _mm_castpd_si128, shifted), [_mm_set1_epi64x(1023); 4]);
            each!(4, _mm_castsi128_pd, each!(4, _mm_slli_epi64::<52>, biased))
        }
        fn widen(a: Self::F) -> [Self::D; 2] {
            let (low, high) = (each!(4, _mm_cvtps_pd, a), each!(4, _mm_cvtps_pd, each!(4, _mm_movehl_ps, a, a)));
            [[low[0], high[0], low[1], high[1]], [low[2], high[2], low[3], high[3]]]
        }
        fn narrow(a: [Self::D; 2]) -> Self::F {
            let (low, high) = (each!(4, _mm_cvtpd_ps, a[0]), each!(4, _mm_cvtpd_ps, a[1]));
            [
                _mm_movelh_ps(low[0], low[1]),
                _mm_movelh_ps(low[2], low[3]),
                _mm_movelh_ps(high[0], high[1]),
                _mm_movelh_ps(high[2], high[3]),
            ]
        }

        fn halves(from: *const u8) -> Self::I {
            let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(16).cast()));
            [
                _mm_cvtepu16_epi32(low),
                _mm_cvtepu16_epi32(_mm_srli_si128::<8>(low)),
                _mm_cvtepu16_epi32(high),
                _mm_cvtepu16_epi32(_mm_srli_si128::<8>(high)),
            ]
        }
        fn digits(from: *const u8) -> Self::I {
            let bytes = _mm_loadu_si128(from.cast());
            [
                _mm_cvtepu8_epi32(bytes),
                _mm_cvtepu8_epi32(_mm_srli_si128::<4>(bytes)),
                _mm_cvtepu8_epi32(_mm_srli_si128::<8>(bytes)),
                _mm_cvtepu8_epi32(_mm_srli_si128::<12>(bytes)),
            ]
        }
        fn trit(a: Self::I) -> Self::F {
            let digits = each!(4, _mm_and_si128, a, [_mm_set1_epi32(3); 4]);
            each!(4, _mm_sub_ps, each!(4, _mm_cvtepi32_ps, digits), [_mm_set1_ps(1.0); 4])
        }
        fn sign(a: Self::I) -> Self::F {
            // The bit moves to the sign of -1, where it makes +1.
            let flips = each!(4, _mm_castsi128_ps, each!(4, _mm_slli_epi32::<31>, a));
            each!(4, _mm_xor_ps, flips, [_mm_set1_ps(-1.0); 4])
        }

        fn diff(a: *const i8, b: *const i8) -> u32 {
            let mut same = 0;
            for group in 0..4 {
                let (a, b) = (_mm_loadu_si128(a.add(16 * group).cast()), _mm_loadu_si128(b.add(16 * group).cast()));
                same += _mm_movemask_epi8(_mm_cmpeq_epi8(a, b)).count_ones();
            }
            64 - same
        }
    }
}

impl Bytes for Sse42 {
    type B = [__m128i; 2];
    type P = [__m128i; 2];
    type T = [__m128i; 2];
    const BLOCKS: usize = 1;
    const X_BYTES: usize = 1;
    /// A 16-bit sum takes two products a step, at worst digit * -128 each: -256 times the sum of the digits may reach -32768.
    const DEPTH: usize = 128;
    const WHOLE_BYTES: bool = false;

    lift! { 2:
        badd(a: B, b: B) -> B = _mm_add_epi8;
        band(a: B, b: B) -> B = _mm_and_si128;
        bsub_saturating(a: B, b: B) -> B = _mm_subs_epu8;
        bavg(a: B, b: B) -> B = _mm_avg_epu8;
        bxor(a: B, b: B) -> B = _mm_xor_si128;
        tadd(a: T, b: T) -> T = _mm_add_epi32;
    }

    contract! {
        fn bload(from: *const u8) -> Self::B { [_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(16).cast())] }
        fn bload_block(from: *const u8) -> Self::B { Self::bload(from) }
        fn bstore(to: *mut u8, x: Self::B) {
            _mm_storeu_si128(to.cast(), x[0]);
            _mm_storeu_si128(to.add(16).cast(), x[1]);
        }
        fn btriple(a: Self::B) -> Self::B {
            let tripled = Self::badd(a, Self::badd(a, a));
            [hidden(tripled[0]), hidden(tripled[1])]
        }
        fn prefetch(from: *const u8) { _mm_prefetch::<_MM_HINT_T0>(from.cast()); }
        fn bsplat(x: u8) -> Self::B { [_mm_set1_epi8(x as i8); 2] }
        fn bshr(a: Self::B, by: u32) -> Self::B { each!(2, _mm_srl_epi16, a, [_mm_cvtsi32_si128(by as i32); 2]) }

        fn prepare(x: *const i8, to: *mut u8) { std::ptr::copy_nonoverlapping(x.cast(), to, 32); }
        fn pzero() -> Self::P { [_mm_setzero_si128(); 2] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            let pairs = each!(2, _mm_maddubs_epi16, digits, Self::bload(x));
            each!(2, _mm_add_epi16, sum, pairs)
        }
        fn tzero() -> Self::T { [_mm_setzero_si128(); 2] }
        fn drain(total: Self::T, sum: Self::P) -> Self::T {
            Self::tadd(total, each!(2, _mm_madd_epi16, sum, [_mm_set1_epi16(1); 2]))
        }
        fn tshr(total: Self::T, by: u32) -> Self::T { each!(2, _mm_sra_epi32, total, [_mm_cvtsi32_si128(by as i32); 2]) }
        fn tshl(total: Self::T, by: u32) -> Self::T { each!(2, _mm_sll_epi32, total, [_mm_cvtsi32_si128(by as i32); 2]) }
        fn tsum(total: Self::T) -> i32 { super::sum4(_mm_add_epi32(total[0], total[1])) }
    }
}

impl Bits for Sse42 {
    type C = [__m128i; 2];
    /// Eight a byte and step.
    const POPS: usize = 31;

    contract! {
        fn czero() -> Self::C { [_mm_setzero_si128(); 2] }
        fn cpop(count: Self::C, x: Self::B) -> Self::C { Self::badd(count, [popcount(x[0]), popcount(x[1])]) }
        fn csum(count: Self::C) -> u32 {
            let eights = each!(2, _mm_sad_epu8, count, [_mm_setzero_si128(); 2]);
            Self::tsum(eights) as u32
        }
    }
}

/// Set bits of each byte, by a look-up of both halves.
///
/// # Safety
/// The processor has SSE4.2.
#[inline(always)]
unsafe fn popcount(x: __m128i) -> __m128i {
    // SAFETY: the caller has SSE4.2; registers only.
    unsafe {
        let low = _mm_set1_epi8(15);
        let counts = _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        let high = _mm_and_si128(_mm_srli_epi16::<4>(x), low);
        _mm_add_epi8(
            _mm_shuffle_epi8(counts, _mm_and_si128(x, low)),
            _mm_shuffle_epi8(counts, high),
        )
    }
}

/// Its argument, without the compiler knowing that it is (see `Bytes::btriple`).
///
/// # Safety
/// The processor has SSE4.2.
#[inline]
#[target_feature(enable = "sse4.2")]
unsafe fn hidden(a: __m128i) -> __m128i {
    let mut a = a;
    // SAFETY: no instruction at all; the register keeps its value.
    unsafe {
        std::arch::asm!("/* {0} */", inout(xmm_reg) a, options(pure, nomem, nostack, preserves_flags));
    }
    a
}
