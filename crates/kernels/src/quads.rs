//! Ternary and binary weights as the WebAssembly products want them: four rows interleaved, two bits a code, so that one masked 16-bit word
//! holds the codes of two rows at once.
//!
//! WebAssembly's only wide integer product is `i32x4.dot_i16x8_s`, 8 products an instruction, where a code needs 2 of 16 bits. A word `d + 2^12 e` multiplied with
//! an activation `u` gives both `d u` and `e u`, and sums of such products stay apart as long as the lower one stays below 2^12. For that, everything in
//! the lower field is unsigned: codes are stored as digits `d = c + 1`, activations as `u = x + 128`. Exact in integers, undone at the end by two sums:
//! `sum c x = sum d u - sum u - 128 sum c`.
//!
//! A *quad* is four rows; a *unit* is 16 bytes of a quad, 16 columns. Seen as 8 little-endian words, word `j` of a unit holds
//!
//! ```text
//! bits   0..2      2..4      4..6       6..8         8..10      10..12     12..14    14..16
//!        row 0     row 2     row 1      row 3        row 0      row 2      row 1     row 3
//!        column j  column j  column     column       column     column     column j  column j
//!                            7 + j      7 + j        8 + j      8 + j
//! ```
//!
//! (columns 7 + j of word 0 wrap around to 15). So `w & 0x3003` is rows 0 and 1 of columns 0..8, `w & 0xc00c` rows 2 and 3, and the same masks on the unit
//! rotated by one byte give columns 8..16: five instructions decode 64 codes. Row 3 is stored as a two's complement code instead of a digit, because its field
//! ends in the word's sign. Rows are padded to a multiple of 4 and columns to a multiple of 32, with code 0.

use crate::pack::{BLOCK, Format, PackError, invalid_pair, row_bytes};
use crate::table::PackedRows;

/// Rows of a quad.
pub const ROWS: usize = 4;
/// Bytes of a unit, which are also its columns.
pub const UNIT: usize = 16;
/// Columns are padded to a multiple of this: two units.
pub const COLS: usize = 2 * UNIT;

/// Bytes that `rows` x `cols` codes take.
pub const fn bytes(rows: usize, cols: usize) -> usize {
    rows.div_ceil(ROWS) * quad_bytes(cols)
}

/// Bytes of one quad.
pub const fn quad_bytes(cols: usize) -> usize {
    cols.div_ceil(COLS) * 2 * UNIT
}

/// Digits of 16 columns of the four rows of a quad; 1 is code 0.
type Unit = [[u8; UNIT]; ROWS];

/// A unit as the table above has it. Rows 0 and 2 lie in the low byte of the (rotated) word, rows 1 and 3 in the high one.
#[inline(always)]
fn encode(digits: &Unit, unit: &mut [u8; UNIT]) {
    let (mut low, mut high) = ([0; UNIT], [0; UNIT]);
    for col in 0..UNIT {
        low[col] = digits[0][col] | digits[2][col] << 2;
        // A digit less one is the code; of that the lowest two bits.
        high[col] = digits[1][col] << 4 | digits[3][col].wrapping_sub(1) << 6;
    }
    for word in 0..UNIT / 2 {
        unit[2 * word] = low[word] | high[8 + (word + 7) % 8];
        unit[2 * word + 1] = low[8 + word] | high[word];
    }
}

/// The digits of row `row` of a unit.
#[inline(always)]
fn decode_row(unit: &[u8; UNIT], row: usize) -> [u8; UNIT] {
    let shift = [0, 4, 2, 6][row];
    let mut digits = [0; UNIT];
    for word in 0..UNIT / 2 {
        let second = if row.is_multiple_of(2) { 2 * word + 1 } else { (2 * word + 2) % UNIT };
        digits[word] = (unit[2 * word + row % 2] >> shift) & 3;
        digits[8 + word] = (unit[second] >> shift) & 3;
    }
    if row == ROWS - 1 {
        digits = digits.map(|code| (code + 1) & 3);
    }
    digits
}

/// Digits of columns `16 unit..` of a packed row: they lie in 16 bytes side by side, at one place of each.
#[inline(always)]
fn digits_of(format: Format, packed: &[u8], unit: usize) -> [u8; UNIT] {
    const POWER: [u8; 5] = [1, 3, 9, 27, 81];
    let (at, n) =
        (unit / 2 / format.digits() * BLOCK + unit % 2 * UNIT, unit / 2 % format.digits());
    let mut digits = [0; UNIT];
    for (digit, &byte) in digits.iter_mut().zip(&packed[at..at + UNIT]) {
        *digit = match format {
            Format::Binary => (byte >> n & 1) << 1,
            Format::Ternary2 => byte >> (2 * n) & 3,
            Format::Ternary5 => ((u16::from(byte.wrapping_mul(POWER[n])) * 3) >> 8) as u8,
        };
    }
    digits
}

