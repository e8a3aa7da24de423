//! One query's attention over rows of keys and values that lie `stride` apart, and products of a few rows with a matrix.
//!
//! Four rows (or four vectors of columns) go together, because each sum of its own waits for its last addition. The bits are those of `dot` and of `axpy` row
//! by row, so one query gives the same whether it is asked alone or among many.

use super::{W, tail};
use crate::lanes::Lanes;
use crate::scalar;
use crate::table::Strided;

/// Rows, or vectors of columns, with their sums in registers.
const TOGETHER: usize = 4;

#[inline(always)]
pub(crate) unsafe fn dot_rows<L: Lanes>(q: &[f32], keys: Strided<'_>, out: &mut [f32]) {
    let grouped = out.len() / TOGETHER * TOGETHER;
    for t in (0..grouped).step_by(TOGETHER) {
        // SAFETY: the caller's conditions are this function's.
        unsafe { dots::<L, TOGETHER>(q, keys, t, out) }
    }
    for t in grouped..out.len() {
        // SAFETY: as above.
        unsafe { dots::<L, 1>(q, keys, t, out) }
    }
}

/// Rows t..t + N.
#[inline(always)]
unsafe fn dots<L: Lanes, const N: usize>(q: &[f32], keys: Strided<'_>, t: usize, out: &mut [f32]) {
    let whole = q.len() / W * W;
    // SAFETY: c + W <= the columns of q and of every row, which the caller has checked to lie inside the data; it has the instruction set.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        for c in (0..whole).step_by(W) {
            let x = L::load(q.as_ptr().add(c));
            for n in 0..N {
                let key = L::load(keys.data.as_ptr().add((t + n) * keys.stride + c));
                sums[n] = L::add(sums[n], L::mul(x, key));
            }
        }
        for n in 0..N {
            if whole < q.len() {
                let at = (t + n) * keys.stride;
                let (x, key) = (tail(q, 0.0), tail(&keys.data[at..at + q.len()], 0.0));
                let product = L::mul(L::load(x.as_ptr()), L::load(key.as_ptr()));
                sums[n] = L::add(sums[n], product);
            }
            out[t + n] = L::fold(sums[n]);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn weigh_rows<L: Lanes>(weights: &[f32], values: Strided<'_>, y: &mut [f32]) {
    let whole = y.len() / W * W;
    let grouped = whole / (TOGETHER * W) * (TOGETHER * W);
    for c in (0..grouped).step_by(TOGETHER * W) {
        // SAFETY: the caller's conditions are this function's.
        unsafe { weigh::<L, TOGETHER>(weights, values, c, y) }
    }
    for c in (grouped..whole).step_by(W) {
        // SAFETY: as above.
        unsafe { weigh::<L, 1>(weights, values, c, y) }
    }
    let rest = &mut y[whole..];
    for (t, &w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
        let at = t * values.stride + whole;
        scalar::axpy(w, &values.data[at..at + rest.len()], rest);
    }
}

/// Columns c..c + 16 N.
#[inline(always)]
unsafe fn weigh<L: Lanes, const N: usize>(
    weights: &[f32],
    values: Strided<'_>,
    c: usize,
    y: &mut [f32],
) {
    // SAFETY: c + 16 N <= the columns of y and of every row, which the caller has checked to lie inside the data; it has the instruction set.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        for n in 0..N {
            sums[n] = L::load(y.as_ptr().add(c + n * W));
        }
        for (t, &w) in weights.iter().enumerate() {
            if w == 0.0 {
                continue;
            }
            let (w, row) = (L::splat(w), values.data.as_ptr().add(t * values.stride + c));
            for n in 0..N {
                sums[n] = L::add(sums[n], L::mul(w, L::load(row.add(n * W))));
            }
        }
        for n in 0..N {
            L::store(y.as_mut_ptr().add(c + n * W), sums[n]);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn row_products<L: Lanes>(x: &[f32], w: &[f32], cols: usize, y: &mut [f32]) {
    let (m, n) = (x.len() / cols, w.len() / cols);
    let together = L::PRODUCT_ROWS;
    let (mm, nn) = (m / together * together, n / together * together);
    for j in (0..nn).step_by(together) {
        for i in (0..mm).step_by(together) {
            // SAFETY: rows i and j and those with them exist, which the caller has checked; it has the instruction set.
            unsafe {
                if L::PRODUCT_ROWS == 4 {
                    block::<L, 4>(x, w, cols, [i, j, n], y);
                } else {
                    block::<L, 2>(x, w, cols, [i, j, n], y);
                }
            }
        }
        for i in mm..m {
            let (x, keys) = (&x[i * cols..][..cols], Strided { data: w, stride: cols });
            let y = &mut y[i * n..][..n];
            // SAFETY: as above.
            unsafe {
                if L::PRODUCT_ROWS == 4 {
                    dots::<L, 4>(x, keys, j, y);
                } else {
                    dots::<L, 2>(x, keys, j, y);
                }
            }
        }
    }
    for i in 0..m {
        let (x, keys) = (&x[i * cols..][..cols], Strided { data: w, stride: cols });
        for j in nn..n {
            // SAFETY: as above.
            unsafe { dots::<L, 1>(x, keys, j, &mut y[i * n..][..n]) }
        }
    }
}

/// Rows i..i + N of x with rows j..j + N of w, of which there are `n`.
#[inline(always)]
unsafe fn block<L: Lanes, const N: usize>(
    x: &[f32],
    w: &[f32],
    cols: usize,
    [i, j, n]: [usize; 3],
    y: &mut [f32],
) {
    let whole = cols / W * W;
    // SAFETY: c + W <= cols, and the rows exist, which the caller has checked; it has the instruction set.
    unsafe {
        let mut sums = [[L::splat(0.0); N]; N];
        let (xs, ws) = (x.as_ptr().add(i * cols), w.as_ptr().add(j * cols));
        for c in (0..whole).step_by(W) {
            let mut rows = [L::splat(0.0); N];
            for b in 0..N {
                rows[b] = L::load(ws.add(b * cols + c));
            }
            for a in 0..N {
                let x = L::load(xs.add(a * cols + c));
                for b in 0..N {
                    sums[a][b] = L::add(sums[a][b], L::mul(x, rows[b]));
                }
            }
        }
        for a in 0..N {
            for b in 0..N {
                if whole < cols {
                    let x = tail(&x[(i + a) * cols..][..cols], 0.0);
                    let row = tail(&w[(j + b) * cols..][..cols], 0.0);
                    let product = L::mul(L::load(x.as_ptr()), L::load(row.as_ptr()));
                    sums[a][b] = L::add(sums[a][b], product);
                }
                y[(i + a) * n + j + b] = L::fold(sums[a][b]);
            }
        }
    }
}
