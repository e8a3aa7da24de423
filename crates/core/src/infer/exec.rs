//! Computes one node of an inference run.

use crate::error::{Result, zeros};
use crate::infer::linear::{Input, Products, add_bias};
use crate::infer::plan::{Plan, Work};
use crate::infer::rows::{by_rows, rotate};
use crate::infer::session::Session;
use crate::ops::rotary::Angles;
use crate::ops::{self, norm};
use crate::program::compile::Program;
use crate::program::plan::heads_of;
use crate::program::spec::{ActQuant, NodeSpec};
use tritlens_kernels::{self as kernels, NormRows, softmax_rows};

/// Memory that nodes share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) products: Products,
    /// Last rows of inputs that have one a position.
    gathered: [Vec<f32>; 2],
    /// Angles of a run without a session.
    pub(super) angles: Vec<Angles>,
}

/// A run at one moment.
pub(super) struct Exec<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a Plan,
    /// Tokens `[batch, seq]`.
    pub(super) tokens: &'a [u32],
    /// Positions that came before.
    pub(super) past: usize,
}

/// An arena around the place that is being written.
struct Around<'a> {
    low: &'a [f32],
    high: &'a [f32],
    /// Where `high` begins.
    high_at: usize,
}

impl Around<'_> {
    fn get(&self, offset: usize, len: usize) -> &[f32] {
        if offset >= self.high_at {
            &self.high[offset - self.high_at..][..len]
        } else {
            &self.low[offset..offset + len]
        }
    }
}

impl Exec<'_> {
    /// Positions that attention sees.
    pub(super) fn keys(&self) -> usize {
        self.past + self.plan.sizes.seq
    }

    /// Where node `i` lies now.
    pub(super) fn range(&self, i: usize) -> std::ops::Range<usize> {
        let root = self.plan.root(i);
        let at = self.plan.slots[root].offset;
        at..at + self.plan.len(self.program, root, self.keys())
    }

    /// Computes node `i`, when there is something to do.
    ///
    /// # Errors
    /// `E_MEMORY` when buffers do not fit.
    pub(super) fn run(
        &self,
        i: usize,
        arena: &mut [f32],
        session: Option<&mut Session>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let work = self.plan.slots[i].work;
        if matches!(work, Work::Skip | Work::Alias(_)) {
            return Ok(());
        }
        let range = self.range(i);
        let (low, rest) = arena.split_at_mut(range.start);
        let (y, high) = rest.split_at_mut(range.len());
        let around = Around { low, high, high_at: range.end };
        let mut gathered = std::mem::take(&mut scratch.gathered);
        let node = Node { exec: self, i, around: &around };
        let result =
            node.gather(&mut gathered).and_then(|()| node.compute(&gathered, session, scratch, y));
        scratch.gathered = gathered;
        result
    }
}

/// One node with what it reads.
pub(super) struct Node<'a> {
    pub(super) exec: &'a Exec<'a>,
    pub(super) i: usize,
    around: &'a Around<'a>,
}

