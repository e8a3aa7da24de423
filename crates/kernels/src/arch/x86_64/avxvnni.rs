//! AVX2 with the VEX-coded vpdpbusd (AVX-VNNI): processors that have VNNI and no AVX-512 (Alder Lake, 2021, and what followed it; Sierra Forest).
//!
//! | what | instructions | limit |
//! |---|---|---|
//! | all but the int8 product | AVX2's | see there |
//! | packed int8 | vpsrlw, vpand, vpdpbusd | 3 operations for 32 products with one row of x, 1 + 2/M with M rows |
//!
//! vpdpbusd takes four to five cycles, two of them start in one: eight sums keep both units busy.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

use super::avx2::Avx2;
use crate::arch::share::{bytes_of, floats_of, pass_on};
use crate::arch::{contract, table, wrap};
use crate::lanes::Lanes;

pub(super) struct AvxVnni;

table!("avxvnni", AvxVnni, "avx2,fma,popcnt,avxvnni", f32: 2 x 2, i8: 8 x 8);

impl Lanes for AvxVnni {
    floats_of!(Avx2);
    bytes_of!(Avx2);

    type P = [__m256i; 1];
    contract! {
        fn prepare(x: *const i8, to: *mut u8) { Avx2::prepare(x, to); }
        fn pzero() -> Self::P { [_mm256_setzero_si256()] }
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P {
            [_mm256_dpbusd_avx_epi32(sum[0], digits[0], _mm256_loadu_si256(x.cast()))]
        }
        fn psum(sum: Self::P) -> i32 { super::sum8(sum[0]) }
    }
    const X_BYTES: usize = 1;
    /// vpdpbusd adds four products into 32 bits without saturating, and wrapping is what is asked for.
    const DOTS: usize = usize::MAX;
}
