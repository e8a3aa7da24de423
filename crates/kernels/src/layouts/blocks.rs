//! The bytes of one GGUF block: where codes and scale lie.

use super::BlockFormat;
use super::repack::scale_first;
use crate::pack::{trit_byte, trit_digit};

/// Writes a block from codes already known to be in range and the bits of an fp16 scale.
pub(super) fn encode(format: BlockFormat, codes: &[i8], scale: u16, block: &mut [u8]) {
    let (data, place) = split_mut(format, block);
    place.copy_from_slice(&scale.to_le_bytes());
    match format {
        BlockFormat::Tq1_0 => encode_tq1_0(codes, data),
        BlockFormat::Tq2_0 => {
            for (half, codes) in data.chunks_exact_mut(32).zip(codes.chunks_exact(128)) {
                fill(half, |m| (0..4).fold(0, |b, n| b | digit(codes[32 * n + m], 1) << (2 * n)));
            }
        }
        BlockFormat::Q8_0 => fill(data, |j| codes[j] as u8),
        BlockFormat::Q4_0 => fill(data, |j| digit(codes[j], 8) | digit(codes[j + 16], 8) << 4),
        BlockFormat::Q1_0 => {
            fill(data, |j| (0..8).fold(0, |b, n| b | u8::from(codes[8 * j + n] > 0) << n));
        }
        BlockFormat::Q2_0 => {
            fill(data, |j| (0..4).fold(0, |b, n| b | digit(codes[4 * j + n], 1) << (2 * n)));
        }
    }
}

/// Reads a block's codes; returns the bits of its fp16 scale.
pub(super) fn decode(format: BlockFormat, block: &[u8], codes: &mut [i8]) -> u16 {
    let (data, scale) = split(format, block);
    match format {
        BlockFormat::Tq1_0 => decode_tq1_0(data, codes),
        BlockFormat::Tq2_0 => fill(codes, |i| {
            let (half, n, m) = (i / 128, i / 32 % 4, i % 32);
            bits(data[32 * half + m], 2 * n, 3) - 1
        }),
        BlockFormat::Q8_0 => fill(codes, |j| data[j] as i8),
        BlockFormat::Q4_0 => fill(codes, |j| bits(data[j % 16], 4 * (j / 16), 15) - 8),
        BlockFormat::Q1_0 => fill(codes, |j| 2 * bits(data[j / 8], j % 8, 1) - 1),
        BlockFormat::Q2_0 => fill(codes, |j| bits(data[j / 4], 2 * (j % 4), 3) - 1),
    }
    u16::from_le_bytes(scale)
}

/// `TQ1_0` lays five (last: four) trits a byte in three runs of bytes: (first byte, bytes, first element, digits).
const TQ1_0_RUNS: [(usize, usize, usize, usize); 3] =
    [(0, 32, 0, 5), (32, 16, 160, 5), (48, 4, 240, 4)];

fn encode_tq1_0(codes: &[i8], data: &mut [u8]) {
    for (byte, bytes, element, digits) in TQ1_0_RUNS {
        fill(&mut data[byte..byte + bytes], |m| {
            // A missing fifth digit is 0, not trit 0: the reference multiplies the four-trit number by 3.
            trit_byte(std::array::from_fn(|n| {
                if n < digits { digit(codes[element + n * bytes + m], 1) } else { 0 }
            }))
        });
    }
}

fn decode_tq1_0(data: &[u8], codes: &mut [i8]) {
    for (byte, bytes, element, digits) in TQ1_0_RUNS {
        fill(&mut codes[element..element + bytes * digits], |i| {
            trit_digit(data[byte + i % bytes], i / bytes) as i8 - 1
        });
    }
}

fn fill<T>(out: &mut [T], value: impl Fn(usize) -> T) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = value(i);
    }
}

/// The unsigned digit of a code.
fn digit(code: i8, zero: i8) -> u8 {
    (code + zero) as u8
}

fn bits(byte: u8, shift: usize, mask: u8) -> i8 {
    ((byte >> shift) & mask) as i8
}

fn split(format: BlockFormat, block: &[u8]) -> (&[u8], [u8; 2]) {
    let (data, scale) = if scale_first(format) {
        let (scale, data) = block.split_at(2);
        (data, scale)
    } else {
        block.split_at(block.len() - 2)
    };
    (data, [scale[0], scale[1]])
}

fn split_mut(format: BlockFormat, block: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    if scale_first(format) {
        let (scale, data) = block.split_at_mut(2);
        (data, scale)
    } else {
        block.split_at_mut(block.len() - 2)
    }
}
