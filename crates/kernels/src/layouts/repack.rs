//! Codes of other programs' layouts straight into packed rows, without an array of codes between.
//!
//! | layout | into | how |
//! |---|---|---|
//! | `TQ2_0` | ternary2 | the 64 bytes of a block's codes are those of a packed row: copied |
//! | `TQ1_0` | ternary2 | a table gives the five digits of a byte |
//! | `TQ1_0` | ternary5 | digits of a row, then five of them a byte: the same bytes for other elements |
//! | `Q1_0` | binary | bits of four bytes side by side |
//! | `hf` | ternary2 | a pair of bits of each of four bytes |
//! | `I2_S` | ternary2 | pairs of bits in the other order; NEON's also from other bytes |
//! | any | any | a row of codes at a time |
//!
//! The loops are over bytes side by side, which compilers turn into vectors. An invalid pair 3 comes out as 3: whoever reads the rows has to check them
//! ([`crate::pack::invalid_pair`]).

use super::{BlockFormat, I2S_TAIL, I2sVariant, f16_to_f32, unpack_block_codes};
use crate::pack::{BLOCK, Format, PackError, pack, row_bytes, trit_byte, trit_digit};

/// Another program's layout of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// GGUF blocks.
    Blocks(BlockFormat),
    /// Hugging Face's packed `BitNet` weights.
    Hf,
    /// bitnet.cpp's `I2_S`.
    I2s(I2sVariant),
}

/// A matrix `[rows, cols]` of codes as another program's file has it.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    layout: Layout,
    bytes: &'a [u8],
    rows: usize,
    cols: usize,
}

impl<'a> Foreign<'a> {
    /// The bytes of a whole matrix.
    ///
    /// # Errors
    /// [`PackError::Columns`] for a shape that the layout has no place for, [`PackError::Length`].
    pub fn new(
        layout: Layout,
        bytes: &'a [u8],
        rows: usize,
        cols: usize,
    ) -> Result<Self, PackError> {
        let values = rows.saturating_mul(cols);
        let expected = match layout {
            Layout::Blocks(format) => {
                format.bytes(cols)?;
                format.bytes(values)?
            }
            Layout::Hf if !rows.is_multiple_of(4) => {
                return Err(PackError::Columns { multiple: 4, found: rows });
            }
            Layout::Hf => values / 4,
            Layout::I2s(variant) => super::i2s_bytes(variant, values)?,
        };
        if bytes.len() == expected {
            Ok(Foreign { layout, bytes, rows, cols })
        } else {
            Err(PackError::Length { what: "packed", expected, found: bytes.len() })
        }
    }

