//! IEEE half precision, converted by hand: the scales of GGUF blocks.

/// The value of half-precision bits; exact.
pub fn f16_to_f32(bits: u16) -> f32 {
    const LEAST: u32 = 113 << 23;
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff) << 13;
    // All cases are computed and one is chosen, which the compiler makes vectors of.
    let normal = rest + (112 << 23);
    // Subnormal: as the fraction of the least normal number, less that number; exact.
    let subnormal = (f32::from_bits(rest + LEAST) - f32::from_bits(LEAST)).to_bits();
    // Infinite, or NaN: a quiet one, as every processor's conversion gives.
    let special = rest | 0x7f80_0000 | u32::from(rest > 31 << 23) << 22;
    let finite = if rest < 1 << 23 { subnormal } else { normal };
    f32::from_bits(sign | if rest >= 31 << 23 { special } else { finite })
}

/// The nearest half-precision bits, ties to even; too large becomes infinite, NaN stays NaN.
pub fn f32_to_f16(value: f32) -> u16 {
    let sign = ((value.to_bits() >> 16) & 0x8000) as u16;
    let bits = value.to_bits() & 0x7fff_ffff;
    let magnitude = match bits {
        0x7f80_0001.. => 0x7e00,
        // 65520 and above round to infinity.
        0x477f_f000.. => 0x7c00,
        // Normal halves: drop 13 bits, rounding to even; a carry moves into the exponent by itself.
        0x3880_0000.. => round_shift(bits - (112 << 23), 13),
        // Below 2^-25 (and at it, by the tie) the result is zero.
        ..=0x3300_0000 => 0,
        // Subnormal halves: the mantissa with its hidden bit, in units of 2^-24.
        _ => round_shift(bits & 0x007f_ffff | 0x0080_0000, 126 - (bits >> 23)),
    };
    sign | magnitude
}

/// `value / 2^shift` rounded half to even.
fn round_shift(value: u32, shift: u32) -> u16 {
    let half = (1 << (shift - 1)) - 1 + ((value >> shift) & 1);
    ((value + half) >> shift) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_round_trip() {
        for bits in 0..=u16::MAX {
            let value = f16_to_f32(bits);
            if value.is_nan() {
                assert!(f16_to_f32(f32_to_f16(value)).is_nan());
            } else {
                assert_eq!(f32_to_f16(value), bits, "{value}");
            }
        }
    }

    /// Between two neighbours the nearer one wins, and the even one in the middle.
    #[test]
    fn rounds_to_nearest_even() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (f16_to_f32(bits), f16_to_f32(bits + 1));
            let middle = low + (high - low) / 2.0;
            assert_eq!(f32_to_f16(middle), bits + (bits & 1));
            assert_eq!(f32_to_f16(middle.next_down()), bits);
            assert_eq!(f32_to_f16(middle.next_up()), bits + 1);
            assert_eq!(f32_to_f16(-middle), 0x8000 | (bits + (bits & 1)));
        }
        assert_eq!(f32_to_f16(65519.996), 0x7bff);
        assert_eq!(f32_to_f16(65520.0), 0x7c00);
        assert_eq!(f32_to_f16(f32::MAX), 0x7c00);
        assert_eq!(f32_to_f16(f32::NEG_INFINITY), 0xfc00);
        assert_eq!(f16_to_f32(0x3c00), 1.0);
    }
}
