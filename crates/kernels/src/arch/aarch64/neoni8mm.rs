//! NEON with the int8 matrix extension (`FEAT_I8MM`): Cortex-A510 and A710, Neoverse V1 and N2, Apple M2 and what followed them.
//!
//! `usdot` multiplies unsigned digits by signed activations, which is what they are; its rate is that of `sdot`. It takes whole unsigned bytes, so base-3
//! weights are multiplied without being decoded (generic/packed_i8/fraction.rs). The extension's other half, products of 2 by 8 matrices (`usmmla`), does twice
//! the work an instruction, but wants two rows of weights beside each other in a register, and `Bytes` hands over one.

use std::arch::aarch64::{int8x16_t, int32x4_t, uint8x16_t, vaddq_s32, vdupq_n_s32, vld1q_s8};
use std::arch::asm;

use super::neon::Neon;
use crate::arch::share::bytes_of;
use crate::arch::{contract, table, wrap};
use crate::lanes::Bytes;

pub(super) struct NeonI8mm;

table!(
    "neoni8mm", floats: Neon, bytes: NeonI8mm, bits: Neon, "neon,dotprod,i8mm",
    f32: 2 x 2, vector: 4, binary: 4, i8: 4 x 4, signs: 4 x 2
);

impl Bytes for NeonI8mm {
    bytes_of!(Neon);

    type P = [int32x4_t; 2];
    /// `usdot` adds four products into 32 bits.
    const DEPTH: usize = 1 << 21;
    const WHOLE_BYTES: bool = true;

    contract! {
        fn pzero() -> Self::P { [vdupq_n_s32(0); 2] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            [
                usdot(sum[0], digits[0], vld1q_s8(x.cast())),
                usdot(sum[1], digits[1], vld1q_s8(x.add(16).cast())),
            ]
        }
        fn drain(total: Self::T, sum: Self::P) -> Self::T {
            [vaddq_s32(total[0], sum[0]), vaddq_s32(total[1], sum[1]), total[2], total[3]]
        }
    }
}

/// Adds the products of each four neighbours to a sum. The intrinsic, `vusdotq_s32`, is not stable (Rust 1.95).
///
/// # Safety
/// The processor has i8mm.
#[inline(always)]
unsafe fn usdot(sum: int32x4_t, a: uint8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: the caller has i8mm; registers only.
    unsafe {
        asm!(
            "usdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inlateout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
