//! The Spec: a typed graph that TypeScript builds from a model's configuration. `read` makes it from JSON; nothing is computed here.

use std::sync::Arc;

use crate::ops::rotary::Turn;
use crate::quant::Quant;

/// A whole model as data. Node inputs are indices of earlier nodes, `w` and `b` are indices of parameters.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Number of token ids.
    pub vocab: usize,
    /// Longest sequence.
    pub ctx: usize,
    /// Parameters in the order of the flat vector.
    pub params: Vec<ParamSpec>,
    /// Nodes in execution order.
    pub nodes: Vec<NodeSpec>,
    /// Named activations; several may name one node, they fire in this order.
    pub sites: Vec<SiteSpec>,
    /// The node whose output is the program's.
    pub output: usize,
}

/// One parameter tensor.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// Name, unique in the Spec.
    pub name: String,
    /// Shape; matrices of linear layers are `[out, in]`.
    pub shape: Vec<usize>,
    /// How `init` fills it.
    pub init: Init,
    /// Quantiser of the forward pass.
    pub quant: Quant,
    /// A matrix of a checkpoint, filled later and never trained (`crate::stored`): no latent values.
    pub stored: bool,
}

/// Initial values.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Uniform in [-bound, bound).
    Uniform {
        /// Half the width.
        bound: f64,
    },
    /// One value everywhere.
    Constant {
        /// The value.
        value: f64,
    },
}

/// One named activation.
#[derive(Debug, Clone)]
pub struct SiteSpec {
    /// Name as users write it.
    pub name: String,
    /// Index of the node.
    pub node: usize,
    /// Shape with `batch` and `seq` as placeholders.
    pub shape: Vec<Dim>,
}

/// One axis of a site.
#[derive(Debug, Clone)]
pub enum Dim {
    /// A fixed size.
    Size(usize),
    /// `batch`, `seq` or `keys` (`seq` and the positions cached before).
    Name(String),
}

/// Elementwise function of an [`NodeSpec::Act`] or [`NodeSpec::Glu`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActFn {
    /// max(x, 0).
    Relu,
    /// max(x, 0) squared (`BitNet` b1.58 2B4T).
    Relu2,
    /// x Phi(x), with erf.
    Gelu,
    /// The tanh approximation of GPT-2.
    GeluNew,
    /// x sigmoid(x).
    Silu,
}

/// Activation quantiser in front of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActQuant {
    /// f32 activations.
    #[default]
    None,
    /// int8 per token, absmax (b1.58), straight-through.
    Int8,
}

