//! Runs one node of a plan, forward or backward, over a tile of examples.
//!
//! A node's output lies behind its inputs in the same arena, or its inputs lie in the shared arena; so one `split_at_mut` separates what is
//! read from what is written, and nothing here needs `unsafe`.

use crate::ops::{self, Rows, attention, linear, norm, rotary};
use crate::program::compile::Program;
use crate::program::params::Params;
use crate::program::plan::{Plan, Space};
use crate::program::scratch::Scratch;
use crate::program::spec::NodeSpec;
use crate::program::weights::quantised;
use tritlens_kernels::{self as kernels, NormRows};

/// The tokens a tile works on.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Number of examples.
    pub examples: usize,
    /// Tokens `[examples, seq]`.
    pub tokens: &'a [u32],
    /// Distinct row of each position `[examples, seq]`; empty in naive plans.
    pub index: &'a [u32],
}

/// The distinct (token, position) rows of a data set.
#[derive(Debug, Clone, Default)]
pub struct Distinct {
    /// Token of each row.
    pub tokens: Vec<u32>,
    /// Position of each row.
    pub positions: Vec<u32>,
}

/// Everything a node needs beside its arenas.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its layout.
    pub plan: &'a Plan,
    /// Parameters, refreshed.
    pub params: &'a Params,
    /// The tile.
    pub batch: Batch<'a>,
    /// Rows of the shared arena.
    pub distinct: &'a Distinct,
}

impl<'a> Exec<'a> {
    /// Range of node `i` in its arena for this tile.
    pub fn range(&self, i: usize) -> std::ops::Range<usize> {
        let start = self.plan.nodes[i].offset;
        start..start + self.plan.len_for(self.program, i, self.batch.examples)
    }

    fn space(&self, i: usize) -> Space {
        self.plan.nodes[i].space
    }

