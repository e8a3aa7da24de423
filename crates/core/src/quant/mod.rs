//! Weight quantisers for training: a latent f32 matrix gives codes in {-1, 0, 1} and one scale; the product uses scale times code; the
//! gradient goes straight through (Bengio et al. 2013). Each quantiser is one row of the table in [`Quant`].
//!
//! Notation: W latent weights, G the loss gradient with respect to the matrix the product used, m the number of entries.

pub mod binary;
pub mod ternary;

use serde::{Deserialize, Serialize};

/// A weight quantiser.
///
/// | name | forward | gradient of W | source |
/// |---|---|---|---|
/// | `none` | W | G | |
/// | `li_binary` | sign(W - mean W), 0 where equal | G - mean G | Li 2024 (arXiv 2405.17703), released code |
/// | `binary` | beta sign(W - alpha), beta = mean abs W, alpha = mean W | G (alpha, beta held constant) | BitNet, arXiv 2310.11453, eq. 1 to 3 |
/// | `li_ternary` | g clamp(round(V / g), -1, 1), V = W - mean W, g = max(mean abs V, 1e-5) | G - mean G (g held constant) | Li 2024, released code |
/// | `ternary` | g clamp(round(W / g), -1, 1), g = max(mean abs W, 1e-5) | G (g held constant) | BitNet b1.58, arXiv 2402.17764, eq. 1 to 3 |
///
/// `round` is half to even. Means are taken over the whole matrix, summed in f64 in a fixed order, so that codes are equal on every backend.
/// Not for embeddings, norms or the unembedding, which these papers keep in full precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quant {
    /// Full precision.
    #[default]
    None,
    /// Binary without scale, centred (Li).
    LiBinary,
    /// Binary with scale beta (BitNet).
    Binary,
    /// Ternary, centred (Li).
    LiTernary,
    /// Ternary absmean (b1.58).
    Ternary,
}

impl Quant {
    /// Every quantiser, in the order of the table.
    pub const ALL: [Self; 5] =
        [Self::None, Self::LiBinary, Self::Binary, Self::LiTernary, Self::Ternary];

    /// The name used in Specs and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::LiBinary => "li_binary",
            Self::Binary => "binary",
            Self::LiTernary => "li_ternary",
            Self::Ternary => "ternary",
        }
    }

    /// The quantiser of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|q| q.name() == name)
    }

    /// Quantises `w` into `codes` and `effective` (= scale x code); returns the scale. All three have the same length.
    /// For [`Quant::None`] the codes are zero, the effective weights are `w` and the scale is 1.
    pub fn forward(self, w: &[f32], codes: &mut [i8], effective: &mut [f32]) -> f32 {
        match self {
            Self::None => {
                codes.fill(0);
                effective.copy_from_slice(w);
                1.0
            }
            Self::LiBinary => binary::li(w, codes, effective),
            Self::Binary => binary::bitnet(w, codes, effective),
            Self::LiTernary => ternary::li(w, codes, effective),
            Self::Ternary => ternary::absmean(w, codes, effective),
        }
    }

    /// Turns the gradient of the effective matrix into that of the latent one, in place.
    pub fn backward(self, grad: &mut [f32]) {
        match self {
            Self::None | Self::Binary | Self::Ternary => {}
            Self::LiBinary | Self::LiTernary => centre(grad),
        }
    }
}

/// The derivative of W - mean W: subtracts the mean of the gradient.
fn centre(grad: &mut [f32]) {
    let mean = mean(grad);
    for g in grad {
        *g -= mean;
    }
}

/// Mean, summed in f64 in the kernels' fixed order.
pub(crate) fn mean(x: &[f32]) -> f32 {
    if x.is_empty() { 0.0 } else { (tritlens_kernels::sum(x) / x.len() as f64) as f32 }
}

/// Mean of absolute values, at least `floor`.
pub(crate) fn mean_abs(x: &[f32], floor: f32) -> f32 {
    let mean =
        if x.is_empty() { 0.0 } else { (tritlens_kernels::sum_abs(x) / x.len() as f64) as f32 };
    // NaN must stay visible, so this is not a max.
    if mean < floor { floor } else { mean }
}
