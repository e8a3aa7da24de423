//! Linear layer: y = x W^T + b.

use super::row_mut;
use crate::error::zeros;
use crate::par;
use tritlens_kernels::{self as kernels, View, gemm};

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

/// Rows from which on a library's product, which arranges the matrix anew, is the faster one.
const MANY: usize = 192;
/// Rows of a part of a product with many rows, columns of a part of one with few. Parts do not depend on the number of threads, so neither do bits.
const ROWS: usize = 96;
const COLUMNS: usize = 128;
/// Multiplications below which one thread does it all.
const WORTH_SPLITTING: usize = 1 << 18;

/// y `[N, O]` = x `[N, cols]` w`[O, cols]`^T, in parallel: many rows a few at a time, few rows with a few columns at a time, so that no thread reads the whole matrix.
pub fn forward_rows(x: &[f32], cols: usize, w: &[f32], y: &mut [f32]) {
    let output = w.len() / cols;
    let rows = y.len() / output;
    if rows >= MANY {
        return par::for_each_piece(y, ROWS * output, |at, y| {
            let d = Dims { rows: y.len() / output, input: cols, output };
            let x = &x[at / output * cols..][..d.rows * cols];
            forward(x, Weight { rows: w, transposed: None }, None, y, d);
        });
    }
    if output < 2 * COLUMNS || rows * w.len() < WORTH_SPLITTING {
        return kernels::row_products(x, w, cols, y);
    }
    let Ok(mut parts) = zeros::<f32>(y.len()) else {
        return kernels::row_products(x, w, cols, y);
    };
    let jobs = w.chunks(COLUMNS * cols).zip(parts.chunks_mut(COLUMNS * rows)).collect();
    par::spread(jobs, |(w, y): (&[f32], &mut [f32])| kernels::row_products(x, w, cols, y));
    for (part, first) in parts.chunks(COLUMNS * rows).zip((0..).step_by(COLUMNS)) {
        let width = part.len() / rows;
        for (y, part) in y.chunks_exact_mut(output).zip(part.chunks_exact(width)) {
            y[first..first + width].copy_from_slice(part);
        }
    }
}

/// Columns of a part of a gradient.
const GRADIENT_COLUMNS: usize = 128;

/// dx `[N, I]` += dy `[N, O]` w `[O, I]`, in parallel: a few columns at a time.
pub fn backward_input_rows(dy: &[f32], w: &[f32], dx: &mut [f32], d: Dims) {
    let (n, i, o) = (d.rows, d.input, d.output);
    let parts = if i < 2 * GRADIENT_COLUMNS || n * w.len() < WORTH_SPLITTING {
        Err(())
    } else {
        zeros::<f32>(n * i).map_err(drop)
    };
    let Ok(mut parts) = parts else { return backward_input(dy, w, 1.0, dx, d) };
    let jobs = parts.chunks_mut(GRADIENT_COLUMNS * n).enumerate().collect();
    par::spread(jobs, |(k, part): (usize, &mut [f32])| {
        let w = View { data: &w[k * GRADIENT_COLUMNS..], row_stride: i, col_stride: 1 };
        let width = part.len() / n;
        gemm((n, width, o), 1.0, View::rows(dy, o), w, 0.0, part, (width, 1));
    });
    for (k, part) in parts.chunks(GRADIENT_COLUMNS * n).enumerate() {
        let (first, width) = (k * GRADIENT_COLUMNS, part.len() / n);
        for (dx, part) in dx.chunks_exact_mut(i).zip(part.chunks_exact(width)) {
            tritlens_kernels::add(part, &mut dx[first..first + width]);
        }
    }
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
