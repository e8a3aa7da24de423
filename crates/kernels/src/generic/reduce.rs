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

/// What is summed. A trait and not a closure: a closure is compiled without the wrapper's features, and where it is not inlined it costs
/// a call and memory traffic for every vector (measured: 25 times slower).
trait Term {
    /// The terms of 16 elements; those of 0 are 0.
    unsafe fn of<L: Lanes>(x: L::F) -> [L::D; 2];
}

struct Plain;
struct Absolute;
struct Square;

impl Term for Plain {
    #[inline(always)]
    unsafe fn of<L: Lanes>(x: L::F) -> [L::D; 2] {
        // SAFETY: the caller has the instruction set.
        unsafe { L::widen(x) }
    }
}

impl Term for Absolute {
    #[inline(always)]
    unsafe fn of<L: Lanes>(x: L::F) -> [L::D; 2] {
        // SAFETY: the caller has the instruction set.
        unsafe { L::widen(L::abs(x)) }
    }
}

impl Term for Square {
    #[inline(always)]
    unsafe fn of<L: Lanes>(x: L::F) -> [L::D; 2] {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let [low, high] = L::widen(x);
            [L::dmul(low, low), L::dmul(high, high)]
        }
    }
}

/// Sum in f64 of a term of each element.
#[inline(always)]
unsafe fn sum64<L: Lanes, T: Term>(x: &[f32]) -> f64 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len, the tail has W elements; the caller has the instruction set.
    unsafe {
        let mut sums = [L::dsplat(0.0); 2];
        for i in (0..whole).step_by(W) {
            let [low, high] = T::of::<L>(L::load(x.as_ptr().add(i)));
            sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
        }
        if whole < x.len() {
            let [low, high] = T::of::<L>(L::load(tail(x, 0.0).as_ptr()));
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
    unsafe { sum64::<L, Plain>(x) }
}

#[inline(always)]
pub(crate) unsafe fn sum_abs<L: Lanes>(x: &[f32]) -> f64 {
    // SAFETY: the caller has the instruction set.
    unsafe { sum64::<L, Absolute>(x) }
}

#[inline(always)]
pub(crate) unsafe fn sum_sq<L: Lanes>(x: &[f32]) -> f64 {
    // SAFETY: the caller has the instruction set.
    unsafe { sum64::<L, Square>(x) }
}

/// The larger lane by lane; NaN in `x` is passed over.
#[inline(always)]
unsafe fn larger<L: Lanes>(max: L::F, x: L::F) -> L::F {
    // SAFETY: the caller has the instruction set.
    unsafe { L::select(L::lt(max, x), x, max) }
}

/// The largest lane. Maxima may be taken in any order; a tree has the shortest chain.
#[inline(always)]
unsafe fn largest<L: Lanes>(max: L::F) -> f32 {
    let mut lanes = [0.0; W];
    // SAFETY: W lanes fit; the caller has the instruction set.
    unsafe { L::store(lanes.as_mut_ptr(), max) };
    let mut half = W / 2;
    while half > 0 {
        for i in 0..half {
            let upper = lanes[i + half];
            lanes[i] = if upper > lanes[i] { upper } else { lanes[i] };
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(crate) unsafe fn max_abs<L: Lanes>(x: &[f32]) -> f32 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len, the tail has W elements; the caller has the instruction set.
    unsafe {
        // Four maxima side by side: one alone would wait for itself. Which element meets which changes nothing.
        let mut parts = [L::splat(0.0); 4];
        let mut i = 0;
        while i + 4 * W <= whole {
            for (part, max) in parts.iter_mut().enumerate() {
                *max = larger::<L>(*max, L::abs(L::load(x.as_ptr().add(i + part * W))));
            }
            i += 4 * W;
        }
        let [a, b, c, d] = parts;
        let mut max = larger::<L>(larger::<L>(a, b), larger::<L>(c, d));
        while i < whole {
            max = larger::<L>(max, L::abs(L::load(x.as_ptr().add(i))));
            i += W;
        }
        if whole < x.len() {
            max = larger::<L>(max, L::abs(L::load(tail(x, 0.0).as_ptr())));
        }
        largest::<L>(max)
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
        if whole < x.len() {
            max = larger::<L>(max, L::load(tail(x, f32::NEG_INFINITY).as_ptr()));
        }
        largest::<L>(max)
    }
}
