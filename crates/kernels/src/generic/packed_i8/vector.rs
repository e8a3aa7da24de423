//! Few rows of activations: weights are read once from memory, decoded in registers and multiplied there.
//!
//! ```text
//! for each vector of packed bytes of a row, each digit n: sums[part(n)] += scaled digit(n) * x
//! ```
//! Departures, and why:
//! 1. The bound is the number of vector operations, then the memory. A digit that stays where it is in the byte needs no shift; sums of equally scaled
//!    digits are divided once, at the end of a row. That makes 13 operations for 4 digits instead of 15 (and 9 instead of 11 where a product
//!    adds up by itself).
//! 2. Sums of 16 bits are emptied into totals before they could overflow: every `DEPTH / LARGEST` blocks.
//! 3. `R` rows share the loads of x and the final sums across a vector. One row of x takes them from R parts of the matrix, R streams. Lines are asked for in
//!    advance (`ahead_apart`), because the hardware's own prefetching stops at pages: without it a matrix from memory runs at half the speed.

use super::super::digits::{Digits, PARTS};
use super::prepare::Prepared;
use super::{Weights, ahead_apart, codes, starts, sums};
use crate::lanes::Bytes;
use crate::pack::BLOCK;

/// Rows of x that are multiplied at once, when there are several.
const M: usize = 4;
/// Vectors after which totals are summed up: with digits of 3, scaled by 4, and 4 products a lane and step they cannot overflow before.
const RUN: usize = 1 << 15;

#[inline(always)]
pub(super) unsafe fn product<L: Bytes, D: Digits, const R: usize>(
    w: Weights,
    x: &Prepared,
    m: usize,
    y: &mut [i32],
) {
    // SAFETY: rows row..row+R and row exist where they are asked for, and so do rows of x; the caller has the instruction set.
    unsafe {
        let apart = if m == 1 { w.rows / R } else { 0 };
        for row in 0..apart {
            let found = tile::<L, D, R, 1>(w, (row, apart), x, 0);
            for r in 0..R {
                y[row + r * apart] = codes::<D>(found[0][r], x.sums[0]);
            }
        }
        let mut row = apart * R;
        while row < w.rows {
            let mut i = 0;
            while i < m {
                let count = if i + M <= m { M } else { 1 };
                if count == M {
                    let found = tile::<L, D, 1, M>(w, (row, 1), x, i);
                    for k in 0..M {
                        y[(i + k) * w.rows + row] = codes::<D>(found[k][0], x.sums[i + k]);
                    }
                } else {
                    let found = tile::<L, D, 1, 1>(w, (row, 1), x, i);
                    y[i * w.rows + row] = codes::<D>(found[0][0], x.sums[i]);
                }
                i += count;
            }
            row += 1;
        }
    }
}

/// Sums of digit times activation for rows row, row + apart, ... (R of them) of w and rows i..i+M of x.
#[inline(always)]
unsafe fn tile<L: Bytes, D: Digits, const R: usize, const M: usize>(
    w: Weights,
    (row, apart): (usize, usize),
    x: &Prepared,
    i: usize,
) -> [[i32; R]; M] {
    let whole = w.blocks() / L::BLOCKS;
    let mut out = [[0i32; R]; M];
    // SAFETY: vectors below `whole` are whole in each of the R rows, and a last one has at least one block; prepared rows reach to the end of the
    // last vector. The caller knows the rows and has the instruction set.
    unsafe {
        let ws = starts::<R>(w.row(row), apart * w.stride);
        let xs = starts::<M>(x.row(i), x.stride);
        let ahead = ahead_apart(R);
        let mut from = 0;
        while from < whole {
            let to = if whole - from > RUN { from + RUN } else { whole };
            add::<L, R, M>(&mut out, run::<L, D, R, M, true>(ws, xs, ahead, from, to));
            from = to;
        }
        if whole * L::BLOCKS < w.blocks() {
            add::<L, R, M>(&mut out, run::<L, D, R, M, false>(ws, xs, ahead, whole, whole + 1));
        }
    }
    out
}

