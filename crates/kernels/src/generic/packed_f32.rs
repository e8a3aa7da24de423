//! Packed weights times f32 activations.
//!
//! ```text
//! for each row of w, each row of x:
//!     lanes[32] = 0
//!     for each element j: lanes[j mod 32] += code(j) * x[j]
//!     y = scale * fold(lanes)
//! ```
//! Departures, and why:
//! 1. `x` is copied once into rows padded with zeros to whole blocks, so no loop has a tail. Zero times a code adds nothing.
//! 2. With one row of `x` (generation), codes are decoded where they are used: the bound is decoding (shift, look-up, multiply-add per vector), so `R` rows of
//!    `w` share each load of `x`.
//! 3. With more, `R` rows of `w` are decoded once into f32 and then multiplied like a dense matrix in tiles of `R` by `M`; the bound is the multiply-add
//!    unit (or, with narrow registers, the loads). The 32 lanes are taken as two passes of 16, so that the sums of a tile stay in registers.
//! 4. A product of a code and an activation is exact, so a fused multiply-add changes nothing.

use super::W;
use super::digits::{Binary, Digits, Ternary2, Ternary5};
use crate::lanes::Lanes;
use crate::pack::{BLOCK, Format};
use crate::table::PackedRows;

#[inline(always)]
pub(crate) unsafe fn packed_rows_f32<L: Lanes, const R: usize, const M: usize>(
    w: PackedRows<'_>,
    scale: f32,
    x: &[f32],
    m: usize,
    y: &mut [f32],
) {
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        match w.format {
            Format::Binary => product::<L, Binary, R, M>(w, scale, x, m, y),
            Format::Ternary2 => product::<L, Ternary2, R, M>(w, scale, x, m, y),
            Format::Ternary5 => product::<L, Ternary5, R, M>(w, scale, x, m, y),
        }
    }
}

/// Rows of equal length, one after the other.
#[derive(Clone, Copy)]
struct Rows<T> {
    start: *const T,
    stride: usize,
}

impl<T> Rows<T> {
    /// Where row `i` starts.
    ///
    /// # Safety
    /// Row `i` exists.
    #[inline(always)]
    unsafe fn row(self, i: usize) -> *const T {
        // SAFETY: the caller knows that row i exists.
        unsafe { self.start.add(i * self.stride) }
    }
}

#[inline(always)]
unsafe fn product<L: Lanes, D: Digits, const R: usize, const M: usize>(
    w: PackedRows<'_>,
    scale: f32,
    x: &[f32],
    m: usize,
    y: &mut [f32],
) {
    let (rows, cols, width) = (w.rows, w.cols, w.width());
    let (blocks, padded) = (width / BLOCK, width * D::FORMAT.digits());
    let copy = if padded == cols { Vec::new() } else { pad(x, cols, padded) };
    let x = if padded == cols { x } else { &copy };
    let x = Rows { start: x.as_ptr(), stride: padded };
    let w = Rows { start: w.data.as_ptr(), stride: w.stride };
    let mut decoded = vec![0.0f32; if m > 1 { R * padded } else { 0 }];
    let mut row = 0;
    while row < rows {
        let tile = if row + R <= rows { R } else { 1 };
        // SAFETY: w has rows row..row+tile, x has m rows of `padded` elements, `decoded` has room for R rows when m > 1, and y has m * rows
        // elements; the caller has the instruction set.
        unsafe {
            let w = Rows { start: w.row(row), stride: w.stride };
            match (m, tile == R) {
                (0, _) => {}
                (1, true) => put(&mut y[row..], rows, scale, direct::<L, D, R>(w, x, blocks)),
                (1, false) => put(&mut y[row..], rows, scale, direct::<L, D, 1>(w, x, blocks)),
                _ => {
                    decode_rows::<L, D>(w, tile, blocks, &mut decoded);
                    let w = Rows { start: decoded.as_ptr(), stride: padded };
                    if tile == R {
                        dense_rows::<L, R, M>(w, x, m, padded, scale, &mut y[row..], rows);
                    } else {
                        dense_rows::<L, 1, M>(w, x, m, padded, scale, &mut y[row..], rows);
                    }
                }
            }
        }
        row += tile;
    }
}

/// Copies rows of `cols` into rows of `padded`, filled up with zeros.
fn pad(x: &[f32], cols: usize, padded: usize) -> Vec<f32> {
    if cols == 0 {
        return Vec::new();
    }
    let mut out = vec![0.0; x.len() / cols * padded];
    for (from, to) in x.chunks_exact(cols).zip(out.chunks_exact_mut(padded)) {
        to[..cols].copy_from_slice(from);
    }
    out
}

