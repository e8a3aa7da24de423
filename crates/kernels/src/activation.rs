//! Smooth activations, forward and derivative. Scalar: their cost is far below the matrix products around them.
//!
//! Every `*_back` accumulates `dx += dy f'(x)`.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use crate::math::exp_f32;

/// sqrt(2 / pi) and the cubic coefficient of the tanh approximation (D. Hendrycks and K. Gimpel, arXiv 1606.08415).
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[track_caller]
fn map(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    assert!(x.len() == y.len(), "x has {} elements, expected {}", x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

#[track_caller]
fn map_back(x: &[f32], dy: &[f32], dx: &mut [f32], derivative: impl Fn(f32) -> f32) {
    assert!(x.len() == dx.len(), "x has {} elements, expected {}", x.len(), dx.len());
    assert!(dy.len() == dx.len(), "dy has {} elements, expected {}", dy.len(), dx.len());
    for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
        *dx += dy * derivative(x);
    }
}

/// y = x Phi(x) with the exact normal distribution function (`PyTorch`'s `gelu`).
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn gelu(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2)));
}

/// dx += dy (Phi(x) + x phi(x)).
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn gelu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let density = exp_f32(-0.5 * x * x) / (2.0 * PI).sqrt();
        0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2)) + x * density
    });
}

/// y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), GPT-2's `gelu_new`.
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn gelu_new(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| 0.5 * x * (1.0 + libm::tanhf(SQRT_2_OVER_PI * (x + CUBIC * x * x * x))));
}

/// dx += dy times the derivative of [`gelu_new`].
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn gelu_new_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let tanh = libm::tanhf(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope
    });
}

/// y = x / (1 + e^-x).
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn silu(x: &[f32], y: &mut [f32]) {
    map(x, y, |x| x / (1.0 + exp_f32(-x)));
}

/// dx += dy sigmoid(x) (1 + x (1 - sigmoid(x))).
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn silu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map_back(x, dy, dx, |x| {
        let sigmoid = 1.0 / (1.0 + exp_f32(-x));
        sigmoid * (1.0 + x * (1.0 - sigmoid))
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

    #[test]
    fn known_values() {
        let mut y = [0.0; 1];
        gelu(&[1.0], &mut y);
        assert!((y[0] - 0.841_344_7).abs() < 1e-6);
        gelu_new(&[1.0], &mut y);
        assert!((y[0] - 0.841_192).abs() < 1e-6);
        silu(&[1.0], &mut y);
        assert!((y[0] - 0.731_058_6).abs() < 1e-6);
    }
}
