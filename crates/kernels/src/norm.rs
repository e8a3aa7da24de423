//! Normalisation of rows, forward and derivative: the specification. `generic/norm.rs` does the same operations 16 at a time.
//!
//! s = max(sqrt(mean(c^2) + eps), floor) and y = c / s * w + b, where c is x, or x - mean x when the norm centres. Sums are taken in f64 in the
//! sixteen lanes of `scalar.rs`; differences and products inside them are of f32 values and exact, or rounded once.

use crate::scalar::lane_sum_f64;
use crate::table::NormRows;

/// The row's mean when the norm centres, else 0.
pub(crate) fn shift(x: &[f32], n: NormRows) -> f32 {
    if n.center { (lane_sum_f64(x.len(), |i| f64::from(x[i])) / n.cols as f64) as f32 } else { 0.0 }
}

/// Scale of a row with its shift, and whether the floor holds.
pub(crate) fn scale(x: &[f32], shift: f32, n: NormRows) -> (f32, bool) {
    let shift = f64::from(shift);
    let sum = lane_sum_f64(x.len(), |i| {
        let c = f64::from(x[i]) - shift;
        c * c
    });
    guarded(sum, n)
}

/// The scale, from the sum of squares.
pub(crate) fn guarded(sum: f64, n: NormRows) -> (f32, bool) {
    let s = ((sum / n.cols as f64) as f32 + n.eps).sqrt();
    // NaN must stay visible, so this is not a max.
    if s < n.floor { (n.floor, true) } else { (s, false) }
}

/// Factor of the gradient of a scale.
pub(crate) fn scale_factor(ds: f32, s: f32, n: NormRows) -> f32 {
    ds / (n.cols as f32 * s)
}

/// s = scale of each row.
pub(crate) fn norm_scale(x: &[f32], n: NormRows, s: &mut [f32]) {
    for (x, s) in x.chunks_exact(n.cols).zip(s) {
        *s = scale(x, shift(x, n), n).0;
    }
}

/// dx += ds c / (C s), 0 where the floor holds.
pub(crate) fn norm_scale_back(x: &[f32], ds: &[f32], n: NormRows, dx: &mut [f32]) {
    for ((x, dx), &ds) in x.chunks_exact(n.cols).zip(dx.chunks_exact_mut(n.cols)).zip(ds) {
        let shift = shift(x, n);
        let (s, floored) = scale(x, shift, n);
        if !floored {
            add_centred(scale_factor(ds, s, n), x, shift, dx);
        }
    }
}

/// dx += factor (x - shift).
pub(crate) fn add_centred(factor: f32, x: &[f32], shift: f32, dx: &mut [f32]) {
    for (dx, &x) in dx.iter_mut().zip(x) {
        *dx += factor * (x - shift);
    }
}

/// y = c / s * w + b.
pub(crate) fn norm_apply(
    x: &[f32],
    s: &[f32],
    w: Option<&[f32]>,
    b: Option<&[f32]>,
    n: NormRows,
    y: &mut [f32],
) {
    for ((x, y), &s) in x.chunks_exact(n.cols).zip(y.chunks_exact_mut(n.cols)).zip(s) {
        apply(x, shift(x, n), s, w, b, y);
    }
}

/// One row, or the last columns of one, of [`norm_apply`].
pub(crate) fn apply(
    x: &[f32],
    shift: f32,
    s: f32,
    w: Option<&[f32]>,
    b: Option<&[f32]>,
    y: &mut [f32],
) {
    for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
        let mut v = (x - shift) / s;
        v = w.map_or(v, |w| v * w[i]);
        *y = b.map_or(v, |b| v + b[i]);
    }
}

/// dy times the gain, element i.
fn weighted(dy: &[f32], w: Option<&[f32]>, i: usize) -> f32 {
    w.map_or(dy[i], |w| dy[i] * w[i])
}

/// dx += (w dy) / s, minus its mean when the norm centres.
pub(crate) fn norm_apply_back_x(
    s: &[f32],
    w: Option<&[f32]>,
    dy: &[f32],
    n: NormRows,
    dx: &mut [f32],
) {
    for ((dy, dx), &s) in dy.chunks_exact(n.cols).zip(dx.chunks_exact_mut(n.cols)).zip(s) {
        let mut mean = 0.0;
        if n.center {
            let sum = lane_sum_f64(n.cols, |i| f64::from(weighted(dy, w, i)));
            mean = (sum / n.cols as f64) as f32;
        }
        add_back_x(dy, w, mean, s, dx);
    }
}

/// dx += (w dy - mean) / s.
pub(crate) fn add_back_x(dy: &[f32], w: Option<&[f32]>, mean: f32, s: f32, dx: &mut [f32]) {
    for (i, dx) in dx.iter_mut().enumerate() {
        *dx += (weighted(dy, w, i) - mean) / s;
    }
}

/// ds += -sum(w dy c) / s^2.
pub(crate) fn norm_apply_back_s(
    x: &[f32],
    s: &[f32],
    w: Option<&[f32]>,
    dy: &[f32],
    n: NormRows,
    ds: &mut [f32],
) {
    let rows = x.chunks_exact(n.cols).zip(dy.chunks_exact(n.cols));
    for ((x, dy), (&s, ds)) in rows.zip(s.iter().zip(ds)) {
        let shift = shift(x, n);
        let sum = lane_sum_f64(n.cols, |i| back_s_term(x, shift, w, dy, i));
        *ds -= back_s(sum, s);
    }
}

/// Term i of the sum in [`norm_apply_back_s`]. The product is one of f32: where it overflows, so has the network, and that must stay visible.
pub(crate) fn back_s_term(x: &[f32], shift: f32, w: Option<&[f32]>, dy: &[f32], i: usize) -> f64 {
    f64::from(weighted(dy, w, i) * (x[i] - shift))
}

/// What is taken from ds.
pub(crate) fn back_s(sum: f64, s: f32) -> f32 {
    (sum / (f64::from(s) * f64::from(s))) as f32
}

/// dw += dy c / s, over rows in order.
pub(crate) fn norm_apply_back_w(x: &[f32], s: &[f32], dy: &[f32], n: NormRows, dw: &mut [f32]) {
    for ((x, dy), &s) in x.chunks_exact(n.cols).zip(dy.chunks_exact(n.cols)).zip(s) {
        add_back_w(x, shift(x, n), s, dy, dw);
    }
}

/// dw += dy (x - shift) / s.
pub(crate) fn add_back_w(x: &[f32], shift: f32, s: f32, dy: &[f32], dw: &mut [f32]) {
    for ((dw, &dy), &x) in dw.iter_mut().zip(dy).zip(x) {
        *dw += dy * ((x - shift) / s);
    }
}