#[inline(always)]
unsafe fn add<L: Bytes, const R: usize, const M: usize>(
    out: &mut [[i32; R]; M],
    totals: [[L::T; R]; M],
) {
    for k in 0..M {
        // SAFETY: registers only; the caller has the instruction set.
        let found = unsafe { sums::<L, R>(totals[k]) };
        for r in 0..R {
            out[k][r] = out[k][r].wrapping_add(found[r]);
        }
    }
}

/// Totals over a short row of `blocks` blocks; lines `ahead` bytes further are asked for.
#[inline(always)]
pub(super) unsafe fn totals<L: Bytes, D: Digits, const R: usize, const M: usize>(
    ws: [*const u8; R],
    xs: [*const u8; M],
    ahead: usize,
    blocks: usize,
) -> [[L::T; R]; M] {
    let whole = blocks / L::BLOCKS;
    // SAFETY: as in `tile`; a group that is longer than a run wraps, as its sum does.
    unsafe {
        // The usual groups fill one vector or two: known lengths leave no loop.
        let mut out = match whole {
            1 => run::<L, D, R, M, true>(ws, xs, ahead, 0, 1),
            2 => run::<L, D, R, M, true>(ws, xs, ahead, 0, 2),
            _ => run::<L, D, R, M, true>(ws, xs, ahead, 0, whole),
        };
        if whole * L::BLOCKS < blocks {
            let rest = run::<L, D, R, M, false>(ws, xs, ahead, whole, whole + 1);
            for k in 0..M {
                for r in 0..R {
                    out[k][r] = L::tadd(out[k][r], rest[k][r]);
                }
            }
        }
        out
    }
}

/// Totals over vectors from..to, which are whole or (one alone) have a single block.
#[inline(always)]
unsafe fn run<L: Bytes, D: Digits, const R: usize, const M: usize, const WHOLE: bool>(
    ws: [*const u8; R],
    xs: [*const u8; M],
    ahead: usize,
    from: usize,
    to: usize,
) -> [[L::T; R]; M] {
    let digits = D::FORMAT.digits();
    let step = BLOCK * L::BLOCKS;
    let depth = L::DEPTH / D::LARGEST;
    let mut v = from;
    // SAFETY: the caller's vectors; the offsets in x belong to the same vectors. A prefetched address need not exist.
    unsafe {
        let mut totals = [[[L::tzero(); PARTS]; R]; M];
        while v < to {
            let end = if to - v > depth { v + depth } else { to };
            let mut sums = [[[L::pzero(); PARTS]; R]; M];
            while v < end {
                let x = v * digits * step * L::X_BYTES;
                for r in 0..R {
                    let at = ws[r].add(v * step);
                    L::prefetch(at.wrapping_add(ahead));
                    let scaled =
                        D::scaled::<L>(if WHOLE { L::bload(at) } else { L::bload_block(at) });
                    for n in 0..digits {
                        for k in 0..M {
                            let x = xs[k].add(x + n * step * L::X_BYTES);
                            let sum = &mut sums[k][r][D::PART[n]];
                            *sum = L::pdot(*sum, scaled[n], x);
                        }
                    }
                }
                v += 1;
            }
            for k in 0..M {
                for r in 0..R {
                    for part in 0..D::PARTS {
                        totals[k][r][part] = L::drain(totals[k][r][part], sums[k][r][part]);
                    }
                }
            }
        }
        let mut out = [[L::tzero(); R]; M];
        for k in 0..M {
            for r in 0..R {
                for part in 0..D::PARTS {
                    let total = L::tshr(totals[k][r][part], D::SHIFTS[part]);
                    out[k][r] = L::tadd(out[k][r], total);
                }
            }
        }
        out
    }
}
