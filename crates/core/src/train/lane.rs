//! One part of a step: its arenas and gradients, and the tiles of examples that run in it.

use crate::error::{Result, zeros};
use crate::program::Program;
use crate::program::exec::{Arenas, Batch, Distinct, Exec};
use crate::program::fold::{Attention, Role};
use crate::program::plan::Plan;
use crate::program::scratch::Scratch;
use crate::train::data::Data;

/// What a lane's numbers are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Nothing: they are of an earlier step.
    Nothing,
    /// Loss and hits.
    Loss,
    /// Loss and gradients.
    Gradient,
}

/// One part of a step: its own arenas and gradients.
pub(super) struct Lane {
    pub(super) tile: Vec<f32>,
    pub(super) tile_grad: Vec<f32>,
    pub(super) shared_grad: Vec<f32>,
    pub(super) param_grad: Vec<f32>,
    /// Attention patterns of the nodes that are computed in blocks.
    pub(super) patterns: Vec<f32>,
    pub(super) losses: Vec<f64>,
    pub(super) scratch: Scratch,
    /// Nodes whose gradient has a first contribution.
    pub(super) written: Vec<bool>,
    /// Sum of weighted losses and number of right answers (merged examples counted as often as they stand for).
    pub(super) loss: f64,
    pub(super) hits: f64,
    /// For steps whose lanes are computed apart (`trainer/shard.rs`).
    pub(super) holds: Holds,
}

impl Lane {
    pub(super) fn new(program: &Program, plan: &Plan, data: &Data, train: bool) -> Result<Self> {
        let params = if train { program.params.latent().len() } else { 0 };
        let (grads, shared) = if train { (plan.tile_len, plan.shared_len) } else { (0, 0) };
        Ok(Self {
            tile: zeros(plan.tile_len)?,
            tile_grad: zeros(grads)?,
            shared_grad: zeros(shared)?,
            param_grad: zeros(params)?,
            patterns: zeros(plan.patterns_len)?,
            losses: zeros(plan.examples * data.outputs())?,
            scratch: Scratch::new(program, plan)?,
            written: vec![false; plan.nodes.len()],
            loss: 0.0,
            hits: 0.0,
            holds: Holds::Nothing,
        })
    }

    pub(super) fn clear(&mut self) {
        self.shared_grad.fill(0.0);
        self.param_grad.fill(0.0);
        (self.loss, self.hits) = (0.0, 0.0);
        self.holds = Holds::Nothing;
    }
}

/// Examples `lo..hi` of a data set, to be run in a lane.
#[derive(Clone, Copy)]
pub(super) struct TileJob<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a Plan,
    pub(super) data: &'a Data,
    pub(super) distinct: &'a Distinct,
    pub(super) shared: &'a [f32],
    pub(super) lo: usize,
    pub(super) hi: usize,
}

