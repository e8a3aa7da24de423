//! WebAssembly SIMD128. Four registers for 16 f32 lanes.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | f32 | `f32x4.mul`, `f32x4.add` | no fused multiply-add: half of what the machine under it could do |
//! | packed f32 | extend, shift, and, convert, subtract | decoding, so `M` rows of activations share it |
//! | packed int8 | `i32x4.dot_i16x8_s` on even and odd bytes | there is no product of bytes with 32-bit sums; 16-bit ones are prepared once |
//!
//! An engine on x86 has 16 registers, hence the small tiles.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::wasm32::*;

use crate::arch::{contract, each, lift, table, wrap};
use crate::lanes::{Bits, Bytes, Lanes};

pub(crate) struct Simd128;

table!(
    "simd128", floats: Simd128, bytes: Simd128, bits: Simd128, "simd128",
    f32: 1 x 2, vector: 2, binary: 2, i8: 2 x 4, signs: 2 x 2
);

#[allow(
    unused_unsafe,
    reason = "only loads and stores are unsafe here; the macros serve every instruction set"
)]
impl Lanes for Simd128 {
    type F = [v128; 4];
    type I = [v128; 4];
    type D = [v128; 4];
    type M = [v128; 4];
    type N = [v128; 4];

    /// A sum takes 4 of 15 registers.
    const MIX_ROWS: usize = 2;

    lift! { 4:
        add(a: F, b: F) -> F = f32x4_add;
        sub(a: F, b: F) -> F = f32x4_sub;
        mul(a: F, b: F) -> F = f32x4_mul;
        div(a: F, b: F) -> F = f32x4_div;
        sqrt(a: F) -> F = f32x4_sqrt;
        abs(a: F) -> F = f32x4_abs;
        lt(a: F, b: F) -> M = f32x4_lt;
        iadd(a: I, b: I) -> I = i32x4_add;
        isub(a: I, b: I) -> I = i32x4_sub;
        iand(a: I, b: I) -> I = v128_and;
        dadd(a: D, b: D) -> D = f64x2_add;
        dsub(a: D, b: D) -> D = f64x2_sub;
        dmul(a: D, b: D) -> D = f64x2_mul;
        ddiv(a: D, b: D) -> D = f64x2_div;
        dlt(a: D, b: D) -> N = f64x2_lt;
    }

