//! Linear layer: y = x W^T + b.

use super::row_mut;
use tritlens_kernels::{View, gemm};

/// Sizes of a linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Dims {
    /// Rows N.
    pub rows: usize,
    /// Columns of x.
    pub input: usize,
    /// Columns of y.
    pub output: usize,
}

/// A weight `[O, I]`, and the same as `[I, O]` where somebody keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Weight<'a> {
    /// `[O, I]`.
    pub rows: &'a [f32],
    /// `[I, O]`.
    pub transposed: Option<&'a [f32]>,
}

/// y `[N, O]` = x `[N, I]` w`[O, I]`^T + b `[O]`.
pub fn forward(x: &[f32], w: Weight<'_>, b: Option<&[f32]>, y: &mut [f32], d: Dims) {
    let beta = match b {
        None => 0.0,
        Some(b) => {
            for r in 0..d.rows {
                row_mut(y, r, d.output).copy_from_slice(b);
            }
            1.0
        }
    };
    let (n, i, o) = (d.rows, d.input, d.output);
    let w = w.transposed.map_or_else(|| View::rows(w.rows, i).t(), |w| View::rows(w, o));
    gemm((n, o, i), 1.0, View::rows(x, i), w, beta, y, (o, 1));
}

/// dx `[N, I]` = keep dx + dy `[N, O]` w `[O, I]`; with `keep` 0 the old dx is not read.
pub fn backward_input(dy: &[f32], w: &[f32], keep: f32, dx: &mut [f32], d: Dims) {
    let (n, i, o) = (d.rows, d.input, d.output);
    gemm((n, i, o), 1.0, View::rows(dy, o), View::rows(w, i), keep, dx, (i, 1));
}

/// dw `[O, I]` += dy `[N, O]`^T x `[N, I]`.
pub fn backward_weight(dy: &[f32], x: &[f32], dw: &mut [f32], d: Dims) {
    let (n, i, o) = (d.rows, d.input, d.output);
    gemm((o, i, n), 1.0, View::rows(dy, o).t(), View::rows(x, i), 1.0, dw, (i, 1));
}

/// db `[O]` += sum of the rows of dy.
pub fn backward_bias(dy: &[f32], db: &mut [f32]) {
    for g in dy.chunks_exact(db.len()) {
        tritlens_kernels::add(g, db);
    }
}

/// Fake int8 quantisation of each row: `x_q` = codes x scale (b1.58: absmax per token, half to even). The gradient passes straight through.
/// Source: "Training Tips, Code and FAQ" of BitNet b1.58, `activation_quant`.
pub fn fake_quant_int8(
    x: &[f32],
    cols: usize,
    codes: &mut [i8],
    scales: &mut [f32],
    q: &mut [f32],
) {
    tritlens_kernels::quantize_act_rows(x, cols, codes, scales);
    for (r, &s) in scales.iter().enumerate() {
        let range = r * cols..(r + 1) * cols;
        for (y, &c) in q[range.clone()].iter_mut().zip(&codes[range]) {
            *y = f32::from(c) * s;
        }
    }
}
