//! Packed weights with a scale for each group of columns, times int8 activations.
//!
//! ```text
//! for each row of w, each row of x: y = 0; for each group: y += scale * (sum of code(j) * x[j] over the group)
//! ```
//! The sum of a group is an exact integer; groups are added in f32, in their order. Departures, and why:
//! 1. A row's groups lie side by side and are read in that order: one pass over the weights, where a product for each group reads one part of every row.
//! 2. Four sums are taken across vectors at once: of four rows of w with one row of x, or of four rows of x.
//! 3. With many rows of x, some rows of w stay in the cache while all of x passes by.

use super::super::digits::{Binary, Digits, Ternary2, Ternary5};
use super::prepare::{self, Prepared};
use super::{Weights, ahead, codes, starts, vector};
use crate::lanes::Bytes;
use crate::pack::Format;
use crate::table::PackedGroups;

/// Rows of w or x whose sums are taken together.
const TILE: usize = 4;
/// Rows of w that stay in the cache.
const BLOCK_ROWS: usize = 32;

#[inline(always)]
pub(crate) unsafe fn packed_groups_i8<L: Bytes>(
    w: PackedGroups<'_>,
    x: &[i8],
    m: usize,
    y: &mut [f32],
) {
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        match w.format {
            Format::Binary => product::<L, Binary>(w, x, m, y),
            Format::Ternary2 => product::<L, Ternary2>(w, x, m, y),
            Format::Ternary5 => product::<L, Ternary5>(w, x, m, y),
        }
    }
}

/// The operands: groups of w, prepared groups of x `[m, groups]`.
struct Operands<'a> {
    w: Weights,
    groups: usize,
    scales: &'a [f32],
    x: Prepared,
}

#[inline(always)]
unsafe fn product<L: Bytes, D: Digits>(w: PackedGroups<'_>, x: &[i8], m: usize, y: &mut [f32]) {
    let (rows, groups) = (w.rows, w.groups);
    let width = w.width();
    let weights =
        Weights { start: w.data.as_ptr(), rows, cols: w.group, width, stride: groups * width };
    let units = prepare::Units { blocks: weights.blocks(), digits: D::FORMAT.digits() };
    // SAFETY: x has m rows of whole groups, y has m rows of `rows`; rows of both exist where they are asked for. The caller has the instruction set.
    unsafe {
        let x = prepare::rows::<L>(x, m * groups, w.group, units);
        let all = Operands { w: weights, groups, scales: w.scales, x };
        if m == 1 {
            let mut row = 0;
            while row + TILE <= rows {
                let found = tile::<L, D, TILE, 1>(&all, row, 0);
                y[row..row + TILE].copy_from_slice(&found[0]);
                row += TILE;
            }
            while row < rows {
                y[row] = tile::<L, D, 1, 1>(&all, row, 0)[0][0];
                row += 1;
            }
            return;
        }
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let end = if rows - first > BLOCK_ROWS { first + BLOCK_ROWS } else { rows };
            let mut i = 0;
            while i < m {
                let count = if i + TILE <= m { TILE } else { 1 };
                for row in first..end {
                    if count == TILE {
                        let found = tile::<L, D, 1, TILE>(&all, row, i);
                        for k in 0..TILE {
                            y[(i + k) * rows + row] = found[k][0];
                        }
                    } else {
                        y[i * rows + row] = tile::<L, D, 1, 1>(&all, row, i)[0][0];
                    }
                }
                i += count;
            }
        }
    }
}

/// Rows row..row+R of w with rows i..i+M of x, group after group.
#[inline(always)]
unsafe fn tile<L: Bytes, D: Digits, const R: usize, const M: usize>(
    all: &Operands<'_>,
    row: usize,
    i: usize,
) -> [[f32; R]; M] {
    let (w, x, groups) = (all.w, &all.x, all.groups);
    let mut y = [[0.0f32; R]; M];
    // SAFETY: the caller's rows.
    let (w_start, x_start) = unsafe { (w.row(row), x.row(i * groups)) };
    for g in 0..groups {
        // SAFETY: group g of R rows of w and of M rows of x, whose scales and sums exist as well; the caller has the instruction set.
        unsafe {
            let ws = starts::<R>(w_start.add(g * w.width), w.stride);
            let xs = starts::<M>(x_start.add(g * x.stride), groups * x.stride);
            let found = across::<L, R, M>(vector::totals::<L, D, R, M>(
                ws,
                xs,
                ahead(R, w.stride),
                w.blocks(),
            ));
            let scales = all.scales.as_ptr().add(row * groups + g);
            let x_sums = x.sums.as_ptr().add(i * groups + g);
            for k in 0..M {
                let x_sum = *x_sums.add(k * groups);
                for r in 0..R {
                    let sum = codes::<D>(found[k][r], x_sum) as f32;
                    y[k][r] += *scales.add(r * groups) * sum;
                }
            }
        }
    }
    y
}

/// The sum of each total, four at once along whichever side has four.
#[inline(always)]
unsafe fn across<L: Bytes, const R: usize, const M: usize>(
    totals: [[L::T; R]; M],
) -> [[i32; R]; M] {
    let mut out = [[0; R]; M];
    // SAFETY: registers only; the caller has the instruction set.
    unsafe {
        if R == 1 && M == TILE {
            let found = L::tsum4([totals[0][0], totals[1][0], totals[2][0], totals[3][0]]);
            for k in 0..M {
                out[k][0] = found[k];
            }
        } else if R == TILE {
            for k in 0..M {
                let found = L::tsum4([totals[k][0], totals[k][1], totals[k][2], totals[k][3]]);
                // Not `copy_from_slice`: a call that is not inlined costs more than the sums.
                for (out, found) in out[k].iter_mut().zip(found) {
                    *out = found;
                }
            }
        } else {
            for k in 0..M {
                for r in 0..R {
                    out[k][r] = L::tsum(totals[k][r]);
                }
            }
        }
    }
    out
}
