//! AVX2 with the VEX-coded vpdpbusd (AVX-VNNI): processors that have VNNI and no AVX-512 (Alder Lake, 2021, and what followed it; Sierra Forest).
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | all but the int8 product | AVX2's | see there |
//! | packed int8 | vpsrlw, vpand, vpdpbusd | 9 operations for 128 products with one row of x, 1 for 32 with many |
//!
//! vpdpbusd takes four to five cycles, two of them start in one: at least eight sums keep both units busy.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use super::avx2::Avx2;
use crate::arch::share::bytes_of;
use crate::arch::{contract, table, wrap};
use crate::lanes::Bytes;

pub(super) struct AvxVnni;

table!(
    "avxvnni", floats: Avx2, bytes: AvxVnni, bits: Avx2, "avx2,fma,popcnt,f16c,avxvnni",
    f32: 2 x 2, vector: 4, binary: 2, i8: 3 x 4, signs: 2 x 4
);

impl Bytes for AvxVnni {
    bytes_of!(Avx2);

    type P = [__m256i; 1];
    /// vpdpbusd adds four products into 32 bits.
    const DEPTH: usize = 1 << 21;
    const WHOLE_BYTES: bool = true;

    contract! {
        fn pzero() -> Self::P { [_mm256_setzero_si256()] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            [_mm256_dpbusd_avx_epi32(sum[0], digits[0], _mm256_loadu_si256(x.cast()))]
        }
        fn drain(total: Self::T, sum: Self::P) -> Self::T { Self::tadd(total, sum) }
    }
}
