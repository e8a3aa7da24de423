//! `math.rs`, 16 or 8 at a time: the same operations in the same order.

use crate::lanes::Lanes;
use crate::math::{
    EXP_MAX_F32, EXP_MAX_F64, EXP_MIN_F32, EXP_MIN_F64, EXP_P_F32, EXP_P_F64, EXP_Q_F64,
    LN2_HI_F32, LN2_HI_F64, LN2_LO_F32, LN2_LO_F64, LOG2_E_F32, LOG2_E_F64, MAGIC_F32, MAGIC_F64,
};

/// e^x, as [`crate::exp_f32`].
#[inline(always)]
pub(crate) unsafe fn exp32<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: the caller has the instruction set; nothing here touches memory.
    unsafe {
        let (low, high) = (L::splat(EXP_MIN_F32), L::splat(EXP_MAX_F32));
        let x = L::select(L::lt(high, x), high, x);
        let x = L::select(L::lt(x, low), low, x);
        let shifted = L::add(L::mul(x, L::splat(LOG2_E_F32)), L::splat(MAGIC_F32));
        let n = L::sub(shifted, L::splat(MAGIC_F32));
        let r = L::sub(x, L::mul(n, L::splat(LN2_HI_F32)));
        let r = L::sub(r, L::mul(n, L::splat(LN2_LO_F32)));
        let mut p = L::splat(EXP_P_F32[0]);
        for c in &EXP_P_F32[1..] {
            p = L::add(L::mul(p, r), L::splat(*c));
        }
        let y = L::add(L::add(L::mul(p, L::mul(r, r)), r), L::splat(1.0));
        let n = L::isub(L::bits(shifted), L::isplat(MAGIC_F32.to_bits() as i32));
        let half = L::ihalf(n);
        L::mul(L::mul(y, pow2::<L>(half)), pow2::<L>(L::isub(n, half)))
    }
}

/// 2^n for n in an exponent field's range.
#[inline(always)]
unsafe fn pow2<L: Lanes>(n: L::I) -> L::F {
    // SAFETY: the caller has the instruction set; nothing here touches memory.
    unsafe { L::float(L::ishl(L::iadd(n, L::isplat(127)), 23)) }
}

/// e^x, as [`crate::exp_f64`].
#[inline(always)]
pub(crate) unsafe fn exp64<L: Lanes>(x: L::D) -> L::D {
    // SAFETY: the caller has the instruction set; nothing here touches memory.
    unsafe {
        let (low, high) = (L::dsplat(EXP_MIN_F64), L::dsplat(EXP_MAX_F64));
        let (below, above) = (L::dlt(x, low), L::dlt(high, x));
        let x = L::dselect(above, high, L::dselect(below, low, x));
        let shifted = L::dadd(L::dmul(x, L::dsplat(LOG2_E_F64)), L::dsplat(MAGIC_F64));
        let n = L::dsub(shifted, L::dsplat(MAGIC_F64));
        let r = L::dsub(x, L::dmul(n, L::dsplat(LN2_HI_F64)));
        let r = L::dsub(r, L::dmul(n, L::dsplat(LN2_LO_F64)));
        let rr = L::dmul(r, r);
        let (mut p, mut q) = (L::dsplat(EXP_P_F64[0]), L::dsplat(EXP_Q_F64[0]));
        for c in &EXP_P_F64[1..] {
            p = L::dadd(L::dmul(p, rr), L::dsplat(*c));
        }
        for c in &EXP_Q_F64[1..] {
            q = L::dadd(L::dmul(q, rr), L::dsplat(*c));
        }
        let p = L::dmul(p, r);
        let ratio = L::ddiv(p, L::dsub(q, p));
        let y = L::dadd(L::dadd(ratio, ratio), L::dsplat(1.0));
        let y = L::dmul(y, L::dpow2(shifted));
        L::dselect(above, L::dsplat(f64::INFINITY), L::dselect(below, L::dsplat(0.0), y))
    }
}
