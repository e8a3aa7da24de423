//! The trainer: whole optimiser steps over a data set.
//!
//! A step cuts the examples into tiles whose activations fit into the cache, deals the tiles to a fixed number of lanes, and gives each lane
//! its own gradient; lanes run on any number of threads and are added in lane order, so the result does not depend on the threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tritlens_kernels::AdamHyper;

use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::par;
use crate::program::exec::{Arenas, Batch, Exec, Scratch};
use crate::program::fold::Role;
use crate::program::plan::{Mode, Plan};
use crate::program::{NodeSpec, Params, Program};
use crate::quant::Quant;
use crate::train::config::TrainConfig;
use crate::train::data::Data;

/// Parts a step is cut into; also the most threads it can use.
pub const LANES: usize = 4;

/// Bytes of activations and gradients a tile should have: about the second-level cache of one core.
const TILE_BYTES: usize = 4096 * 1024;

/// One part of a step: its own arenas and gradients.
struct Lane {
    tile: Vec<f32>,
    tile_grad: Vec<f32>,
    shared_grad: Vec<f32>,
    param_grad: Vec<f32>,
    losses: Vec<f64>,
    scratch: Scratch,
    /// Nodes whose gradient has a first contribution.
    written: Vec<bool>,
    /// Sum of weighted losses and number of right answers (merged examples counted as often as they stand for).
    loss: f64,
    hits: f64,
}

/// A data set with its plan and the memory to run it.
struct Prepared {
    data: Data,
    plan: Plan,
    lanes: Vec<Lane>,
    shared: Vec<f32>,
    shared_grad: Vec<f32>,
}

/// Trains a program on a data set.
pub struct Trainer {
    program: Program,
    config: TrainConfig,
    sets: BTreeMap<u32, Prepared>,
    grad: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
    codes: Vec<Vec<i8>>,
    step: u64,
    cancelled: Arc<AtomicBool>,
}

impl Trainer {
    /// A trainer with its own copy of the program's parameters.
    ///
    /// # Errors
    /// As [`TrainConfig::parse`]; `E_MEMORY` when the optimiser's state does not fit.
    pub fn new(program: &Program, config: &str) -> Result<Self> {
        let config = TrainConfig::parse(config)?;
        let n = program.params.latent().len();
        let mut program = program.clone();
        program.params.keep_transposed(linear_weights(&program))?;
        Ok(Self {
            config,
            sets: BTreeMap::new(),
            grad: zeros(n)?,
            m: zeros(n)?,
            v: zeros(n)?,
            codes: Vec::new(),
            step: 0,
            cancelled: Arc::default(),
            program,
        })
    }

    /// Indices of the quantised parameters.
    fn quantised(&self) -> Vec<usize> {
        let places = self.program.params.places();
        (0..places.len()).filter(|&i| places[i].quant != Quant::None).collect()
    }

    /// Names of the numbers written a step: `loss`, `lr`, then `flips.NAME` for every quantised parameter (codes that changed in the step).
    pub fn columns(&self) -> Vec<String> {
        let places = self.program.params.places();
        let flips = self.quantised().into_iter().map(|i| format!("flips.{}", places[i].name));
        ["loss", "lr"].into_iter().map(String::from).chain(flips).collect()
    }

    /// Sets a data set: 0 is trained on, others are for [`Trainer::evaluate`].
    ///
    /// # Errors
    /// As [`Data::new`] and [`Plan::new`].
    pub fn set_data(&mut self, which: u32, tokens: &[i32], targets: &[i32]) -> Result<()> {
        let data = Data::new(&self.program, tokens, targets, self.config.savings)?;
        let prepared = Prepared::new(&self.program, data, self.config.savings, which == 0)?;
        self.sets.insert(which, prepared);
        Ok(())
    }

    /// A flag that stops [`Trainer::steps`] before its next step.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Steps taken.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Continues the count of a saved run.
    pub fn set_step_count(&mut self, step: u64) {
        self.step = step;
    }