/// Writes a tile of sums to `y`, whose rows are `stride` long: `sums[i][r]` is row i of x with row r of w.
#[inline(always)]
fn put<const R: usize, const M: usize>(
    y: &mut [f32],
    stride: usize,
    scale: f32,
    sums: [[f32; R]; M],
) {
    for (i, sums) in sums.iter().enumerate() {
        for (r, &sum) in sums.iter().enumerate() {
            y[i * stride + r] = scale * sum;
        }
    }
}

/// One row of x with R packed rows.
#[inline(always)]
unsafe fn direct<L: Lanes, D: Digits, const R: usize>(
    w: Rows<u8>,
    x: Rows<f32>,
    blocks: usize,
) -> [[f32; R]; 1] {
    let digits = D::FORMAT.digits();
    // SAFETY: each of the R rows has `blocks` blocks of 32 bytes, x has `blocks * 32 * digits` elements, and every index below stays inside one
    // block; the caller has the instruction set.
    unsafe {
        let mut sums = [[L::splat(0.0); 2]; R];
        for block in 0..blocks {
            let x = x.start.add(block * BLOCK * digits);
            for half in 0..2 {
                let mut states = [L::isplat(0); R];
                for r in 0..R {
                    states[r] = L::digits(w.row(r).add(block * BLOCK + half * W));
                }
                for n in 0..digits {
                    let x = L::load(x.add(BLOCK * n + half * W));
                    for r in 0..R {
                        let code = D::code::<L>(&mut states[r], n as u32);
                        sums[r][half] = L::mul_add_exact(code, x, sums[r][half]);
                    }
                }
            }
        }
        let mut out = [[0.0; R]; 1];
        for r in 0..R {
            out[0][r] = L::fold(L::add(sums[r][0], sums[r][1]));
        }
        out
    }
}

/// Codes of `count` packed rows as f32, one row after the other.
#[inline(always)]
unsafe fn decode_rows<L: Lanes, D: Digits>(
    w: Rows<u8>,
    count: usize,
    blocks: usize,
    out: &mut [f32],
) {
    let digits = D::FORMAT.digits();
    // SAFETY: w has `count` rows of `blocks` blocks and `out` has room for their codes; the caller has the instruction set.
    unsafe {
        for index in 0..count * blocks {
            let from = w.row(index / blocks).add(index % blocks * BLOCK);
            let to = out.as_mut_ptr().add(index * BLOCK * digits);
            for half in 0..2 {
                let mut state = L::digits(from.add(half * W));
                for n in 0..digits {
                    let code = D::code::<L>(&mut state, n as u32);
                    L::store(to.add(BLOCK * n + half * W), code);
                }
            }
        }
    }
}

/// All m rows of x with R decoded rows; `y` starts at their first column.
#[inline(always)]
unsafe fn dense_rows<L: Lanes, const R: usize, const M: usize>(
    w: Rows<f32>,
    x: Rows<f32>,
    m: usize,
    len: usize,
    scale: f32,
    y: &mut [f32],
    stride: usize,
) {
    let mut i = 0;
    while i < m {
        // SAFETY: w has R rows and x has rows i..m of `len` elements; the caller has the instruction set.
        unsafe {
            let x = Rows { start: x.row(i), stride: x.stride };
            if i + M <= m {
                put(&mut y[i * stride..], stride, scale, tile::<L, R, M>(w, x, len));
                i += M;
            } else {
                put(&mut y[i * stride..], stride, scale, tile::<L, R, 1>(w, x, len));
                i += 1;
            }
        }
    }
}

/// R by M products of rows of `len` (a multiple of 32) elements.
#[inline(always)]
unsafe fn tile<L: Lanes, const R: usize, const M: usize>(
    w: Rows<f32>,
    x: Rows<f32>,
    len: usize,
) -> [[f32; R]; M] {
    // SAFETY: both have rows of `len` elements, and j + half * W + W <= len; the caller has the instruction set.
    unsafe {
        let mut halves = [[[L::splat(0.0); R]; M]; 2];
        for half in 0..2 {
            let mut sums = [[L::splat(0.0); R]; M];
            for j in (half * W..len).step_by(BLOCK) {
                let mut codes = [L::splat(0.0); R];
                for r in 0..R {
                    codes[r] = L::load(w.row(r).add(j));
                }
                for i in 0..M {
                    let x = L::load(x.row(i).add(j));
                    for r in 0..R {
                        sums[i][r] = L::mul_add_exact(codes[r], x, sums[i][r]);
                    }
                }
            }
            halves[half] = sums;
        }
        let mut out = [[0.0; R]; M];
        for i in 0..M {
            for r in 0..R {
                out[i][r] = L::fold(L::add(halves[0][i][r], halves[1][i][r]));
            }
        }
        out
    }
}
