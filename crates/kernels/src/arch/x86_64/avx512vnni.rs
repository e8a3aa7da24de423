//! AVX-512 with VNNI and without VPOPCNTDQ: Cascade Lake (2019) and Cooper Lake, which clouds still have many of. Floats and bytes are [`Avx512`]'s, bits are
//! counted as AVX2 does it: compiled into this table, a missing instruction would only be noticed on such a processor.

use super::avx2::Avx2;
use super::avx512::Avx512;
use crate::arch::{table, wrap};

table!(
    "avx512vnni", floats: Avx512, bytes: Avx512, bits: Avx2, "avx2,fma,popcnt,f16c,avx512f,avx512bw,avx512vl,avx512vnni",
    f32: 4 x 4, vector: 4, binary: 4, i8: 4 x 4, signs: 2 x 4
);