    /// Parameters (0), first (1) or second (2) moments, flat.
    ///
    /// # Errors
    /// `E_RANGE` for another kind.
    pub fn state(&self, kind: u32) -> Result<&[f32]> {
        match kind {
            0 => Ok(self.program.params.latent()),
            1 => Ok(&self.m),
            2 => Ok(&self.v),
            _ => Err(unknown_state(kind)),
        }
    }

    /// Overwrites part of the state.
    ///
    /// # Errors
    /// `E_RANGE` for another kind, `E_SHAPE` for a wrong length.
    pub fn set_state(&mut self, kind: u32, data: &[f32]) -> Result<()> {
        let target = match kind {
            0 => self.program.params.latent_mut(),
            1 => &mut self.m[..],
            2 => &mut self.v[..],
            _ => return Err(unknown_state(kind)),
        };
        check_len("state", target.len(), data.len())?;
        target.copy_from_slice(data);
        self.codes.clear();
        Ok(())
    }

    /// The trained parameters.
    pub fn params(&self) -> &Params {
        &self.program.params
    }

    /// Takes up to `n` steps; writes [`Trainer::columns`] numbers a step into `out` and returns the steps taken.
    ///
    /// # Errors
    /// `E_SHAPE` when there is no training data or `out` is too short; `E_NONFINITE` when a loss or gradient is not finite: the
    /// parameters are then those of the last good step.
    pub fn steps(&mut self, n: usize, out: &mut [f64]) -> Result<usize> {
        let columns = self.columns().len();
        if out.len() < n.saturating_mul(columns) {
            return Err(CoreError::new(codes::SHAPE, "room for the metrics is too short")
                .expected(n.saturating_mul(columns), out.len()));
        }
        let Some(mut set) = self.sets.remove(&0) else {
            return Err(CoreError::new(codes::SHAPE, "no training data was set"));
        };
        self.cancelled.store(false, Ordering::Relaxed);
        let mut done = 0;
        let mut result = Ok(());
        for row in out.chunks_exact_mut(columns).take(n) {
            if self.cancelled.load(Ordering::Relaxed) {
                break;
            }
            result = self.one_step(&mut set, row);
            if result.is_err() {
                break;
            }
            done += 1;
        }
        self.sets.insert(0, set);
        result.map(|()| done)
    }

    fn one_step(&mut self, set: &mut Prepared, row: &mut [f64]) -> Result<()> {
        self.program.params.refresh();
        self.remember_codes();
        set.forward_shared(&self.program);
        set.lanes_forward_backward(&self.program);
        set.gather_gradients(&self.program, &mut self.grad);
        let loss = set.lanes.iter().map(|l| l.loss).sum::<f64>();
        self.check_finite(loss)?;
        row[0] = loss;
        row[1] = self.update();
        self.count_flips(&mut row[2..]);
        Ok(())
    }

    fn check_finite(&self, loss: f64) -> Result<()> {
        let what = if !loss.is_finite() {
            format!("loss {loss}")
        } else if !tritlens_kernels::sum_sq(&self.grad).is_finite() {
            let places = self.program.params.places();
            let bad = places
                .iter()
                .find(|p| !tritlens_kernels::sum_sq(&self.grad[p.range()]).is_finite());
            format!("gradient of {}", bad.map_or("a parameter", |p| &p.name))
        } else {
            return Ok(());
        };
        let message = format!("training diverged at step {}", self.step);
        Err(CoreError::new(codes::NONFINITE, message).expected("finite numbers", what))
    }

    /// One `AdamW` update; returns the learning rate used.
    fn update(&mut self) -> f64 {
        let c = self.config;
        let lr = c.schedule().rate(self.step);
        let decay = c.weight_decay_at(self.step);
        self.step += 1;
        let hyper = AdamHyper::new(lr, c.beta1, c.beta2, c.eps, decay, self.step);
        let p = self.program.params.latent_mut();
        tritlens_kernels::adamw(p, &self.grad, &mut self.m, &mut self.v, &hyper);
        lr
    }

