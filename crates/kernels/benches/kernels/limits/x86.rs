//! The loops on x86-64.

use std::arch::asm;
#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::x86_64::*;
use std::hint::black_box;

use super::{Body, Loop};

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
    /// 512 one-bit products a step.
    xor_popcount_zmm, "avx512f,avx512vpopcntdq", zmm_reg, _mm512_set1_epi8(1), _mm512_setzero_si512(), 12,
    |sum, w, x| _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(w, x)))
);

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

/// Blocks of the decode loops: 2 KiB of weights in four rows and 2 KiB of activations (AVX2), so that both lie in the first-level cache.
const BLOCKS: usize = 16;
/// Rows that share the activations, as a product with a vector has them.
const ROWS: usize = 4;

/// 2-bit codes decoded and multiplied with one column: `ROWS * BLOCKS * 128` products an iteration, 16-bit sums.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn decode_maddubs_ymm(iterations: usize) {
    let (w, x) = ([1_u8; BLOCKS * ROWS * 32], [1_i8; BLOCKS * 128]);
    let mut sums = [_mm256_setzero_si256(); ROWS];
    let digits = _mm256_set1_epi8(3);
    for _ in 0..iterations {
        let (w, x) = (black_box(&w), black_box(&x));
        for block in 0..BLOCKS {
            // SAFETY: block < BLOCKS, so ROWS * 32 bytes of w and 128 of x lie behind these places.
            let (w, x) =
                unsafe { (w.as_ptr().add(block * ROWS * 32), x.as_ptr().add(block * 128)) };
            // SAFETY: as above.
            let load = |at: usize| unsafe { _mm256_loadu_si256(x.add(at).cast()) };
            let x = [load(0), load(32), load(64), load(96)];
            for (row, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                let bytes = unsafe { _mm256_loadu_si256(w.add(row * 32).cast()) };
                let shifted = [
                    bytes,
                    _mm256_srli_epi16::<2>(bytes),
                    _mm256_srli_epi16::<4>(bytes),
                    _mm256_srli_epi16::<6>(bytes),
                ];
                for n in 0..4 {
                    let digit = _mm256_and_si256(shifted[n], digits);
                    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(digit, x[n]));
                }
            }
        }
    }
    black_box(sums);
}

/// 2-bit codes decoded and multiplied with one column: `ROWS * BLOCKS * 256` products an iteration.
///
/// # Safety
/// The processor has AVX-512 with VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn decode_dpbusd_zmm(iterations: usize) {
    let (w, x) = ([1_u8; BLOCKS * ROWS * 64], [1_i8; BLOCKS * 256]);
    let mut sums = [_mm512_setzero_si512(); ROWS];
    let digits = _mm512_set1_epi8(3);
    for _ in 0..iterations {
        let (w, x) = (black_box(&w), black_box(&x));
        for block in 0..BLOCKS {
            // SAFETY: block < BLOCKS, so ROWS * 64 bytes of w and 256 of x lie behind these places.
            let (w, x) =
                unsafe { (w.as_ptr().add(block * ROWS * 64), x.as_ptr().add(block * 256)) };
            // SAFETY: as above.
            let load = |at: usize| unsafe { _mm512_loadu_si512(x.add(at).cast()) };
            let x = [load(0), load(64), load(128), load(192)];
            for (row, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                let bytes = unsafe { _mm512_loadu_si512(w.add(row * 64).cast()) };
                let shifted = [
                    bytes,
                    _mm512_srli_epi16::<2>(bytes),
                    _mm512_srli_epi16::<4>(bytes),
                    _mm512_srli_epi16::<6>(bytes),
                ];
                for n in 0..4 {
                    *sum = _mm512_dpbusd_epi32(*sum, _mm512_and_si512(shifted[n], digits), x[n]);
                }
            }
        }
    }
    black_box(sums);
}

/// Reads with 32-byte loads.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
unsafe fn read_ymm(bytes: &[u8]) {
    let mut sums = [_mm256_setzero_si256(); 8];
    for chunk in bytes.chunks_exact(256) {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a chunk has eight times 32 bytes.
            let loaded = unsafe { _mm256_loadu_si256(chunk.as_ptr().add(i * 32).cast()) };
            *sum = _mm256_or_si256(*sum, loaded);
        }
    }
    black_box(sums);
}

/// Reads with 64-byte loads.
///
/// # Safety
/// The processor has AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn read_zmm(bytes: &[u8]) {
    let mut sums = [_mm512_setzero_si512(); 8];
    for chunk in bytes.chunks_exact(512) {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a chunk has eight times 64 bytes.
            let loaded = unsafe { _mm512_loadu_si512(chunk.as_ptr().add(i * 64).cast()) };
            *sum = _mm512_or_si512(*sum, loaded);
        }
    }
    black_box(sums);
}

/// Reads with 8-byte loads: what any x86-64 has.
unsafe fn read_words(bytes: &[u8]) {
    let mut sums = [0_u64; 8];
    for chunk in bytes.as_chunks::<8>().0.chunks_exact(8) {
        for (sum, &word) in sums.iter_mut().zip(chunk) {
            *sum |= u64::from_ne_bytes(word);
        }
    }
    black_box(sums);
}

/// Lists what this processor has.
pub(super) fn loops() -> Vec<Loop> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 =
        avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
    let decode = |step: usize| (BLOCKS * ROWS * step) as f64;
    let read: unsafe fn(&[u8]) = match (avx512, avx2) {
        (true, _) => read_zmm,
        (false, true) => read_ymm,
        (false, false) => read_words,
    };
    let compute =
        |name, work: f64, run: unsafe fn(usize)| Loop { name, body: Body::Compute(work, run) };
    let all = [
        (true, Loop { name: "read", body: Body::Read(read) }),
        (avx2, compute("f32 fma ymm", 12.0 * 8.0, fma_ymm)),
        (avx2, compute("i8 maddubs i16 ymm", 8.0 * 32.0, maddubs_i16_ymm)),
        (avx2, compute("i8 maddubs i32 ymm", 8.0 * 32.0, maddubs_i32_ymm)),
        (avx2, compute("2-bit decode maddubs ymm", decode(128), decode_maddubs_ymm)),
        (avx2, compute("xor shuffle-popcount ymm", 8.0 * 256.0, xor_shuffle_popcount_ymm)),
        (
            is_x86_feature_detected!("avxvnni"),
            compute("i8 dpbusd ymm", 12.0 * 32.0, dpbusd_vex_ymm),
        ),
        (avx512, compute("f32 fma zmm", 12.0 * 16.0, fma_zmm)),
        (avx512, compute("i8 maddubs i16 zmm", 8.0 * 64.0, maddubs_i16_zmm)),
        (vnni, compute("i8 dpbusd zmm", 12.0 * 64.0, dpbusd_zmm)),
        (vnni, compute("2-bit decode dpbusd zmm", decode(256), decode_dpbusd_zmm)),
        (
            avx512 && is_x86_feature_detected!("avx512vpopcntdq"),
            compute("xor popcount zmm", 12.0 * 512.0, xor_popcount_zmm),
        ),
    ];
    all.into_iter().filter(|(has, _)| *has).map(|(_, known)| known).collect()
}
