//! Embedding: rows of a table chosen by id (token or position).

use super::{row, row_mut};

/// y `[N, C]` = w`[ids]`.
pub fn forward(w: &[f32], ids: impl Iterator<Item = usize>, y: &mut [f32], cols: usize) {
    for (r, id) in ids.enumerate() {
        row_mut(y, r, cols).copy_from_slice(row(w, id, cols));
    }
}

/// dw`[ids]` += dy, in row order.
pub fn backward(dy: &[f32], ids: impl Iterator<Item = usize>, dw: &mut [f32], cols: usize) {
    for (r, id) in ids.enumerate() {
        tritlens_kernels::add(row(dy, r, cols), row_mut(dw, id, cols));
    }
}