impl Node<'_> {
    pub(super) fn program(&self) -> &Program {
        self.exec.program
    }

    pub(super) fn whole(&self, k: usize) -> &[f32] {
        let range = self.exec.range(k);
        self.around.get(range.start, range.len())
    }

    /// Whether this node has one row an example and input `k` one a position.
    fn narrows(&self, k: usize) -> bool {
        let slots = &self.exec.plan.slots;
        slots[self.i].last && !slots[k].last && heads_of(self.program(), k).is_none()
    }

    /// Collects the last rows of inputs that have too many; those of a single example lie together already.
    fn gather(&self, into: &mut [Vec<f32>; 2]) -> Result<()> {
        let batch = self.exec.plan.sizes.batch;
        let node = &self.program().spec.nodes[self.i];
        // Attention finds its queries itself.
        let attention = matches!(node, NodeSpec::Scores { .. } | NodeSpec::Mix { .. });
        let inputs = if attention { &[] } else { node.inputs() };
        for (&k, into) in inputs.iter().zip(into) {
            if batch == 1 || !self.narrows(k) {
                continue;
            }
            let cols = self.program().cols[k];
            *into = zeros(batch * cols)?;
            let examples = self.whole(k).chunks_exact(self.exec.plan.sizes.seq * cols);
            for (x, to) in examples.zip(into.chunks_exact_mut(cols)) {
                to.copy_from_slice(&x[x.len() - cols..]);
            }
        }
        Ok(())
    }

    /// Rows of input `j`: as many as this node has.
    pub(super) fn input<'b>(&'b self, j: usize, gathered: &'b [Vec<f32>; 2]) -> &'b [f32] {
        let k = self.program().spec.nodes[self.i].inputs()[j];
        let whole = self.whole(k);
        if !self.narrows(k) {
            return whole;
        }
        if self.exec.plan.sizes.batch == 1 {
            return &whole[whole.len() - self.program().cols[k]..];
        }
        &gathered[j]
    }

    fn weight(&self, p: usize) -> &[f32] {
        self.program().params.effective(p)
    }

    fn vector(&self, p: Option<usize>) -> Option<&[f32]> {
        p.map(|p| self.weight(p))
    }

    /// Position of row `r`.
    fn position(&self, r: usize) -> usize {
        let (plan, past) = (self.exec.plan, self.exec.past);
        let seq = plan.sizes.seq;
        past + if plan.slots[self.i].last { seq - 1 } else { r % seq }
    }

    fn token(&self, r: usize) -> usize {
        let plan = self.exec.plan;
        let at = if plan.slots[self.i].last { (r + 1) * plan.sizes.seq - 1 } else { r };
        self.exec.tokens[at] as usize
    }

    fn layer_input<'b>(&'b self, gathered: &'b [Vec<f32>; 2]) -> Input<'b> {
        let k = self.program().spec.nodes[self.i].inputs()[0];
        let x = self.input(0, gathered);
        // Last rows are another input than all of them.
        let node = if self.narrows(k) { usize::MAX - self.i } else { self.exec.plan.root(k) };
        Input { node, x, cols: self.program().cols[k] }
    }

    fn norm(&self, x: usize, heads: usize, center: bool, [eps, floor]: [f32; 2]) -> NormRows {
        NormRows { cols: self.program().cols[x] / heads, center, eps, floor }
    }

    #[allow(clippy::too_many_lines, reason = "one arm an operation")]
    fn compute(
        &self,
        g: &[Vec<f32>; 2],
        session: Option<&mut Session>,
        scratch: &mut Scratch,
        y: &mut [f32],
    ) -> Result<()> {
        let program = self.program();
        let cols = program.cols[self.i];
        match program.spec.nodes[self.i] {
            NodeSpec::Embed { w } => return self.look_up(w, |r| self.token(r), y),
            NodeSpec::Pos { w } => return self.look_up(w, |r| self.position(r), y),
            NodeSpec::Add { .. } => {
                let (a, b) = (self.input(0, g), self.input(1, g));
                by_rows(y, cols, |first, y| {
                    let at = first * cols..first * cols + y.len();
                    ops::residual::add(&a[at.clone()], &b[at], y);
                });
            }
            NodeSpec::NormScale { input: [x], center, eps, floor, heads } => {
                let (n, x) = (self.norm(x, heads, center, [eps, floor]), self.input(0, g));
                let width = n.cols * heads;
                by_rows(y, heads, |first, y| {
                    let rows = y.len() / heads;
                    kernels::norm_scale(&x[first * width..][..rows * width], n, y);
                });
            }
            NodeSpec::NormApply { input: [x, _], center, w, b, heads } => {
                let n = self.norm(x, heads, center, [0.0; 2]);
                let (x, s) = (self.input(0, g), self.input(1, g));
                let (w, b) = (self.vector(w), self.vector(b));
                by_rows(y, cols, |first, y| {
                    let rows = y.len() / cols;
                    let (x, s) =
                        (&x[first * cols..][..y.len()], &s[first * heads..][..rows * heads]);
                    kernels::norm_apply(x, s, w, b, n, y);
                });
            }
            NodeSpec::Gain { w, .. } => {
                let (x, w) = (self.input(0, g), self.weight(w));
                by_rows(y, cols, |first, y| {
                    norm::gain_forward(&x[first * cols..][..y.len()], w, y);
                });
            }
            NodeSpec::Linear { w, b, act_quant, .. } => {
                let (input, int8) = (self.layer_input(g), act_quant == ActQuant::Int8);
                scratch.products.forward(&program.params, w, int8, input, y)?;
                add_bias(y, self.vector(b));
            }
            NodeSpec::Copy { .. } | NodeSpec::Last { .. } => y.copy_from_slice(self.input(0, g)),
            NodeSpec::Codes { .. } => return scratch.products.codes(self.layer_input(g), y),
            NodeSpec::CodeScale { .. } => return scratch.products.scales(self.layer_input(g), y),
            NodeSpec::Acc { w, .. } => {
                return scratch.products.sums(&program.params, w, self.layer_input(g), y);
            }
            NodeSpec::Rotary { heads, adjacent, .. } => {
                let angles = session.map_or(&scratch.angles[..], |s| s.angles());
                self.rotate(heads, adjacent, angles, self.input(0, g), y);
            }
            NodeSpec::Scores { .. } | NodeSpec::Mix { .. } => return self.attention(session, g, y),
            NodeSpec::Softmax { .. } => {
                let (x, keys) = (self.input(0, g), self.exec.keys());
                by_rows(y, keys, |first, y| {
                    softmax_rows(&x[first * keys..][..y.len()], keys, y);
                });
            }
            NodeSpec::Act { f, .. } => {
                let x = self.input(0, g);
                by_rows(y, cols, |first, y| {
                    ops::activation::forward(f, &x[first * cols..][..y.len()], y);
                });
            }
            NodeSpec::Glu { f, b, .. } => {
                let (gate, up, b) = (self.input(0, g), self.input(1, g), self.vector(b));
                by_rows(y, cols, |first, y| {
                    let at = first * cols..first * cols + y.len();
                    ops::activation::glu_forward(f, &gate[at.clone()], &up[at], b, y);
                });
            }
        }
        Ok(())
    }

    fn look_up(&self, w: usize, id: impl Fn(usize) -> usize, y: &mut [f32]) -> Result<()> {
        let cols = self.program().cols[self.i];
        for (r, y) in y.chunks_exact_mut(cols).enumerate() {
            match self.program().params.stored(w) {
                Some(table) => table.rows_into(id(r), 1, y)?,
                None => y.copy_from_slice(&self.weight(w)[id(r) * cols..][..cols]),
            }
        }
        Ok(())
    }

    fn rotate(&self, heads: usize, adjacent: bool, angles: &[Angles], x: &[f32], y: &mut [f32]) {
        let cols = self.program().cols[self.i];
        let Some(turn) = self.program().spec.nodes[self.i].turn() else { return };
        let Some(angles) = angles.iter().find(|a| a.is_of(&turn)) else { return };
        by_rows(y, cols, |first, y| {
            for (r, y) in y.chunks_exact_mut(cols).enumerate() {
                let x = &x[(first + r) * cols..][..cols];
                rotate(x, y, cols / heads, angles, self.position(first + r), adjacent);
            }
        });
    }
}
