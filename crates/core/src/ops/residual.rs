//! Sums and gathers of rows.

use super::{Rows, positions, row, row_mut};
use crate::program::plan::Space;

/// y `[N, C]` = a + b, same rows.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    y.copy_from_slice(a);
    tritlens_kernels::add(b, y);
}

/// y += x where x may have other rows than y.
pub fn gather_add(
    x: &[f32],
    rows: Rows<'_>,
    out: Space,
    examples: usize,
    y: &mut [f32],
    cols: usize,
) {
    for (r, (e, s)) in positions(out, examples, rows.seq).enumerate() {
        tritlens_kernels::add(row(x, rows.at(e, s), cols), row_mut(y, r, cols));
    }
}

/// dx += dy, each row of dy to the row it was read from.
pub fn scatter_add(
    dy: &[f32],
    rows: Rows<'_>,
    out: Space,
    examples: usize,
    dx: &mut [f32],
    cols: usize,
) {
    for (r, (e, s)) in positions(out, examples, rows.seq).enumerate() {
        tritlens_kernels::add(row(dy, r, cols), row_mut(dx, rows.at(e, s), cols));
    }
}
