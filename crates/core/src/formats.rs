//! Formats of matrices by name: our own packed rows, the layouts of Hugging Face, GGUF and bitnet.cpp, floats. The layouts themselves are the kernels crate's.

use tritlens_kernels::layouts::{
    Elements, I2sVariant, hf_pack, hf_unpack, i2s_bytes, i2s_pack, i2s_unpack, pack_block_codes,
    quantize, unpack_block_codes,
};
use tritlens_kernels::{self as k, Format, PackError};

use crate::error::{CoreError, Result, check_len, codes, zeros};

/// A format a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// `binary`, `ternary2`, `ternary5`: rows of 32-byte blocks.
    Own(Format),
    /// `hf`: four rows a byte.
    Hf,
    /// `tq1_0`, `tq2_0`, `q8_0`, `q4_0`, `q1_0`, `q2_0`: blocks of codes with an fp16 scale. `f32`, `f16`, `bf16`, `q4_k`, `q6_k`: numbers without codes.
    Elements(Elements),
    /// `i2_s` (x86 order) and `i2_s_neon`.
    I2s(I2sVariant),
}

const NAMES: [&str; 17] = [
    "binary",
    "ternary2",
    "ternary5",
    "hf",
    "tq1_0",
    "tq2_0",
    "q8_0",
    "q4_0",
    "q1_0",
    "q2_0",
    "f32",
    "f16",
    "bf16",
    "q4_k",
    "q6_k",
    "i2_s",
    "i2_s_neon",
];

/// Of [`NAMES`]: what holds numbers, and what can be multiplied with as it is.
const NUMBERS: std::ops::Range<usize> = 4..15;
const OWN: std::ops::Range<usize> = 0..3;

/// Rows, columns and number of activation rows of a packed product.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rows of W (outputs).
    pub rows: usize,
    /// Columns of W (inputs).
    pub cols: usize,
    /// Rows of x.
    pub m: usize,
}

fn named(name: &str) -> Result<Named> {
    let own = Format::ALL.into_iter().find(|f| f.name() == name).map(Named::Own);
    let elements = Elements::ALL.into_iter().find(|e| e.name() == name).map(Named::Elements);
    own.or(elements)
        .or(match name {
            "hf" => Some(Named::Hf),
            "i2_s" => Some(Named::I2s(I2sVariant::X86)),
            "i2_s_neon" => Some(Named::I2s(I2sVariant::Neon)),
            _ => None,
        })
        .ok_or_else(|| unknown(name, &NAMES))
}

fn unknown(name: &str, names: &[&'static str]) -> CoreError {
    CoreError::new(codes::NAME, format!("no packed format is called {name}"))
        .expected(names.join(", "), name)
        .nearest(nearest(name, names))
}

/// The name with the smallest edit distance.
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().min_by_key(|n| distance(name, n))
}

/// Levenshtein distance, of the first 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn bad_bytes(e: &PackError) -> CoreError {
    let code = match e {
        PackError::Code { .. } | PackError::Byte { .. } | PackError::ReadOnly(_) => codes::FORMAT,
        PackError::Length { .. } | PackError::Columns { .. } => codes::SHAPE,
    };
    CoreError::new(code, e.to_string())
}

fn count(rows: usize, cols: usize) -> Result<usize> {
    rows.checked_mul(cols).ok_or_else(|| {
        CoreError::new(codes::SHAPE, "the matrix is too large")
            .expected("a product that fits the machine", format!("{rows} x {cols}"))
    })
}

fn check_cols(format: Elements, cols: usize) -> Result<()> {
    format.bytes(cols).map(|_| ()).map_err(|e| bad_bytes(&e))
}

/// Bytes of a packed `[rows, cols]` matrix.
///
/// # Errors
/// `E_NAME` for an unknown format, `E_SHAPE` for a shape the layout cannot hold.
pub fn packed_bytes(format: &str, rows: usize, cols: usize) -> Result<usize> {
    let values = count(rows, cols)?;
    match named(format)? {
        Named::Own(f) => count(rows, k::row_bytes(f, cols)),
        Named::Hf if rows.is_multiple_of(4) => Ok(values / 4),
        Named::Hf => Err(CoreError::new(codes::SHAPE, "rows do not fill the layout hf")
            .expected("a multiple of 4", rows)),
        Named::Elements(e) => {
            check_cols(e, cols)?;
            count(values / e.block_values(), e.block_bytes())
        }
        Named::I2s(v) => i2s_bytes(v, values).map_err(|e| bad_bytes(&e)),
    }
}

/// Packs codes -1, 0, 1 `[rows, cols]`; formats with a scale in the bytes take `scale`.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`, and `E_FORMAT` for a code the format cannot hold (0 in `binary`).
pub fn pack(
    format: &str,
    codes: &[i8],
    rows: usize,
    cols: usize,
    scale: f32,
    out: &mut [u8],
) -> Result<()> {
    check_len("codes", count(rows, cols)?, codes.len())?;
    check_len("packed", packed_bytes(format, rows, cols)?, out.len())?;
    match named(format)? {
        Named::Own(f) => k::pack(f, codes, rows, cols, out),
        Named::Hf => hf_pack(codes, rows, cols, out),
        Named::Elements(Elements::Block(f)) => pack_block_codes(f, codes, scale, out),
        Named::Elements(_) => return Err(no_codes(format)),
        Named::I2s(v) => i2s_pack(v, codes, scale, out),
    }
    .map_err(|e| bad_bytes(&e))
}

