//! Many rows of activations: rows of w are decoded once into digits, a byte each, and multiplied like a dense matrix.
//!
//! ```text
//! for each block of rows of x that fits the second-level cache:
//!     for each PANEL rows of w, each run of their columns: decode; for each M rows of x, each R rows of the panel: sums in registers
//! ```
//! Departures, and why:
//! 1. Decoding costs about ten operations for each four products of one column; shared by hundreds of columns it vanishes.
//! 2. A tile of R by M keeps its sums in registers and loads R + M vectors for R * M products: the multipliers are the bound, not the loads.
//! 3. A panel and M rows of x lie in the first-level cache, a block of x in the second. Longer rows are cut into runs of columns, whose sums are added up in y.
//! 4. Sums of 16 bits are emptied every `DEPTH / 3` steps (3, not 2: a broken file may hold the invalid digit).

use super::super::digits::Digits;
use super::prepare::{Prepared, Units};
use super::{Weights, codes, starts, sums};
use crate::aligned::AlignedBytes;
use crate::lanes::Bytes;
use crate::pack::BLOCK;

/// Most rows of w in a panel.
const PANEL: usize = 8;
/// Most bytes of a row of a panel: with the panel's other rows and M rows of x they make 36 KiB.
const RUN: usize = 3072;
/// Bytes of prepared activations in a block.
const X_BLOCK: usize = 384 * 1024;
/// The largest digit there is.
const LARGEST: usize = 3;

#[inline(always)]
pub(super) unsafe fn product<L: Bytes, D: Digits, const R: usize, const M: usize>(
    w: Weights,
    x: &Prepared,
    m: usize,
    y: &mut [i32],
) {
    let units = Units { blocks: w.blocks(), digits: D::FORMAT.digits() };
    let vectors = units.vectors::<L>();
    let step = units.digits * BLOCK * L::BLOCKS;
    // Runs of equal length, as few as there can be.
    let run = vectors.div_ceil((vectors * step).div_ceil(RUN).max(1)).max(1);
    let block = (X_BLOCK / x.stride.max(1)).max(1).next_multiple_of(M);
    let rows = PANEL / R * R;
    let mut panel = AlignedBytes::zeros(rows * run * step);
    for first in (0..m).step_by(block) {
        let last = if m - first > block { first + block } else { m };
        for row in (0..w.rows).step_by(rows) {
            let count = if w.rows - row > rows { rows } else { w.rows - row };
            let y = &mut y[row..];
            begin::<D>(x, first..last, count, y, w.rows);
            for from in (0..vectors).step_by(run) {
                let to = if vectors - from > run { from + run } else { vectors };
                // SAFETY: rows row..row+count and first..last exist, the panel has room for `count` rows of run * step bytes, and a prepared row
                // has step * X_BYTES bytes for each vector; the caller has the instruction set.
                unsafe {
                    for r in 0..count {
                        let to_row = panel.as_mut_ptr().add(r * run * step);
                        decode::<L, D>(w.row(row + r), units, from..to, to_row);
                    }
                    let panel = Panel {
                        start: panel.as_ptr(),
                        width: run * step,
                        count,
                        steps: (to - from) * units.digits,
                        offset: from * step * L::X_BYTES,
                    };
                    columns::<L, D, R, M>(panel, x, first..last, y, w.rows);
                }
            }
        }
    }
}

/// What the sums of digits have too much: the sum of each row of x.
#[inline(always)]
fn begin<D: Digits>(
    x: &Prepared,
    range: std::ops::Range<usize>,
    count: usize,
    y: &mut [i32],
    stride: usize,
) {
    for i in range {
        y[i * stride..][..count].fill(codes::<D>(0, x.sums[i]));
    }
}

/// Decoded rows.
#[derive(Clone, Copy)]
struct Panel {
    start: *const u8,
    /// Bytes of a row.
    width: usize,
    /// Rows.
    count: usize,
    /// Vectors of a row.
    steps: usize,
    /// Where the panel's columns begin in a prepared row of x, in bytes.
    offset: usize,
}

