//! NEON with the dot product of bytes (`FEAT_DotProd`): Cortex-A76, Neoverse N1, Apple M1 and what followed them.
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | all but the int8 product | NEON's | see there |
//! | packed int8 | `ushl`, `and`, `sdot` | 18 operations for 128 products with one row of x, 2 for 32 with many |
//!
//! Digits are at most 12, so they are the same signed and unsigned, and `sdot` multiplies them rightly.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s32, vld1q_s8, vreinterpretq_s8_u8,
};
use std::arch::asm;

use super::neon::Neon;
use crate::arch::share::bytes_of;
use crate::arch::{contract, table, wrap};
use crate::lanes::Bytes;

pub(super) struct NeonDot;

table!(
    "neondot", floats: Neon, bytes: NeonDot, bits: Neon, "neon,dotprod",
    f32: 2 x 2, vector: 4, binary: 4, i8: 4 x 4, signs: 4 x 2
);

impl Bytes for NeonDot {
    bytes_of!(Neon);

    type P = [int32x4_t; 2];
    /// `sdot` adds four products into 32 bits.
    const DEPTH: usize = 1 << 21;
    const WHOLE_BYTES: bool = false;

    contract! {
        fn pzero() -> Self::P { [vdupq_n_s32(0); 2] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            [
                sdot(sum[0], vreinterpretq_s8_u8(digits[0]), vld1q_s8(x.cast())),
                sdot(sum[1], vreinterpretq_s8_u8(digits[1]), vld1q_s8(x.add(16).cast())),
            ]
        }
        fn drain(total: Self::T, sum: Self::P) -> Self::T {
            [vaddq_s32(total[0], sum[0]), vaddq_s32(total[1], sum[1]), total[2], total[3]]
        }
    }
}

/// Adds the products of each four neighbours to a sum. The intrinsic, `vdotq_s32`, is not stable (Rust 1.95).
///
/// # Safety
/// The processor has dotprod.
#[inline(always)]
unsafe fn sdot(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: the caller has dotprod; registers only.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inlateout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