/// Unpacks to codes.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`, and `E_FORMAT` for bytes that are no codes.
pub fn unpack(format: &str, packed: &[u8], rows: usize, cols: usize, out: &mut [i8]) -> Result<()> {
    check_len("codes", count(rows, cols)?, out.len())?;
    check_len("packed", packed_bytes(format, rows, cols)?, packed.len())?;
    match named(format)? {
        Named::Own(f) => k::unpack(f, packed, rows, cols, out),
        Named::Hf => hf_unpack(packed, rows, cols, out),
        Named::Elements(Elements::Block(f)) => {
            let mut scales = zeros(out.len() / f.block_values())?;
            unpack_block_codes(f, packed, out, &mut scales)
        }
        Named::Elements(_) => return Err(no_codes(format)),
        Named::I2s(v) => i2s_unpack(v, packed, out).map(|_| ()),
    }
    .map_err(|e| bad_bytes(&e))
}

fn no_codes(format: &str) -> CoreError {
    CoreError::new(codes::FORMAT, format!("{format} holds numbers without codes"))
}

/// The elements of rows of `cols`.
fn elements(format: &str, cols: usize) -> Result<Elements> {
    match named(format)? {
        Named::Elements(e) if cols > 0 => check_cols(e, cols).map(|()| e),
        Named::Elements(_) => Err(CoreError::new(codes::SHAPE, "a row has no columns")),
        _ => Err(unknown(format, &NAMES[NUMBERS])),
    }
}

fn check_rows(values: usize, cols: usize) -> Result<()> {
    if values.is_multiple_of(cols) {
        return Ok(());
    }
    Err(CoreError::new(codes::SHAPE, "values are not whole rows")
        .expected(format!("a multiple of {cols}"), values))
}

/// Quantises rows of `cols` floats into GGUF blocks, or rounds them to `f16` or `bf16`.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`, and `E_FORMAT` for `q4_k` and `q6_k`, which can only be read.
pub fn quantize_blocks(format: &str, values: &[f32], cols: usize, out: &mut [u8]) -> Result<()> {
    let f = elements(format, cols)?;
    check_rows(values.len(), cols)?;
    quantize(f, values, out).map_err(|e| bad_bytes(&e))
}

/// The values of GGUF blocks, `f16` and `bf16`.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`.
pub fn dequantize_blocks(format: &str, packed: &[u8], cols: usize, out: &mut [f32]) -> Result<()> {
    let f = elements(format, cols)?;
    check_rows(out.len(), cols)?;
    check_len("packed", packed_bytes(format, out.len() / cols, cols)?, packed.len())?;
    k::widen(f, packed, out);
    Ok(())
}

/// The product's own format, with every length checked and every byte a code.
fn operands(format: &str, packed: &[u8], s: Shape, x: usize, y: usize) -> Result<Format> {
    let Named::Own(f) = named(format)? else {
        return Err(unknown(format, &NAMES[OWN]));
    };
    check_len("packed", packed_bytes(format, s.rows, s.cols)?, packed.len())?;
    check_len("x", count(s.m, s.cols)?, x)?;
    check_len("y", count(s.m, s.rows)?, y)?;
    Ok(f)
}

/// y `[m, rows]` = scale x `[m, cols]` W^T.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`.
pub fn matmul_f32(
    format: &str,
    packed: &[u8],
    s: Shape,
    scale: f32,
    x: &[f32],
    y: &mut [f32],
) -> Result<()> {
    let f = operands(format, packed, s, x.len(), y.len())?;
    k::packed_matmul_f32(f, packed, s.rows, s.cols, scale, x, s.m, y);
    Ok(())
}

/// y `[m, rows]` = x `[m, cols]` W^T in integers.
///
/// # Errors
/// `E_NAME`, `E_SHAPE`.
pub fn matmul_i8(format: &str, packed: &[u8], s: Shape, x: &[i8], y: &mut [i32]) -> Result<()> {
    let f = operands(format, packed, s, x.len(), y.len())?;
    k::packed_matmul_i8(f, packed, s.rows, s.cols, x, s.m, y);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_codes(name: &str) -> bool {
        let mut room = vec![0; packed_bytes(name, 4, 256).unwrap()];
        pack(name, &[1; 1024], 4, 256, 1.0, &mut room).is_ok()
    }

    #[test]
    fn every_format_round_trips_and_refuses_wrong_sizes() {
        let (rows, cols) = (8, 256);
        let trits: Vec<i8> = (0..rows * cols).map(|i| (i * 7 % 3) as i8 - 1).collect();
        let signs: Vec<i8> = trits.iter().map(|&t| if t < 0 { -1 } else { 1 }).collect();
        for name in NAMES.into_iter().filter(|&name| has_codes(name)) {
            let codes = if name == "binary" || name == "q1_0" { &signs } else { &trits };
            let mut bytes = vec![0; packed_bytes(name, rows, cols).unwrap()];
            pack(name, codes, rows, cols, 0.5, &mut bytes).unwrap();
            let mut back = vec![0; rows * cols];
            unpack(name, &bytes, rows, cols, &mut back).unwrap();
            assert_eq!(&back, codes, "{name}");
            let short = unpack(name, &bytes[1..], rows, cols, &mut back).unwrap_err();
            assert_eq!(short.code, codes::SHAPE, "{name}");
        }
        let without: Vec<&str> = NAMES.into_iter().filter(|&name| !has_codes(name)).collect();
        assert_eq!(without, ["f32", "f16", "bf16", "q4_k", "q6_k"]);
        assert_eq!(named("ternary3").unwrap_err().nearest.as_deref(), Some("ternary2"));
    }
}
