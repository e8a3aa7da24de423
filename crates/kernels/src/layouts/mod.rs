//! Layouts of other programs' files: Hugging Face's packed ternary, GGUF's blocks, bitnet.cpp's `I2_S`.
//!
//! Nothing here is computed with. A file is read into codes and scales, and `pack.rs` lays them out for the kernels.

mod blocks;
mod elements;
mod fp16;
mod hf;
mod i2s;
pub(crate) mod kquants;
mod quantise;
mod repack;

pub use elements::{Elements, bf16_to_f32, dequantize, f32_to_bf16, quantize};
pub use fp16::{f16_to_f32, f32_to_f16};
pub use hf::{hf_pack, hf_unpack};
pub use i2s::{I2S_TAIL, I2sVariant, i2s_bytes, i2s_pack, i2s_unpack};
pub use repack::{Foreign, Layout};

use crate::pack::PackError;

/// A GGUF format of self-contained blocks: some codes and one fp16 scale.
///
/// | format | GGUF id | values | bytes | scale lies | value |
/// |---|---|---|---|---|---|
/// | `Tq1_0` | 34 | 256 | 54 | last | trit * d, five trits a byte |
/// | `Tq2_0` | 35 | 256 | 66 | last | trit * d, four a byte |
/// | `Q8_0` | 8 | 32 | 34 | first | int8 * d |
/// | `Q4_0` | 2 | 32 | 18 | first | (nibble - 8) * d |
/// | `Q1_0` | 41 | 128 | 18 | first | bit ? d : -d |
/// | `Q2_0` | 42 | 64 | 18 | first | (2 bits - 1) * d |
///
/// Source: ggml's `ggml-common.h` and `ggml-quants.c`, gguf-py's `quants.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// Ternary, 1.6875 bits a weight.
    Tq1_0,
    /// Ternary, 2.0625 bits a weight.
    Tq2_0,
    /// int8, 8.5 bits a weight.
    Q8_0,
    /// Four bits, 4.5 bits a weight.
    Q4_0,
    /// Binary, 1.125 bits a weight.
    Q1_0,
    /// Two bits, 2.25 bits a weight.
    Q2_0,
}

impl BlockFormat {
    /// Every format, for tests and listings.
    pub const ALL: [BlockFormat; 6] = [
        BlockFormat::Tq1_0,
        BlockFormat::Tq2_0,
        BlockFormat::Q8_0,
        BlockFormat::Q4_0,
        BlockFormat::Q1_0,
        BlockFormat::Q2_0,
    ];

    /// The lower-case name: `tq1_0`, `tq2_0`, `q8_0`, `q4_0`, `q1_0`, `q2_0`.
    pub const fn name(self) -> &'static str {
        match self {
            BlockFormat::Tq1_0 => "tq1_0",
            BlockFormat::Tq2_0 => "tq2_0",
            BlockFormat::Q8_0 => "q8_0",
            BlockFormat::Q4_0 => "q4_0",
            BlockFormat::Q1_0 => "q1_0",
            BlockFormat::Q2_0 => "q2_0",
        }
    }

    /// Values in a block.
    pub const fn block_values(self) -> usize {
        match self {
            BlockFormat::Tq1_0 | BlockFormat::Tq2_0 => 256,
            BlockFormat::Q8_0 | BlockFormat::Q4_0 => 32,
            BlockFormat::Q1_0 => 128,
            BlockFormat::Q2_0 => 64,
        }
    }

    /// Bytes of a block, scale included.
    pub const fn block_bytes(self) -> usize {
        match self {
            BlockFormat::Tq1_0 => 54,
            BlockFormat::Tq2_0 => 66,
            BlockFormat::Q8_0 => 34,
            BlockFormat::Q4_0 | BlockFormat::Q1_0 | BlockFormat::Q2_0 => 18,
        }
    }

    /// Smallest and largest code.
    pub const fn code_range(self) -> (i8, i8) {
        match self {
            BlockFormat::Tq1_0 | BlockFormat::Tq2_0 | BlockFormat::Q1_0 => (-1, 1),
            BlockFormat::Q8_0 => (i8::MIN, i8::MAX),
            BlockFormat::Q4_0 => (-8, 7),
            BlockFormat::Q2_0 => (-1, 2),
        }
    }

    /// Bytes that `values` values take.
    ///
    /// # Errors
    /// [`PackError::Columns`] when they are not whole blocks.
    pub const fn bytes(self, values: usize) -> Result<usize, PackError> {
        if values.is_multiple_of(self.block_values()) {
            Ok(values / self.block_values() * self.block_bytes())
        } else {
            Err(PackError::Columns { multiple: self.block_values(), found: values })
        }
    }
}

