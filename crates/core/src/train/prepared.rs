//! A data set cut into tiles and lanes, with the memory to run it: forward and backward over all of it, without the optimiser.

use std::ops::Range;

use crate::error::{Result, zeros};
use crate::par;
use crate::program::Program;
use crate::program::exec::{Arenas, Batch, Exec};
use crate::program::plan::{Mode, Plan};
use crate::train::data::Data;
use crate::train::lane::{Lane, TileJob};

/// Parts a step is cut into; also the most threads it can use.
pub const LANES: usize = 4;

/// Bytes of activations and gradients a tile should have. Chosen by measurement (benches/step.rs): tiles that fit the second-level cache were
/// slower, because the library rearranges operands once a product, and 16 MiB was slower again.
const TILE_BYTES: usize = 4096 * 1024;

/// A data set with its plan and the memory to run it.
pub(super) struct Prepared {
    pub(super) data: Data,
    pub(super) plan: Plan,
    pub(super) lanes: Vec<Lane>,
    pub(super) shared: Vec<f32>,
    pub(super) shared_grad: Vec<f32>,
}

impl Prepared {
    pub(super) fn new(program: &Program, data: Data, savings: bool, train: bool) -> Result<Self> {
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
    pub(super) fn shared_exec<'a>(
        program: &'a Program,
        plan: &'a Plan,
        data: &'a Data,
    ) -> Exec<'a> {
        let batch = Batch { examples: 0, tokens: &[], index: &[] };
        Exec { program, plan, params: &program.params, batch, distinct: &data.distinct }
    }

    pub(super) fn forward_shared(&mut self, program: &Program) {
        let exec = Self::shared_exec(program, &self.plan, &self.data);
        for i in 0..self.plan.nodes.len() {
            if self.plan.is_shared(i) {
                exec.forward_shared(i, &mut self.shared, &mut self.lanes[0].scratch);
            } else {
                exec.fold_forward(i, &mut self.shared);
            }
        }
    }

    pub(super) fn for_each_tile(
        &mut self,
        program: &Program,
        lanes: Range<usize>,
        f: impl Fn(&mut Lane, TileJob<'_>) + Sync,
    ) {
        let (plan, data, shared) = (&self.plan, &self.data, &self.shared[..]);
        let all = self.lanes.iter_mut().enumerate();
        let mut jobs: Vec<(usize, &mut Lane)> = all.skip(lanes.start).take(lanes.len()).collect();
        par::for_each(&mut jobs, |(l, lane)| {
            lane.clear();
            for (lo, hi) in tiles(data.examples(), plan.examples, *l) {
                f(lane, TileJob { program, plan, data, shared, lo, hi });
            }
        });
    }

    pub(super) fn lanes_forward_backward(&mut self, program: &Program, lanes: Range<usize>) {
        self.for_each_tile(program, lanes, |lane, job| {
            job.forward(lane);
            job.loss(lane, true);
            job.backward(lane);
        });
    }

    pub(super) fn lanes_forward(&mut self, program: &Program, lanes: Range<usize>) {
        self.for_each_tile(program, lanes, |lane, job| {
            job.forward(lane);
            job.loss(lane, false);
        });
    }

    /// Adds the lanes in order, differentiates the shared nodes, and takes the quantisers' derivative.
    pub(super) fn gather_gradients(&mut self, program: &Program, grad: &mut [f32]) {
        let lanes = &self.lanes;
        sum_lanes(grad, |l| &lanes[l].param_grad);
        sum_lanes(&mut self.shared_grad, |l| &lanes[l].shared_grad);
        self.backward_shared(program, grad);
        program.params.differentiate_quantisers(grad);
    }

    pub(super) fn backward_shared(&mut self, program: &Program, grad: &mut [f32]) {
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
