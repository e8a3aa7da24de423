//! Smooth activations, forward and derivative: the specification. `generic/activation.rs` does the same operations 16 at a time.
//!
//! All of them come from [`exp_f32`] alone. tanh is not needed: (1 + tanh(u)) / 2 is the logistic function of 2u, so GPT-2's activation is
//! x / (1 + e^-2u), with one exponential and no cancellation. The normal distribution function comes from one exponential and a
//! polynomial (see [`GELU_Q`]).
//!
//! Every `*_back` accumulates `dx += dy f'(x)`.

use crate::math::exp_f32;

/// 2 sqrt(2 / pi), and that times the cubic coefficient 0.044715 of the tanh approximation (D. Hendrycks and K. Gimpel, arXiv 1606.08415).
pub(crate) const TWICE_LINEAR: f32 = 1.595_769;
pub(crate) const TWICE_CUBIC: f32 = 0.071_354_814;
/// Slope of the cubic term: three times [`TWICE_CUBIC`].
pub(crate) const TWICE_CUBIC_SLOPE: f32 = 0.214_064_44;
/// 1 / sqrt(2 pi).
pub(crate) const DENSITY: f32 = 0.398_942_3;

/// For x >= 0 the tail 1 - Phi(x) is e^(-x^2 / 2) t Q(t) with t = 1 / (1 + x / 4); coefficients of Q, highest power first. Our own fit: interpolation
/// at the ten Chebyshev points of t in (0, 1), where it is off by 2.3e-8 of the tail; evaluated in f32, by 3.5e-7.
pub(crate) const GELU_SCALE: f32 = 0.25;
pub(crate) const GELU_Q: [f32; 10] = [
    0.020_814_888,
    -0.085_389_23,
    0.103_798_86,
    -0.039_746_862,
    0.068_273_99,
    0.057_446_26,
    0.081_889_63,
    0.093_439_51,
    0.099_737_4,
    0.099_735_56,
];

#[derive(Clone, Copy)]
pub(crate) struct NormalParts {
    /// Phi(x).
    pub(crate) below: f32,
    /// e^(-x^2 / 2).
    pub(crate) bell: f32,
}

/// Phi and the bell curve of x, in the order of operations of the vector form.
fn normal_parts(x: f32) -> NormalParts {
    let size = x.abs();
    let t = 1.0 / (1.0 + GELU_SCALE * size);
    let q = GELU_Q[1..].iter().fold(GELU_Q[0], |q, &c| q * t + c);
    let bell = exp_f32(-0.5 * x * x);
    let tail = bell * (q * t);
    NormalParts { below: if x < 0.0 { tail } else { 1.0 - tail }, bell }
}

fn map(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

fn map_back(x: &[f32], dy: &[f32], dx: &mut [f32], derivative: impl Fn(f32) -> f32) {
    for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
        *dx += dy * derivative(x);
    }
}

/// y = x Phi(x).
pub(crate) fn gelu(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| x * normal_parts(x).below);
}

/// dx += dy (Phi(x) + x phi(x)).
pub(crate) fn gelu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let NormalParts { below, bell } = normal_parts(x);
        below + x * (bell * DENSITY)
    });
}

/// e^-2u, with u the inner function of the tanh approximation.
fn gelu_new_exp(x: f32, square: f32) -> f32 {
    exp_f32(x * (square * -TWICE_CUBIC - TWICE_LINEAR))
}

/// y = x / (1 + e^-2u).
pub(crate) fn gelu_new(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| x / (1.0 + gelu_new_exp(x, x * x)));
}

/// With s the logistic function of 2u: dx += dy (s + s (1 - s) x (2u)').
pub(crate) fn gelu_new_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let square = x * x;
        let s = 1.0 / (1.0 + gelu_new_exp(x, square));
        let slope = square * TWICE_CUBIC_SLOPE + TWICE_LINEAR;
        s + s * (1.0 - s) * x * slope
    });
}

/// y = x / (1 + e^-x).
pub(crate) fn silu(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| x / (1.0 + exp_f32(0.0 - x)));
}

/// dx += dy s (1 + x (1 - s)), s the logistic function of x.
pub(crate) fn silu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let s = 1.0 / (1.0 + exp_f32(0.0 - x));
        s * (1.0 + x * (1.0 - s))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    type Forward = fn(&[f32], &mut [f32]);
    type Backward = fn(&[f32], &[f32], &mut [f32]);

    /// Every derivative against central differences of the forward function.
    #[test]
    fn derivatives_match_differences() {
        let cases: [(&str, Forward, Backward); 3] = [
            ("gelu", gelu, gelu_back),
            ("gelu_new", gelu_new, gelu_new_back),
            ("silu", silu, silu_back),
        ];
        for (name, forward, backward) in cases {
            for step in -60..=60 {
                let (x, h) = (step as f32 / 10.0, 1e-2f32);
                let mut y = [0.0; 2];
                forward(&[x + h, x - h], &mut y);
                let mut dx = [1.0];
                backward(&[x], &[2.0], &mut dx);
                let difference = (y[0] - y[1]) / (2.0 * h);
                assert!(((dx[0] - 1.0) / 2.0 - difference).abs() < 2e-4, "{name} at {x}");
            }
        }
    }

    /// The promised accuracy, against the formulas in f64: values and (to 2e-6, since 1 - s cancels where s is near 1) derivatives.
    #[test]
    fn are_accurate() {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let phi = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
        let c = (2.0 / std::f64::consts::PI).sqrt();
        let tanh = |x: f64| libm::tanh(c * (x + 0.044_715 * x * x * x));
        let slope = |x: f64| c * (1.0 + 3.0 * 0.044_715 * x * x);
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        for i in -120_000..=120_000 {
            let x = i as f32 / 10_000.0;
            let exact = f64::from(x);
            let cases: [(&str, Forward, Backward, f64, f64); 3] = [
                ("gelu", gelu, gelu_back, exact * phi(exact), phi(exact) + exact * density(exact)),
                (
                    "gelu_new",
                    gelu_new,
                    gelu_new_back,
                    0.5 * exact * (1.0 + tanh(exact)),
                    0.5 * (1.0 + tanh(exact))
                        + 0.5 * exact * (1.0 - tanh(exact).powi(2)) * slope(exact),
                ),
                (
                    "silu",
                    silu,
                    silu_back,
                    exact * logistic(exact),
                    logistic(exact) * (1.0 + exact * (1.0 - logistic(exact))),
                ),
            ];
            for (name, forward, backward, value, derivative) in cases {
                let (mut y, mut dx) = ([0.0], [0.0]);
                forward(&[x], &mut y);
                backward(&[x], &[1.0], &mut dx);
                let off = (f64::from(y[0]) - value).abs() / exact.abs().max(1.0);
                assert!(off < 4e-7, "{name} at {x}: {off}");
                let off = (f64::from(dx[0]) - derivative).abs();
                assert!(off < 2e-6, "{name}' at {x}: {off}");
            }
        }
    }

    /// What lies far outside stays what it is in the limit, and NaN stays NaN.
    #[test]
    fn at_their_ends() {
        let all: [Forward; 3] = [gelu, gelu_new, silu];
        for f in all {
            let mut y = [9.0; 5];
            f(&[0.0, 40.0, -200.0, f32::INFINITY, f32::NAN], &mut y);
            assert_eq!(y[..4], [0.0, 40.0, 0.0, f32::INFINITY]);
            assert!(y[4].is_nan());
        }
    }
}
