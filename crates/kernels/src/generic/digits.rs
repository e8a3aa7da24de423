//! How a format's digits come out of its bytes, in the two shapes that the products want.

use crate::lanes::{Bytes, Lanes};
use crate::pack::Format;

/// Most sums that a format's scaled digits are kept apart in.
pub(crate) const PARTS: usize = 3;

/// One format of `pack.rs`.
pub(crate) trait Digits {
    /// The format.
    const FORMAT: Format;
    /// A code is `SCALE * digit - 1`.
    const SCALE: i32;
    /// Number of sums in use.
    const PARTS: usize;
    /// By how many bits the digits of a sum are too large.
    const SHIFTS: [u32; PARTS];
    /// Sum of which digit `n` is a part.
    const PART: [usize; 8];
    /// Largest possible sum of a block's scaled digits that go into one part, one byte of each.
    const LARGEST: usize;

    /// Code of digit `n` as f32, from 16 bytes widened to 16 integers. `state` is what the previous digit left behind, at first the bytes.
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F;

    /// The digits (0..=3) of each byte, the first `FORMAT.digits()` of the list.
    unsafe fn digits<L: Bytes>(bytes: L::B) -> [L::B; 8];

    /// As `digits`, each times two to the `SHIFTS` of its part: left where it stands in the byte, a shift is saved.
    unsafe fn scaled<L: Bytes>(bytes: L::B) -> [L::B; 8];
}

pub(crate) struct Binary;
pub(crate) struct Ternary2;
pub(crate) struct Ternary5;

impl Digits for Binary {
    const FORMAT: Format = Format::Binary;
    const SCALE: i32 = 2;
    const PARTS: usize = 3;
    const SHIFTS: [u32; PARTS] = [0, 1, 2];
    const PART: [usize; 8] = [0, 1, 2, 0, 1, 2, 0, 1];
    const LARGEST: usize = 8;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe { L::sign(L::ishr(*state, n)) }
    }

    #[inline(always)]
    unsafe fn digits<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        let mut out = [bytes; 8];
        for n in 0..8 {
            // SAFETY: the caller has the instruction set.
            out[n] = unsafe { L::band(L::bshr(bytes, n as u32), L::bsplat(1)) };
        }
        out
    }

    #[inline(always)]
    unsafe fn scaled<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        let mut out = [bytes; 8];
        for n in 0..8 {
            let (whole, rest) = (n as u32 / 3 * 3, n as u32 % 3);
            // SAFETY: the caller has the instruction set.
            out[n] = unsafe { L::band(L::bshr(bytes, whole), L::bsplat(1 << rest)) };
        }
        out
    }
}

impl Digits for Ternary2 {
    const FORMAT: Format = Format::Ternary2;
    const SCALE: i32 = 1;
    const PARTS: usize = 2;
    const SHIFTS: [u32; PARTS] = [0, 2, 0];
    const PART: [usize; 8] = [0, 1, 0, 1, 0, 0, 0, 0];
    const LARGEST: usize = 24;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe { L::trit(L::ishr(*state, 2 * n)) }
    }

    #[inline(always)]
    unsafe fn digits<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        let mut out = [bytes; 8];
        for n in 0..4 {
            // SAFETY: the caller has the instruction set.
            out[n] = unsafe { L::band(L::bshr(bytes, 2 * n as u32), L::bsplat(3)) };
        }
        out
    }

    #[inline(always)]
    unsafe fn scaled<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        let mut out = [bytes; 8];
        for n in 0..4 {
            let (whole, rest) = (n as u32 / 2 * 4, n as u32 % 2 * 2);
            // SAFETY: the caller has the instruction set.
            out[n] = unsafe { L::band(L::bshr(bytes, whole), L::bsplat(3 << rest)) };
        }
        out
    }
}

/// The byte is a fraction: three times it carries the digit out and leaves the rest of the fraction.
impl Digits for Ternary5 {
    const FORMAT: Format = Format::Ternary5;
    const SCALE: i32 = 1;
    const PARTS: usize = 1;
    const SHIFTS: [u32; PARTS] = [0; PARTS];
    const PART: [usize; 8] = [0; 8];
    const LARGEST: usize = 10;

    #[inline(always)]
    unsafe fn code<L: Lanes>(state: &mut L::I, _n: u32) -> L::F {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let tripled = L::iadd(*state, L::iadd(*state, *state));
            *state = L::iand(tripled, L::isplat(255));
            L::trit(L::ishr(tripled, 8))
        }
    }

    #[inline(always)]
    unsafe fn digits<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        // SAFETY: the caller has the instruction set.
        let five = unsafe { L::base3(bytes) };
        let mut out = [bytes; 8];
        out[..5].copy_from_slice(&five);
        out
    }

    #[inline(always)]
    unsafe fn scaled<L: Bytes>(bytes: L::B) -> [L::B; 8] {
        // SAFETY: the caller has the instruction set.
        unsafe { Self::digits::<L>(bytes) }
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
