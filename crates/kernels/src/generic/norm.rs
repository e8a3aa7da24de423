//! Normalisation of rows, 16 columns at a time: the operations of `norm.rs` in their order. A row is read several times while it is in the
//! first-level cache; what bounds these kernels is the widening to f64 of everything that is summed.

use super::W;
use super::reduce::sum;
use crate::lanes::Lanes;
use crate::norm::{self as scalar, back_s, back_s_term, guarded, scale_factor};
use crate::scalar::fold;
use crate::table::NormRows;

/// Partial sums in f64, stored so that the rest of a row can be added to its lanes.
#[inline(always)]
unsafe fn lanes64<L: Lanes>(sums: [L::D; 2]) -> [f64; W] {
    let mut lanes = [0.0; W];
    // SAFETY: two times 8 lanes fit; the caller has the instruction set.
    unsafe {
        L::dstore(lanes.as_mut_ptr(), sums[0]);
        L::dstore(lanes.as_mut_ptr().add(W / 2), sums[1]);
    }
    lanes
}

/// As [`scalar::shift`].
#[inline(always)]
unsafe fn shift<L: Lanes>(x: &[f32], n: NormRows) -> f32 {
    // SAFETY: the caller has the instruction set.
    if n.center { (unsafe { sum::<L>(x) } / n.cols as f64) as f32 } else { 0.0 }
}

/// As [`scalar::scale`].
#[inline(always)]
unsafe fn scale<L: Lanes>(x: &[f32], shift: f32, n: NormRows) -> (f32, bool) {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len; the caller has the instruction set.
    let mut lanes = unsafe {
        let (mut sums, mean) = ([L::dsplat(0.0); 2], L::dsplat(f64::from(shift)));
        for i in (0..whole).step_by(W) {
            let parts = L::widen(L::load(x.as_ptr().add(i)));
            for half in 0..2 {
                let c = L::dsub(parts[half], mean);
                sums[half] = L::dadd(sums[half], L::dmul(c, c));
            }
        }
        lanes64::<L>(sums)
    };
    for i in whole..x.len() {
        let c = f64::from(x[i]) - f64::from(shift);
        lanes[i - whole] += c * c;
    }
    guarded(fold(&mut lanes), n)
}

#[inline(always)]
pub(crate) unsafe fn norm_scale<L: Lanes>(x: &[f32], n: NormRows, s: &mut [f32]) {
    for (x, s) in x.chunks_exact(n.cols).zip(s) {
        // SAFETY: the caller has the instruction set.
        *s = unsafe { scale::<L>(x, shift::<L>(x, n), n).0 };
    }
}

#[inline(always)]
pub(crate) unsafe fn norm_scale_back<L: Lanes>(x: &[f32], ds: &[f32], n: NormRows, dx: &mut [f32]) {
    let whole = n.cols / W * W;
    for ((x, dx), &ds) in x.chunks_exact(n.cols).zip(dx.chunks_exact_mut(n.cols)).zip(ds) {
        // SAFETY: i + W <= cols, the length of both rows; the caller has the instruction set.
        unsafe {
            let shift = shift::<L>(x, n);
            let (s, floored) = scale::<L>(x, shift, n);
            if floored {
                continue;
            }
            let factor = scale_factor(ds, s, n);
            for i in (0..whole).step_by(W) {
                let c = L::sub(L::load(x.as_ptr().add(i)), L::splat(shift));
                let d = dx.as_mut_ptr().add(i);
                L::store(d, L::add(L::load(d), L::mul(L::splat(factor), c)));
            }
            scalar::add_centred(factor, &x[whole..], shift, &mut dx[whole..]);
        }
    }
}

/// The last columns of an optional vector.
#[inline(always)]
fn rest(v: Option<&[f32]>, whole: usize) -> Option<&[f32]> {
    v.map(|v| &v[whole..])
}

#[inline(always)]
pub(crate) unsafe fn norm_apply<L: Lanes>(
    x: &[f32],
    s: &[f32],
    w: Option<&[f32]>,
    b: Option<&[f32]>,
    n: NormRows,
    y: &mut [f32],
) {
    let whole = n.cols / W * W;
    for ((x, y), &s) in x.chunks_exact(n.cols).zip(y.chunks_exact_mut(n.cols)).zip(s) {
        // SAFETY: i + W <= cols, the length of both rows and of the vectors; the caller has the instruction set.
        unsafe {
            let shift = shift::<L>(x, n);
            for i in (0..whole).step_by(W) {
                let c = L::sub(L::load(x.as_ptr().add(i)), L::splat(shift));
                let mut v = L::div(c, L::splat(s));
                if let Some(w) = w {
                    v = L::mul(v, L::load(w.as_ptr().add(i)));
                }
                if let Some(b) = b {
                    v = L::add(v, L::load(b.as_ptr().add(i)));
                }
                L::store(y.as_mut_ptr().add(i), v);
            }
            scalar::apply(&x[whole..], shift, s, rest(w, whole), rest(b, whole), &mut y[whole..]);
        }
    }
}

