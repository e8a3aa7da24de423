//! Base-3 weights without decoding, where a product of bytes adds up in 32 bits.
//!
//! A base-3 byte `t_0` is a fraction of 256. Three times it carries its first digit out and leaves the rest: `3 t_n = 256 d_n + t_(n+1)`. So
//! `256 (sum of d_n x_n) = sum of (3 t_n - t_(n+1)) x_n`, and with `x_(-1) = x_5 = 0` and `y_n = 3 x_n - x_(n-1)`
//!
//! ```text
//! 256 (sum of d_n x_n) = sum over n = 0..=5 of t_n y_n
//! ```
//! The digits are never taken out: the states `t_n`, which are two byte additions apart, are multiplied as they are. `y` has ten bits and is cut into
//! `8 h + l` with `h` in -64..=63 and `l` in 0..=7, so each state is multiplied twice. That is 22 operations for 5 digits of a byte,
//! against 40 for taking the digits out and multiplying them. Every lane's sum is a multiple of 256, and exact.

use super::prepare::sum;
use super::{Weights, ahead_apart, starts, sums};
use crate::aligned::AlignedBytes;
use crate::lanes::Bytes;
use crate::pack::BLOCK;

/// Digits of a byte, and states: the digits and what is left.
const DIGITS: usize = 5;
const STATES: usize = 6;
/// Vectors of a run: 8 * (6 states * 4 products * 255 * 64) a step stays below 2^31.
const RUN: usize = 512;

#[inline(always)]
pub(super) unsafe fn product<L: Bytes, const R: usize>(
    w: Weights,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    let vectors = w.blocks().div_ceil(L::BLOCKS);
    let mut prepared = AlignedBytes::zeros(vectors * 2 * STATES * BLOCK * L::BLOCKS * L::X_BYTES);
    for i in 0..m {
        let x = &x[i * w.cols..][..w.cols];
        let total = sum(x);
        let y = &mut y[i * w.rows..][..w.rows];
        // SAFETY: prepared has 12 vectors of activations for each vector of a row; rows row..row+R exist where they are asked for; the caller
        // has the instruction set.
        unsafe {
            prepare::<L>(x, &mut prepared);
            let apart = w.rows / R;
            for row in 0..apart {
                let found = rows::<L, R>(w, (row, apart), prepared.as_ptr());
                for r in 0..R {
                    y[row + r * apart] = found[r].wrapping_sub(total);
                }
            }
            for row in apart * R..w.rows {
                y[row] = rows::<L, 1>(w, (row, 1), prepared.as_ptr())[0].wrapping_sub(total);
            }
        }
    }
}

/// `h` and `l` of each state, in the order of the vectors.
#[inline(always)]
unsafe fn prepare<L: Bytes>(x: &[i8], to: &mut [u8]) {
    let unit = BLOCK * L::X_BYTES;
    for (block, x) in x.chunks(DIGITS * BLOCK).enumerate() {
        let (vector, inside) = (block / L::BLOCKS, block % L::BLOCKS);
        // x_(-1) and x_5 are the zeros before and after.
        let mut padded = [0i8; (STATES + 1) * BLOCK];
        padded[BLOCK..BLOCK + x.len()].copy_from_slice(x);
        for n in 0..STATES {
            let (mut high, mut low) = ([0i8; BLOCK], [0i8; BLOCK]);
            let (before, own) =
                (&padded[n * BLOCK..][..BLOCK], &padded[(n + 1) * BLOCK..][..BLOCK]);
            for byte in 0..BLOCK {
                let y = 3 * i16::from(own[byte]) - i16::from(before[byte]);
                (high[byte], low[byte]) = ((y >> 3) as i8, (y & 7) as i8);
            }
            let place = ((vector * STATES + n) * 2 * L::BLOCKS + inside) * unit;
            // SAFETY: 32 values each, and room for 32 prepared ones at both places; the caller has the instruction set.
            unsafe {
                L::prepare(high.as_ptr(), to[place..][..unit].as_mut_ptr());
                L::prepare(low.as_ptr(), to[place + L::BLOCKS * unit..][..unit].as_mut_ptr());
            }
        }
    }
}

/// Sums of digit times activation for rows row, row + apart, ... (R of them) of w.
#[inline(always)]
unsafe fn rows<L: Bytes, const R: usize>(
    w: Weights,
    (row, apart): (usize, usize),
    x: *const u8,
) -> [i32; R] {
    let whole = w.blocks() / L::BLOCKS;
    let mut out = [0i32; R];
    // SAFETY: vectors below `whole` are whole in each of the R rows, and a last one has at least one block; x has 12 vectors for each of them. The
    // caller knows the rows and has the instruction set.
    unsafe {
        let ws = starts::<R>(w.row(row), apart * w.stride);
        let mut from = 0;
        while from < whole {
            let to = if whole - from > RUN { from + RUN } else { whole };
            let found = sums::<L, R>(run::<L, R, true>(ws, x, from, to));
            for r in 0..R {
                out[r] = out[r].wrapping_add(found[r]);
            }
            from = to;
        }
        if whole * L::BLOCKS < w.blocks() {
            let found = sums::<L, R>(run::<L, R, false>(ws, x, whole, whole + 1));
            for r in 0..R {
                out[r] = out[r].wrapping_add(found[r]);
            }
        }
    }
    out
}

/// Totals over vectors from..to, which are whole or (one alone) have a single block.
#[inline(always)]
unsafe fn run<L: Bytes, const R: usize, const WHOLE: bool>(
    ws: [*const u8; R],
    x: *const u8,
    from: usize,
    to: usize,
) -> [L::T; R] {
    let step = BLOCK * L::BLOCKS;
    // SAFETY: the caller's vectors. A prefetched address need not exist.
    unsafe {
        // Even and odd states apart: a sum that waits for the one before it would be the bound.
        let mut high = [[L::pzero(); R]; 2];
        let mut low = [[L::pzero(); R]; 2];
        for v in from..to {
            let mut states = [L::bsplat(0); R];
            for r in 0..R {
                let at = ws[r].add(v * step);
                states[r] = if WHOLE { L::bload(at) } else { L::bload_block(at) };
                L::prefetch(at.wrapping_add(ahead_apart(R)));
            }
            let x = x.add(v * STATES * 2 * step * L::X_BYTES);
            for pair in 0..STATES / 2 {
                let x = x.add(pair * 4 * step * L::X_BYTES);
                for r in 0..R {
                    let even = states[r];
                    let odd = L::btriple(even);
                    high[0][r] = L::pdot(high[0][r], even, x);
                    low[0][r] = L::pdot(low[0][r], even, x.add(step * L::X_BYTES));
                    high[1][r] = L::pdot(high[1][r], odd, x.add(2 * step * L::X_BYTES));
                    low[1][r] = L::pdot(low[1][r], odd, x.add(3 * step * L::X_BYTES));
                    states[r] = L::btriple(odd);
                }
            }
        }
        let mut out = [L::tzero(); R];
        for r in 0..R {
            let high = L::drain(L::drain(L::tzero(), high[0][r]), high[1][r]);
            let low = L::drain(L::drain(L::tzero(), low[0][r]), low[1][r]);
            out[r] = L::tshr(L::tadd(L::tshl(high, 3), low), 8);
        }
        out
    }
}
