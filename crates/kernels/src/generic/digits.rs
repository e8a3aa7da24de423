//! How a format's digits come out of its bytes, in the two shapes that the products want.

use crate::lanes::Lanes;
use crate::pack::Format;

/// One format of `pack.rs`.
pub(crate) trait Digits {
    /// The format.
    const FORMAT: Format;
    /// A code is `SCALE * digit - 1`.
    const SCALE: i32;

    /// Code of digit `n` as f32, from 16 bytes widened to 16 integers. `state` is what the previous digit left behind, at first the bytes.
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F;

    /// Digit `n` (0..=3) of 32 bytes. `state` as above.
    unsafe fn digit<L: Lanes>(state: &mut L::B, n: u32) -> L::B;
}

pub(crate) struct Binary;
pub(crate) struct Ternary2;
pub(crate) struct Ternary5;

impl Digits for Binary {
    const FORMAT: Format = Format::Binary;
    const SCALE: i32 = 2;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe { L::sign(L::ishr(*state, n)) }
    }

    #[inline(always)]
    unsafe fn digit<L: Lanes>(state: &mut L::B, n: u32) -> L::B {
        // SAFETY: the caller has the instruction set.
        unsafe { L::band(L::bshr(*state, n), L::bsplat(1)) }
    }
}

impl Digits for Ternary2 {
    const FORMAT: Format = Format::Ternary2;
    const SCALE: i32 = 1;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe { L::trit(L::ishr(*state, 2 * n)) }
    }

    #[inline(always)]
    unsafe fn digit<L: Lanes>(state: &mut L::B, n: u32) -> L::B {
        // SAFETY: the caller has the instruction set.
        unsafe { L::band(L::bshr(*state, 2 * n), L::bsplat(3)) }
    }
}

/// The byte is a fraction: three times it carries the digit out and leaves the rest of the fraction.
impl Digits for Ternary5 {
    const FORMAT: Format = Format::Ternary5;
    const SCALE: i32 = 1;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, _n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let tripled = L::iadd(*state, L::iadd(*state, *state));
            *state = L::iand(tripled, L::isplat(255));
            L::trit(L::ishr(tripled, 8))
        }
    }

    /// In bytes there is no carry, so the digit (t >= 86) + (t >= 171) comes from averages: with u = max(t - 1, 0), the top two bits of
    /// avg(u, avg(u, 0)), about 3u/4, are exactly that number for each of the 256 values of t (tested below).
    #[inline(always)]
    unsafe fn digit<L: Lanes>(state: &mut L::B, _n: u32) -> L::B {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let t = *state;
            *state = L::badd(t, L::badd(t, t));
            let u = L::bsub_saturating(t, L::bsplat(1));
            let average = L::bavg(u, L::bavg(u, L::bsplat(0)));
            L::band(L::bshr(average, 6), L::bsplat(3))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pack::trit_digit;

    #[test]
    fn averages_give_the_digit_of_every_byte() {
        for t in 0..=255u8 {
            let u = u16::from(t.saturating_sub(1));
            let average = (u + u.div_ceil(2)).div_ceil(2);
            assert_eq!(average >> 6, u16::from(trit_digit(t, 0)), "byte {t}");
        }
    }
}
