//! Packed weights times int8 activations, exact.
//!
//! ```text
//! for each row of w, each row of x: y = sum of code(j) * x[j]
//! ```
//! Departures, and why:
//! 1. A code is `SCALE * digit - 1` with an unsigned digit, and the machines multiply unsigned by signed bytes:
//!    sum of code x = SCALE * (sum of digit x) - (sum of x). The second sum is computed once for each row of x.
//! 2. `x` is prepared once into padded rows, in the order that the instruction set's `pdot` wants; padding is zero, so neither sum sees it.
//! 3. Partial sums may be 16 bits wide. They are emptied every `DOTS` products, the number that `Lanes` promises cannot overflow.
//! 4. `M` rows of x share the decoding of a row of w; with one row of x, `R` rows of w share its loads and keep the multipliers busy.

use super::digits::{Binary, Digits, Ternary2, Ternary5};
use crate::lanes::Lanes;
use crate::pack::{BLOCK, Format, row_bytes};

#[inline(always)]
pub(crate) unsafe fn packed_matmul_i8<L: Lanes, const R: usize, const M: usize>(
    format: Format,
    w: &[u8],
    rows: usize,
    cols: usize,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        match format {
            Format::Binary => product::<L, Binary, R, M>(w, rows, cols, x, m, y),
            Format::Ternary2 => product::<L, Ternary2, R, M>(w, rows, cols, x, m, y),
            Format::Ternary5 => product::<L, Ternary5, R, M>(w, rows, cols, x, m, y),
        }
    }
}

/// Prepared activations: bytes of each row and its sum.
struct Prepared {
    bytes: Vec<u8>,
    stride: usize,
    sums: Vec<i32>,
}

#[inline(always)]
unsafe fn prepare<L: Lanes>(x: &[i8], m: usize, cols: usize, padded: usize) -> Prepared {
    let stride = padded * L::X_BYTES;
    let mut bytes = vec![0; m * stride];
    let mut row = vec![0i8; padded];
    for i in 0..m {
        row[..cols].copy_from_slice(&x[i * cols..][..cols]);
        for j in (0..padded).step_by(BLOCK) {
            // SAFETY: `row` has 32 elements at j, and `bytes` 32 * X_BYTES at that element's place; the caller has the instruction set.
            unsafe {
                let to = bytes.as_mut_ptr().add(i * stride + j * L::X_BYTES);
                L::prepare(row.as_ptr().add(j), to);
            }
        }
    }
    let total =
        |i: usize| x[i * cols..][..cols].iter().fold(0, |s: i32, &x| s.wrapping_add(x.into()));
    Prepared { bytes, stride, sums: (0..m).map(total).collect() }
}

#[inline(always)]
unsafe fn product<L: Lanes, D: Digits, const R: usize, const M: usize>(
    w: &[u8],
    rows: usize,
    cols: usize,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    let width = row_bytes(D::FORMAT, cols);
    // SAFETY: x has m rows of cols elements; the caller has the instruction set.
    let x = unsafe { prepare::<L>(x, m, cols, width * D::FORMAT.digits()) };
    let mut row = 0;
    while row < rows {
        let count = if m < M && row + R <= rows { R } else { 1 };
        let mut i = 0;
        while i < m {
            let wide = i + M <= m;
            // SAFETY: w has rows row..row+count, x has rows i..i+M when `wide` and row i anyway, both as long as `width` says;
            // the caller has the instruction set.
            unsafe {
                let w = w.as_ptr().add(row * width);
                let x_row = x.bytes.as_ptr().add(i * x.stride);
                let sums = &x.sums[i..];
                let y = &mut y[i * rows + row..];
                if wide {
                    put::<D, 1, M>(tile::<L, D, 1, M>(w, width, x_row, x.stride), sums, y, rows);
                } else if count == R {
                    put::<D, R, 1>(tile::<L, D, R, 1>(w, width, x_row, x.stride), sums, y, rows);
                } else {
                    put::<D, 1, 1>(tile::<L, D, 1, 1>(w, width, x_row, x.stride), sums, y, rows);
                }
            }
            i += if wide { M } else { 1 };
        }
        row += count;
    }
}

/// Turns sums of digits into sums of codes and writes them to `y`, whose rows are `stride` long.
#[inline(always)]
fn put<D: Digits, const R: usize, const M: usize>(
    digits: [[i32; R]; M],
    x_sums: &[i32],
    y: &mut [i32],
    stride: usize,
) {
    for i in 0..M {
        for r in 0..R {
            y[i * stride + r] = D::SCALE.wrapping_mul(digits[i][r]).wrapping_sub(x_sums[i]);
        }
    }
}

/// Sums of digit times activation for R rows of w and M rows of x.
#[inline(always)]
unsafe fn tile<L: Lanes, D: Digits, const R: usize, const M: usize>(
    w: *const u8,
    width: usize,
    x: *const u8,
    x_stride: usize,
) -> [[i32; R]; M] {
    let digits = D::FORMAT.digits();
    let step = BLOCK * L::X_BYTES;
    let blocks_a_run = L::DOTS / digits;
    let blocks = width / BLOCK;
    let mut totals = [[0i32; R]; M];
    let mut block = 0;
    // SAFETY: R rows of w have `width` bytes, M rows of x have the prepared activations of as many digits, and every offset stays inside
    // one block of one row; the caller has the instruction set.
    unsafe {
        while block < blocks {
            let end = if blocks - block > blocks_a_run { block + blocks_a_run } else { blocks };
            let mut sums = [[L::pzero(); R]; M];
            while block < end {
                let mut states = [L::bsplat(0); R];
                for r in 0..R {
                    states[r] = L::bload(w.add(r * width + block * BLOCK));
                }
                for n in 0..digits {
                    let x = x.add((block * digits + n) * step);
                    for r in 0..R {
                        let digit = D::digit::<L>(&mut states[r], n as u32);
                        for i in 0..M {
                            sums[i][r] = L::pdot(sums[i][r], digit, x.add(i * x_stride));
                        }
                    }
                }
                block += 1;
            }
            for i in 0..M {
                for r in 0..R {
                    totals[i][r] = totals[i][r].wrapping_add(L::psum(sums[i][r]));
                }
            }
        }
    }
    totals
}
