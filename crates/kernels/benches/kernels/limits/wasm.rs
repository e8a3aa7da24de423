//! The loops in WebAssembly with SIMD128. There is no `asm!` here that hides a value from the compiler; weights come from a table in memory instead, and each is used with
//! four activations that stay in registers, as in a product: eight sums, four activations and a weight are what fits the sixteen registers that V8 has on x86-64.

use std::arch::wasm32::*;
use std::hint::black_box;

use super::{Body, Loop, read_words};

/// Vectors of the weight table, 4 KiB.
const TABLE: usize = 256;
/// Steps of one iteration: two weights with four activations each.
const STEPS: f64 = 8.0;

macro_rules! compute {
    ($name:ident, $zero:expr, |$sum:ident, $w:ident, $x:ident| $step:expr) => {
        /// # Safety
        /// None is needed: the type is that of loops which need an instruction set.
        unsafe fn $name(iterations: usize) {
            let table = black_box([f32x4_splat(1.0); TABLE]);
            let x = black_box([f32x4_splat(1.0); 4]);
            let mut sums = [[$zero; 4]; 2];
            for i in 0..iterations {
                for (n, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the index is taken modulo the size of the table; a check would cost as much as a step.
                    let $w = unsafe { *table.get_unchecked((2 * i + n) % TABLE) };
                    for (sum, &$x) in sums.iter_mut().zip(&x) {
                        let $sum = *sum;
                        *sum = $step;
                    }
                }
            }
            black_box(sums);
        }
    };
}

compute!(f32_mul_add, f32x4_splat(0.0), |sum, w, x| f32x4_add(sum, f32x4_mul(w, x)));
compute!(i16_dot, i32x4_splat(0), |sum, w, x| i32x4_add(sum, i32x4_dot_i16x8(w, x)));
compute!(i8_widen_dot, i32x4_splat(0), |sum, w, x| {
    let low = i32x4_dot_i16x8(i16x8_extend_low_i8x16(w), i16x8_extend_low_i8x16(x));
    let high = i32x4_dot_i16x8(i16x8_extend_high_i8x16(w), i16x8_extend_high_i8x16(x));
    i32x4_add(sum, i32x4_add(low, high))
});
compute!(xor_popcount, i8x16_splat(0), |sum, w, x| i8x16_add(sum, i8x16_popcnt(v128_xor(w, x))));

/// Lists the loops.
pub(super) fn loops() -> Vec<Loop> {
    let compute = |name, lanes: f64, run: unsafe fn(usize)| Loop {
        name,
        body: Body::Compute(STEPS * lanes, run),
    };
    vec![
        Loop { name: "read", body: Body::Read(read_words) },
        compute("f32 mul+add", 4.0, f32_mul_add),
        compute("i16 dot", 8.0, i16_dot),
        compute("i8 widen dot", 16.0, i8_widen_dot),
        compute("xor popcount", 128.0, xor_popcount),
    ]
}
