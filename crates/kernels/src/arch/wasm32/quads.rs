//! Products with the layout of `crate::quads`, for one row of activations and for many.
//!
//! | part | instructions for 64 products | bound by |
//! |---|---|---|
//! | one row | 5 to decode, 4 dots, 4 additions and 2 to keep the fields apart | arithmetic: one 16-byte load of weights brings 64 codes |
//! | many rows | 4 dots, 4 additions, 3 loads | the dots: decoding is shared by all rows of x |
//!
//! Tried and slower for one row (GMAC/s on a Zen 5 at 4.2 GHz, weights from memory): masks in place with scaled activations 30, look-ups of the sums of two activations
//! (`i8x16.swizzle`) 38, this one 52; a loop over 16-bit words without any decoding runs at 54. For many rows a tile of 2 words by 4 rows of x is best: 3 by 3 is as fast,
//! 2 by 5, 3 by 4 and 1 by 8 overflow the registers and lose a quarter.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::wasm32::*;

use crate::quads::{COLS, ROWS, UNIT, quad_bytes};

/// Columns after which sums are taken out of their fields: the upper field of a sum has 18 bits, and 4 lanes of 512 columns' 255 fit.
const DEPTH: usize = 2048;
/// Rows of x in a tile.
const TILE: usize = 4;
/// Dots after which the lower field of a tile's sums is emptied: 16 * 2 * 2 * 255 is below 2^14.
const RUN: usize = 16;
/// Columns of a dot.
const STEP: usize = 8;
/// Quads whose words are decoded at once: 64 KiB of words for all tiles.
const BLOCK: usize = 8;

/// `y[m, rows] = x[m, cols] . W^T`; lengths as checked by the caller, no extent 0.
pub(crate) fn product(
    (quads, sums): (&[u8], &[i32]),
    rows: usize,
    cols: usize,
    x: &[i8],
    y: &mut [i32],
) {
    let m = y.len() / rows;
    if m < TILE {
        for i in 0..m {
            vector((quads, sums), cols, &x[i * cols..][..cols], &mut y[i * rows..][..rows]);
        }
    } else {
        matrix((quads, sums), rows, cols, x, y);
    }
}

/// x + 128 in 16 bits, padded with zeros to `to`'s length; returns the sum of what was written.
fn shift(x: &[i8], to: &mut [i16]) -> i32 {
    let (body, padding) = to.split_at_mut(x.len());
    let mut sum = 0;
    for (to, &x) in body.iter_mut().zip(x) {
        *to = i16::from(x) + 128;
        sum += i32::from(x);
    }
    padding.fill(0);
    sum + 128 * x.len() as i32
}

/// One row of x.
fn vector((quads, sums): (&[u8], &[i32]), cols: usize, x: &[i8], y: &mut [i32]) {
    let mut shifted = vec![0i16; quad_bytes(cols)];
    let x_sum = shift(x, &mut shifted);
    let quads = quads.chunks_exact(quad_bytes(cols));
    for ((y, sums), quad) in y.chunks_mut(ROWS).zip(sums.chunks(ROWS)).zip(quads) {
        let mut totals = [0i32; ROWS];
        for (quad, x) in quad.chunks(DEPTH).zip(shifted.chunks(DEPTH)) {
            let part = dots(quad, x);
            for (total, part) in totals.iter_mut().zip(part) {
                *total = total.wrapping_add(part);
            }
        }
        for (row, (y, sum)) in y.iter_mut().zip(sums).enumerate() {
            // Row 3 holds codes, the others digits.
            let digits = if row == ROWS - 1 { 0 } else { x_sum };
            *y = totals[row].wrapping_sub(digits).wrapping_sub(sum.wrapping_mul(128));
        }
    }
}