/// Rearranges packed rows of `pack.rs` into `out` ([`bytes`]) and writes the sum of each row's codes into `sums` (`rows`).
///
/// # Errors
/// [`PackError::Length`] when a slice does not fit the shape, [`PackError::Byte`] for the invalid digit 3 of [`Format::Ternary2`].
pub fn repack(w: PackedRows<'_>, out: &mut [u8], sums: &mut [i32]) -> Result<(), PackError> {
    let PackedRows { format, rows, cols, stride, .. } = w;
    let width = w.width();
    let needed = rows.saturating_sub(1).saturating_mul(stride).saturating_add(width);
    if stride < width || (rows > 0 && w.data.len() < needed) {
        return Err(PackError::Length { what: "packed", expected: needed, found: w.data.len() });
    }
    check("out", bytes(rows, cols), out.len())?;
    check("sums", rows, sums.len())?;
    // Without columns there is no quad to take them from.
    sums.fill(0);
    for (quad, out) in out.chunks_exact_mut(quad_bytes(cols).max(1)).enumerate() {
        let count = ROWS.min(rows - quad * ROWS);
        let start = |row: usize| (quad * ROWS + row) * stride;
        for row in (0..count).filter(|_| format == Format::Ternary2) {
            if let Some(byte) = invalid_pair(&w.data[start(row)..][..width]) {
                let index = start(row) + byte;
                return Err(PackError::Byte { index, byte: w.data[index] });
            }
        }
        let mut totals = [[0u32; UNIT]; ROWS];
        for (index, unit) in out.as_chunks_mut::<UNIT>().0.iter_mut().enumerate() {
            let mut digits = [[1; UNIT]; ROWS];
            let left = cols.saturating_sub(index * UNIT).min(UNIT);
            for row in 0..count {
                if left > 0 {
                    digits[row] = digits_of(format, &w.data[start(row)..][..width], index);
                    digits[row][left..].fill(1);
                }
                for (total, &digit) in totals[row].iter_mut().zip(&digits[row]) {
                    *total += u32::from(digit);
                }
            }
            encode(&digits, unit);
        }
        for (sum, totals) in sums[quad * ROWS..][..count].iter_mut().zip(totals) {
            *sum = totals.iter().sum::<u32>().wrapping_sub(quad_bytes(cols) as u32) as i32;
        }
    }
    Ok(())
}

/// Row `row` of quads of `cols` columns, packed as [`Format::Ternary2`] into `out` ([`row_bytes`]).
///
/// # Panics
/// When `out` has another length or there is no such row.
pub fn pack_row(quads: &[u8], cols: usize, row: usize, out: &mut [u8]) {
    assert_eq!(out.len(), row_bytes(Format::Ternary2, cols), "a packed row of {cols}");
    let width = quad_bytes(cols);
    let quad = &quads[row / ROWS * width..][..width];
    // Columns beyond the quad are missing ones too.
    out.fill(0x55);
    for (index, unit) in quad.as_chunks::<UNIT>().0.iter().enumerate() {
        let (at, shift) = (index / 8 * BLOCK + index % 2 * UNIT, 2 * (index / 2 % 4));
        for (out, digit) in out[at..at + UNIT].iter_mut().zip(decode_row(unit, row % ROWS)) {
            // 1 stands there already.
            *out ^= (digit ^ 1) << shift;
        }
    }
}

/// The inverse of [`repack`]: fills `codes` (`[rows, cols]`).
///
/// # Errors
/// [`PackError::Length`] when a slice does not fit the shape.
pub fn unpack(quads: &[u8], rows: usize, cols: usize, codes: &mut [i8]) -> Result<(), PackError> {
    check("quads", bytes(rows, cols), quads.len())?;
    check("codes", rows.saturating_mul(cols), codes.len())?;
    for (at, codes) in codes.chunks_exact_mut(cols.max(1)).enumerate() {
        let quad = &quads[at / ROWS * quad_bytes(cols)..];
        for (codes, unit) in codes.chunks_mut(UNIT).zip(quad.as_chunks::<UNIT>().0) {
            for (code, digit) in codes.iter_mut().zip(decode_row(unit, at % ROWS)) {
                *code = digit as i8 - 1;
            }
        }
    }
    Ok(())
}

/// `y[m, rows] = x[m, cols] . W^T` in integers, modulo 2^32, from weights that [`repack`] made.
///
/// # Panics
/// When a slice does not fit the shape.
#[track_caller]
pub fn matmul_i8(
    (quads, sums): (&[u8], &[i32]),
    rows: usize,
    cols: usize,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    // Saturating: no slice is that long, while a product that wraps could equal the length of a short one.
    assert!(
        quads.len() == bytes(rows, cols) && sums.len() == rows,
        "the weights do not fit their shape"
    );
    assert!(x.len() == m.saturating_mul(cols), "x has {} elements for [{m}, {cols}]", x.len());
    assert!(y.len() == m.saturating_mul(rows), "y has {} elements for [{m}, {rows}]", y.len());
    if rows == 0 || m == 0 || cols == 0 {
        return y.fill(0);
    }
    product((quads, sums), rows, cols, x, y);
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::arch::wasm32::quads::product;

/// The specification; what runs where there is no better kernel for this layout.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn product((quads, _): (&[u8], &[i32]), rows: usize, cols: usize, x: &[i8], y: &mut [i32]) {
    let mut codes = vec![0i8; rows * cols];
    let _ = unpack(quads, rows, cols, &mut codes);
    for (i, y) in y.chunks_exact_mut(rows).enumerate() {
        let x = &x[i * cols..][..cols];
        for (r, y) in y.iter_mut().enumerate() {
            let products = codes[r * cols..][..cols].iter().zip(x);
            *y = products.fold(0i32, |s, (&c, &x)| s.wrapping_add(i32::from(c) * i32::from(x)));
        }
    }
}

fn check(what: &'static str, expected: usize, found: usize) -> Result<(), PackError> {
    if expected == found { Ok(()) } else { Err(PackError::Length { what, expected, found }) }
}
