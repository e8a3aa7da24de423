//! Weighted sums of a few rows of a table: attention over gathered rows.
//!
//! Bound by loads from the table. Four rows go through the columns together: the row that is written (or read) by all of them is touched once
//! instead of four times, and four independent sums hide the latency of addition. Where the sums of four rows do not fit the registers, it is two.

use super::{W, tail};
use crate::lanes::Lanes;
use crate::scalar;
use crate::table::Columns;

#[inline(always)]
pub(crate) unsafe fn mix_rows<L: Lanes>(
    weights: &[f32],
    rows: &[u32],
    table: Columns<'_>,
    y: &mut [f32],
) {
    let whole = y.len() / W * W;
    let cols = y.len();
    for c in (0..whole).step_by(W) {
        // SAFETY: c + W <= cols, and the caller has checked that every row's columns lie inside the table; it has the instruction set.
        unsafe {
            let mut sum = L::load(y.as_ptr().add(c));
            for (&w, &row) in weights.iter().zip(rows) {
                let x = L::load(table.data.as_ptr().add(table.at(row) + c));
                sum = L::add(sum, L::mul(L::splat(w), x));
            }
            L::store(y.as_mut_ptr().add(c), sum);
        }
    }
    for (&w, &row) in weights.iter().zip(rows) {
        let at = table.at(row);
        scalar::axpy(w, &table.data[at + whole..at + cols], &mut y[whole..]);
    }
}

#[inline(always)]
pub(crate) unsafe fn mix_rows_back<L: Lanes>(
    weights: &[f32],
    rows: &[u32],
    table: Columns<'_>,
    dy: &[f32],
    dweights: &mut [f32],
    dtable: &mut [f32],
) {
    let grouped = rows.len() / L::MIX_ROWS * L::MIX_ROWS;
    for j in (0..grouped).step_by(L::MIX_ROWS) {
        // SAFETY: the caller's conditions are this function's.
        unsafe {
            if L::MIX_ROWS == 2 {
                group::<L, 2>(j, weights, rows, table, dy, dweights, dtable);
            } else {
                group::<L, 4>(j, weights, rows, table, dy, dweights, dtable);
            }
        }
    }
    for j in grouped..rows.len() {
        // SAFETY: as above.
        unsafe { group::<L, 1>(j, weights, rows, table, dy, dweights, dtable) }
    }
}

/// Rows j..j + N. Equal rows among them are fine: each column's additions happen in the order of j.
#[inline(always)]
unsafe fn group<L: Lanes, const N: usize>(
    j: usize,
    weights: &[f32],
    rows: &[u32],
    table: Columns<'_>,
    dy: &[f32],
    dweights: &mut [f32],
    dtable: &mut [f32],
) {
    let (cols, whole) = (dy.len(), dy.len() / W * W);
    let at: [usize; N] = std::array::from_fn(|n| table.at(rows[j + n]));
    // SAFETY: c + W <= cols, and the caller has checked that every row's columns lie inside both tables; it has the instruction set.
    unsafe {
        let mut w = [L::splat(0.0); N];
        for n in 0..N {
            w[n] = L::splat(weights[j + n]);
        }
        let mut sums = [L::splat(0.0); N];
        for c in (0..whole).step_by(W) {
            let g = L::load(dy.as_ptr().add(c));
            for n in 0..N {
                let x = L::load(table.data.as_ptr().add(at[n] + c));
                sums[n] = L::add(sums[n], L::mul(g, x));
                let d = dtable.as_mut_ptr().add(at[n] + c);
                L::store(d, L::add(L::load(d), L::mul(w[n], g)));
            }
        }
        for n in 0..N {
            if whole < cols {
                let (g, x) = (tail(dy, 0.0), tail(&table.data[at[n]..at[n] + cols], 0.0));
                let product = L::mul(L::load(g.as_ptr()), L::load(x.as_ptr()));
                sums[n] = L::add(sums[n], product);
                let d = &mut dtable[at[n] + whole..at[n] + cols];
                scalar::axpy(weights[j + n], &dy[whole..], d);
            }
            dweights[j + n] += L::fold(sums[n]);
        }
    }
}
