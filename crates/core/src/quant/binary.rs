//! Binary quantisers: one sign a weight.

use super::{mean, mean_abs};

/// Li 2024, binary mode: sign(W - mean W) without a scale; an entry equal to the mean gives 0. Returns 1.
pub fn li(w: &[f32], codes: &mut [i8], effective: &mut [f32]) -> f32 {
    tritlens_kernels::quantize_binary(w, mean(w), 1.0, true, codes, effective);
    1.0
}

/// `BitNet` (arXiv 2310.11453, eq. 1 to 3): beta sign(W - alpha) with sign(0) = -1; returns beta = mean abs W.
pub fn bitnet(w: &[f32], codes: &mut [i8], effective: &mut [f32]) -> f32 {
    let beta = mean_abs(w, 0.0);
    tritlens_kernels::quantize_binary(w, mean(w), beta, false, codes, effective);
    beta
}
