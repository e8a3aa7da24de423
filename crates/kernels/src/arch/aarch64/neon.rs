//! NEON, the SIMD of every aarch64 processor. Four registers for 16 f32 lanes, 32 registers in all.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | f32 | `fmla` | two to four a cycle |
//! | packed f32 | `uxtl`, `ushl`, `and`, `scvtf`, `fsub`, `fmla` | decoding, so `M` rows of activations share it |
//! | packed int8 | `smlal`, `smlal2` into 16 bits | the dot-product instructions are not on every processor |

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::aarch64::*;

use crate::arch::{contract, each, lift, table, wrap};
use crate::lanes::{Bits, Bytes, Lanes};

pub(crate) struct Neon;

table!(
    "neon", floats: Neon, bytes: Neon, bits: Neon, "neon",
    f32: 2 x 2, vector: 2, binary: 2, i8: 2 x 2, signs: 4 x 2
);

impl Lanes for Neon {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];
    type D = [float64x2_t; 4];
    type M = [uint32x4_t; 4];
    type N = [uint64x2_t; 4];

    lift! { 4:
        add(a: F, b: F) -> F = vaddq_f32;
        sub(a: F, b: F) -> F = vsubq_f32;
        mul(a: F, b: F) -> F = vmulq_f32;
        div(a: F, b: F) -> F = vdivq_f32;
        sqrt(a: F) -> F = vsqrtq_f32;
        abs(a: F) -> F = vabsq_f32;
        lt(a: F, b: F) -> M = vcltq_f32;
        select(mask: M, yes: F, no: F) -> F = vbslq_f32;
        bits(a: F) -> I = vreinterpretq_s32_f32;
        float(a: I) -> F = vreinterpretq_f32_s32;
        iadd(a: I, b: I) -> I = vaddq_s32;
        isub(a: I, b: I) -> I = vsubq_s32;
        iand(a: I, b: I) -> I = vandq_s32;
        ihalf(a: I) -> I = vshrq_n_s32::<1>;
        dadd(a: D, b: D) -> D = vaddq_f64;
        dsub(a: D, b: D) -> D = vsubq_f64;
        dmul(a: D, b: D) -> D = vmulq_f64;
        ddiv(a: D, b: D) -> D = vdivq_f64;
        dlt(a: D, b: D) -> N = vcltq_f64;
        dselect(mask: N, yes: D, no: D) -> D = vbslq_f64;
    }

    contract! {
        fn splat(x: f32) -> Self::F { [vdupq_n_f32(x); 4] }
        fn load(from: *const f32) -> Self::F {
            [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))]
        }
        fn store(to: *mut f32, x: Self::F) {
            vst1q_f32(to, x[0]);
            vst1q_f32(to.add(4), x[1]);
            vst1q_f32(to.add(8), x[2]);
            vst1q_f32(to.add(12), x[3]);
        }
        fn mul_add_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F { each!(4, vfmaq_f32, c, a, b) }
        fn fold(a: Self::F) -> f32 {
            let four = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }

        fn isplat(x: i32) -> Self::I { [vdupq_n_s32(x); 4] }
        fn ishl(a: Self::I, by: u32) -> Self::I { each!(4, vshlq_s32, a, [vdupq_n_s32(by as i32); 4]) }
        fn ishr(a: Self::I, by: u32) -> Self::I {
            // Negative counts shift right; on unsigned lanes, so that zeros come in.
            let unsigned = each!(4, vreinterpretq_u32_s32, a);
            let shifted = each!(4, vshlq_u32, unsigned, [vdupq_n_s32(-(by as i32)); 4]);
            each!(4, vreinterpretq_s32_u32, shifted)
        }
        fn store_codes(to: *mut i8, x: Self::F) {
            let narrow = each!(4, vqmovn_s32, each!(4, vcvtnq_s32_f32, x));
            let low = vqmovn_s16(vcombine_s16(narrow[0], narrow[1]));
            let high = vqmovn_s16(vcombine_s16(narrow[2], narrow[3]));
            vst1q_s8(to, vcombine_s8(low, high));
        }

        fn dsplat(x: f64) -> Self::D { [vdupq_n_f64(x); 4] }
        fn dload(from: *const f64) -> Self::D {
            [vld1q_f64(from), vld1q_f64(from.add(2)), vld1q_f64(from.add(4)), vld1q_f64(from.add(6))]
        }
        fn dstore(to: *mut f64, x: Self::D) {
            vst1q_f64(to, x[0]);
            vst1q_f64(to.add(2), x[1]);
            vst1q_f64(to.add(4), x[2]);
            vst1q_f64(to.add(6), x[3]);
        }
        fn dpow2(shifted: Self::D) -> Self::D {
            let bits = each!(4, vreinterpretq_s64_f64, shifted);
            let biased = each!(4, vaddq_s64, bits, [vdupq_n_s64(1023); 4]);
            each!(4, vreinterpretq_f64_s64, each!(4, vshlq_n_s64::<52>, biased))
        }
        fn widen(a: Self::F) -> [Self::D; 2] {
            let low = each!(4, vcvt_f64_f32, each!(4, vget_low_f32, a));
            let high = each!(4, vcvt_high_f64_f32, a);
            [[low[0], high[0], low[1], high[1]], [low[2], high[2], low[3], high[3]]]
        }
        fn narrow(a: [Self::D; 2]) -> Self::F {
            [
                vcvt_high_f32_f64(vcvt_f32_f64(a[0][0]), a[0][1]),
                vcvt_high_f32_f64(vcvt_f32_f64(a[0][2]), a[0][3]),
                vcvt_high_f32_f64(vcvt_f32_f64(a[1][0]), a[1][1]),
                vcvt_high_f32_f64(vcvt_f32_f64(a[1][2]), a[1][3]),
            ]
        }

        fn halves(from: *const u8) -> Self::I {
            let (low, high) = (vreinterpretq_u16_u8(vld1q_u8(from)), vreinterpretq_u16_u8(vld1q_u8(from.add(16))));
            let wide = [vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)];
            each!(4, vreinterpretq_s32_u32, wide)
        }
        fn digits(from: *const u8) -> Self::I {
            let bytes = vld1q_u8(from);
            let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
            let wide = [vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)];
            each!(4, vreinterpretq_s32_u32, wide)
        }
        fn trit(a: Self::I) -> Self::F {
            let digits = each!(4, vandq_s32, a, [vdupq_n_s32(3); 4]);
            each!(4, vsubq_f32, each!(4, vcvtq_f32_s32, digits), [vdupq_n_f32(1.0); 4])
        }
        fn sign(a: Self::I) -> Self::F {
            // The bit moves to the sign of -1, where it makes +1.
            let minus_one = vdupq_n_s32((-1.0f32).to_bits() as i32);
            let flips = each!(4, vshlq_n_s32::<31>, a);
            each!(4, vreinterpretq_f32_s32, each!(4, veorq_s32, flips, [minus_one; 4]))
        }

        fn diff(a: *const i8, b: *const i8) -> u32 {
            let mut count = 0;
            for group in 0..4 {
                let same = vceqq_s8(vld1q_s8(a.add(16 * group)), vld1q_s8(b.add(16 * group)));
                count += 16 - u32::from(vaddvq_u8(vandq_u8(same, vdupq_n_u8(1))));
            }
            count
        }
    }
}