    fn remember_codes(&mut self) {
        if !self.codes.is_empty() {
            return;
        }
        let params = &self.program.params;
        let codes = |i| params.codes(i).map_or_else(Vec::new, |(c, _)| c.to_vec());
        self.codes = self.quantised().into_iter().map(codes).collect();
    }

    fn count_flips(&mut self, out: &mut [f64]) {
        self.program.params.refresh();
        let quantised = self.quantised();
        for ((flips, old), i) in out.iter_mut().zip(&mut self.codes).zip(quantised) {
            if let Some((new, _)) = self.program.params.codes(i) {
                *flips = tritlens_kernels::count_diff(old, new) as f64;
                old.copy_from_slice(new);
            }
        }
    }

    /// Mean loss and accuracy on a data set.
    ///
    /// # Errors
    /// `E_RANGE` when the data set was not set.
    pub fn evaluate(&mut self, which: u32) -> Result<(f64, f64)> {
        self.program.params.refresh();
        let Some(set) = self.sets.get_mut(&which) else {
            return Err(CoreError::new(codes::RANGE, format!("data set {which} was not set")));
        };
        set.forward_shared(&self.program);
        set.lanes_forward(&self.program);
        let loss = set.lanes.iter().map(|l| l.loss).sum();
        let hits: f64 = set.lanes.iter().map(|l| l.hits).sum();
        Ok((loss, hits / set.data.total as f64))
    }

    /// Gradient of the last step, flat; for tests.
    #[doc(hidden)]
    pub fn last_gradient(&self) -> &[f32] {
        &self.grad
    }
}