/// Quantises `values` (whole blocks) as the reference does: gguf-py for `Tq1_0`, `Tq2_0`, `Q8_0` and `Q4_0`, ggml's C code for `Q1_0` and `Q2_0`.
///
/// # Errors
/// [`PackError::Columns`] and [`PackError::Length`].
pub fn quantize_blocks(
    format: BlockFormat,
    values: &[f32],
    out: &mut [u8],
) -> Result<(), PackError> {
    check(format, values.len(), out.len())?;
    let mut codes = [0; 256];
    let codes = &mut codes[..format.block_values()];
    for (values, block) in blocks_of(format, values, out) {
        let scale = quantise::block(format, values, codes);
        blocks::encode(format, codes, f32_to_f16(scale), block);
    }
    Ok(())
}

/// The values of packed blocks: code times the fp16 scale, in f32.
///
/// # Errors
/// [`PackError::Columns`] and [`PackError::Length`].
pub fn dequantize_blocks(
    format: BlockFormat,
    packed: &[u8],
    values: &mut [f32],
) -> Result<(), PackError> {
    check(format, values.len(), packed.len())?;
    let mut codes = [0; 256];
    let codes = &mut codes[..format.block_values()];
    let values = values.chunks_exact_mut(format.block_values());
    for (block, values) in packed.chunks_exact(format.block_bytes()).zip(values) {
        let scale = f16_to_f32(blocks::decode(format, block, codes));
        for (value, &code) in values.iter_mut().zip(&*codes) {
            *value = f32::from(code) * scale;
        }
    }
    Ok(())
}

/// Packs integer codes (whole blocks) with one `scale`, rounded to fp16, in every block.
///
/// # Errors
/// [`PackError::Columns`], [`PackError::Length`], and [`PackError::Code`] for a code outside [`BlockFormat::code_range`] (or 0 in `Q1_0`).
pub fn pack_block_codes(
    format: BlockFormat,
    codes: &[i8],
    scale: f32,
    out: &mut [u8],
) -> Result<(), PackError> {
    check(format, codes.len(), out.len())?;
    let (low, high) = format.code_range();
    let bad = |&c: &i8| c < low || c > high || (format == BlockFormat::Q1_0 && c == 0);
    if let Some(index) = codes.iter().position(bad) {
        return Err(PackError::Code { index, code: codes[index] });
    }
    for (codes, block) in blocks_of(format, codes, out) {
        blocks::encode(format, codes, f32_to_f16(scale), block);
    }
    Ok(())
}

/// The integer codes of packed blocks; `scales`, one a block, receives what they are multiplied with.
///
/// # Errors
/// [`PackError::Columns`] and [`PackError::Length`].
pub fn unpack_block_codes(
    format: BlockFormat,
    packed: &[u8],
    codes: &mut [i8],
    scales: &mut [f32],
) -> Result<(), PackError> {
    check(format, codes.len(), packed.len())?;
    let expected = codes.len() / format.block_values();
    if scales.len() != expected {
        return Err(PackError::Length { what: "scales", expected, found: scales.len() });
    }
    let blocks = packed.chunks_exact(format.block_bytes());
    for ((block, codes), scale) in
        blocks.zip(codes.chunks_exact_mut(format.block_values())).zip(scales)
    {
        *scale = f16_to_f32(blocks::decode(format, block, codes));
    }
    Ok(())
}

fn check(format: BlockFormat, values: usize, bytes: usize) -> Result<(), PackError> {
    let expected = format.bytes(values)?;
    if bytes == expected {
        Ok(())
    } else {
        Err(PackError::Length { what: "packed", expected, found: bytes })
    }
}

fn blocks_of<'a, T>(
    format: BlockFormat,
    values: &'a [T],
    out: &'a mut [u8],
) -> impl Iterator<Item = (&'a [T], &'a mut [u8])> {
    values.chunks_exact(format.block_values()).zip(out.chunks_exact_mut(format.block_bytes()))
}
