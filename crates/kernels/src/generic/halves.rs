//! Numbers of two bytes: read, widened in registers, used in f32.

use super::W;
use crate::lanes::Lanes;

/// A kind of number of two bytes.
pub(crate) trait Half {
    /// Reads 16.
    ///
    /// # Safety
    /// As [`Lanes::load`], with 32 bytes behind the pointer.
    unsafe fn load<L: Lanes>(from: *const u8) -> L::F;
}

/// IEEE half precision.
pub(crate) struct F16;
/// The upper half of a single.
pub(crate) struct Bf16;

impl Half for F16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::F {
        // SAFETY: the same contract.
        unsafe { L::load_f16(from) }
    }
}

impl Half for Bf16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::F {
        // SAFETY: the same contract.
        unsafe { L::load_bf16(from) }
    }
}

/// The last `bytes.len() % (2 W)` bytes, filled up with zeros.
#[inline(always)]
fn tail(bytes: &[u8]) -> [u8; 2 * W] {
    let mut padded = [0; 2 * W];
    let rest = bytes.len() % (2 * W);
    padded[..rest].copy_from_slice(&bytes[bytes.len() - rest..]);
    padded
}

/// Sum of `w_i x_i`, with the lanes and the order of `reduce::dot`
#[inline(always)]
pub(crate) unsafe fn dot<L: Lanes, H: Half>(w: &[u8], x: &[f32]) -> f32 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len of x and twice that of w (checked by the caller), the tails have W elements; the caller has the instruction set.
    unsafe {
        let mut sum = L::splat(0.0);
        for i in (0..whole).step_by(W) {
            let product = L::mul(H::load::<L>(w.as_ptr().add(2 * i)), L::load(x.as_ptr().add(i)));
            sum = L::add(sum, product);
        }
        if whole < x.len() {
            let (w, x) = (tail(w), super::tail(x, 0.0));
            sum = L::add(sum, L::mul(H::load::<L>(w.as_ptr()), L::load(x.as_ptr())));
        }
        L::fold(sum)
    }
}

/// y = w
#[inline(always)]
pub(crate) unsafe fn widen_f16<L: Lanes>(w: &[u8], y: &mut [f32]) {
    let whole = y.len() / W * W;
    // SAFETY: as in `dot`; a last vector is written to room of its own.
    unsafe {
        for i in (0..whole).step_by(W) {
            L::store(y.as_mut_ptr().add(i), L::load_f16(w.as_ptr().add(2 * i)));
        }
        if whole < y.len() {
            let mut last = [0.0; W];
            L::store(last.as_mut_ptr(), L::load_f16(tail(w).as_ptr()));
            let rest = &mut y[whole..];
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}
