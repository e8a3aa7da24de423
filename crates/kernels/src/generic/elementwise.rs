//! Kernels that treat each element alone. Bound by memory; the vector form is the scalar form, 16 at a time.

use super::W;
use crate::lanes::Lanes;
use crate::scalar;
use crate::table::AdamHyper;

#[inline(always)]
pub(crate) unsafe fn add<L: Lanes>(x: &[f32], y: &mut [f32]) {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let y = y.as_mut_ptr().add(i);
            L::store(y, L::add(L::load(y), L::load(x.as_ptr().add(i))));
        }
    }
    scalar::add(&x[whole..], &mut y[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn axpy<L: Lanes>(a: f32, x: &[f32], y: &mut [f32]) {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let y = y.as_mut_ptr().add(i);
            let product = L::mul(L::splat(a), L::load(x.as_ptr().add(i)));
            L::store(y, L::add(L::load(y), product));
        }
    }
    scalar::axpy(a, &x[whole..], &mut y[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn scale_add<L: Lanes>(a: f32, x: &[f32], y: &mut [f32]) {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let y = y.as_mut_ptr().add(i);
            let product = L::mul(L::splat(a), L::load(y));
            L::store(y, L::add(product, L::load(x.as_ptr().add(i))));
        }
    }
    scalar::scale_add(a, &x[whole..], &mut y[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn scale_in_place<L: Lanes>(a: f32, x: &mut [f32]) {
    let whole = x.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len; the caller has the instruction set.
        unsafe {
            let x = x.as_mut_ptr().add(i);
            L::store(x, L::mul(L::load(x), L::splat(a)));
        }
    }
    scalar::scale_in_place(a, &mut x[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn relu<L: Lanes>(x: &[f32], y: &mut [f32]) {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let (x, zero) = (L::load(x.as_ptr().add(i)), L::splat(0.0));
            L::store(y.as_mut_ptr().add(i), L::select(L::lt(x, zero), zero, x));
        }
    }
    scalar::relu(&x[whole..], &mut y[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn relu_back<L: Lanes>(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let whole = dx.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of the three slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let (dx, zero) = (dx.as_mut_ptr().add(i), L::splat(0.0));
            let positive = L::lt(zero, L::load(y.as_ptr().add(i)));
            let passed = L::select(positive, L::load(dy.as_ptr().add(i)), zero);
            L::store(dx, L::add(L::load(dx), passed));
        }
    }
    scalar::relu_back(&y[whole..], &dy[whole..], &mut dx[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn adamw<L: Lanes>(
    p: &mut [f32],
    g: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    h: &AdamHyper,
) {
    let whole = p.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of the four slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let (pi, mi, vi) =
                (p.as_mut_ptr().add(i), m.as_mut_ptr().add(i), v.as_mut_ptr().add(i));
            let gi = L::load(g.as_ptr().add(i));
            let m0 = L::load(mi);
            let m1 = L::add(m0, L::mul(L::sub(gi, m0), L::splat(h.one_minus_beta1)));
            let square = L::mul(L::mul(L::splat(h.one_minus_beta2), gi), gi);
            let v1 = L::add(L::mul(L::load(vi), L::splat(h.beta2)), square);
            let root = L::div(L::sqrt(v1), L::splat(h.sqrt_bias2));
            let denominator = L::add(root, L::splat(h.eps));
            let change = L::div(L::mul(L::splat(h.minus_step), m1), denominator);
            L::store(mi, m1);
            L::store(vi, v1);
            L::store(pi, L::add(L::mul(L::load(pi), L::splat(h.decay)), change));
        }
    }
    scalar::adamw(&mut p[whole..], &g[whole..], &mut m[whole..], &mut v[whole..], h);
}