/// Weights of linear layers, each once.
fn linear_weights(program: &Program) -> Vec<usize> {
    let weights = program.spec.nodes.iter().filter_map(|n| match n {
        NodeSpec::Linear { w, .. } => Some(*w),
        _ => None,
    });
    weights.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn unknown_state(kind: u32) -> CoreError {
    CoreError::new(codes::RANGE, "unknown kind of state").expected("0, 1 or 2", kind)
}

impl Prepared {
    fn new(program: &Program, data: Data, savings: bool, train: bool) -> Result<Self> {
        let mode = if savings { Mode::Savings { examples: data.examples() } } else { Mode::Naive };
        let rows = data.distinct.tokens.len();
        let one = Plan::new(program, mode, 1, data.seq, rows)?;
        let per_lane = data.examples().div_ceil(LANES);
        let tile = tile_examples(one.tile_len).min(per_lane);
        let plan = Plan::new(program, mode, tile, data.seq, rows)?;
        let lanes =
            (0..LANES).map(|_| Lane::new(program, &plan, &data, train)).collect::<Result<_>>()?;
        let (shared, shared_grad) = (zeros(plan.shared_len)?, zeros(plan.shared_len)?);
        Ok(Self { data, plan, lanes, shared, shared_grad })
    }

    /// An executor without examples: for the shared arena.
    fn shared_exec<'a>(program: &'a Program, plan: &'a Plan, data: &'a Data) -> Exec<'a> {
        let batch = Batch { examples: 0, tokens: &[], index: &[] };
        Exec { program, plan, params: &program.params, batch, distinct: &data.distinct }
    }

    fn forward_shared(&mut self, program: &Program) {
        let exec = Self::shared_exec(program, &self.plan, &self.data);
        for i in 0..self.plan.nodes.len() {
            if self.plan.is_shared(i) {
                exec.forward_shared(i, &mut self.shared, &mut self.lanes[0].scratch);
            } else {
                exec.fold_forward(i, &mut self.shared);
            }
        }
    }

    fn for_each_tile(&mut self, program: &Program, f: impl Fn(&mut Lane, TileJob<'_>) + Sync) {
        let (plan, data, shared) = (&self.plan, &self.data, &self.shared[..]);
        let mut jobs: Vec<(usize, &mut Lane)> = self.lanes.iter_mut().enumerate().collect();
        par::for_each(&mut jobs, |(l, lane)| {
            lane.clear();
            for (lo, hi) in tiles(data.examples(), plan.examples, *l) {
                f(lane, TileJob { program, plan, data, shared, lo, hi });
            }
        });
    }

    fn lanes_forward_backward(&mut self, program: &Program) {
        self.for_each_tile(program, |lane, job| {
            job.forward(lane);
            job.loss(lane, true);
            job.backward(lane);
        });
    }

    fn lanes_forward(&mut self, program: &Program) {
        self.for_each_tile(program, |lane, job| {
            job.forward(lane);
            job.loss(lane, false);
        });
    }

    /// Adds the lanes in order, differentiates the shared nodes, and takes the quantisers' derivative.
    fn gather_gradients(&mut self, program: &Program, grad: &mut [f32]) {
        let lanes = &self.lanes;
        sum_lanes(grad, |l| &lanes[l].param_grad);
        sum_lanes(&mut self.shared_grad, |l| &lanes[l].shared_grad);
        self.backward_shared(program, grad);
        for place in program.params.places() {
            place.quant.backward(&mut grad[place.range()]);
        }
    }

    fn backward_shared(&mut self, program: &Program, grad: &mut [f32]) {
        let exec = Self::shared_exec(program, &self.plan, &self.data);
        let acts = Arenas { exec: &exec, shared: &self.shared, tile: &[] };
        let scratch = &mut self.lanes[0].scratch;
        for i in (0..self.plan.nodes.len()).rev() {
            if !self.plan.is_shared(i) {
                exec.fold_backward(i, &self.shared, &mut self.shared_grad, grad);
                continue;
            }
            let range = exec.range(i);
            let (before, dy) = self.shared_grad.split_at_mut(range.start);
            let dy = &dy[..range.len()];
            exec.backward_params(i, &acts, dy, grad, scratch);
            for (k, &input) in program.spec.nodes[i].inputs().iter().enumerate() {
                exec.backward_input(i, k, &acts, dy, &mut before[exec.range(input)]);
            }
        }
    }
}

/// Elements of a sum of lanes that are added up in one piece.
const SUM_PIECE: usize = 16 * 1024;

/// total = sum over lanes, in lane order, element by element.
fn sum_lanes<'a>(total: &mut [f32], lane: impl Fn(usize) -> &'a [f32] + Sync) {
    let mut pieces: Vec<(usize, &mut [f32])> = total.chunks_mut(SUM_PIECE).enumerate().collect();
    par::for_each(&mut pieces, |(i, piece)| {
        let range = *i * SUM_PIECE..*i * SUM_PIECE + piece.len();
        piece.copy_from_slice(&lane(0)[range.clone()]);
        for l in 1..LANES {
            tritlens_kernels::add(&lane(l)[range.clone()], piece);
        }
    });
}

/// Examples of a tile, from the elements one example takes.
fn tile_examples(per_example: usize) -> usize {
    (TILE_BYTES / (8 * per_example.max(1))).clamp(1, 1024)
}

/// The tiles of lane `lane`: a contiguous quarter of the examples, cut into pieces of at most `size`.
fn tiles(examples: usize, size: usize, lane: usize) -> impl Iterator<Item = (usize, usize)> {
    let (from, to) = (examples * lane / LANES, examples * (lane + 1) / LANES);
    (from..to).step_by(size.max(1)).map(move |lo| (lo, to.min(lo + size)))
}

