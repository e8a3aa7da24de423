//! GGUF's `Q4_K` and `Q6_K`: blocks of 256 values with a scale for each 32 or 16 of them. Read only.
//!
//! | format | block | a value |
//! |---|---|---|
//! | `Q4_K` | f16 d, f16 dmin, 12 bytes of 6-bit scales, 128 bytes of nibbles: 144 | (d scale) nibble - (dmin min), both of its 32 values |
//! | `Q6_K` | 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, f16 d: 210 | (d scale) (6 bits - 32), the scale of its 16 values |
//!
//! Source: ggml's `ggml-quants.c`, gguf-py's `quants.py`, whose order of operations this keeps.

use super::f16_to_f32;

/// Values of a block.
pub(crate) const VALUES: usize = 256;
/// Bytes of a `Q4_K` block.
pub(crate) const Q4_K_BYTES: usize = 144;
/// Bytes of a `Q6_K` block.
pub(crate) const Q6_K_BYTES: usize = 210;

fn half(bytes: &[u8], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// The scale and the minimum of each 32 values of a `Q4_K` block.
///
/// Twelve bytes hold eight 6-bit scales and eight 6-bit minima: the first four of each in the low bits of bytes 0 to 7, the last four in the nibbles
/// of bytes 8 to 11, with their top two bits above those of the first four.
#[inline(always)]
pub(crate) fn q4_k_scales(block: &[u8]) -> [(f32, f32); 8] {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let packed = &block[4..16];
    let mut out = [(0.0, 0.0); 8];
    for (j, out) in out.iter_mut().enumerate() {
        let (scale, min) = if j < 4 {
            (packed[j] & 63, packed[j + 4] & 63)
        } else {
            let low = packed[j + 4];
            (low & 15 | packed[j - 4] >> 6 << 4, low >> 4 | packed[j] >> 6 << 4)
        };
        *out = (d * f32::from(scale), dmin * f32::from(min));
    }
    out
}

/// The scale of each 16 values of a `Q6_K` block.
#[inline(always)]
pub(crate) fn q6_k_scales(block: &[u8]) -> [f32; 16] {
    let d = half(block, 208);
    let mut out = [0.0; 16];
    for (out, &scale) in out.iter_mut().zip(&block[192..208]) {
        *out = d * f32::from(scale as i8);
    }
    out
}

/// The values of a `Q4_K` block.
pub(crate) fn q4_k(block: &[u8], values: &mut [f32]) {
    let scales = q4_k_scales(block);
    for (i, value) in values.iter_mut().enumerate() {
        let (part, lane) = (i / 32, i % 32);
        // Two parts share 32 bytes: low nibbles, high nibbles.
        let nibble = block[16 + part / 2 * 32 + lane] >> (4 * (part % 2)) & 15;
        let (scale, min) = scales[part];
        *value = scale * f32::from(nibble) - min;
    }
}

/// The values of a `Q6_K` block.
pub(crate) fn q6_k(block: &[u8], values: &mut [f32]) {
    let scales = q6_k_scales(block);
    for (i, value) in values.iter_mut().enumerate() {
        let (half, part, lane) = (i / 128, i / 32 % 4, i % 32);
        let low = block[half * 64 + part % 2 * 32 + lane] >> (4 * (part / 2)) & 15;
        let high = block[128 + half * 32 + lane] >> (2 * part) & 3;
        *value = scales[i / 16] * f32::from((low | high << 4) as i8 - 32);
    }
}
