//! The crate's transcendentals. The standard library's differ between platforms in the last bit; these do not.
//!
//! Every function here is plain IEEE additions, multiplications and at most one division in a fixed order, so that the vector versions in
//! `generic/exp.rs`, which do the same operations lane by lane, agree bit for bit. Constants are those of Cephes
//! (S. L. Moshier, `expf.c` and `exp.c`).

pub(crate) const LOG2_E_F32: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; `n * LN2_HI` is exact for every exponent `n`.
pub(crate) const LN2_HI_F32: f32 = 355.0 / 512.0;
pub(crate) const LN2_LO_F32: f32 = -2.121_944_4e-4;
/// 1.5 * 2^23: adding it rounds to an integer (half to even) and leaves that integer in the low bits.
pub(crate) const MAGIC_F32: f32 = 12_582_912.0;
/// Below this exp is 0, above [`EXP_MAX_F32`] it is infinite; the arguments are clamped there first.
pub(crate) const EXP_MIN_F32: f32 = -110.0;
pub(crate) const EXP_MAX_F32: f32 = 90.0;
/// exp(r) = 1 + r + r^2 * P(r) on |r| <= ln(2) / 2, highest power first.
pub(crate) const EXP_P_F32: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

pub(crate) const LOG2_E_F64: f64 = std::f64::consts::LOG2_E;
pub(crate) const LN2_HI_F64: f64 = 6.931_457_519_531_25e-1;
pub(crate) const LN2_LO_F64: f64 = 1.428_606_820_309_417_2e-6;
/// 1.5 * 2^52, as [`MAGIC_F32`].
pub(crate) const MAGIC_F64: f64 = 6_755_399_441_055_744.0;
pub(crate) const EXP_MIN_F64: f64 = -708.0;
pub(crate) const EXP_MAX_F64: f64 = 709.0;
/// exp(r) = 1 + 2 r P(r^2) / (Q(r^2) - r P(r^2)), highest power first.
pub(crate) const EXP_P_F64: [f64; 3] =
    [1.261_771_930_748_105_9e-4, 3.029_944_077_074_419_6e-2, 1.0];
pub(crate) const EXP_Q_F64: [f64; 4] =
    [3.001_985_051_386_644_6e-6, 2.524_483_403_496_841e-3, 2.272_655_482_081_550_3e-1, 2.0];

/// e^x to about one unit in the last place; subnormal results are right, NaN stays NaN.
pub fn exp_f32(x: f32) -> f32 {
    let x = if x > EXP_MAX_F32 { EXP_MAX_F32 } else { x };
    let x = if x < EXP_MIN_F32 { EXP_MIN_F32 } else { x };
    let shifted = x * LOG2_E_F32 + MAGIC_F32;
    let n = shifted - MAGIC_F32;
    let r = x - n * LN2_HI_F32 - n * LN2_LO_F32;
    let p = EXP_P_F32[1..].iter().fold(EXP_P_F32[0], |p, &c| p * r + c);
    let y = p * (r * r) + r + 1.0;
    // 2^n in two factors, because n runs from -159 to 130 and an exponent field holds -126 to 127.
    let n = (shifted.to_bits() as i32).wrapping_sub(MAGIC_F32.to_bits() as i32);
    let half = n >> 1;
    y * power_of_two_f32(half) * power_of_two_f32(n.wrapping_sub(half))
}

fn power_of_two_f32(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// e^x to about one unit in the last place for x in [-708, 709]; 0 below, infinite above, NaN stays NaN.
///
/// The cut at -708 drops subnormal results: softmax terms 10^-308 of the largest one cannot change a sum.
pub fn exp_f64(x: f64) -> f64 {
    let clamped = if x < EXP_MIN_F64 { EXP_MIN_F64 } else { x };
    let clamped = if clamped > EXP_MAX_F64 { EXP_MAX_F64 } else { clamped };
    let shifted = clamped * LOG2_E_F64 + MAGIC_F64;
    let n = shifted - MAGIC_F64;
    let r = clamped - n * LN2_HI_F64 - n * LN2_LO_F64;
    let rr = r * r;
    let p = EXP_P_F64[1..].iter().fold(EXP_P_F64[0], |p, &c| p * rr + c) * r;
    let q = EXP_Q_F64[1..].iter().fold(EXP_Q_F64[0], |q, &c| q * rr + c);
    let ratio = p / (q - p);
    let y = ratio + ratio + 1.0;
    let y = y * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let y = if x < EXP_MIN_F64 { 0.0 } else { y };
    if x > EXP_MAX_F64 { f64::INFINITY } else { y }
}

/// Natural logarithm, the same bits on every platform.
pub fn log_f64(x: f64) -> f64 {
    libm::log(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error in units in the last place of the result, over the normal range.
    #[test]
    fn exp_is_accurate() {
        let mut worst = 0.0f64;
        for i in -872_000..=887_000 {
            let x = i as f32 / 10_000.0;
            let (y, exact) = (exp_f32(x), f64::from(x).exp());
            let unit = f64::from(y.next_up()) - f64::from(y);
            worst = worst.max((f64::from(y) - exact).abs() / unit);
        }
        assert!(worst < 1.1, "f32: {worst} units");
        let mut worst = 0.0f64;
        for i in -700_000..=700_000 {
            let x = f64::from(i) / 1000.0;
            worst = worst.max((exp_f64(x) - x.exp()).abs() / (x.exp() * f64::EPSILON));
        }
        assert!(worst < 2.0, "f64: {worst} units");
    }

    #[test]
    fn exp_at_its_ends() {
        for (x, y) in
            [(0.0, 1.0), (-0.0, 1.0), (f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, 0.0)]
        {
            assert_eq!(exp_f32(x), y);
            assert_eq!(exp_f64(f64::from(x)), f64::from(y));
        }
        assert!(exp_f32(f32::NAN).is_nan() && exp_f64(f64::NAN).is_nan());
        assert_eq!((exp_f32(89.0), exp_f32(-104.5)), (f32::INFINITY, 0.0));
        // Subnormal results: 2^-149 is the smallest.
        assert_eq!(exp_f32(-103.27893), f32::from_bits(1));
        assert_eq!((exp_f64(-708.1), exp_f64(709.1)), (0.0, f64::INFINITY));
    }
}
