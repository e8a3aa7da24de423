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

use crate::pack::{Format, PackError, decode, place, row_bytes};

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

/// Where the code of row `row` of a quad and column `col` of a unit lies: (byte, shift).
const fn field(row: usize, col: usize) -> (usize, u32) {
    let shift = [0, 4, 2, 6][row];
    // Rows 0 and 2 lie in the low byte of the (rotated) word, rows 1 and 3 in the high one.
    let high = row % 2;
    let byte = if col < 8 { 2 * col + high } else { (2 * (col - 8) + 1 + high) % UNIT };
    (byte, shift)
}

/// The two bits of a code.
const fn bits(row: usize, code: i8) -> u8 {
    if row == ROWS - 1 { code as u8 & 3 } else { (code + 1) as u8 }
}

/// Rearranges packed weights of `pack.rs` into `out` ([`bytes`]) and writes the sum of each row's codes into `sums` (`rows`).
///
/// # Errors
/// [`PackError::Length`] when a slice does not fit the shape, [`PackError::Byte`] for the invalid digit 3 of [`Format::Ternary2`].
pub fn repack(
    format: Format,
    packed: &[u8],
    rows: usize,
    cols: usize,
    out: &mut [u8],
    sums: &mut [i32],
) -> Result<(), PackError> {
    let width = row_bytes(format, cols);
    check("packed", rows.saturating_mul(width), packed.len())?;
    check("out", bytes(rows, cols), out.len())?;
    check("sums", rows, sums.len())?;
    // Without columns there is no quad to take them from.
    sums.fill(0);
    let mut codes = vec![0i8; quad_bytes(cols)];
    for (quad, out) in out.chunks_exact_mut(quad_bytes(cols).max(1)).enumerate() {
        out.fill(0);
        for row in 0..ROWS {
            let at = quad * ROWS + row;
            codes.fill(0);
            if at < rows {
                unpack_row(format, &packed[at * width..][..width], &mut codes[..cols]).map_err(
                    |byte| PackError::Byte {
                        index: at * width + byte,
                        byte: packed[at * width + byte],
                    },
                )?;
                sums[at] = codes.iter().map(|&c| i32::from(c)).sum();
            }
            for (unit, codes) in out.chunks_exact_mut(UNIT).zip(codes.chunks_exact(UNIT)) {
                for (col, &code) in codes.iter().enumerate() {
                    let (byte, shift) = field(row, col);
                    unit[byte] |= bits(row, code) << shift;
                }
            }
        }
    }
    Ok(())
}

/// Codes of a packed row; `Err` is the index of a byte that is none.
fn unpack_row(format: Format, packed: &[u8], codes: &mut [i8]) -> Result<(), usize> {
    for (element, code) in codes.iter_mut().enumerate() {
        let (byte, digit) = place(format, element);
        *code = decode(format, packed[byte], digit).ok_or(byte)?;
    }
    Ok(())
}

/// The inverse of [`repack`]: fills `codes` (`[rows, cols]`).
///
/// # Errors
/// [`PackError::Length`] when a slice does not fit the shape.
pub fn unpack(quads: &[u8], rows: usize, cols: usize, codes: &mut [i8]) -> Result<(), PackError> {
    check("quads", bytes(rows, cols), quads.len())?;
    check("codes", rows.saturating_mul(cols), codes.len())?;
    for (at, codes) in codes.chunks_exact_mut(cols.max(1)).enumerate() {
        let (quad, row) = (&quads[at / ROWS * quad_bytes(cols)..], at % ROWS);
        for (col, code) in codes.iter_mut().enumerate() {
            let (byte, shift) = field(row, col % UNIT);
            let two = (quad[col / UNIT * UNIT + byte] >> shift) & 3;
            // Two's complement of two bits: 3 is -1.
            *code = if row == ROWS - 1 { (two as i8) << 6 >> 6 } else { two as i8 - 1 };
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