/// Sums of one quad over at most [`DEPTH`] columns (whole pairs of units): digits times x for rows 0 to 2, codes times x for row 3.
#[inline(always)]
fn dots(quad: &[u8], x: &[i16]) -> [i32; ROWS] {
    let (first, second) = (i16x8_splat(0x3003), u16x8_splat(0xc00c));
    let (low_first, low_second) = (i32x4_splat(0xfff), i32x4_splat(0x3fff));
    let mut all = [i32x4_splat(0); 2];
    let mut low = [i32x4_splat(0); 2];
    for (w, x) in quad.chunks_exact(COLS).zip(x.chunks_exact(COLS)) {
        // Sums of 4 dots: a lower field is at most 4 * 2 * 2 * 255 = 4080 (times 4 in the second word, which is not shifted down), below 2^12.
        let mut sums = [i32x4_splat(0); 2];
        for unit in 0..2 {
            // SAFETY: the chunks have two units of 16 bytes, and two activations of 16 bits for each byte.
            let (w, x0, x1) = unsafe {
                let (w, x) = (w.as_ptr().add(unit * UNIT), x.as_ptr().add(unit * UNIT));
                (v128_load(w.cast()), v128_load(x.cast()), v128_load(x.add(STEP).cast()))
            };
            let turned = turn(w);
            for (w, x) in [(w, x0), (turned, x1)] {
                sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(v128_and(w, first), x));
                sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(v128_and(w, second), x));
            }
        }
        all = [i32x4_add(all[0], sums[0]), i32x4_add(all[1], sums[1])];
        low[0] = i32x4_add(low[0], v128_and(sums[0], low_first));
        low[1] = i32x4_add(low[1], v128_and(sums[1], low_second));
    }
    [
        total(low[0]),
        total(i32x4_shr(i32x4_sub(all[0], low[0]), 12)),
        total(i32x4_shr(low[1], 2)),
        total(i32x4_shr(i32x4_sub(all[1], low[1]), 14)),
    ]
}

/// A unit rotated by one byte: columns 8..16 come to the places of columns 0..8.
#[inline(always)]
fn turn(w: v128) -> v128 {
    i8x16_shuffle::<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0>(w, w)
}

#[inline(always)]
fn total(sums: v128) -> i32 {
    let two = i32x4_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
    i32x4_extract_lane::<0>(two).wrapping_add(i32x4_extract_lane::<1>(two))
}

/// Many rows of x.
fn matrix((quads, sums): (&[u8], &[i32]), rows: usize, cols: usize, x: &[i8], y: &mut [i32]) {
    let m = y.len() / rows;
    let width = quad_bytes(cols);
    let depth = width.min(DEPTH);
    let mut tiles = vec![0i16; m.next_multiple_of(TILE) * depth];
    let mut words = vec![0i16; BLOCK * ROWS / 2 * depth];
    begin(sums, cols, x, y);
    for first in (0..cols).step_by(DEPTH) {
        let depth = DEPTH.min(width - first);
        shift_tiles(x, cols, first, depth, &mut tiles);
        for (block, quads) in quads.chunks(BLOCK * width).enumerate() {
            for (quad, words) in quads.chunks_exact(width).zip(words.chunks_exact_mut(2 * depth)) {
                pair(&quad[first..first + depth], words);
            }
            for (i, x) in tiles.chunks_exact(TILE * depth).enumerate().take(m.div_ceil(TILE)) {
                let count = quads.len() / width;
                for (q, words) in words.chunks_exact(2 * depth).take(count).enumerate() {
                    let row = (block * BLOCK + q) * ROWS;
                    add(tile(words, x), &mut y[i * TILE * rows..], rows, row);
                }
            }
        }
    }
}

/// What the sums of digits and shifted activations have too much.
fn begin(sums: &[i32], cols: usize, x: &[i8], y: &mut [i32]) {
    for (i, y) in y.chunks_exact_mut(sums.len()).enumerate() {
        let x = &x[i * cols..][..cols];
        let x_sum = x.iter().fold(128 * cols as i32, |s: i32, &x| s.wrapping_add(x.into()));
        for (row, (y, sum)) in y.iter_mut().zip(sums).enumerate() {
            // Of the pairs of rows in a word, the first holds digits and the second codes.
            let digits = if row % 2 == 0 { x_sum } else { 0 };
            *y = 0i32.wrapping_sub(digits).wrapping_sub(sum.wrapping_mul(128));
        }
    }
}

