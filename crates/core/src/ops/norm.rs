//! Normalisation in two nodes, so that the scale is an activation of its own (TransformerLens's `hook_scale`):
//! s = max(sqrt(mean(c^2) + eps), floor) and y = c / s * w + b, where c is x, or x - mean x for `LayerNorm`.

/// What both halves share.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Columns C.
    pub cols: usize,
    /// Subtract the row's mean.
    pub center: bool,
}

/// eps and floor of the scale.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Added under the root.
    pub eps: f32,
    /// Smallest scale.
    pub floor: f32,
}

impl Norm {
    fn shift(self, x: &[f32]) -> f32 {
        if self.center { (tritlens_kernels::sum(x) / self.cols as f64) as f32 } else { 0.0 }
    }

    /// Scale of one row, and whether the floor was hit.
    fn row_scale(self, x: &[f32], g: Guard) -> (f32, bool) {
        let sum =
            if self.center { self.squares_about_mean(x) } else { tritlens_kernels::sum_sq(x) };
        let s = ((sum / self.cols as f64) as f32 + g.eps).sqrt();
        if s < g.floor { (g.floor, true) } else { (s, false) }
    }

    fn squares_about_mean(self, x: &[f32]) -> f64 {
        let shift = f64::from(self.shift(x));
        x.iter().map(|&v| (f64::from(v) - shift) * (f64::from(v) - shift)).sum()
    }

    /// s `[N, 1]`.
    pub fn scale_forward(self, x: &[f32], g: Guard, s: &mut [f32]) {
        for (x, s) in x.chunks_exact(self.cols).zip(s) {
            *s = self.row_scale(x, g).0;
        }
    }

    /// dx += ds c / (C s); s is recomputed, since its activation may have been edited.
    pub fn scale_backward(self, x: &[f32], g: Guard, ds: &[f32], dx: &mut [f32]) {
        let rows = x.chunks_exact(self.cols).zip(dx.chunks_exact_mut(self.cols));
        for ((x, dx), &ds) in rows.zip(ds) {
            let (s, floored) = self.row_scale(x, g);
            if floored {
                continue;
            }
            let (shift, factor) = (self.shift(x), ds / (self.cols as f32 * s));
            for (d, &v) in dx.iter_mut().zip(x) {
                *d += factor * (v - shift);
            }
        }
    }

    /// y `[N, C]` = c / s * w + b.
    pub fn apply_forward(
        self,
        x: &[f32],
        s: &[f32],
        w: Option<&[f32]>,
        b: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let rows = x.chunks_exact(self.cols).zip(y.chunks_exact_mut(self.cols));
        for ((x, y), &s) in rows.zip(s) {
            let shift = self.shift(x);
            for (y, &v) in y.iter_mut().zip(x) {
                *y = (v - shift) / s;
            }
            if let Some(w) = w {
                y.iter_mut().zip(w).for_each(|(y, w)| *y *= w);
            }
            if let Some(b) = b {
                y.iter_mut().zip(b).for_each(|(y, b)| *y += b);
            }
        }
    }

    /// dx += (w dy) / s, minus its mean when centred.
    pub fn apply_backward_x(self, s: &[f32], w: Option<&[f32]>, dy: &[f32], dx: &mut [f32]) {
        let mut wdy = vec![0.0; self.cols];
        let rows = dy.chunks_exact(self.cols).zip(dx.chunks_exact_mut(self.cols));
        for ((dy, dx), &s) in rows.zip(s) {
            weighted(dy, w, &mut wdy);
            let mean = self.shift(&wdy);
            for (d, &g) in dx.iter_mut().zip(&wdy) {
                *d += (g - mean) / s;
            }
        }
    }

    /// ds += -sum(w dy c) / s^2.
    pub fn apply_backward_s(
        self,
        x: &[f32],
        s: &[f32],
        w: Option<&[f32]>,
        dy: &[f32],
        ds: &mut [f32],
    ) {
        let mut wdy = vec![0.0; self.cols];
        let rows = dy.chunks_exact(self.cols).zip(x.chunks_exact(self.cols));
        for ((dy, x), (&s, ds)) in rows.zip(s.iter().zip(ds)) {
            weighted(dy, w, &mut wdy);
            // g.(x - mean) = g.x - mean sum(g)
            let mut sum = f64::from(tritlens_kernels::dot(&wdy, x));
            if self.center {
                sum -= f64::from(self.shift(x)) * tritlens_kernels::sum(&wdy);
            }
            *ds -= (sum / (f64::from(s) * f64::from(s))) as f32;
        }
    }

    /// dw += dy c / s over rows.
    pub fn apply_backward_w(self, x: &[f32], s: &[f32], dy: &[f32], dw: &mut [f32]) {
        let rows = dy.chunks_exact(self.cols).zip(x.chunks_exact(self.cols));
        for ((dy, x), &s) in rows.zip(s) {
            let shift = self.shift(x);
            for ((d, &g), &v) in dw.iter_mut().zip(dy).zip(x) {
                *d += g * ((v - shift) / s);
            }
        }
    }
}

fn weighted(dy: &[f32], w: Option<&[f32]>, out: &mut [f32]) {
    match w {
        None => out.copy_from_slice(dy),
        Some(w) => out.iter_mut().zip(dy).zip(w).for_each(|((o, g), w)| *o = g * w),
    }
}

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
