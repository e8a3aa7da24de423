//! AVX-512 with VNNI and without VPOPCNTDQ: Cascade Lake (2019) and Cooper Lake, which clouds still have many of.
//!
//! Floats, bytes and the int8 product are [`Avx512`]'s. It is a type of its own so that a function of `Lanes` that wants VPOPCNTDQ has to be written
//! twice: compiled into this table, an instruction that is missing would only be noticed on such a processor.

use super::avx512::Avx512;
use crate::arch::share::{bytes_of, floats_of, pass_on};
use crate::arch::{table, wrap};
use crate::lanes::Lanes;

pub(super) struct Avx512Vnni;

table!("avx512vnni", Avx512Vnni, "avx2,fma,popcnt,avx512f,avx512bw,avx512vl,avx512vnni", f32: 4 x 4, i8: 4 x 4);

impl Lanes for Avx512Vnni {
    floats_of!(Avx512);
    bytes_of!(Avx512);

    type P = <Avx512 as Lanes>::P;
    pass_on! { Avx512:
        fn prepare(x: *const i8, to: *mut u8);
        fn pzero() -> Self::P;
        fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P;
        fn psum(sum: Self::P) -> i32;
    }
    const X_BYTES: usize = Avx512::X_BYTES;
    const DOTS: usize = Avx512::DOTS;
}
