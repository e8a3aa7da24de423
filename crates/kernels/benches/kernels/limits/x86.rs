//! The loops of multiplications on x86-64, and the list of all of them.

use super::decode::{
    self, decode_dpbusd_ymm, decode_dpbusd_zmm, decode_maddubs_xmm, decode_maddubs_ymm,
};
use super::read::{read_words, read_ymm, read_zmm};
use super::{Body, Loop};
use std::arch::asm;
#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;

/// `$acc` independent sums, one step each an iteration. The empty `asm!` makes the weights unknown to the compiler before every step (it can neither hoist the step out
/// of the loop nor fold it) and costs no instruction; the sums stay in registers.
macro_rules! compute {
    ($(#[$doc:meta])* $name:ident, $features:literal, $reg:ident, $one:expr, $zero:expr, $acc:literal, |$sum:ident, $w:ident, $x:ident| $step:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the instruction set.
        #[target_feature(enable = $features)]
        unsafe fn $name(iterations: usize) {
            let (mut $w, mut $x) = ($one, $one);
            let mut sums = [$zero; $acc];
            // SAFETY: no instruction at all; the registers exist.
            unsafe { asm!("/* {} */", inout($reg) $x, options(nomem, nostack, preserves_flags)) };
            for _ in 0..iterations {
                for sum in &mut sums {
                    // SAFETY: as above.
                    unsafe { asm!("/* {} */", inout($reg) $w, options(nomem, nostack, preserves_flags)) };
                    let $sum = *sum;
                    *sum = $step;
                }
            }
            for sum in sums {
                // SAFETY: as above.
                unsafe { asm!("/* {} */", in($reg) sum, options(nomem, nostack, preserves_flags)) };
            }
        }
    };
}

compute!(
    /// 4 products a step, in two instructions: there is no fused one.
    mul_add_xmm,
    "sse4.2",
    xmm_reg,
    _mm_set1_ps(1.0),
    _mm_setzero_ps(),
    8,
    |sum, w, x| _mm_add_ps(sum, _mm_mul_ps(w, x))
);
compute!(
    /// 16 products a step, 16-bit sums.
    maddubs_i16_xmm,
    "sse4.2",
    xmm_reg,
    _mm_set1_epi8(1),
    _mm_setzero_si128(),
    8,
    |sum, w, x| _mm_add_epi16(sum, _mm_maddubs_epi16(w, x))
);
compute!(
    /// 64 one-bit products a step.
    xor_popcnt,
    "sse4.2,popcnt",
    reg,
    1_u64,
    0_u64,
    8,
    |sum, w, x| sum + u64::from((w ^ x).count_ones())
);
compute!(
    /// 8 products a step.
    fma_ymm, "avx2,fma", ymm_reg, _mm256_set1_ps(1.0), _mm256_setzero_ps(), 12,
    |sum, w, x| _mm256_fmadd_ps(w, x, sum)
);
compute!(
    /// 32 products a step, 16-bit sums.
    maddubs_i16_ymm, "avx2", ymm_reg, _mm256_set1_epi8(1), _mm256_setzero_si256(), 8,
    |sum, w, x| _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x))
);
compute!(
    /// 32 products a step, 32-bit sums.
    maddubs_i32_ymm, "avx2", ymm_reg, _mm256_set1_epi8(1), _mm256_setzero_si256(), 8,
    |sum, w, x| _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), x))
);
compute!(
    /// 256 one-bit products a step, in bytes (emptying them every 31 steps is left out).
    xor_shuffle_popcount_ymm, "avx2", ymm_reg, _mm256_set1_epi8(1), _mm256_setzero_si256(), 8,
    |sum, w, x| nibble_counts(sum, _mm256_xor_si256(w, x))
);
compute!(
    /// 32 products a step.
    dpbusd_vex_ymm, "avxvnni", ymm_reg, _mm256_set1_epi8(1), _mm256_setzero_si256(), 12,
    |sum, w, x| _mm256_dpbusd_avx_epi32(sum, w, x)
);
compute!(
    /// 16 products a step.
    fma_zmm, "avx512f", zmm_reg, _mm512_set1_ps(1.0), _mm512_setzero_ps(), 12,
    |sum, w, x| _mm512_fmadd_ps(w, x, sum)
);
compute!(
    /// 64 products a step, 16-bit sums.
    maddubs_i16_zmm, "avx512f,avx512bw", zmm_reg, _mm512_set1_epi8(1), _mm512_setzero_si512(), 8,
    |sum, w, x| _mm512_add_epi16(sum, _mm512_maddubs_epi16(w, x))
);
compute!(
    /// 64 products a step.
    dpbusd_zmm, "avx512f,avx512vnni", zmm_reg, _mm512_set1_epi8(1), _mm512_setzero_si512(), 12,
    |sum, w, x| _mm512_dpbusd_epi32(sum, w, x)
);
compute!(
    /// 512 one-bit products a step, in bytes (emptying them every 31 steps is left out).
    xor_shuffle_popcount_zmm,
    "avx512f,avx512bw",
    zmm_reg,
    _mm512_set1_epi8(1),
    _mm512_setzero_si512(),
    8,
    |sum, w, x| wide_nibble_counts(sum, _mm512_xor_si512(w, x))
);
compute!(
    /// 512 one-bit products a step.
    xor_popcount_zmm, "avx512f,avx512vpopcntdq", zmm_reg, _mm512_set1_epi8(1), _mm512_setzero_si512(), 12,
    |sum, w, x| _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(w, x)))
);