    fn rows(&self, i: usize) -> Rows<'a> {
        Rows { space: self.space(i), seq: self.plan.seq, index: self.batch.index }
    }

    pub(super) fn weight(&self, p: usize) -> &'a [f32] {
        self.params.effective(p)
    }

    pub(super) fn vector(&self, p: Option<usize>) -> Option<&'a [f32]> {
        p.map(|p| self.weight(p))
    }

    fn dims(&self, i: usize, x: usize) -> linear::Dims {
        linear::Dims {
            rows: self.plan.rows(self.space(i), self.batch.examples),
            input: self.program.cols[x],
            output: self.program.cols[i],
        }
    }

    fn norm(&self, x: usize, heads: usize, center: bool, [eps, floor]: [f32; 2]) -> NormRows {
        NormRows { cols: self.program.cols[x] / heads, center, eps, floor }
    }

    pub(super) fn heads(
        &self,
        i: usize,
        heads: usize,
        kv_heads: usize,
        vectors: usize,
    ) -> attention::Heads {
        attention::Heads {
            examples: self.batch.examples,
            seq: self.plan.seq,
            queries: self.plan.queries(self.space(i)),
            heads,
            kv_heads,
            head: self.program.cols[vectors] / kv_heads,
        }
    }

    /// Token and position of every row of node `i`.
    fn row_ids(&self, i: usize) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let (batch, seq, distinct) = (self.batch, self.plan.seq, self.distinct);
        let full = self.space(i) != Space::Distinct;
        let n = if full { batch.examples * seq } else { distinct.tokens.len() };
        (0..n).map(move |r| {
            if full {
                (batch.tokens[r] as usize, r % seq)
            } else {
                (distinct.tokens[r] as usize, distinct.positions[r] as usize)
            }
        })
    }

    /// Runs node `i` forward in the tile's arena (or, with the same slice layout, the shared one).
    pub fn forward(&self, i: usize, shared: &[f32], tile: &mut [f32], scratch: &mut Scratch) {
        let range = self.range(i);
        let (before, after) = tile.split_at_mut(range.start);
        let arenas = Arenas { exec: self, shared, tile: before };
        self.compute(i, &arenas, &mut after[..range.len()], scratch);
    }

    /// Runs node `i` of the shared arena forward.
    pub fn forward_shared(&self, i: usize, shared: &mut [f32], scratch: &mut Scratch) {
        let range = self.range(i);
        let (before, after) = shared.split_at_mut(range.start);
        let arenas = Arenas { exec: self, shared: before, tile: &[] };
        self.compute(i, &arenas, &mut after[..range.len()], scratch);
    }

    fn compute(&self, i: usize, acts: &Arenas<'_>, y: &mut [f32], scratch: &mut Scratch) {
        let node = &self.program.spec.nodes[i];
        let inputs = node.inputs();
        let cols = self.program.cols[i];
        match *node {
            NodeSpec::Embed { w } => self.look_up(w, self.row_ids(i).map(|r| r.0), y, scratch),
            NodeSpec::Pos { w } => self.look_up(w, self.row_ids(i).map(|r| r.1), y, scratch),
            NodeSpec::Add { input: [a, b] } => self.add(i, [a, b], acts, y),
            NodeSpec::NormScale { input: [x], center, eps, floor, heads } => {
                kernels::norm_scale(acts.get(x), self.norm(x, heads, center, [eps, floor]), y);
            }
            NodeSpec::NormApply { input: [x, s], center, w, b, heads } => {
                let (w, b) = (self.vector(w), self.vector(b));
                let n = self.norm(x, heads, center, [0.0; 2]);
                kernels::norm_apply(acts.get(x), acts.get(s), w, b, n, y);
            }
            NodeSpec::Gain { input: [x], w, .. } => {
                norm::gain_forward(acts.get(x), self.weight(w), y);
            }
            NodeSpec::Linear { input: [x], w, b, act_quant } => {
                self.linear(acts.get(x), w, b, act_quant, self.dims(i, x), scratch, y);
            }
            NodeSpec::Copy { input: [x] } => y.copy_from_slice(acts.get(x)),
            NodeSpec::Codes { input: [x] }
            | NodeSpec::CodeScale { input: [x] }
            | NodeSpec::Acc { input: [x], .. } => self.tap(i, acts.get(x), scratch, y),
            NodeSpec::Rotary { input: [x], .. } => {
                self.rotate(i, acts.get(x), 1.0, scratch, |j, v| y[j] = v);
            }
            NodeSpec::Scores { input: [q, key], heads, kv_heads, scale, causal } => {
                let d = self.heads(i, heads, kv_heads, key);
                let score = attention::Score { scale, causal };
                let (q, key) = ((acts.get(q), self.rows(q)), (acts.get(key), self.rows(key)));
                attention::scores_forward(d, score, q, key, y);
            }
            NodeSpec::Softmax { .. } => {
                kernels::softmax_rows(acts.get(inputs[0]), self.plan.seq, y);
            }
            NodeSpec::Mix { input: [p, v], heads, kv_heads } => {
                let d = self.heads(i, heads, kv_heads, v);
                attention::mix_forward(d, acts.get(p), (acts.get(v), self.rows(v)), y);
            }
            NodeSpec::Act { input: [x], f } => ops::activation::forward(f, acts.get(x), y),
            NodeSpec::Glu { input: [g, u], f, b } => {
                ops::activation::glu_forward(f, acts.get(g), acts.get(u), self.vector(b), y);
            }
            NodeSpec::Last { input: [x] } => {
                y.fill(0.0);
                let (rows, out) = (self.rows(x), self.space(i));
                ops::residual::gather_add(acts.get(x), rows, out, self.batch.examples, y, cols);
            }
        }
    }

    fn add(&self, i: usize, inputs: [usize; 2], acts: &Arenas<'_>, y: &mut [f32]) {
        let out = self.space(i);
        if inputs.iter().all(|&k| self.space(k) == out) {
            return ops::residual::add(acts.get(inputs[0]), acts.get(inputs[1]), y);
        }
        y.fill(0.0);
        let cols = self.program.cols[i];
        for k in inputs {
            let rows = self.rows(k);
            ops::residual::gather_add(acts.get(k), rows, out, self.batch.examples, y, cols);
        }
    }

    fn rotate(
        &self,
        i: usize,
        x: &[f32],
        sign: f32,
        scratch: &Scratch,
        write: impl FnMut(usize, f32),
    ) {
        let NodeSpec::Rotary { heads, adjacent, .. } = self.program.spec.nodes[i] else { return };
        let Some(angles) = scratch.angles(self.program, i) else { return };
        let head = self.program.cols[i] / heads;
        let op = rotary::Rotary { heads, head, angles, adjacent };
        op.rotate(x, self.row_ids(i).map(|r| r.1), sign, write);
    }

    /// As [`Exec::backward_input`], for the first contribution to a gradient: `dx` need not have been cleared.
    pub fn backward_input_first(
        &self,
        i: usize,
        k: usize,
        acts: &Arenas<'_>,
        dy: &[f32],
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        match self.program.spec.nodes[i] {
            NodeSpec::Linear { input: [x], w, .. } if self.params.stored(w).is_none() => {
                linear::backward_input(dy, self.weight(w), 0.0, dx, self.dims(i, x));
            }
            NodeSpec::Add { input } if self.space(i) == self.space(input[k]) => {
                dx.copy_from_slice(dy);
            }
            NodeSpec::Act { input: [x], f } => {
                ops::activation::backward_first(f, acts.get(x), dy, dx);
            }
            _ => {
                dx.fill(0.0);
                self.backward_input(i, k, acts, dy, dx, scratch);
            }
        }
    }

    /// Adds to the gradient of input `k` of node `i`. `dy` is the complete gradient of its output, `dx` the gradient of that input.
    pub fn backward_input(
        &self,
        i: usize,
        k: usize,
        acts: &Arenas<'_>,
        dy: &[f32],
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let node = &self.program.spec.nodes[i];
        let cols = self.program.cols[i];
        match *node {
            NodeSpec::Embed { .. }
            | NodeSpec::Pos { .. }
            | NodeSpec::Codes { .. }
            | NodeSpec::CodeScale { .. }
            | NodeSpec::Acc { .. } => {}
            NodeSpec::Add { input } => self.scatter(i, input[k], dy, dx, cols),
            NodeSpec::Last { input: [x] } => self.scatter(i, x, dy, dx, cols),
            NodeSpec::NormScale { input: [x], center, eps, floor, heads } => {
                kernels::norm_scale_back(
                    acts.get(x),
                    dy,
                    self.norm(x, heads, center, [eps, floor]),
                    dx,
                );
            }
            NodeSpec::NormApply { input: [x, s], center, w, heads, .. } => {
                let (n, w) = (self.norm(x, heads, center, [0.0; 2]), self.vector(w));
                if k == 0 {
                    kernels::norm_apply_back_x(acts.get(s), w, dy, n, dx);
                } else {
                    kernels::norm_apply_back_s(acts.get(x), acts.get(s), w, dy, n, dx);
                }
            }
            NodeSpec::Gain { w, .. } => norm::gain_backward_x(self.weight(w), dy, dx),
            NodeSpec::Linear { input: [x], w, .. } => {
                self.linear_back(w, dy, self.dims(i, x), scratch, dx);
            }
            NodeSpec::Copy { .. } => kernels::add(dy, dx),
            NodeSpec::Rotary { .. } => self.rotate(i, dy, -1.0, scratch, |j, v| dx[j] += v),
            NodeSpec::Scores { input: [q, key], heads, kv_heads, scale, causal } => {
                let d = self.heads(i, heads, kv_heads, key);
                let score = attention::Score { scale, causal };
                let (qr, kr) = (self.rows(q), self.rows(key));
                if k == 0 {
                    attention::scores_backward_q(d, score, qr, (acts.get(key), kr), dy, dx);
                } else {
                    attention::scores_backward_k(d, score, (acts.get(q), qr), kr, dy, dx);
                }
            }
            NodeSpec::Softmax { input: [s] } => {
                // Recomputed: the pattern itself may have been edited, the derivative is that of the softmax that was taken.
                let y = &mut scratch.pattern[..dy.len()];
                kernels::softmax_rows(acts.get(s), self.plan.seq, y);
                kernels::softmax_back_rows(y, dy, self.plan.seq, dx);
            }
            NodeSpec::Mix { input: [p, v], heads, kv_heads } => {
                let d = self.heads(i, heads, kv_heads, v);
                if k == 0 {
                    attention::mix_backward_pattern(d, (acts.get(v), self.rows(v)), dy, dx);
                } else {
                    attention::mix_backward_v(d, acts.get(p), self.rows(v), dy, dx);
                }
            }
            NodeSpec::Act { input: [x], f } => ops::activation::backward(f, acts.get(x), dy, dx),
            NodeSpec::Glu { input: [g, u], f, .. } => {
                if k == 0 {
                    ops::activation::glu_backward_gate(f, acts.get(g), acts.get(u), dy, dx);
                } else {
                    ops::activation::glu_backward_up(f, acts.get(g), dy, dx);
                }
            }
        }
    }

    fn scatter(&self, i: usize, input: usize, dy: &[f32], dx: &mut [f32], cols: usize) {
        let out = self.space(i);
        if self.space(input) == out {
            return kernels::add(dy, dx);
        }
        ops::residual::scatter_add(dy, self.rows(input), out, self.batch.examples, dx, cols);
    }

    /// Adds node `i`'s part to the gradient of the parameters (of the effective matrices, where quantised).
    pub fn backward_params(
        &self,
        i: usize,
        acts: &Arenas<'_>,
        dy: &[f32],
        grad: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let places = self.params.places();
        let cols = self.program.cols[i];
        match self.program.spec.nodes[i] {
            NodeSpec::Embed { w } | NodeSpec::Pos { w } if places[w].stored => {}
            NodeSpec::Embed { w } => {
                let dw = &mut grad[places[w].range()];
                ops::embed::backward(dy, self.row_ids(i).map(|r| r.0), dw, cols);
            }
            NodeSpec::Pos { w } => {
                let dw = &mut grad[places[w].range()];
                ops::embed::backward(dy, self.row_ids(i).map(|r| r.1), dw, cols);
            }
            NodeSpec::NormApply { input: [x, s], center, w, b, heads } => {
                if let Some(w) = w {
                    let dw = &mut grad[places[w].range()];
                    let n = self.norm(x, heads, center, [0.0; 2]);
                    kernels::norm_apply_back_w(acts.get(x), acts.get(s), dy, n, dw);
                }
                if let Some(b) = b {
                    linear::backward_bias(dy, &mut grad[places[b].range()]);
                }
            }
            NodeSpec::Gain { input: [x], w, .. } => {
                norm::gain_backward_w(acts.get(x), dy, &mut grad[places[w].range()]);
            }
            NodeSpec::Linear { input: [x], w, b, act_quant } => {
                if !places[w].stored {
                    let d = self.dims(i, x);
                    let value = quantised(acts.get(x), d.input, act_quant, scratch);
                    linear::backward_weight(dy, value, &mut grad[places[w].range()], d);
                }
                if let Some(b) = b {
                    linear::backward_bias(dy, &mut grad[places[b].range()]);
                }
            }
            NodeSpec::Glu { b: Some(b), .. } => {
                linear::backward_bias(dy, &mut grad[places[b].range()]);
            }
            _ => {}
        }
    }
}

/// The activations a node may read.
pub struct Arenas<'a> {
    /// Ranges and spaces.
    pub exec: &'a Exec<'a>,
    /// Shared arena.
    pub shared: &'a [f32],
    /// Tile arena (at least up to the node's inputs).
    pub tile: &'a [f32],
}

impl Arenas<'_> {
    /// Output of node `i`.
    pub fn get(&self, i: usize) -> &[f32] {
        let arena = if self.exec.plan.is_shared(i) { self.shared } else { self.tile };
        &arena[self.exec.range(i)]
    }
}
