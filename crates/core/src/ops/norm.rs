//! The gain of a norm as an op of its own. The norm itself is two kernels, `norm_scale` and `norm_apply`, so that the scale is an activation
//! (TransformerLens's `hook_scale`).

/// y `[rows, C]` = x * w, column by column.
pub fn gain_forward(x: &[f32], w: &[f32], y: &mut [f32]) {
    for (x, y) in x.chunks_exact(w.len()).zip(y.chunks_exact_mut(w.len())) {
        for ((y, &x), &w) in y.iter_mut().zip(x).zip(w) {
            *y = x * w;
        }
    }
}

/// dx += dy * w.
pub fn gain_backward_x(w: &[f32], dy: &[f32], dx: &mut [f32]) {
    for (dy, dx) in dy.chunks_exact(w.len()).zip(dx.chunks_exact_mut(w.len())) {
        for ((dx, &dy), &w) in dx.iter_mut().zip(dy).zip(w) {
            *dx += dy * w;
        }
    }
}

/// dw += sum over rows of x * dy.
pub fn gain_backward_w(x: &[f32], dy: &[f32], dw: &mut [f32]) {
    for (x, dy) in x.chunks_exact(dw.len()).zip(dy.chunks_exact(dw.len())) {
        for ((dw, &x), &dy) in dw.iter_mut().zip(x).zip(dy) {
            *dw += x * dy;
        }
    }
}