    /// The scale behind `I2_S` codes, or of a block; `None` where the bytes hold none.
    pub fn scale(&self, block: usize) -> Option<f32> {
        match self.layout {
            Layout::Blocks(format) => {
                let bytes = &self.bytes[block * format.block_bytes()..][..format.block_bytes()];
                let at = if scale_first(format) { 0 } else { bytes.len() - 2 };
                Some(f16_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]])))
            }
            Layout::Hf => None,
            Layout::I2s(_) => {
                let tail = &self.bytes[self.bytes.len() - I2S_TAIL..];
                Some(f32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]))
            }
        }
    }

    /// Whether all codes of a ternary block are 0: then its scale says nothing.
    pub fn all_zero(&self, block: usize) -> bool {
        let Layout::Blocks(format) = self.layout else { return false };
        let bytes = &self.bytes[block * format.block_bytes()..][..format.block_bytes()];
        match format {
            BlockFormat::Tq2_0 => bytes[..64].iter().all(|&b| b == 0x55),
            BlockFormat::Tq1_0 => {
                let (five, four) = bytes[..52].split_at(48);
                five.iter().all(|&b| b == trit_byte([1; 5]))
                    && four.iter().all(|&b| b == trit_byte([1, 1, 1, 1, 0]))
            }
            _ => false,
        }
    }

    /// Scales in the bytes: one a block, one for the matrix, or none.
    pub fn scales(&self) -> usize {
        match self.layout {
            Layout::Blocks(format) => self.bytes.len() / format.block_bytes(),
            Layout::Hf => 0,
            Layout::I2s(_) => 1,
        }
    }

    /// Writes rows from `first` on, as many as `out` holds, as `pack` would write their codes: each group of `group` columns a short row of
    /// [`row_bytes`] bytes. Rows may be written in any order, by several threads.
    ///
    /// # Errors
    /// [`PackError::Code`] for a code that `format` cannot hold (where the bytes are copied, an invalid pair is copied with them).
    ///
    /// # Panics
    /// When `group` does not divide the columns, or `out` is no whole rows or has more than there are.
    pub fn repack(
        &self,
        format: Format,
        group: usize,
        first: usize,
        out: &mut [u8],
    ) -> Result<(), PackError> {
        assert!(
            group > 0 && self.cols.is_multiple_of(group),
            "groups of {group} in {} columns",
            self.cols
        );
        let width = self.cols / group * row_bytes(format, group);
        assert!(
            out.len().is_multiple_of(width) && first + out.len() / width <= self.rows,
            "{} bytes are not rows of {width}, or more than there are",
            out.len()
        );
        let whole = group == self.cols;
        let rows = out.chunks_exact_mut(width).enumerate().map(|(i, out)| (first + i, out));
        match (self.layout, format) {
            (Layout::Blocks(BlockFormat::Tq2_0), Format::Ternary2) if whole || group == 256 => {
                rows.for_each(|(row, out)| tq2_0(self.row(BlockFormat::Tq2_0, row), out));
            }
            (Layout::Blocks(BlockFormat::Tq1_0), Format::Ternary2) if whole || group == 256 => {
                rows.for_each(|(row, out)| tq1_0(self.row(BlockFormat::Tq1_0, row), out));
            }
            (Layout::Blocks(BlockFormat::Tq1_0), Format::Ternary5) => {
                let mut digits = vec![0; self.cols];
                rows.for_each(|(row, out)| {
                    tq1_0_digits(self.row(BlockFormat::Tq1_0, row), &mut digits);
                    let width = row_bytes(format, group);
                    for (digits, out) in digits.chunks(group).zip(out.chunks_exact_mut(width)) {
                        fractions(digits, out);
                    }
                });
            }
            (Layout::Blocks(BlockFormat::Q1_0), Format::Binary) if whole || group == 128 => {
                rows.for_each(|(row, out)| q1_0(self.row(BlockFormat::Q1_0, row), whole, out));
            }
            (Layout::Hf, Format::Ternary2) if whole => {
                rows.for_each(|(row, out)| self.hf(row, out));
            }
            (Layout::I2s(variant), Format::Ternary2)
                if whole && self.cols.is_multiple_of(4 * BLOCK) =>
            {
                rows.for_each(|(row, out)| {
                    let bytes = &self.bytes[row * self.cols / 4..][..self.cols / 4];
                    match variant {
                        I2sVariant::X86 => i2s_x86(bytes, out),
                        I2sVariant::Neon => i2s_neon(bytes, out),
                    }
                });
            }
            _ => {
                let mut codes = vec![0; self.cols];
                for (row, out) in rows {
                    self.codes(row, &mut codes)?;
                    pack(format, &codes, self.cols / group, group, out).map_err(|e| match e {
                        PackError::Code { index, code } => {
                            PackError::Code { index: row * self.cols + index, code }
                        }
                        other => other,
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Blocks of a row.
    fn row(&self, format: BlockFormat, row: usize) -> &'a [u8] {
        let width = self.cols / format.block_values() * format.block_bytes();
        &self.bytes[row * width..][..width]
    }

    /// Codes of a row; an invalid pair becomes 2.
    fn codes(&self, row: usize, codes: &mut [i8]) -> Result<(), PackError> {
        match self.layout {
            Layout::Blocks(format) => {
                let mut scales = vec![0.0; self.cols / format.block_values()];
                unpack_block_codes(format, self.row(format, row), codes, &mut scales)
            }
            Layout::Hf => {
                let (bytes, shift) = self.hf_row(row);
                for (code, byte) in codes.iter_mut().zip(bytes) {
                    *code = ((byte >> shift) & 3) as i8 - 1;
                }
                Ok(())
            }
            Layout::I2s(variant) => {
                for (i, code) in codes.iter_mut().enumerate() {
                    let (byte, shift) = variant.place(row * self.cols + i);
                    *code = ((self.bytes[byte] >> shift) & 3) as i8 - 1;
                }
                Ok(())
            }
        }
    }

    /// The bytes that hold a row, and the place of its bits in them.
    fn hf_row(&self, row: usize) -> (&'a [u8], usize) {
        let quarter = self.rows / 4;
        (&self.bytes[row % quarter * self.cols..][..self.cols], 2 * (row / quarter))
    }

    fn hf(&self, row: usize, out: &mut [u8]) {
        let (bytes, shift) = self.hf_row(row);
        for (from, out) in bytes.chunks(4 * BLOCK).zip(out.as_chunks_mut::<BLOCK>().0) {
            // Missing columns are trit 0 in every row.
            let mut padded = [0x55; 4 * BLOCK];
            padded[..from.len()].copy_from_slice(from);
            for (m, out) in out.iter_mut().enumerate() {
                let pair = |n: usize| (padded[n * BLOCK + m] >> shift) & 3;
                *out = pair(0) | pair(1) << 2 | pair(2) << 4 | pair(3) << 6;
            }
        }
    }
}

pub(super) fn scale_first(format: BlockFormat) -> bool {
    !matches!(format, BlockFormat::Tq1_0 | BlockFormat::Tq2_0)
}

fn tq2_0(blocks: &[u8], out: &mut [u8]) {
    for (block, out) in blocks.as_chunks::<66>().0.iter().zip(out.as_chunks_mut::<64>().0) {
        out.copy_from_slice(&block[..64]);
    }
}

/// The five digits of each base-3 byte, two bits each, the first lowest.
const DIGITS: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut n = 0;
        while n < 5 {
            table[byte] |= (trit_digit(byte as u8, n) as u16) << (2 * n);
            n += 1;
        }
        byte += 1;
    }
    table
};

/// See `TQ1_0_RUNS` in blocks.rs: 32 bytes hold elements 0..160, 16 bytes 160..240, 4 bytes 240..256.
fn tq1_0(blocks: &[u8], out: &mut [u8]) {
    for (block, out) in blocks.as_chunks::<54>().0.iter().zip(out.as_chunks_mut::<64>().0) {
        let mut first = [0u16; 32];
        for (digits, &byte) in first.iter_mut().zip(&block[..32]) {
            *digits = DIGITS[usize::from(byte)];
        }
        let mut second = [0u16; 16];
        for (digits, &byte) in second.iter_mut().zip(&block[32..48]) {
            *digits = DIGITS[usize::from(byte)];
        }
        let last: [u16; 4] = std::array::from_fn(|m| DIGITS[usize::from(block[48 + m])]);
        for m in 0..32 {
            // Elements 0..128: the first four digits. Elements 128..160: the fifth.
            out[m] = first[m] as u8;
            out[32 + m] = (first[m] >> 8) as u8;
        }
        for m in 0..16 {
            // Elements 160..240: digits 0 to 4 of 16 bytes, which are halves of 32 elements.
            let digit = |n: usize| ((second[m] >> (2 * n)) & 3) as u8;
            out[32 + m] |= digit(0) << 2 | digit(2) << 4 | digit(4) << 6;
            let end = ((last[m % 4] >> (2 * (m / 4))) & 3) as u8;
            out[48 + m] |= digit(1) << 2 | digit(3) << 4 | end << 6;
        }
    }
}

/// Digits 0 to 2 of all elements of a row, in their order.
fn tq1_0_digits(blocks: &[u8], digits: &mut [u8]) {
    for (block, out) in blocks.as_chunks::<54>().0.iter().zip(digits.as_chunks_mut::<256>().0) {
        let (first, rest) = out.split_at_mut(160);
        let (second, last) = rest.split_at_mut(80);
        for (bytes, digits) in
            [(&block[..32], first), (&block[32..48], second), (&block[48..52], last)]
        {
            for (n, digits) in digits.chunks_exact_mut(bytes.len()).enumerate() {
                let power = [1, 3, 9, 27, 81][n];
                for (digit, &byte) in digits.iter_mut().zip(bytes) {
                    // The digit is what the byte, a fraction, carries out when it is multiplied by 3 once more.
                    *digit = ((u16::from(byte.wrapping_mul(power)) * 3) >> 8) as u8;
                }
            }
        }
    }
}

/// Five digits a byte, as [`crate::pack()`] lays them out; elements that are missing are trit 0.
fn fractions(digits: &[u8], out: &mut [u8]) {
    for (from, out) in digits.chunks(5 * BLOCK).zip(out.as_chunks_mut::<BLOCK>().0) {
        let mut padded = [1u8; 5 * BLOCK];
        padded[..from.len()].copy_from_slice(from);
        for (m, out) in out.iter_mut().enumerate() {
            let digit = |n: usize| padded[n * BLOCK + m];
            let v = digit(0) * 81 + digit(1) * 27 + digit(2) * 9 + digit(3) * 3 + digit(4);
            // ceil(256 v / 243) = v + ceil(13 v / 243), and 17262 / 2^22 is near enough to 1 / 243 for what comes here.
            *out = v + (((13 * u32::from(v) + 242) * 17262) >> 22) as u8;
        }
    }
}

/// The bits of a byte in eight bytes, the lowest first.
fn spread(byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Byte k keeps bit k alone, and 0x7f more carries it to the top.
    let each = u64::from(byte).wrapping_mul(ONES) & 0x8040_2010_0804_0201;
    (each + 0x7f * ONES) >> 7 & ONES
}

/// Two blocks of 128 share 32 bytes when the row is `whole`: the second has the upper four bits.
fn q1_0(blocks: &[u8], whole: bool, out: &mut [u8]) {
    let share = if whole { 2 } else { 1 };
    for (blocks, out) in blocks.chunks(18 * share).zip(out.as_chunks_mut::<BLOCK>().0) {
        let out = out.as_chunks_mut::<8>().0;
        out.fill([0; 8]);
        for (half, block) in blocks.as_chunks::<18>().0.iter().enumerate() {
            for (q, out) in out.iter_mut().enumerate() {
                let bits = |n: usize| spread(block[2 + 4 * n + q]) << n;
                let four = bits(0) | bits(1) | bits(2) | bits(3);
                *out = (u64::from_le_bytes(*out) | four << (4 * half)).to_le_bytes();
            }
        }
    }
}

/// Pair `n` from the top.
fn pair(byte: u8, n: usize) -> u8 {
    (byte >> (6 - 2 * n)) & 3
}

fn i2s_x86(bytes: &[u8], out: &mut [u8]) {
    for (&byte, out) in bytes.iter().zip(out) {
        *out = pair(byte, 0) | pair(byte, 1) << 2 | pair(byte, 2) << 4 | pair(byte, 3) << 6;
    }
}

/// Two blocks of 64 elements make one of 128: see [`I2sVariant::Neon`].
fn i2s_neon(bytes: &[u8], out: &mut [u8]) {
    for (from, out) in bytes.as_chunks::<BLOCK>().0.iter().zip(out.as_chunks_mut::<BLOCK>().0) {
        for m in 0..16 {
            let (a, b) = (from[m], from[16 + m]);
            out[m] = pair(a, 0) | pair(a, 2) << 2 | pair(b, 0) << 4 | pair(b, 2) << 6;
            out[16 + m] = pair(a, 1) | pair(a, 3) << 2 | pair(b, 1) << 4 | pair(b, 3) << 6;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_five_digits() {
        let mut digits = [0u8; 5 * BLOCK];
        for v in 0..243u32 {
            let five: [u8; 5] = std::array::from_fn(|n| (v / 3u32.pow(4 - n as u32) % 3) as u8);
            five.iter().enumerate().for_each(|(n, &d)| digits[n * BLOCK] = d);
            let mut out = [0; BLOCK];
            fractions(&digits, &mut out);
            assert_eq!(out[0], trit_byte(five), "{v}");
        }
    }
}