impl Bytes for Neon {
    type B = [uint8x16_t; 2];
    type P = [int16x8_t; 4];
    type T = [int32x4_t; 4];
    const BLOCKS: usize = 1;
    const X_BYTES: usize = 1;
    /// A 16-bit sum takes one product a step, at worst digit * -128: -128 times the sum of the digits may reach -32768.
    const DEPTH: usize = 256;
    const WHOLE_BYTES: bool = false;

    lift! { 4:
        tadd(a: T, b: T) -> T = vaddq_s32;
        drain(total: T, sum: P) -> T = vpadalq_s16;
    }

    lift! { 2:
        badd(a: B, b: B) -> B = vaddq_u8;
        band(a: B, b: B) -> B = vandq_u8;
        bsub_saturating(a: B, b: B) -> B = vqsubq_u8;
        bavg(a: B, b: B) -> B = vrhaddq_u8;
        bxor(a: B, b: B) -> B = veorq_u8;
    }

    contract! {
        fn bload(from: *const u8) -> Self::B { [vld1q_u8(from), vld1q_u8(from.add(16))] }
        fn bload_block(from: *const u8) -> Self::B { Self::bload(from) }
        fn bstore(to: *mut u8, x: Self::B) {
            vst1q_u8(to, x[0]);
            vst1q_u8(to.add(16), x[1]);
        }
        fn prefetch(_from: *const u8) {}
        fn bsplat(x: u8) -> Self::B { [vdupq_n_u8(x); 2] }
        fn bshr(a: Self::B, by: u32) -> Self::B { each!(2, vshlq_u8, a, [vdupq_n_s8(-(by as i8)); 2]) }

        fn prepare(x: *const i8, to: *mut u8) { std::ptr::copy_nonoverlapping(x.cast(), to, 32); }
        fn pzero() -> Self::P { [vdupq_n_s16(0); 4] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            let (x0, x1) = (vld1q_s8(x.cast()), vld1q_s8(x.add(16).cast()));
            let [d0, d1] = each!(2, vreinterpretq_s8_u8, digits);
            [
                vmlal_s8(sum[0], vget_low_s8(d0), vget_low_s8(x0)),
                vmlal_high_s8(sum[1], d0, x0),
                vmlal_s8(sum[2], vget_low_s8(d1), vget_low_s8(x1)),
                vmlal_high_s8(sum[3], d1, x1),
            ]
        }
        fn tzero() -> Self::T { [vdupq_n_s32(0); 4] }
        fn tshr(total: Self::T, by: u32) -> Self::T { each!(4, vshlq_s32, total, [vdupq_n_s32(-(by as i32)); 4]) }
        fn tshl(total: Self::T, by: u32) -> Self::T { each!(4, vshlq_s32, total, [vdupq_n_s32(by as i32); 4]) }
        fn tsum(total: Self::T) -> i32 {
            vaddvq_s32(vaddq_s32(vaddq_s32(total[0], total[1]), vaddq_s32(total[2], total[3])))
        }
    }
}

impl Bits for Neon {
    type C = [uint8x16_t; 2];
    /// Eight a byte and step.
    const POPS: usize = 31;

    contract! {
        fn czero() -> Self::C { [vdupq_n_u8(0); 2] }
        fn cpop(count: Self::C, x: Self::B) -> Self::C { Self::badd(count, each!(2, vcntq_u8, x)) }
        fn csum(count: Self::C) -> u32 { u32::from(vaddlvq_u8(count[0])) + u32::from(vaddlvq_u8(count[1])) }
    }
}