/// One node; every node has exactly one output. Rows are positions unless said otherwise.
#[derive(Debug, Clone)]
pub enum NodeSpec {
    /// Rows of `w` `[vocab, d]` chosen by token.
    Embed {
        /// Parameter.
        w: usize,
    },
    /// Rows of `w` `[ctx, d]` chosen by position.
    Pos {
        /// Parameter.
        w: usize,
    },
    /// a + b.
    Add {
        /// The two summands.
        input: [usize; 2],
    },
    /// max(sqrt(mean(x^2) + eps), floor) of the (centred) row: `[rows, 1]`.
    NormScale {
        /// x.
        input: [usize; 1],
        /// Subtract the row's mean first (`LayerNorm`).
        center: bool,
        /// Added under the root.
        eps: f32,
        /// Smallest scale.
        floor: f32,
        /// Vectors side by side in a row, each with a scale of its own.
        heads: usize,
    },
    /// (centred) x / s * w + b.
    NormApply {
        /// x and s.
        input: [usize; 2],
        /// Subtract the row's mean first.
        center: bool,
        /// Gain.
        w: Option<usize>,
        /// Bias.
        b: Option<usize>,
        /// Vectors side by side in a row.
        heads: usize,
    },
    /// x * w, column by column: the gain of `RMSNorm`, on its own because `TransformerLens` shows the value before it.
    Gain {
        /// x.
        input: [usize; 1],
        /// Gain.
        w: usize,
        /// Vectors side by side in a row, each multiplied with the same gain.
        heads: usize,
    },
    /// The same values under another name: what hooks change for one reader alone.
    Copy {
        /// x.
        input: [usize; 1],
    },
    /// int8 codes of x, as numbers. A tap: nothing reads it.
    Codes {
        /// x.
        input: [usize; 1],
    },
    /// Scale of these codes: `[rows, 1]`. A tap.
    CodeScale {
        /// x.
        input: [usize; 1],
    },
    /// Integer sums of the codes of x and those of w. A tap.
    Acc {
        /// x.
        input: [usize; 1],
        /// Weight.
        w: usize,
    },
    /// x W^T + b with W `[out, in]`.
    Linear {
        /// x.
        input: [usize; 1],
        /// Weight.
        w: usize,
        /// Bias.
        b: Option<usize>,
        /// Quantiser of x.
        act_quant: ActQuant,
    },
    /// Rotary position embedding of the first `dim` entries of each head.
    Rotary {
        /// x.
        input: [usize; 1],
        /// Heads in a row.
        heads: usize,
        /// Rotated entries a head.
        dim: usize,
        /// Base of the frequencies.
        base: f32,
        /// Pairs are (0,1),(2,3).. instead of (0,dim/2)..
        adjacent: bool,
        /// Frequencies `[dim / 2]` instead of those of `base`; empty for those.
        freqs: Arc<[f32]>,
        /// Factor of cosine and sine.
        scale: f32,
    },
    /// scale q.k: `[batch, heads, query, key]`; masked entries are -inf.
    Scores {
        /// q and k.
        input: [usize; 2],
        /// Query heads.
        heads: usize,
        /// Key heads; `heads` is a multiple.
        kv_heads: usize,
        /// Factor.
        scale: f32,
        /// Mask keys after the query.
        causal: bool,
    },
    /// Softmax over keys.
    Softmax {
        /// Scores.
        input: [usize; 1],
    },
    /// Pattern times values: rows of heads x `d_head`.
    Mix {
        /// Pattern and v.
        input: [usize; 2],
        /// Query heads.
        heads: usize,
        /// Value heads.
        kv_heads: usize,
    },
    /// Elementwise function.
    Act {
        /// x.
        input: [usize; 1],
        /// The function.
        f: ActFn,
    },
    /// fn(gate) * up + b.
    Glu {
        /// gate and up.
        input: [usize; 2],
        /// The function.
        f: ActFn,
        /// Bias.
        b: Option<usize>,
    },
    /// The last position of each sequence: `[batch, cols]`.
    Last {
        /// x.
        input: [usize; 1],
    },
}

impl NodeSpec {
    /// Input nodes.
    pub fn inputs(&self) -> &[usize] {
        match self {
            Self::Embed { .. } | Self::Pos { .. } => &[],
            Self::NormScale { input, .. }
            | Self::Gain { input, .. }
            | Self::Linear { input, .. }
            | Self::Rotary { input, .. }
            | Self::Copy { input }
            | Self::Codes { input }
            | Self::CodeScale { input }
            | Self::Acc { input, .. }
            | Self::Softmax { input }
            | Self::Act { input, .. }
            | Self::Last { input } => input,
            Self::Add { input }
            | Self::NormApply { input, .. }
            | Self::Scores { input, .. }
            | Self::Mix { input, .. }
            | Self::Glu { input, .. } => input,
        }
    }

    /// Weight and bias parameters.
    pub fn params(&self) -> [Option<usize>; 2] {
        match *self {
            Self::Embed { w } | Self::Pos { w } | Self::Gain { w, .. } | Self::Acc { w, .. } => {
                [Some(w), None]
            }
            Self::NormApply { w, b, .. } => [w, b],
            Self::Linear { w, b, .. } => [Some(w), b],
            Self::Glu { b, .. } => [None, b],
            _ => [None, None],
        }
    }

    /// Whether nothing but a listener ever looks at it.
    pub fn is_tap(&self) -> bool {
        matches!(self, Self::Codes { .. } | Self::CodeScale { .. } | Self::Acc { .. })
    }

    /// How a rotary node turns.
    pub fn turn(&self) -> Option<Turn> {
        let Self::Rotary { dim, base, ref freqs, scale, .. } = *self else { return None };
        Some(Turn { dim, base, freqs: Arc::clone(freqs), scale })
    }
}
