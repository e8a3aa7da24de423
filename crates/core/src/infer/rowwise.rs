//! Nodes whose rows do not depend on each other: everything but attention.

use crate::error::Result;
use crate::infer::linear::{Input, Products, add_bias};
use crate::infer::rows::{by_rows, rotate};
use crate::ops::rotary::Angles;
use crate::ops::{self, norm};
use crate::program::compile::Program;
use crate::program::spec::{ActQuant, NodeSpec};
use tritlens_kernels::{self as kernels, NormRows, softmax_rows};

/// What a row is asked for.
type OfRow<'a> = &'a (dyn Fn(usize) -> usize + Sync);

/// Some rows of a node, with what they are computed from.
pub(super) struct RowNode<'a> {
    pub(super) program: &'a Program,
    pub(super) i: usize,
    /// The same rows of its inputs.
    pub(super) x: [&'a [f32]; 2],
    /// Tells its first input from others: products that read the same one share its codes.
    pub(super) source: usize,
    /// Token of a row.
    pub(super) token: OfRow<'a>,
    /// Position of a row.
    pub(super) position: OfRow<'a>,
    /// Positions that attention sees.
    pub(super) keys: usize,
}

impl RowNode<'_> {
    fn weight(&self, p: usize) -> &[f32] {
        self.program.params.effective(p)
    }

    fn vector(&self, p: Option<usize>) -> Option<&[f32]> {
        p.map(|p| self.weight(p))
    }

    /// The input of a product.
    fn layer(&self) -> Input<'_> {
        let k = self.program.spec.nodes[self.i].inputs()[0];
        Input { node: self.source, x: self.x[0], cols: self.program.cols[k] }
    }

    fn norm(&self, x: usize, heads: usize, center: bool, [eps, floor]: [f32; 2]) -> NormRows {
        NormRows { cols: self.program.cols[x] / heads, center, eps, floor }
    }

    /// Computes the rows. Attention does nothing here.
    ///
    /// # Errors
    /// `E_MEMORY` when buffers do not fit.
    #[allow(clippy::too_many_lines, reason = "one arm an operation")]
    pub(super) fn compute(
        &self,
        products: &mut Products,
        angles: &[Angles],
        y: &mut [f32],
    ) -> Result<()> {
        let program = self.program;
        let (cols, [a, b]) = (program.cols[self.i], self.x);
        match program.spec.nodes[self.i] {
            NodeSpec::Embed { w } => return self.look_up(w, self.token, y),
            NodeSpec::Pos { w } => return self.look_up(w, self.position, y),
            NodeSpec::Add { .. } => by_rows(y, cols, |first, y| {
                let at = first * cols..first * cols + y.len();
                ops::residual::add(&a[at.clone()], &b[at], y);
            }),
            NodeSpec::NormScale { input: [x], center, eps, floor, heads } => {
                let n = self.norm(x, heads, center, [eps, floor]);
                let width = n.cols * heads;
                by_rows(y, heads, |first, y| {
                    let rows = y.len() / heads;
                    kernels::norm_scale(&a[first * width..][..rows * width], n, y);
                });
            }
            NodeSpec::NormApply { input: [x, _], center, w, b: bias, heads } => {
                let n = self.norm(x, heads, center, [0.0; 2]);
                let (w, bias) = (self.vector(w), self.vector(bias));
                by_rows(y, cols, |first, y| {
                    let rows = y.len() / cols;
                    let (x, s) =
                        (&a[first * cols..][..y.len()], &b[first * heads..][..rows * heads]);
                    kernels::norm_apply(x, s, w, bias, n, y);
                });
            }
            NodeSpec::Gain { w, .. } => {
                let w = self.weight(w);
                by_rows(y, cols, |first, y| {
                    norm::gain_forward(&a[first * cols..][..y.len()], w, y);
                });
            }
            NodeSpec::Linear { w, b, act_quant, .. } => {
                let int8 = act_quant == ActQuant::Int8;
                products.forward(&program.params, w, int8, self.layer(), y)?;
                add_bias(y, self.vector(b));
            }
            NodeSpec::Copy { .. } | NodeSpec::Last { .. } => y.copy_from_slice(a),
            NodeSpec::Codes { .. } => return products.codes(self.layer(), y),
            NodeSpec::CodeScale { .. } => return products.scales(self.layer(), y),
            NodeSpec::Acc { w, .. } => {
                return products.sums(&program.params, w, self.layer(), y);
            }
            NodeSpec::Rotary { heads, adjacent, .. } => self.rotate(heads, adjacent, angles, y),
            NodeSpec::Softmax { .. } => by_rows(y, self.keys, |first, y| {
                softmax_rows(&a[first * self.keys..][..y.len()], self.keys, y);
            }),
            NodeSpec::Act { f, .. } => by_rows(y, cols, |first, y| {
                ops::activation::forward(f, &a[first * cols..][..y.len()], y);
            }),
            NodeSpec::Glu { f, b: bias, .. } => {
                let bias = self.vector(bias);
                by_rows(y, cols, |first, y| {
                    let at = first * cols..first * cols + y.len();
                    ops::activation::glu_forward(f, &a[at.clone()], &b[at], bias, y);
                });
            }
            NodeSpec::Scores { .. } | NodeSpec::Mix { .. } => {}
        }
        Ok(())
    }

    fn look_up(&self, w: usize, id: OfRow<'_>, y: &mut [f32]) -> Result<()> {
        let cols = self.program.cols[self.i];
        for (r, y) in y.chunks_exact_mut(cols).enumerate() {
            match self.program.params.stored(w) {
                Some(table) => table.rows_into(id(r), 1, y)?,
                None => y.copy_from_slice(&self.weight(w)[id(r) * cols..][..cols]),
            }
        }
        Ok(())
    }

    fn rotate(&self, heads: usize, adjacent: bool, angles: &[Angles], y: &mut [f32]) {
        let (cols, x) = (self.program.cols[self.i], self.x[0]);
        let Some(turn) = self.program.spec.nodes[self.i].turn() else { return };
        let Some(angles) = angles.iter().find(|a| a.is_of(&turn)) else { return };
        by_rows(y, cols, |first, y| {
            for (r, y) in y.chunks_exact_mut(cols).enumerate() {
                let x = &x[(first + r) * cols..][..cols];
                rotate(x, y, cols / heads, angles, (self.position)(first + r), adjacent);
            }
        });
    }
}
