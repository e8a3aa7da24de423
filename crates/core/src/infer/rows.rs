//! Rows in parallel, and what is done to single rows.

use crate::ops::rotary::Angles;
use crate::par;

/// Elements below which a thread is not worth waking.
const WORTH_SPLITTING: usize = 1 << 15;
/// Elements of a piece, roughly.
const PIECE: usize = 1 << 13;

/// Calls `f` on pieces of whole rows of `y` and the number of their first row. Rows do not depend on each other, so results do not depend on the pieces.
pub(super) fn by_rows(y: &mut [f32], cols: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if y.len() < WORTH_SPLITTING || par::threads() == 1 {
        return f(0, y);
    }
    let rows = (PIECE / cols).max(1);
    par::for_each_piece(y, rows * cols, |at, y| f(at / cols, y));
}

/// Rotates `heads` vectors of a row (see `ops::rotary`).
pub(super) fn rotate(
    x: &[f32],
    y: &mut [f32],
    head: usize,
    angles: &Angles,
    position: usize,
    adjacent: bool,
) {
    let (cos, sin) = angles.at(position);
    let (dim, half) = (angles.dim(), angles.dim() / 2);
    for (x, y) in x.chunks_exact(head).zip(y.chunks_exact_mut(head)) {
        y[dim..].copy_from_slice(&x[dim..]);
        if adjacent {
            for i in 0..half {
                let (a, b) = (x[2 * i], x[2 * i + 1]);
                y[2 * i] = a * cos[i] - b * sin[i];
                y[2 * i + 1] = b * cos[i] + a * sin[i];
            }
        } else {
            let (low, high) = (&x[..half], &x[half..dim]);
            let (y_low, y_high) = y[..dim].split_at_mut(half);
            for i in 0..half {
                y_low[i] = low[i] * cos[i] - high[i] * sin[i];
                y_high[i] = high[i] * cos[i] + low[i] * sin[i];
            }
        }
    }
}
