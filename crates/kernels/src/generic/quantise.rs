//! Quantisers of weights and activations, and the count of changed codes. Bound by memory.

use super::W;
use super::reduce::max_abs;
use crate::lanes::Lanes;
use crate::math::MAGIC_F32;
use crate::scalar;

#[inline(always)]
pub(crate) unsafe fn quantize_ternary<L: Lanes>(
    w: &[f32],
    shift: f32,
    gamma: f32,
    codes: &mut [i8],
    eff: &mut [f32],
) {
    let whole = w.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of the three slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let v = L::sub(L::load(w.as_ptr().add(i)), L::splat(shift));
            let v = L::div(v, L::splat(gamma));
            let negative = L::select(L::lt(v, L::splat(-0.5)), L::splat(-1.0), L::splat(0.0));
            let code = L::select(L::lt(L::splat(0.5), v), L::splat(1.0), negative);
            L::store_codes(codes.as_mut_ptr().add(i), code);
            L::store(eff.as_mut_ptr().add(i), L::mul(L::splat(gamma), code));
        }
    }
    scalar::quantize_ternary(&w[whole..], shift, gamma, &mut codes[whole..], &mut eff[whole..]);
}

#[inline(always)]
pub(crate) unsafe fn quantize_binary<L: Lanes>(
    w: &[f32],
    shift: f32,
    beta: f32,
    zero_is_zero: bool,
    codes: &mut [i8],
    eff: &mut [f32],
) {
    let whole = w.len() / W * W;
    let neither = if zero_is_zero { 0.0 } else { -1.0 };
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of the three slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let (v, zero) = (L::sub(L::load(w.as_ptr().add(i)), L::splat(shift)), L::splat(0.0));
            let not_above = L::select(L::lt(v, zero), L::splat(-1.0), L::splat(neither));
            let code = L::select(L::lt(zero, v), L::splat(1.0), not_above);
            L::store_codes(codes.as_mut_ptr().add(i), code);
            L::store(eff.as_mut_ptr().add(i), L::mul(L::splat(beta), code));
        }
    }
    let (codes, eff) = (&mut codes[whole..], &mut eff[whole..]);
    scalar::quantize_binary(&w[whole..], shift, beta, zero_is_zero, codes, eff);
}

/// Rounding is an addition: |x s| is at most 127 and a bit, far below 2^22, so adding 1.5 * 2^23 leaves the nearest even integer. The same bound makes
/// the clamp unnecessary. Only NaN (from infinite x) needs a choice: it becomes 0, as Rust's `as` does.
#[inline(always)]
pub(crate) unsafe fn quantize_act_rows<L: Lanes>(
    x: &[f32],
    cols: usize,
    codes: &mut [i8],
    scales: &mut [f32],
) {
    let whole = cols / W * W;
    let rows = x.chunks_exact(cols).zip(codes.chunks_exact_mut(cols)).zip(scales);
    for ((x, codes), scale) in rows {
        // SAFETY: both rows have `cols` elements and i + W <= cols; the caller has the instruction set.
        unsafe {
            let max = max_abs::<L>(x);
            let s = 127.0 / if max > 1e-5 { max } else { 1e-5 };
            let magic = L::splat(MAGIC_F32);
            for i in (0..whole).step_by(W) {
                let v = L::mul(L::load(x.as_ptr().add(i)), L::splat(s));
                let rounded = L::sub(L::add(v, magic), magic);
                let finite = L::lt(v, L::splat(f32::INFINITY));
                let code = L::select(finite, rounded, L::splat(0.0));
                L::store_codes(codes.as_mut_ptr().add(i), code);
            }
            for (code, &x) in codes[whole..].iter_mut().zip(&x[whole..]) {
                *code = (x * s).round_ties_even() as i8;
            }
            *scale = 1.0 / s;
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn count_diff<L: Lanes>(a: &[i8], b: &[i8]) -> u64 {
    let whole = a.len() / 64 * 64;
    let mut count = 0;
    for i in (0..whole).step_by(64) {
        // SAFETY: i + 64 <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        count += u64::from(unsafe { L::diff(a.as_ptr().add(i), b.as_ptr().add(i)) });
    }
    count + scalar::count_diff(&a[whole..], &b[whole..])
}