impl<'a> TileJob<'a> {
    pub(super) fn exec(&self) -> Exec<'a> {
        let positions = self.lo * self.data.seq..self.hi * self.data.seq;
        let batch = Batch {
            examples: self.hi - self.lo,
            tokens: &self.data.tokens[positions.clone()],
            index: self.data.distinct_rows(positions),
        };
        Exec {
            program: self.program,
            plan: self.plan,
            params: &self.program.params,
            batch,
            distinct: self.distinct,
        }
    }

    pub(super) fn forward(&self, lane: &mut Lane) {
        let exec = self.exec();
        for i in (0..self.plan.nodes.len()).filter(|&i| !self.plan.is_shared(i)) {
            match self.plan.roles[i] {
                Role::Plain => exec.forward(i, self.shared, &mut lane.tile, &mut lane.scratch),
                Role::Folded(f) if f.expanded => {
                    exec.expand(i, self.shared, &mut lane.tile, &mut lane.scratch);
                }
                Role::Attention(a) => {
                    let Lane { tile, patterns, scratch, .. } = lane;
                    exec.attention_forward(i, a, tile, patterns, scratch);
                }
                Role::Folded(_) | Role::Skipped => {}
            }
        }
    }

    /// Adds the tile's weighted loss and hits; with `grad`, seeds the gradient of the logits.
    pub(super) fn loss(&self, lane: &mut Lane, grad: bool) {
        let exec = self.exec();
        let out = self.program.spec.output;
        let cols = self.program.cols[out];
        let range = exec.range(out);
        let outputs = self.data.outputs();
        let rows = self.lo * outputs..self.hi * outputs;
        let (targets, weights) = (&self.data.targets[rows.clone()], &self.data.weights[rows]);
        let losses = &mut lane.losses[..targets.len()];
        let dlogits = grad.then(|| &mut lane.tile_grad[range.clone()]);
        let logits = &lane.tile[range];
        tritlens_kernels::cross_entropy_rows(logits, cols, targets, weights, dlogits, losses);
        lane.loss += losses.iter().sum::<f64>();
        if !grad {
            lane.hits += self.count_hits(logits, cols, targets, outputs);
        }
    }

    /// Right answers (arg-max, first of equal ones), each merged example as often as it stands for.
    pub(super) fn count_hits(
        &self,
        logits: &[f32],
        cols: usize,
        targets: &[i32],
        outputs: usize,
    ) -> f64 {
        let mut hits = 0.0;
        for (r, (row, &target)) in logits.chunks_exact(cols).zip(targets).enumerate() {
            if target >= 0 && argmax(row) == target as usize {
                hits += f64::from(self.data.counts[self.lo + r / outputs]);
            }
        }
        hits
    }

    /// Differentiates the tile. A gradient's first contribution overwrites it, so nothing is cleared that is written anyway; a node that nobody
    /// contributed to does not lead to the loss and is left alone.
    pub(super) fn backward(&self, lane: &mut Lane) {
        let exec = self.exec();
        lane.written.fill(false);
        lane.written[self.program.spec.output] = true;
        for i in (0..self.plan.nodes.len()).rev() {
            if self.plan.is_shared(i) || !lane.written[i] {
                continue;
            }
            match self.plan.roles[i] {
                Role::Plain => self.backward_node(&exec, i, lane),
                Role::Folded(fold) => self.backward_fold(&exec, i, fold.mix, lane),
                Role::Attention(a) => Self::backward_attention(&exec, i, a, lane),
                Role::Skipped => {}
            }
        }
    }

    pub(super) fn backward_fold(&self, exec: &Exec<'_>, i: usize, mix: usize, lane: &mut Lane) {
        let Lane { tile, tile_grad, shared_grad, written, scratch, .. } = lane;
        let pattern = self.program.spec.nodes[mix].inputs()[0];
        if !std::mem::replace(&mut written[pattern], true) {
            tile_grad[exec.range(pattern)].fill(0.0);
        }
        exec.unexpand(i, [self.shared, tile], shared_grad, tile_grad, scratch);
    }

    fn backward_attention(exec: &Exec<'_>, i: usize, a: Attention, lane: &mut Lane) {
        let Lane { tile, tile_grad, patterns, written, scratch, .. } = lane;
        for input in exec.attention_inputs(a) {
            if !std::mem::replace(&mut written[input], true) {
                tile_grad[exec.range(input)].fill(0.0);
            }
        }
        exec.attention_backward(i, a, [tile, patterns], tile_grad, scratch);
    }

    pub(super) fn backward_node(&self, exec: &Exec<'_>, i: usize, lane: &mut Lane) {
        let Lane { tile, tile_grad, shared_grad, param_grad, scratch, written, .. } = lane;
        let acts = Arenas { exec, shared: self.shared, tile };
        let range = exec.range(i);
        let (before, dy) = tile_grad.split_at_mut(range.start);
        let dy = &dy[..range.len()];
        exec.backward_params(i, &acts, dy, param_grad, scratch);
        for (k, &input) in self.program.spec.nodes[i].inputs().iter().enumerate() {
            let range = exec.range(input);
            if self.plan.is_shared(input) {
                exec.backward_input(i, k, &acts, dy, &mut shared_grad[range], scratch);
            } else if std::mem::replace(&mut written[input], true) {
                exec.backward_input(i, k, &acts, dy, &mut before[range], scratch);
            } else {
                exec.backward_input_first(i, k, &acts, dy, &mut before[range], scratch);
            }
        }
    }
}

fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, &x) in row.iter().enumerate() {
        if x > row[best] {
            best = i;
        }
    }
    best
}
