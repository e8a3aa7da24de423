//! Hugging Face's packed `BitNet` weights: uint8 `[rows / 4, cols]`.
//!
//! With R = rows / 4, byte (r, c) holds rows r, r + R, r + 2R and r + 3R of column c in bit pairs 0-1, 2-3, 4-5 and 6-7; a pair is trit + 1.
//! Source: transformers, `integrations/bitnet.py` (`pack_weights`, `unpack_weights`).

use crate::pack::{PackError, invalid_pair};

/// Packs codes `[rows, cols]` (-1, 0, +1) into `rows / 4 * cols` bytes.
///
/// # Errors
/// [`PackError::Columns`] when `rows` is not a multiple of 4, [`PackError::Length`], [`PackError::Code`].
pub fn hf_pack(codes: &[i8], rows: usize, cols: usize, out: &mut [u8]) -> Result<(), PackError> {
    check(rows, cols, codes.len(), out.len())?;
    if let Some(index) = codes.iter().position(|code| !(-1..=1).contains(code)) {
        return Err(PackError::Code { index, code: codes[index] });
    }
    let quarter = out.len();
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = (0..4).fold(0, |b, n| b | ((codes[i + n * quarter] + 1) as u8) << (2 * n));
    }
    Ok(())
}

/// The inverse of [`hf_pack`].
///
/// # Errors
/// [`PackError::Columns`], [`PackError::Length`], and [`PackError::Byte`] for a byte that holds the invalid pair 3.
pub fn hf_unpack(
    packed: &[u8],
    rows: usize,
    cols: usize,
    codes: &mut [i8],
) -> Result<(), PackError> {
    check(rows, cols, codes.len(), packed.len())?;
    if let Some(index) = invalid_pair(packed) {
        return Err(PackError::Byte { index, byte: packed[index] });
    }
    for (i, code) in codes.iter_mut().enumerate() {
        let (n, byte) = (i / packed.len(), i % packed.len());
        *code = ((packed[byte] >> (2 * n)) & 3) as i8 - 1;
    }
    Ok(())
}

fn check(rows: usize, cols: usize, codes: usize, bytes: usize) -> Result<(), PackError> {
    if !rows.is_multiple_of(4) {
        return Err(PackError::Columns { multiple: 4, found: rows });
    }
    let expected = rows.saturating_mul(cols);
    if codes != expected {
        return Err(PackError::Length { what: "codes", expected, found: codes });
    }
    if bytes != expected / 4 {
        return Err(PackError::Length { what: "packed", expected: expected / 4, found: bytes });
    }
    Ok(())
}