/// Writes the digits of some vectors of a packed row, in the order of prepared activations.
#[inline(always)]
unsafe fn decode<L: Bytes, D: Digits>(
    w: *const u8,
    units: Units,
    range: std::ops::Range<usize>,
    to: *mut u8,
) {
    let step = BLOCK * L::BLOCKS;
    // SAFETY: the row has `blocks` blocks, `to` has room for the digits of the range, a last vector included that is not full; the caller has
    // the instruction set.
    unsafe {
        for (place, v) in range.enumerate() {
            let at = w.add(v * step);
            let whole = (v + 1) * L::BLOCKS <= units.blocks;
            let digits = D::digits::<L>(if whole { L::bload(at) } else { L::bload_block(at) });
            for n in 0..D::FORMAT.digits() {
                L::bstore(to.add((place * units.digits + n) * step), digits[n]);
            }
        }
    }
}

/// Adds products of a panel with some rows of x; `y` starts at the panel's first row, its rows are `stride` long.
#[inline(always)]
unsafe fn columns<L: Bytes, D: Digits, const R: usize, const M: usize>(
    panel: Panel,
    x: &Prepared,
    range: std::ops::Range<usize>,
    y: &mut [i32],
    stride: usize,
) {
    let mut i = range.start;
    while i < range.end {
        let wide = i + M <= range.end;
        let mut r = 0;
        while r < panel.count {
            let tall = r + R <= panel.count;
            // SAFETY: the panel has rows r..r+R when `tall` and row r anyway, x rows i..i+M when `wide` and row i anyway; the caller has the
            // instruction set.
            unsafe {
                match (tall, wide) {
                    (true, true) => tile::<L, D, R, M>(panel, r, x, i, y, stride),
                    (true, false) => tile::<L, D, R, 1>(panel, r, x, i, y, stride),
                    (false, true) => tile::<L, D, 1, M>(panel, r, x, i, y, stride),
                    (false, false) => tile::<L, D, 1, 1>(panel, r, x, i, y, stride),
                }
            }
            r += if tall { R } else { 1 };
        }
        i += if wide { M } else { 1 };
    }
}

#[inline(always)]
unsafe fn tile<L: Bytes, D: Digits, const R: usize, const M: usize>(
    panel: Panel,
    row: usize,
    x: &Prepared,
    i: usize,
    y: &mut [i32],
    stride: usize,
) {
    let step = BLOCK * L::BLOCKS;
    let depth = L::DEPTH / LARGEST;
    // SAFETY: the caller's rows, each of `steps` vectors; the caller has the instruction set.
    unsafe {
        let ws = starts::<R>(panel.start.add(row * panel.width), panel.width);
        let xs = starts::<M>(x.row(i).add(panel.offset), x.stride);
        let mut totals = [[L::tzero(); R]; M];
        let mut s = 0;
        while s < panel.steps {
            let end = if panel.steps - s > depth { s + depth } else { panel.steps };
            let mut partial = [[L::pzero(); R]; M];
            while s < end {
                let mut digits = [L::bsplat(0); R];
                for r in 0..R {
                    digits[r] = L::bload(ws[r].add(s * step));
                }
                for k in 0..M {
                    let x = xs[k].add(s * step * L::X_BYTES);
                    for r in 0..R {
                        partial[k][r] = L::pdot(partial[k][r], digits[r], x);
                    }
                }
                s += 1;
            }
            for k in 0..M {
                for r in 0..R {
                    totals[k][r] = L::drain(totals[k][r], partial[k][r]);
                }
            }
        }
        for k in 0..M {
            let found = sums::<L, R>(totals[k]);
            for r in 0..R {
                let y = &mut y[(i + k) * stride + row + r];
                *y = y.wrapping_add(D::SCALE.wrapping_mul(found[r]));
            }
        }
    }
}