    contract! {
        fn splat(x: f32) -> Self::F { [f32x4_splat(x); 4] }
        fn load(from: *const f32) -> Self::F {
            [v128_load(from.cast()), v128_load(from.add(4).cast()), v128_load(from.add(8).cast()), v128_load(from.add(12).cast())]
        }
        fn store(to: *mut f32, x: Self::F) {
            v128_store(to.cast(), x[0]);
            v128_store(to.add(4).cast(), x[1]);
            v128_store(to.add(8).cast(), x[2]);
            v128_store(to.add(12).cast(), x[3]);
        }
        fn mul_add_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F { Self::add(Self::mul(a, b), c) }
        fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F { each!(4, v128_bitselect, yes, no, mask) }
        fn fold(a: Self::F) -> f32 {
            let four = f32x4_add(f32x4_add(a[0], a[2]), f32x4_add(a[1], a[3]));
            let two = f32x4_add(four, i32x4_shuffle::<2, 3, 0, 1>(four, four));
            f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
        }

        fn bits(a: Self::F) -> Self::I { a }
        fn float(a: Self::I) -> Self::F { a }
        fn isplat(x: i32) -> Self::I { [i32x4_splat(x); 4] }
        fn ishl(a: Self::I, by: u32) -> Self::I { [i32x4_shl(a[0], by), i32x4_shl(a[1], by), i32x4_shl(a[2], by), i32x4_shl(a[3], by)] }
        fn ishr(a: Self::I, by: u32) -> Self::I { [u32x4_shr(a[0], by), u32x4_shr(a[1], by), u32x4_shr(a[2], by), u32x4_shr(a[3], by)] }
        fn ihalf(a: Self::I) -> Self::I { [i32x4_shr(a[0], 1), i32x4_shr(a[1], 1), i32x4_shr(a[2], 1), i32x4_shr(a[3], 1)] }
        fn store_codes(to: *mut i8, x: Self::F) {
            let x = each!(4, i32x4_trunc_sat_f32x4, x);
            let bytes = i8x16_narrow_i16x8(i16x8_narrow_i32x4(x[0], x[1]), i16x8_narrow_i32x4(x[2], x[3]));
            v128_store(to.cast(), bytes);
        }

        fn dsplat(x: f64) -> Self::D { [f64x2_splat(x); 4] }
        fn dload(from: *const f64) -> Self::D {
            [v128_load(from.cast()), v128_load(from.add(2).cast()), v128_load(from.add(4).cast()), v128_load(from.add(6).cast())]
        }
        fn dstore(to: *mut f64, x: Self::D) {
            v128_store(to.cast(), x[0]);
            v128_store(to.add(2).cast(), x[1]);
            v128_store(to.add(4).cast(), x[2]);
            v128_store(to.add(6).cast(), x[3]);
        }
        fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D { each!(4, v128_bitselect, yes, no, mask) }
        fn dpow2(shifted: Self::D) -> Self::D {
            let biased = each!(4, i64x2_add, shifted, [i64x2_splat(1023); 4]);
            [i64x2_shl(biased[0], 52), i64x2_shl(biased[1], 52), i64x2_shl(biased[2], 52), i64x2_shl(biased[3], 52)]
        }
        fn widen(a: Self::F) -> [Self::D; 2] {
            let high = [
                i64x2_shuffle::<1, 1>(a[0], a[0]),
                i64x2_shuffle::<1, 1>(a[1], a[1]),
                i64x2_shuffle::<1, 1>(a[2], a[2]),
                i64x2_shuffle::<1, 1>(a[3], a[3]),
            ];
            let (low, high) = (each!(4, f64x2_promote_low_f32x4, a), each!(4, f64x2_promote_low_f32x4, high));
            [[low[0], high[0], low[1], high[1]], [low[2], high[2], low[3], high[3]]]
        }
        fn narrow(a: [Self::D; 2]) -> Self::F {
            let (low, high) = (each!(4, f32x4_demote_f64x2_zero, a[0]), each!(4, f32x4_demote_f64x2_zero, a[1]));
            [
                i64x2_shuffle::<0, 2>(low[0], low[1]),
                i64x2_shuffle::<0, 2>(low[2], low[3]),
                i64x2_shuffle::<0, 2>(high[0], high[1]),
                i64x2_shuffle::<0, 2>(high[2], high[3]),
            ]
        }

        fn halves(from: *const u8) -> Self::I {
            let (low, high) = (v128_load(from.cast()), v128_load(from.add(16).cast()));
            [u32x4_extend_low_u16x8(low), u32x4_extend_high_u16x8(low), u32x4_extend_low_u16x8(high), u32x4_extend_high_u16x8(high)]
        }
        fn digits(from: *const u8) -> Self::I {
            let bytes = v128_load(from.cast());
            let (low, high) = (u16x8_extend_low_u8x16(bytes), u16x8_extend_high_u8x16(bytes));
            [u32x4_extend_low_u16x8(low), u32x4_extend_high_u16x8(low), u32x4_extend_low_u16x8(high), u32x4_extend_high_u16x8(high)]
        }
        fn trit(a: Self::I) -> Self::F {
            let digits = each!(4, v128_and, a, [i32x4_splat(3); 4]);
            each!(4, f32x4_sub, each!(4, f32x4_convert_i32x4, digits), [f32x4_splat(1.0); 4])
        }
        fn sign(a: Self::I) -> Self::F {
            // The bit moves to the sign of -1, where it makes +1.
            let flips = Self::ishl(a, 31);
            each!(4, v128_xor, flips, [f32x4_splat(-1.0); 4])
        }

        fn diff(a: *const i8, b: *const i8) -> u32 {
            let mut count = 0;
            for group in 0..4 {
                let (a, b) = (v128_load(a.add(16 * group).cast()), v128_load(b.add(16 * group).cast()));
                count += i8x16_bitmask(i8x16_ne(a, b)).count_ones();
            }
            count
        }
    }
}

