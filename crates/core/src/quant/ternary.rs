//! Ternary quantisers: a trit a weight, by the mean of absolute values.

use super::{mean, mean_abs};

/// Smallest scale, as in the released code of both papers.
const FLOOR: f32 = 1e-5;

/// b1.58 (arXiv 2402.17764, eq. 1 to 3): absmean without centring; returns the scale.
pub fn absmean(w: &[f32], codes: &mut [i8], effective: &mut [f32]) -> f32 {
    let gamma = mean_abs(w, FLOOR);
    tritlens_kernels::quantize_ternary(w, 0.0, gamma, codes, effective);
    gamma
}

/// Li 2024, ternary mode: absmean of the centred weights; returns the scale.
pub fn li(w: &[f32], codes: &mut [i8], effective: &mut [f32]) -> f32 {
    let shift = mean(w);
    // `effective` doubles as room for V = W - mean W, whose mean absolute value is the scale.
    for (v, &x) in effective.iter_mut().zip(w) {
        *v = x - shift;
    }
    let gamma = mean_abs(effective, FLOOR);
    tritlens_kernels::quantize_ternary(w, shift, gamma, codes, effective);
    gamma
}