/// Adds the number of set bits of each byte.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn wide_nibble_counts(sum: __m512i, bits: __m512i) -> __m512i {
    let low = _mm512_set1_epi8(15);
    let counts =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let lower = _mm512_shuffle_epi8(counts, _mm512_and_si512(bits, low));
    let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(bits), low);
    _mm512_add_epi8(_mm512_add_epi8(sum, lower), _mm512_shuffle_epi8(counts, upper))
}

/// Adds the number of set bits of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn nibble_counts(sum: __m256i, bits: __m256i) -> __m256i {
    let low = _mm256_set1_epi8(15);
    let counts = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3,
        3, 4,
    );
    let lower = _mm256_shuffle_epi8(counts, _mm256_and_si256(bits, low));
    let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bits), low);
    _mm256_add_epi8(_mm256_add_epi8(sum, lower), _mm256_shuffle_epi8(counts, upper))
}

/// Reads all of the bytes.
type Reader = unsafe fn(&[u8]);

/// Lists what this processor has.
pub(super) fn loops() -> Vec<Loop> {
    let sse42 = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt");
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avxvnni = is_x86_feature_detected!("avxvnni");
    let avx512 =
        avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
    let popcount = avx512 && is_x86_feature_detected!("avx512vpopcntdq");
    let (read, ahead): (Reader, Reader) = match (avx512, avx2) {
        (true, _) => (read_zmm::<false>, read_zmm::<true>),
        (false, true) => (read_ymm::<false>, read_ymm::<true>),
        (false, false) => (read_words, read_words),
    };
    let compute =
        |name, work: f64, run: unsafe fn(usize)| Loop { name, body: Body::Compute(work, run) };
    let all = [
        (true, Loop { name: "read", body: Body::Read(read) }),
        (true, Loop { name: "read ahead", body: Body::Read(ahead) }),
        (sse42, compute("f32 mul+add xmm", 8.0 * 4.0, mul_add_xmm)),
        (sse42, compute("i8 maddubs i16 xmm", 8.0 * 16.0, maddubs_i16_xmm)),
        (sse42, compute("2-bit decode maddubs xmm", decode::work(64), decode_maddubs_xmm)),
        (sse42, compute("xor popcnt", 8.0 * 64.0, xor_popcnt)),
        (avx2, compute("f32 fma ymm", 12.0 * 8.0, fma_ymm)),
        (avx2, compute("i8 maddubs i16 ymm", 8.0 * 32.0, maddubs_i16_ymm)),
        (avx2, compute("i8 maddubs i32 ymm", 8.0 * 32.0, maddubs_i32_ymm)),
        (avx2, compute("2-bit decode maddubs ymm", decode::work(128), decode_maddubs_ymm)),
        (avx2, compute("xor shuffle-popcount ymm", 8.0 * 256.0, xor_shuffle_popcount_ymm)),
        (avxvnni, compute("i8 dpbusd ymm", 12.0 * 32.0, dpbusd_vex_ymm)),
        (avxvnni, compute("2-bit decode dpbusd ymm", decode::work(128), decode_dpbusd_ymm)),
        (avx512, compute("f32 fma zmm", 12.0 * 16.0, fma_zmm)),
        (avx512, compute("i8 maddubs i16 zmm", 8.0 * 64.0, maddubs_i16_zmm)),
        (avx512, compute("xor shuffle-popcount zmm", 8.0 * 512.0, xor_shuffle_popcount_zmm)),
        (vnni, compute("i8 dpbusd zmm", 12.0 * 64.0, dpbusd_zmm)),
        (vnni, compute("2-bit decode dpbusd zmm", decode::work(256), decode_dpbusd_zmm)),
        (popcount, compute("xor popcount zmm", 12.0 * 512.0, xor_popcount_zmm)),
    ];
    all.into_iter().filter(|(has, _)| *has).map(|(_, known)| known).collect()
}