#[allow(
    unused_unsafe,
    reason = "only loads and stores are unsafe here; the macros serve every instruction set"
)]
impl Bytes for Simd128 {
    type B = [v128; 2];
    type P = [v128; 2];
    type T = [v128; 2];
    const BLOCKS: usize = 1;
    const X_BYTES: usize = 2;
    const PANELS: bool = false;
    /// The sums have 32 bits and take four products a step.
    const DEPTH: usize = 1 << 21;
    const WHOLE_BYTES: bool = false;

    lift! { 2:
        badd(a: B, b: B) -> B = i8x16_add;
        band(a: B, b: B) -> B = v128_and;
        bsub_saturating(a: B, b: B) -> B = u8x16_sub_sat;
        bavg(a: B, b: B) -> B = u8x16_avgr;
        bxor(a: B, b: B) -> B = v128_xor;
        tadd(a: T, b: T) -> T = i32x4_add;
    }

    contract! {
        fn bload(from: *const u8) -> Self::B { [v128_load(from.cast()), v128_load(from.add(16).cast())] }
        fn bload_block(from: *const u8) -> Self::B { Self::bload(from) }
        fn bstore(to: *mut u8, x: Self::B) {
            v128_store(to.cast(), x[0]);
            v128_store(to.add(16).cast(), x[1]);
        }
        fn prefetch(_from: *const u8) {}
        fn bsplat(x: u8) -> Self::B { [u8x16_splat(x); 2] }
        fn bshr(a: Self::B, by: u32) -> Self::B { [u16x8_shr(a[0], by), u16x8_shr(a[1], by)] }

        fn prepare(x: *const i8, to: *mut u8) {
            // Of each 16 bytes first the even ones, then the odd ones, as 16-bit integers.
            for group in 0..2 {
                let bytes = v128_load(x.add(16 * group).cast());
                let even = i16x8_shr(i16x8_shl(bytes, 8), 8);
                v128_store(to.add(32 * group).cast(), even);
                v128_store(to.add(32 * group + 16).cast(), i16x8_shr(bytes, 8));
            }
        }
        fn pzero() -> Self::P { [i32x4_splat(0); 2] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            let mut sum = sum;
            for group in 0..2 {
                let even = v128_and(digits[group], u16x8_splat(255));
                let odd = u16x8_shr(digits[group], 8);
                let x = x.add(32 * group);
                sum[0] = i32x4_add(sum[0], i32x4_dot_i16x8(even, v128_load(x.cast())));
                sum[1] = i32x4_add(sum[1], i32x4_dot_i16x8(odd, v128_load(x.add(16).cast())));
            }
            sum
        }
        fn tzero() -> Self::T { Self::pzero() }
        fn drain(total: Self::T, sum: Self::P) -> Self::T { Self::tadd(total, sum) }
        fn tshr(total: Self::T, by: u32) -> Self::T { [i32x4_shr(total[0], by), i32x4_shr(total[1], by)] }
        fn tshl(total: Self::T, by: u32) -> Self::T { [i32x4_shl(total[0], by), i32x4_shl(total[1], by)] }
        fn tsum(total: Self::T) -> i32 {
            let four = i32x4_add(total[0], total[1]);
            let two = i32x4_add(four, i32x4_shuffle::<2, 3, 0, 1>(four, four));
            i32x4_extract_lane::<0>(two).wrapping_add(i32x4_extract_lane::<1>(two))
        }
    }
}

#[allow(
    unused_unsafe,
    reason = "only loads and stores are unsafe here; the macros serve every instruction set"
)]
impl Bits for Simd128 {
    type C = [v128; 2];
    /// Eight a byte and step.
    const POPS: usize = 31;

    contract! {
        fn czero() -> Self::C { [u8x16_splat(0); 2] }
        fn cpop(count: Self::C, x: Self::B) -> Self::C { Self::badd(count, each!(2, u8x16_popcnt, x)) }
        fn csum(count: Self::C) -> u32 {
            let pairs = each!(2, u16x8_extadd_pairwise_u8x16, count);
            let fours = each!(2, u32x4_extadd_pairwise_u16x8, pairs);
            Self::tsum(fours) as u32
        }
    }
}
