//! Reading memory on x86-64, in four streams: one alone does not keep as many lines in flight as the memory can deliver (36 against 42 GB/s where this was measured, 45 with
//! prefetching; sixteen streams gave 22).

#[allow(clippy::wildcard_imports, reason = "intrinsics, all of one module")]
use std::arch::x86_64::*;
use std::hint::black_box;

const STREAMS: usize = 4;
/// Bytes of one stream in a row.
const CHUNK: usize = 256;
/// How far ahead of a stream lines are asked for.
const AHEAD: usize = 2048;

/// Bytes of each stream.
fn part(bytes: &[u8]) -> usize {
    bytes.len() / STREAMS / CHUNK * CHUNK
}

/// Asks for the lines of a chunk that comes later.
fn ask_ahead(chunk: *const u8) {
    let ahead = chunk.wrapping_add(AHEAD);
    for line in (0..CHUNK).step_by(64) {
        // SAFETY: a hint: it reads nothing, and an address without memory behind it is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast()) };
    }
}

/// Reads with 32-byte loads.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn read_ymm<const PREFETCH: bool>(bytes: &[u8]) {
    let (from, part) = (bytes.as_ptr(), part(bytes));
    let mut sums = [_mm256_setzero_si256(); CHUNK / 32];
    for at in (0..part).step_by(CHUNK) {
        for stream in 0..STREAMS {
            // SAFETY: each of the streams has `part` bytes, of which a chunk lies at `at`.
            let chunk = unsafe { from.add(stream * part + at) };
            if PREFETCH {
                ask_ahead(chunk);
            }
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk has as many registers as there are sums.
                let loaded = unsafe { _mm256_loadu_si256(chunk.add(i * 32).cast()) };
                *sum = _mm256_or_si256(*sum, loaded);
            }
        }
    }
    black_box(sums);
}

/// Reads with 64-byte loads.
///
/// # Safety
/// The processor has AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn read_zmm<const PREFETCH: bool>(bytes: &[u8]) {
    let (from, part) = (bytes.as_ptr(), part(bytes));
    let mut sums = [_mm512_setzero_si512(); CHUNK / 64];
    for at in (0..part).step_by(CHUNK) {
        for stream in 0..STREAMS {
            // SAFETY: each of the streams has `part` bytes, of which a chunk lies at `at`.
            let chunk = unsafe { from.add(stream * part + at) };
            if PREFETCH {
                ask_ahead(chunk);
            }
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk has as many registers as there are sums.
                let loaded = unsafe { _mm512_loadu_si512(chunk.add(i * 64).cast()) };
                *sum = _mm512_or_si512(*sum, loaded);
            }
        }
    }
    black_box(sums);
}

/// Reads with 8-byte loads: what any x86-64 has.
///
/// # Safety
/// None is needed: the type is that of loops which need an instruction set.
pub(super) unsafe fn read_words(bytes: &[u8]) {
    let mut sums = [0_u64; 8];
    for chunk in bytes.as_chunks::<8>().0.chunks_exact(8) {
        for (sum, &word) in sums.iter_mut().zip(chunk) {
            *sum |= u64::from_ne_bytes(word);
        }
    }
    black_box(sums);
}
