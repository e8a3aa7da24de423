//! bitnet.cpp's `I2_S`: two bits a weight over the whole tensor, then a 32-byte tail whose first four bytes are the f32 scale.
//!
//! The order of the codes depends on the machine that wrote the file, and nothing in the file says which: the x86 code and both Python converters
//! use blocks of 128, the ARM NEON code blocks of 64. The reader has to be told: both orders read the same pairs of bits, so bytes that are valid in one are valid in the
//! other, and only a tensor whose values are no multiple of 128 says that it is NEON's.
//! Source: microsoft/BitNet, `src/ggml-bitnet-mad.cpp` and `utils/convert-*.py`.

use crate::pack::PackError;

/// Bytes after the codes.
pub const I2S_TAIL: usize = 32;

/// Which program wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum I2sVariant {
    /// 128 values in 32 bytes: element j at byte j mod 32, the first 32 in the top bits.
    X86,
    /// 64 values in 16 bytes: element j at byte j mod 16, the first 16 in the top bits.
    Neon,
}

impl I2sVariant {
    const fn block_bytes(self) -> usize {
        match self {
            I2sVariant::X86 => 32,
            I2sVariant::Neon => 16,
        }
    }

    /// (byte, shift) of element `i` of the tensor.
    pub(super) const fn place(self, i: usize) -> (usize, usize) {
        let bytes = self.block_bytes();
        let (block, inside) = (i / (4 * bytes), i % (4 * bytes));
        (block * bytes + inside % bytes, 6 - 2 * (inside / bytes))
    }
}

/// Bytes of a tensor of `values` codes, tail included.
///
/// # Errors
/// [`PackError::Columns`] when they are not whole blocks.
pub const fn i2s_bytes(variant: I2sVariant, values: usize) -> Result<usize, PackError> {
    let multiple = 4 * variant.block_bytes();
    if values.is_multiple_of(multiple) {
        Ok(values / 4 + I2S_TAIL)
    } else {
        Err(PackError::Columns { multiple, found: values })
    }
}

/// Packs a whole tensor's codes (-1, 0, +1) and its scale; the rest of the tail is zero.
///
/// # Errors
/// [`PackError::Columns`], [`PackError::Length`], [`PackError::Code`].
pub fn i2s_pack(
    variant: I2sVariant,
    codes: &[i8],
    scale: f32,
    out: &mut [u8],
) -> Result<(), PackError> {
    check(variant, codes.len(), out.len())?;
    if let Some(index) = codes.iter().position(|code| !(-1..=1).contains(code)) {
        return Err(PackError::Code { index, code: codes[index] });
    }
    out.fill(0);
    out[codes.len() / 4..][..4].copy_from_slice(&scale.to_le_bytes());
    for (i, &code) in codes.iter().enumerate() {
        let (byte, shift) = variant.place(i);
        out[byte] |= ((code + 1) as u8) << shift;
    }
    Ok(())
}

/// Reads a whole tensor's codes; returns its scale.
///
/// # Errors
/// [`PackError::Columns`], [`PackError::Length`], and [`PackError::Byte`] for a byte that holds the invalid pair 3.
pub fn i2s_unpack(variant: I2sVariant, packed: &[u8], codes: &mut [i8]) -> Result<f32, PackError> {
    check(variant, codes.len(), packed.len())?;
    let (data, tail) = packed.split_at(codes.len() / 4);
    for (i, code) in codes.iter_mut().enumerate() {
        let (index, shift) = variant.place(i);
        *code = match (data[index] >> shift) & 3 {
            3 => return Err(PackError::Byte { index, byte: data[index] }),
            pair => pair as i8 - 1,
        };
    }
    Ok(f32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]))
}

fn check(variant: I2sVariant, values: usize, bytes: usize) -> Result<(), PackError> {
    let expected = i2s_bytes(variant, values)?;
    if bytes == expected {
        Ok(())
    } else {
        Err(PackError::Length { what: "packed", expected, found: bytes })
    }
}