impl Lane {
    fn new(program: &Program, plan: &Plan, data: &Data, train: bool) -> Result<Self> {
        let params = if train { program.params.latent().len() } else { 0 };
        let (grads, shared) = if train { (plan.tile_len, plan.shared_len) } else { (0, 0) };
        let outputs = data.targets.len() / data.examples();
        Ok(Self {
            tile: zeros(plan.tile_len)?,
            tile_grad: zeros(grads)?,
            shared_grad: zeros(shared)?,
            param_grad: zeros(params)?,
            losses: zeros(plan.examples * outputs)?,
            scratch: Scratch::new(program, plan)?,
            written: vec![false; plan.nodes.len()],
            loss: 0.0,
            hits: 0.0,
        })
    }

    fn clear(&mut self) {
        self.shared_grad.fill(0.0);
        self.param_grad.fill(0.0);
        (self.loss, self.hits) = (0.0, 0.0);
    }
}

/// Examples `lo..hi` of a data set, to be run in a lane.
#[derive(Clone, Copy)]
struct TileJob<'a> {
    program: &'a Program,
    plan: &'a Plan,
    data: &'a Data,
    shared: &'a [f32],
    lo: usize,
    hi: usize,
}

impl<'a> TileJob<'a> {
    fn exec(&self) -> Exec<'a> {
        let positions = self.lo * self.data.seq..self.hi * self.data.seq;
        let batch = Batch {
            examples: self.hi - self.lo,
            tokens: &self.data.tokens[positions.clone()],
            index: &self.data.index[positions],
        };
        Exec {
            program: self.program,
            plan: self.plan,
            params: &self.program.params,
            batch,
            distinct: &self.data.distinct,
        }
    }

    fn forward(&self, lane: &mut Lane) {
        let exec = self.exec();
        for i in (0..self.plan.nodes.len()).filter(|&i| !self.plan.is_shared(i)) {
            match self.plan.roles[i] {
                Role::Plain => exec.forward(i, self.shared, &mut lane.tile, &mut lane.scratch),
                Role::Folded(f) if f.expanded => exec.expand(i, self.shared, &mut lane.tile),
                Role::Folded(_) | Role::Skipped => {}
            }
        }
    }

    /// Adds the tile's weighted loss and hits; with `grad`, seeds the gradient of the logits.
    fn loss(&self, lane: &mut Lane, grad: bool) {
        let exec = self.exec();
        let out = self.program.spec.output;
        let cols = self.program.cols[out];
        let range = exec.range(out);
        let outputs = self.data.targets.len() / self.data.examples();
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
    fn count_hits(&self, logits: &[f32], cols: usize, targets: &[i32], outputs: usize) -> f64 {
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
    fn backward(&self, lane: &mut Lane) {
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
                Role::Skipped => {}
            }
        }
    }

    fn backward_fold(&self, exec: &Exec<'_>, i: usize, mix: usize, lane: &mut Lane) {
        let Lane { tile, tile_grad, shared_grad, written, .. } = lane;
        let pattern = self.program.spec.nodes[mix].inputs()[0];
        if !std::mem::replace(&mut written[pattern], true) {
            tile_grad[exec.range(pattern)].fill(0.0);
        }
        exec.unexpand(i, self.shared, tile, shared_grad, tile_grad);
    }

    fn backward_node(&self, exec: &Exec<'_>, i: usize, lane: &mut Lane) {
        let Lane { tile, tile_grad, shared_grad, param_grad, scratch, written, .. } = lane;
        let acts = Arenas { exec, shared: self.shared, tile };
        let range = exec.range(i);
        let (before, dy) = tile_grad.split_at_mut(range.start);
        let dy = &dy[..range.len()];
        exec.backward_params(i, &acts, dy, param_grad, scratch);
        for (k, &input) in self.program.spec.nodes[i].inputs().iter().enumerate() {
            let range = exec.range(input);
            if self.plan.is_shared(input) {
                exec.backward_input(i, k, &acts, dy, &mut shared_grad[range]);
            } else if std::mem::replace(&mut written[input], true) {
                exec.backward_input(i, k, &acts, dy, &mut before[range]);
            } else {
                exec.backward_input_first(i, k, &acts, dy, &mut before[range]);
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
