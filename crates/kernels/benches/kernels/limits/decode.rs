//! 2-bit codes decoded from the first-level cache and multiplied with one column, on x86-64: what a product with a vector has to do at least when it takes every code to a
//! byte of its own (load, shift, mask, multiply, add). A kernel that decodes more cleverly may be faster than this loop; none is faster than the multiplications alone.

#[allow(clippy::wildcard_imports, reason = "intrinsics, all of one module")]
use std::arch::x86_64::*;
use std::hint::black_box;

/// Registers of weights of a row: with [`ROWS`] rows and their activations at most 24 KiB, which the first-level cache holds.
const BLOCKS: usize = 16;
/// Rows that share the activations.
const ROWS: usize = 4;

/// Products of one iteration when a register holds `codes` codes.
pub(super) fn work(codes: usize) -> f64 {
    (BLOCKS * ROWS * codes) as f64
}

macro_rules! decode {
    ($name:ident, $features:literal, $bytes:literal, $load:ident, $shift:ident, $and:ident, $digits:expr, $zero:expr, |$sum:ident, $digit:ident, $x:ident| $step:expr) => {
        /// # Safety
        /// The processor has the instruction set.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(iterations: usize) {
            let (w, x) = ([1_u8; BLOCKS * ROWS * $bytes], [1_i8; BLOCKS * 4 * $bytes]);
            let mut sums = [$zero; ROWS];
            for _ in 0..iterations {
                let (w, x) = (black_box(&w), black_box(&x));
                for block in 0..BLOCKS {
                    // SAFETY: block < BLOCKS, so a register of each row and the four of its activations lie behind these places.
                    let (w, x) = unsafe {
                        (w.as_ptr().add(block * ROWS * $bytes), x.as_ptr().add(block * 4 * $bytes))
                    };
                    // SAFETY: as above.
                    let load = |at: usize| unsafe { $load(x.add(at * $bytes).cast()) };
                    let x = [load(0), load(1), load(2), load(3)];
                    for (row, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: as above.
                        let codes = unsafe { $load(w.add(row * $bytes).cast()) };
                        let shifted =
                            [codes, $shift::<2>(codes), $shift::<4>(codes), $shift::<6>(codes)];
                        for n in 0..4 {
                            let ($sum, $digit, $x) = (*sum, $and(shifted[n], $digits), x[n]);
                            *sum = $step;
                        }
                    }
                }
            }
            black_box(sums);
        }
    };
}

decode!(
    decode_maddubs_xmm,
    "sse4.2",
    16,
    _mm_loadu_si128,
    _mm_srli_epi16,
    _mm_and_si128,
    _mm_set1_epi8(3),
    _mm_setzero_si128(),
    |sum, digit, x| _mm_add_epi16(sum, _mm_maddubs_epi16(digit, x))
);
decode!(
    decode_maddubs_ymm,
    "avx2",
    32,
    _mm256_loadu_si256,
    _mm256_srli_epi16,
    _mm256_and_si256,
    _mm256_set1_epi8(3),
    _mm256_setzero_si256(),
    |sum, digit, x| _mm256_add_epi16(sum, _mm256_maddubs_epi16(digit, x))
);
decode!(
    decode_dpbusd_ymm,
    "avx2,avxvnni",
    32,
    _mm256_loadu_si256,
    _mm256_srli_epi16,
    _mm256_and_si256,
    _mm256_set1_epi8(3),
    _mm256_setzero_si256(),
    |sum, digit, x| _mm256_dpbusd_avx_epi32(sum, digit, x)
);
decode!(
    decode_dpbusd_zmm,
    "avx512f,avx512bw,avx512vnni",
    64,
    _mm512_loadu_si512,
    _mm512_srli_epi16,
    _mm512_and_si512,
    _mm512_set1_epi8(3),
    _mm512_setzero_si512(),
    |sum, digit, x| _mm512_dpbusd_epi32(sum, digit, x)
);
