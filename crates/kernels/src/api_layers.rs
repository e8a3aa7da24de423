//! The safe side of what networks have between their products: attention, smooth activations and norms. See `api.rs` for how this works.

use crate::api::{api, length, whole_rows};
use crate::isa::kernels;
use crate::table::{Kernels, NormRows, Strided};

/// Panics unless `len` elements are as many rows as there are scales.
#[track_caller]
fn norm_rows(len: usize, n: NormRows, scales: usize) {
    length("s", scales, whole_rows(len, n.cols));
}

/// Panics unless an optional vector has one number a column.
#[track_caller]
fn columns(what: &str, v: Option<&[f32]>, n: NormRows) {
    length(what, v.map_or(n.cols, <[f32]>::len), n.cols);
}

/// Panics unless `count` rows of `cols` elements lie inside the data.
#[track_caller]
fn strided_rows(count: usize, rows: Strided<'_>, cols: usize) {
    let end = match count.checked_sub(1) {
        None => Some(0),
        Some(last) => last.checked_mul(rows.stride).and_then(|at| at.checked_add(cols)),
    };
    let len = rows.data.len();
    assert!(end.is_some_and(|end| end <= len), "a row lies outside the {len} elements of the data");
}

api! {
    /// `out[t]` = [`crate::dot`] of `q` and row t of `keys`.
    ///
    /// # Panics
    /// When a row lies outside the data.
    fn dot_rows(q: &[f32], keys: Strided<'_>, out: &mut [f32]) { strided_rows(out.len(), keys, q.len()); }

    /// `y[i, j]` = [`crate::dot`] of row i of `x` `[m, cols]` and row j of `w` `[n, cols]`: a product of few rows with a matrix, bit for bit the same for a row
    /// whatever stands beside it. Not for many rows: a library's product is faster from some 50 on.
    ///
    /// # Panics
    /// When the lengths are no whole rows, or do not fit together.
    fn row_products(x: &[f32], w: &[f32], cols: usize, y: &mut [f32]) {
        let (m, n) = (whole_rows(x.len(), cols), whole_rows(w.len(), cols));
        length("y", y.len(), m * n);
    }

    /// `y` += sum over t of `weights[t]` times row t of `values`, in the order of t. A weight of 0 leaves its row out, whatever that holds.
    ///
    /// # Panics
    /// When a row lies outside the data.
    fn weigh_rows(weights: &[f32], values: Strided<'_>, y: &mut [f32]) { strided_rows(weights.len(), values, y.len()); }

    /// `y = x Phi(x)` with the normal distribution function (`PyTorch`'s `gelu`), to 4e-7 of the larger of |x| and 1.
    ///
    /// # Panics
    /// When the lengths differ.
    fn gelu(x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `dx += dy (Phi(x) + x phi(x))`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn gelu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        length("x", x.len(), dx.len());
        length("dy", dy.len(), dx.len());
    }

    /// `y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, GPT-2's `gelu_new`, to 4e-7 of the larger of |x| and 1.
    ///
    /// # Panics
    /// When the lengths differ.
    fn gelu_new(x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `dx += dy` times the derivative of [`gelu_new`].
    ///
    /// # Panics
    /// When the lengths differ.
    fn gelu_new_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        length("x", x.len(), dx.len());
        length("dy", dy.len(), dx.len());
    }

    /// `y = x / (1 + e^-x)`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn silu(x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `dx += dy s (1 + x (1 - s))` with s = 1 / (1 + e^-x).
    ///
    /// # Panics
    /// When the lengths differ.
    fn silu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        length("x", x.len(), dx.len());
        length("dy", dy.len(), dx.len());
    }

    /// `s[r]` = scale of row r of `x` (`[rows, cols]`): max(sqrt(mean(c^2) + eps), floor).
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_scale(x: &[f32], n: NormRows, s: &mut [f32]) { norm_rows(x.len(), n, s.len()); }

    /// `dx += ds c / (cols s)` for each row, nothing where the floor holds: the gradient of [`norm_scale`], whose result is computed again.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_scale_back(x: &[f32], ds: &[f32], n: NormRows, dx: &mut [f32]) {
        norm_rows(x.len(), n, ds.len());
        length("dx", dx.len(), x.len());
    }

    /// `y = c / s * w + b` for each row, `w` and `b` one number a column.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_apply(x: &[f32], s: &[f32], w: Option<&[f32]>, b: Option<&[f32]>, n: NormRows, y: &mut [f32]) {
        norm_rows(x.len(), n, s.len());
        length("y", y.len(), x.len());
        columns("w", w, n);
        columns("b", b, n);
    }

    /// Gradient of [`norm_apply`] with respect to x, s held: `dx += w dy / s`, less its mean over the row when the norm centres.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_apply_back_x(s: &[f32], w: Option<&[f32]>, dy: &[f32], n: NormRows, dx: &mut [f32]) {
        norm_rows(dy.len(), n, s.len());
        length("dx", dx.len(), dy.len());
        columns("w", w, n);
    }

    /// Gradient of [`norm_apply`] with respect to s: `ds -= sum(w dy c) / s^2`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_apply_back_s(x: &[f32], s: &[f32], w: Option<&[f32]>, dy: &[f32], n: NormRows, ds: &mut [f32]) {
        norm_rows(x.len(), n, s.len());
        length("dy", dy.len(), x.len());
        length("ds", ds.len(), s.len());
        columns("w", w, n);
    }

    /// Gradient of [`norm_apply`] with respect to the gain: `dw += dy c / s` over the rows in order.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn norm_apply_back_w(x: &[f32], s: &[f32], dy: &[f32], n: NormRows, dw: &mut [f32]) {
        norm_rows(x.len(), n, s.len());
        length("dy", dy.len(), x.len());
        length("dw", dw.len(), n.cols);
    }
}