/// Columns `first..first + depth` of x, shifted, in tiles: 8 columns of four rows, the next 8 columns, and so on.
fn shift_tiles(x: &[i8], cols: usize, first: usize, depth: usize, tiles: &mut [i16]) {
    let rows = x.chunks_exact(cols).map(|row| &row[first..cols.min(first + depth)]);
    let mut row = vec![0i16; depth];
    for (i, x) in rows.enumerate() {
        shift(x, &mut row);
        let tile = &mut tiles[i / TILE * TILE * depth..][..TILE * depth];
        for (to, from) in tile.chunks_exact_mut(TILE * STEP).zip(row.chunks_exact(STEP)) {
            to[i % TILE * STEP..][..STEP].copy_from_slice(from);
        }
    }
}

/// Words of a quad: for each 8 columns rows 0 and 1, then rows 2 and 3, as digit + 2^14 code.
fn pair(quad: &[u8], words: &mut [i16]) {
    for (unit, words) in quad.chunks_exact(UNIT).zip(words.chunks_exact_mut(4 * STEP)) {
        // SAFETY: a unit has 16 bytes.
        let w = unsafe { v128_load(unit.as_ptr().cast()) };
        for (w, words) in [w, turn(w)].into_iter().zip(words.chunks_exact_mut(2 * STEP)) {
            let digit = v128_and(w, i16x8_splat(3));
            let code =
                i16x8_sub(v128_and(i16x8_shl(w, 2), u16x8_splat(0xc000)), i16x8_splat(0x4000));
            let upper = v128_and(u16x8_shr(w, 2), i16x8_splat(3));
            let rest = v128_and(w, u16x8_splat(0xc000));
            // SAFETY: there is room for two vectors of 8 words.
            unsafe {
                v128_store(words.as_mut_ptr().cast(), v128_or(digit, code));
                v128_store(words.as_mut_ptr().add(STEP).cast(), v128_or(upper, rest));
            }
        }
    }
}

/// Sums of one quad and four rows of x: `[row of x][row of the quad]`.
#[inline(always)]
fn tile(words: &[i16], x: &[i16]) -> [[i32; ROWS]; TILE] {
    let mut all = [[i32x4_splat(0); 2]; TILE];
    let mut low = [[i32x4_splat(0); 2]; TILE];
    for (words, x) in words.chunks(RUN * 2 * STEP).zip(x.chunks(RUN * TILE * STEP)) {
        let mut sums = [[i32x4_splat(0); 2]; TILE];
        for (words, x) in words.chunks_exact(2 * STEP).zip(x.chunks_exact(TILE * STEP)) {
            // SAFETY: the chunks have two and four vectors of 8 words.
            unsafe {
                let words = words.as_ptr();
                let words = [v128_load(words.cast()), v128_load(words.add(STEP).cast())];
                for i in 0..TILE {
                    let x = v128_load(x.as_ptr().add(i * STEP).cast());
                    for p in 0..2 {
                        sums[i][p] = i32x4_add(sums[i][p], i32x4_dot_i16x8(words[p], x));
                    }
                }
            }
        }
        for i in 0..TILE {
            for p in 0..2 {
                all[i][p] = i32x4_add(all[i][p], sums[i][p]);
                low[i][p] = i32x4_add(low[i][p], v128_and(sums[i][p], i32x4_splat(0x3fff)));
            }
        }
    }
    std::array::from_fn(|i| {
        let upper = |p: usize| total(i32x4_shr(i32x4_sub(all[i][p], low[i][p]), 14));
        [total(low[i][0]), upper(0), total(low[i][1]), upper(1)]
    })
}

/// Adds a tile to row `row` and the next ones of the first rows of y; what lies outside is padding.
fn add(tile: [[i32; ROWS]; TILE], y: &mut [i32], rows: usize, row: usize) {
    for (y, sums) in y.chunks_exact_mut(rows).zip(tile) {
        for (y, sum) in y[row..].iter_mut().zip(sums) {
            *y = y.wrapping_add(sum);
        }
    }
}
