//! The loops in WebAssembly with SIMD128. There is no `asm!` here that hides a value from the compiler: weights come from a small table in memory instead, at a place that
//! changes with every iteration, and four to six sums are as many as V8 keeps in registers.

use std::arch::wasm32::*;
use std::hint::black_box;

use super::{Body, Loop, read_words};

/// Vectors of the weight table.
const TABLE: usize = 128;

/// `$acc` sums, one step each an iteration.
macro_rules! compute {
    ($name:ident, $acc:literal, $zero:expr, |$sum:ident, $w:ident, $x:ident| $step:expr) => {
        unsafe fn $name(iterations: usize) {
            let table = black_box([f32x4_splat(1.0); TABLE]);
            let $x = black_box(f32x4_splat(1.0));
            let mut sums = [$zero; $acc];
            for i in 0..iterations {
                let start = i % 16 * $acc;
                for (n, sum) in sums.iter_mut().enumerate() {
                    let ($sum, $w) = (*sum, table[start + n]);
                    *sum = $step;
                }
            }
            black_box(sums);
        }
    };
}

compute!(f32_mul_add, 6, f32x4_splat(0.0), |sum, w, x| f32x4_add(sum, f32x4_mul(w, x)));
compute!(i16_dot, 4, i32x4_splat(0), |sum, w, x| i32x4_add(sum, i32x4_dot_i16x8(w, x)));
compute!(i8_widen_dot, 4, i32x4_splat(0), |sum, w, x| {
    let low = i32x4_dot_i16x8(i16x8_extend_low_i8x16(w), i16x8_extend_low_i8x16(x));
    let high = i32x4_dot_i16x8(i16x8_extend_high_i8x16(w), i16x8_extend_high_i8x16(x));
    i32x4_add(sum, i32x4_add(low, high))
});
compute!(xor_popcount, 4, i8x16_splat(0), |sum, w, x| i8x16_add(sum, i8x16_popcnt(v128_xor(w, x))));

/// Lists the loops.
pub(super) fn loops() -> Vec<Loop> {
    let compute =
        |name, work: f64, run: unsafe fn(usize)| Loop { name, body: Body::Compute(work, run) };
    vec![
        Loop { name: "read", body: Body::Read(read_words) },
        compute("f32 mul+add", 6.0 * 4.0, f32_mul_add),
        compute("i16 dot", 4.0 * 8.0, i16_dot),
        compute("i8 widen dot", 4.0 * 16.0, i8_widen_dot),
        compute("xor popcount", 4.0 * 128.0, xor_popcount),
    ]
}
