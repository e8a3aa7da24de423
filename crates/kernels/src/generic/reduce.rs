//! Sums and maxima. Element i belongs to lane i mod 16, so the rest of a slice is padded with the neutral element.

use super::{W, tail};
use crate::lanes::Lanes;
use crate::scalar;

#[inline(always)]
pub(crate) unsafe fn dot<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    let whole = a.len() / W * W;
    // SAFETY: i + W <= len of both slices (equal, checked by the caller), the tails have W elements; the caller has the instruction set.
    unsafe {
        let mut sum = L::splat(0.0);
        for i in (0..whole).step_by(W) {
            let product = L::mul(L::load(a.as_ptr().add(i)), L::load(b.as_ptr().add(i)));
            sum = L::add(sum, product);
        }
        if whole < a.len() {
            let (a, b) = (tail(a, 0.0), tail(b, 0.0));
            sum = L::add(sum, L::mul(L::load(a.as_ptr()), L::load(b.as_ptr())));
        }
        L::fold(sum)
    }
}

/// Sum in f64 of `term` of each vector; `term(0)` must be 0.
#[inline(always)]
unsafe fn sum64<L: Lanes>(x: &[f32], term: impl Fn(L::F) -> [L::D; 2]) -> f64 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len, the tail has W elements; the caller has the instruction set.
    unsafe {
        let mut sums = [L::dsplat(0.0); 2];
        for i in (0..whole).step_by(W) {
            let [low, high] = term(L::load(x.as_ptr().add(i)));
            sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
        }
        if whole < x.len() {
            let [low, high] = term(L::load(tail(x, 0.0).as_ptr()));
            sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
        }
        fold64::<L>(sums)
    }
}

/// Adds 16 f64 lanes in the order of `scalar::fold`.
#[inline(always)]
pub(crate) unsafe fn fold64<L: Lanes>(sums: [L::D; 2]) -> f64 {
    let mut lanes = [0.0; W];
    // SAFETY: 2 * 8 lanes fit; the caller has the instruction set.
    unsafe {
        L::dstore(lanes.as_mut_ptr(), sums[0]);
        L::dstore(lanes.as_mut_ptr().add(W / 2), sums[1]);
    }
    scalar::fold(&mut lanes)
}

#[inline(always)]
pub(crate) unsafe fn sum<L: Lanes>(x: &[f32]) -> f64 {
    // SAFETY: the caller has the instruction set.
    unsafe { sum64::<L>(x, |x| L::widen(x)) }
}

#[inline(always)]
pub(crate) unsafe fn sum_abs<L: Lanes>(x: &[f32]) -> f64 {
    // SAFETY: the caller has the instruction set.
    unsafe { sum64::<L>(x, |x| L::widen(L::abs(x))) }
}

#[inline(always)]
pub(crate) unsafe fn sum_sq<L: Lanes>(x: &[f32]) -> f64 {
    // SAFETY: the caller has the instruction set.
    unsafe {
        sum64::<L>(x, |x| {
            let [low, high] = L::widen(x);
            [L::dmul(low, low), L::dmul(high, high)]
        })
    }
}

/// The larger lane by lane; NaN in `x` is passed over.
#[inline(always)]
unsafe fn larger<L: Lanes>(max: L::F, x: L::F) -> L::F {
    // SAFETY: the caller has the instruction set.
    unsafe { L::select(L::lt(max, x), x, max) }
}

/// The largest lane. Maxima may be taken in any order.
#[inline(always)]
unsafe fn largest<L: Lanes>(max: L::F, start: f32) -> f32 {
    let mut lanes = [0.0; W];
    // SAFETY: W lanes fit; the caller has the instruction set.
    unsafe { L::store(lanes.as_mut_ptr(), max) };
    lanes.into_iter().fold(start, |max, x| if x > max { x } else { max })
}

#[inline(always)]
pub(crate) unsafe fn max_abs<L: Lanes>(x: &[f32]) -> f32 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len, the tail has W elements; the caller has the instruction set.
    unsafe {
        let mut max = L::splat(0.0);
        for i in (0..whole).step_by(W) {
            max = larger::<L>(max, L::abs(L::load(x.as_ptr().add(i))));
        }
        max = larger::<L>(max, L::abs(L::load(tail(x, 0.0).as_ptr())));
        largest::<L>(max, 0.0)
    }
}

#[inline(always)]
pub(crate) unsafe fn row_max<L: Lanes>(x: &[f32]) -> f32 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len, the tail has W elements; the caller has the instruction set.
    unsafe {
        let mut max = L::splat(f32::NEG_INFINITY);
        for i in (0..whole).step_by(W) {
            max = larger::<L>(max, L::load(x.as_ptr().add(i)));
        }
        max = larger::<L>(max, L::load(tail(x, f32::NEG_INFINITY).as_ptr()));
        largest::<L>(max, f32::NEG_INFINITY)
    }
}
