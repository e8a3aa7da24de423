//! Numbers as they lie in a checkpoint: floats of three widths, and GGUF's blocks.

use super::kquants::{self, Q4_K_BYTES, Q6_K_BYTES};
use super::{BlockFormat, dequantize_blocks, f32_to_f16, quantize_blocks};
use crate::pack::PackError;

/// How the numbers of a matrix lie in bytes, row after row, little-endian.
///
/// | elements | values | bytes | a value |
/// |---|---|---|---|
/// | `F32` | 1 | 4 | IEEE single |
/// | `F16` | 1 | 2 | IEEE half |
/// | `Bf16` | 1 | 2 | the upper half of a single |
/// | `Block` | see [`BlockFormat`] | | code times scale |
/// | `Q4K` | 256 | 144 | (d scale) nibble - (dmin min) |
/// | `Q6K` | 256 | 210 | (d scale) (6 bits - 32) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// A GGUF format of codes and one scale a block.
    Block(BlockFormat),
    /// GGUF's `Q4_K` (id 12), 4.5 bits a value.
    Q4K,
    /// GGUF's `Q6_K` (id 14), 6.5625 bits a value.
    Q6K,
}

impl Elements {
    /// Every kind, for tests and listings.
    pub const ALL: [Elements; 11] = [
        Elements::F32,
        Elements::F16,
        Elements::Bf16,
        Elements::Block(BlockFormat::Tq1_0),
        Elements::Block(BlockFormat::Tq2_0),
        Elements::Block(BlockFormat::Q8_0),
        Elements::Block(BlockFormat::Q4_0),
        Elements::Block(BlockFormat::Q1_0),
        Elements::Block(BlockFormat::Q2_0),
        Elements::Q4K,
        Elements::Q6K,
    ];

    /// The lower-case name: `f32`, `f16`, `bf16`, those of [`BlockFormat::name`], `q4_k`, `q6_k`.
    pub const fn name(self) -> &'static str {
        match self {
            Elements::F32 => "f32",
            Elements::F16 => "f16",
            Elements::Bf16 => "bf16",
            Elements::Block(format) => format.name(),
            Elements::Q4K => "q4_k",
            Elements::Q6K => "q6_k",
        }
    }

    /// Values in a block; a row has whole blocks.
    pub const fn block_values(self) -> usize {
        match self {
            Elements::F32 | Elements::F16 | Elements::Bf16 => 1,
            Elements::Block(format) => format.block_values(),
            Elements::Q4K | Elements::Q6K => kquants::VALUES,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Elements::F32 => 4,
            Elements::F16 | Elements::Bf16 => 2,
            Elements::Block(format) => format.block_bytes(),
            Elements::Q4K => Q4_K_BYTES,
            Elements::Q6K => Q6_K_BYTES,
        }
    }

    /// Bytes that `values` values take.
    ///
    /// # Errors
    /// [`PackError::Columns`] when they are not whole blocks.
    pub const fn bytes(self, values: usize) -> Result<usize, PackError> {
        if values.is_multiple_of(self.block_values()) {
            // Saturating: no slice is that long.
            Ok((values / self.block_values()).saturating_mul(self.block_bytes()))
        } else {
            Err(PackError::Columns { multiple: self.block_values(), found: values })
        }
    }
}

/// The value of bfloat16 bits; exact.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bfloat16 bits, ties to even; NaN stays NaN.
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// The values of whole blocks, as numbers of f32.
///
/// # Errors
/// [`PackError::Columns`] and [`PackError::Length`].
pub fn dequantize(elements: Elements, bytes: &[u8], values: &mut [f32]) -> Result<(), PackError> {
    check(elements, values.len(), bytes.len())?;
    match elements {
        Elements::F32 => each(bytes, values, f32::from_le_bytes),
        Elements::F16 => crate::widen_f16(bytes, values),
        Elements::Bf16 => each(bytes, values, |b| bf16_to_f32(u16::from_le_bytes(b))),
        Elements::Block(format) => dequantize_blocks(format, bytes, values)?,
        Elements::Q4K => blocks(elements, bytes, values, kquants::q4_k),
        Elements::Q6K => blocks(elements, bytes, values, kquants::q6_k),
    }
    Ok(())
}

/// The inverse of [`dequantize`], rounded to nearest even or as the reference of a block format quantises.
///
/// # Errors
/// [`PackError::Columns`], [`PackError::Length`], and [`PackError::ReadOnly`] for `Q4K` and `Q6K`.
pub fn quantize(elements: Elements, values: &[f32], bytes: &mut [u8]) -> Result<(), PackError> {
    check(elements, values.len(), bytes.len())?;
    match elements {
        Elements::F32 => write(values, bytes, f32::to_le_bytes),
        Elements::F16 => write(values, bytes, |x| f32_to_f16(x).to_le_bytes()),
        Elements::Bf16 => write(values, bytes, |x| f32_to_bf16(x).to_le_bytes()),
        Elements::Block(format) => quantize_blocks(format, values, bytes)?,
        Elements::Q4K | Elements::Q6K => return Err(PackError::ReadOnly(elements.name())),
    }
    Ok(())
}

fn check(elements: Elements, values: usize, bytes: usize) -> Result<(), PackError> {
    let expected = elements.bytes(values)?;
    if bytes == expected {
        Ok(())
    } else {
        Err(PackError::Length { what: "bytes", expected, found: bytes })
    }
}

fn each<const N: usize>(bytes: &[u8], values: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (bytes, out) in bytes.as_chunks::<N>().0.iter().zip(values) {
        *out = value(*bytes);
    }
}

fn write<const N: usize>(values: &[f32], bytes: &mut [u8], of: impl Fn(f32) -> [u8; N]) {
    for (out, &value) in bytes.as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *out = of(value);
    }
}

fn blocks(elements: Elements, bytes: &[u8], values: &mut [f32], f: impl Fn(&[u8], &mut [f32])) {
    let values = values.chunks_exact_mut(elements.block_values());
    for (block, values) in bytes.chunks_exact(elements.block_bytes()).zip(values) {
        f(block, values);
    }
}