/// w dy at column i.
#[inline(always)]
unsafe fn weighted<L: Lanes>(dy: &[f32], w: Option<&[f32]>, i: usize) -> L::F {
    // SAFETY: the caller has i + W <= cols, the length of both, and the instruction set.
    unsafe {
        let g = L::load(dy.as_ptr().add(i));
        match w {
            None => g,
            Some(w) => L::mul(g, L::load(w.as_ptr().add(i))),
        }
    }
}

/// Mean of w dy over a row.
#[inline(always)]
unsafe fn weighted_mean<L: Lanes>(dy: &[f32], w: Option<&[f32]>) -> f32 {
    let whole = dy.len() / W * W;
    // SAFETY: i + W <= len; the caller has the instruction set.
    let mut lanes = unsafe {
        let mut sums = [L::dsplat(0.0); 2];
        for i in (0..whole).step_by(W) {
            let [low, high] = L::widen(weighted::<L>(dy, w, i));
            sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
        }
        lanes64::<L>(sums)
    };
    for i in whole..dy.len() {
        lanes[i - whole] += f64::from(w.map_or(dy[i], |w| dy[i] * w[i]));
    }
    (fold(&mut lanes) / dy.len() as f64) as f32
}

#[inline(always)]
pub(crate) unsafe fn norm_apply_back_x<L: Lanes>(
    s: &[f32],
    w: Option<&[f32]>,
    dy: &[f32],
    n: NormRows,
    dx: &mut [f32],
) {
    let whole = n.cols / W * W;
    for ((dy, dx), &s) in dy.chunks_exact(n.cols).zip(dx.chunks_exact_mut(n.cols)).zip(s) {
        // SAFETY: i + W <= cols, the length of both rows; the caller has the instruction set.
        unsafe {
            let mean = if n.center { weighted_mean::<L>(dy, w) } else { 0.0 };
            for i in (0..whole).step_by(W) {
                let g = L::sub(weighted::<L>(dy, w, i), L::splat(mean));
                let d = dx.as_mut_ptr().add(i);
                L::store(d, L::add(L::load(d), L::div(g, L::splat(s))));
            }
            scalar::add_back_x(&dy[whole..], rest(w, whole), mean, s, &mut dx[whole..]);
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn norm_apply_back_s<L: Lanes>(
    x: &[f32],
    s: &[f32],
    w: Option<&[f32]>,
    dy: &[f32],
    n: NormRows,
    ds: &mut [f32],
) {
    let whole = n.cols / W * W;
    let rows = x.chunks_exact(n.cols).zip(dy.chunks_exact(n.cols));
    for ((x, dy), (&s, ds)) in rows.zip(s.iter().zip(ds)) {
        // SAFETY: i + W <= cols, the length of both rows; the caller has the instruction set.
        let (shift, mut lanes) = unsafe {
            let shift = shift::<L>(x, n);
            let mut sums = [L::dsplat(0.0); 2];
            for i in (0..whole).step_by(W) {
                let c = L::sub(L::load(x.as_ptr().add(i)), L::splat(shift));
                let [low, high] = L::widen(L::mul(weighted::<L>(dy, w, i), c));
                sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
            }
            (shift, lanes64::<L>(sums))
        };
        for i in whole..n.cols {
            lanes[i - whole] += back_s_term(x, shift, w, dy, i);
        }
        *ds -= back_s(fold(&mut lanes), s);
    }
}

#[inline(always)]
pub(crate) unsafe fn norm_apply_back_w<L: Lanes>(
    x: &[f32],
    s: &[f32],
    dy: &[f32],
    n: NormRows,
    dw: &mut [f32],
) {
    let whole = n.cols / W * W;
    for ((x, dy), &s) in x.chunks_exact(n.cols).zip(dy.chunks_exact(n.cols)).zip(s) {
        // SAFETY: i + W <= cols, the length of the rows and of dw; the caller has the instruction set.
        unsafe {
            let shift = shift::<L>(x, n);
            for i in (0..whole).step_by(W) {
                let c = L::sub(L::load(x.as_ptr().add(i)), L::splat(shift));
                let change = L::mul(L::load(dy.as_ptr().add(i)), L::div(c, L::splat(s)));
                let d = dw.as_mut_ptr().add(i);
                L::store(d, L::add(L::load(d), change));
            }
            scalar::add_back_w(&x[whole..], shift, s, &dy[whole..], &mut dw[whole..]);
        }
    }
}
