//! Packed weights times int8 activations, exact.
//!
//! ```text
//! for each row of w, each row of x: y = sum of code(j) * x[j]
//! ```
//! Departures, and why:
//! 1. A code is `SCALE * digit - 1` with an unsigned digit, and the machines multiply unsigned by signed bytes:
//!    sum of code x = SCALE * (sum of digit x) - (sum of x). The second sum is computed once for each row of x.
//! 2. `x` is prepared once into padded rows (prepare.rs), in the order that the digits come out of the packed bytes; padding is zero, so neither sum
//!    sees it.
//! 3. Few rows of x (generation): digits are multiplied where they are decoded, see vector.rs and, for base 3, fraction.rs.
//! 4. Many rows of x (prompts): some rows of w are decoded once for many rows of x, see panel.rs.

mod fraction;
mod grouped;
mod panel;
mod prepare;
mod vector;

pub(crate) use grouped::packed_groups_i8;

use super::digits::{Binary, Digits, Ternary2, Ternary5};
use crate::lanes::Bytes;
use crate::pack::{BLOCK, Format};
use crate::table::PackedRows;

/// Rows of x from which on it pays to write decoded digits to memory: the decoding is then a small part, and the tiles are wider.
const PANEL_FROM: usize = 8;

#[inline(always)]
pub(crate) unsafe fn packed_rows_i8<
    L: Bytes,
    const V: usize,
    const VB: usize,
    const R: usize,
    const M: usize,
>(
    w: PackedRows<'_>,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    let format = w.format;
    let w = Weights {
        start: w.data.as_ptr(),
        rows: w.rows,
        cols: w.cols,
        width: w.width(),
        stride: w.stride,
    };
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        match format {
            Format::Binary => product::<L, Binary, VB, R, M>(w, x, m, y),
            Format::Ternary2 => product::<L, Ternary2, V, R, M>(w, x, m, y),
            // Each row takes four sums: four rows where a vector is one of 32 registers, two where it is one of 16 or two of 32.
            Format::Ternary5 if L::WHOLE_BYTES && m < PANEL_FROM && L::BLOCKS > 1 => {
                fraction::product::<L, 4>(w, x, m, y);
            }
            Format::Ternary5 if L::WHOLE_BYTES && m < PANEL_FROM => {
                fraction::product::<L, 2>(w, x, m, y);
            }
            // One row at a time: its five digits fill the registers.
            Format::Ternary5 => product::<L, Ternary5, 1, R, M>(w, x, m, y),
        }
    }
}

/// Rows of packed weights, as the caller checked them.
#[derive(Clone, Copy)]
struct Weights {
    start: *const u8,
    rows: usize,
    cols: usize,
    /// Bytes of a row.
    width: usize,
    /// Bytes from one row to the next.
    stride: usize,
}

impl Weights {
    /// Blocks of a row.
    fn blocks(self) -> usize {
        self.width / BLOCK
    }

    /// Where row `row` starts.
    ///
    /// # Safety
    /// The row exists.
    #[inline(always)]
    unsafe fn row(self, row: usize) -> *const u8 {
        // SAFETY: the caller knows that the row exists.
        unsafe { self.start.add(row * self.stride) }
    }
}

#[inline(always)]
unsafe fn product<L: Bytes, D: Digits, const V: usize, const R: usize, const M: usize>(
    w: Weights,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    let units = prepare::Units { blocks: w.blocks(), digits: D::FORMAT.digits() };
    // SAFETY: x has m rows of w.cols elements, y has m rows of w.rows; the caller has the instruction set.
    unsafe {
        let x = prepare::rows::<L>(x, m, w.cols, units);
        if m < PANEL_FROM || !L::PANELS {
            vector::product::<L, D, V>(w, &x, m, y);
        } else {
            panel::product::<L, D, R, M>(w, &x, m, y);
        }
    }
}

/// Turns a sum of digits into a sum of codes.
#[inline(always)]
fn codes<D: Digits>(digits: i32, x_sum: i32) -> i32 {
    D::SCALE.wrapping_mul(digits).wrapping_sub(x_sum)
}

/// How many bytes in advance a row is asked for, when `rows` rows that begin `stride` bytes apart are read at once: the rows that come next, and some more for the time
/// that memory takes. Found by measurement with matrices streamed from memory (Zen 5, 37 of 40 GB/s); 2 KiB more or less costs a tenth.
#[inline(always)]
pub(crate) fn ahead(rows: usize, stride: usize) -> usize {
    rows * stride + if rows > 2 { 3072 } else { 8192 }
}

/// The same for one row of `rows` that lie a part of the matrix from each other: each is a stream of its own, and memory reads four streams faster than one.
#[inline(always)]
const fn ahead_apart(rows: usize) -> usize {
    9216 / rows
}

/// Where N rows start, `stride` bytes apart. (Not `array::from_fn`: closures that are not inlined lose the instruction set.)
#[inline(always)]
fn starts<const N: usize>(first: *const u8, stride: usize) -> [*const u8; N] {
    let mut out = [first; N];
    for n in 1..N {
        out[n] = first.wrapping_add(n * stride);
    }
    out
}

/// The sums of R totals.
#[inline(always)]
unsafe fn sums<L: Bytes, const R: usize>(totals: [L::T; R]) -> [i32; R] {
    let mut out = [0; R];
    // SAFETY: registers only; the caller has the instruction set.
    unsafe {
        let mut r = 0;
        while r + 4 <= R {
            let four = L::tsum4([totals[r], totals[r + 1], totals[r + 2], totals[r + 3]]);
            out[r..r + 4].copy_from_slice(&four);
            r += 4;
        }
        while r < R {
            out[r] = L::tsum(totals[r]);
            r += 1;
        }
    }
    out
}
