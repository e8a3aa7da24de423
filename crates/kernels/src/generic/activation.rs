//! Smooth activations, 16 at a time: the operations of `activation.rs` in their order. Bound by exp, about 20 operations, and a division.

use super::W;
use super::exp::exp32;
use crate::activation::{
    self as scalar, DENSITY, GELU_Q, GELU_SCALE, TWICE_CUBIC, TWICE_CUBIC_SLOPE, TWICE_LINEAR,
};
use crate::lanes::Lanes;

/// An activation. A trait and not a closure: a closure would be compiled without the wrapper's features.
trait Smooth {
    /// f(x).
    unsafe fn value<L: Lanes>(x: L::F) -> L::F;
    /// f'(x).
    unsafe fn slope<L: Lanes>(x: L::F) -> L::F;
}

struct Gelu;
struct GeluNew;
struct Silu;

/// 1 / (1 + e).
#[inline(always)]
unsafe fn logistic<L: Lanes>(e: L::F) -> L::F {
    // SAFETY: the caller has the instruction set; registers only.
    unsafe { L::div(L::splat(1.0), L::add(L::splat(1.0), e)) }
}

/// Phi(x) and e^(-x^2 / 2).
#[inline(always)]
unsafe fn normal_parts<L: Lanes>(x: L::F) -> [L::F; 2] {
    // SAFETY: the caller has the instruction set; registers only.
    unsafe {
        let one = L::splat(1.0);
        let t = L::div(one, L::add(one, L::mul(L::splat(GELU_SCALE), L::abs(x))));
        let mut q = L::splat(GELU_Q[0]);
        for c in &GELU_Q[1..] {
            q = L::add(L::mul(q, t), L::splat(*c));
        }
        let bell = exp32::<L>(L::mul(L::mul(L::splat(-0.5), x), x));
        let tail = L::mul(bell, L::mul(q, t));
        [L::select(L::lt(x, L::splat(0.0)), tail, L::sub(one, tail)), bell]
    }
}

impl Smooth for Gelu {
    #[inline(always)]
    unsafe fn value<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe { L::mul(x, normal_parts::<L>(x)[0]) }
    }
    #[inline(always)]
    unsafe fn slope<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe {
            let [below, bell] = normal_parts::<L>(x);
            L::add(below, L::mul(x, L::mul(bell, L::splat(DENSITY))))
        }
    }
}

/// e^-2u, with u the inner function of the tanh approximation.
#[inline(always)]
unsafe fn gelu_new_exp<L: Lanes>(x: L::F, square: L::F) -> L::F {
    // SAFETY: the caller has the instruction set; registers only.
    unsafe {
        let inner = L::sub(L::mul(square, L::splat(-TWICE_CUBIC)), L::splat(TWICE_LINEAR));
        exp32::<L>(L::mul(x, inner))
    }
}

impl Smooth for GeluNew {
    #[inline(always)]
    unsafe fn value<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe { L::div(x, L::add(L::splat(1.0), gelu_new_exp::<L>(x, L::mul(x, x)))) }
    }
    #[inline(always)]
    unsafe fn slope<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe {
            let square = L::mul(x, x);
            let s = logistic::<L>(gelu_new_exp::<L>(x, square));
            let slope = L::add(L::mul(square, L::splat(TWICE_CUBIC_SLOPE)), L::splat(TWICE_LINEAR));
            let bend = L::mul(L::mul(s, L::sub(L::splat(1.0), s)), x);
            L::add(s, L::mul(bend, slope))
        }
    }
}

impl Smooth for Silu {
    #[inline(always)]
    unsafe fn value<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe {
            let e = exp32::<L>(L::sub(L::splat(0.0), x));
            L::div(x, L::add(L::splat(1.0), e))
        }
    }
    #[inline(always)]
    unsafe fn slope<L: Lanes>(x: L::F) -> L::F {
        // SAFETY: the caller has the instruction set; registers only.
        unsafe {
            let one = L::splat(1.0);
            let s = logistic::<L>(exp32::<L>(L::sub(L::splat(0.0), x)));
            L::mul(s, L::add(one, L::mul(x, L::sub(one, s))))
        }
    }
}

/// y = f(x) for whole vectors; returns how many elements those are.
#[inline(always)]
unsafe fn map<L: Lanes, S: Smooth>(x: &[f32], y: &mut [f32]) -> usize {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both slices (equal, checked by the caller); the caller has the instruction set.
        unsafe { L::store(y.as_mut_ptr().add(i), S::value::<L>(L::load(x.as_ptr().add(i)))) }
    }
    whole
}

/// dx += dy f'(x) for whole vectors; returns how many elements those are.
#[inline(always)]
unsafe fn map_back<L: Lanes, S: Smooth>(x: &[f32], dy: &[f32], dx: &mut [f32]) -> usize {
    let whole = dx.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of the three slices (equal, checked by the caller); the caller has the instruction set.
        unsafe {
            let slope = S::slope::<L>(L::load(x.as_ptr().add(i)));
            let dx = dx.as_mut_ptr().add(i);
            L::store(dx, L::add(L::load(dx), L::mul(L::load(dy.as_ptr().add(i)), slope)));
        }
    }
    whole
}

macro_rules! kernels {
    ($($of:ident: $name:ident, $back:ident;)+) => {
        $(#[inline(always)]
        pub(crate) unsafe fn $name<L: Lanes>(x: &[f32], y: &mut [f32]) {
            // SAFETY: the caller's conditions.
            let whole = unsafe { map::<L, $of>(x, y) };
            scalar::$name(&x[whole..], &mut y[whole..]);
        }
        #[inline(always)]
        pub(crate) unsafe fn $back<L: Lanes>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
            // SAFETY: the caller's conditions.
            let whole = unsafe { map_back::<L, $of>(x, dy, dx) };
            scalar::$back(&x[whole..], &dy[whole..], &mut dx[whole..]);
        })+
    };
}

kernels! {
    Gelu: gelu, gelu_back;
    GeluNew: gelu_new, gelu_new_back;
    Silu: silu, silu_back;
}
