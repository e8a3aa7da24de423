//! A data set cut into tiles and lanes, with the memory to run it: forward and backward over all of it, or over a mini-batch, without the optimiser.

use std::ops::Range;

use crate::error::{Result, zeros};
use crate::par;
use crate::program::Program;
use crate::program::exec::{self, Arenas, Exec};
use crate::program::plan::{Mode, Plan};
use crate::train::batch::Batch;
use crate::train::config::TrainConfig;
use crate::train::data::Data;
use crate::train::lane::{Lane, TileJob};

/// Parts a step is cut into; also the most threads it can use.
pub const LANES: usize = 4;

/// Bytes of activations and gradients a tile should have. Chosen by measurement (benches/step.rs): tiles that fit the second-level cache were
/// slower, because the library rearranges operands once a product, and 16 MiB was slower again.
const TILE_BYTES: usize = 4096 * 1024;

/// Positions a tile should have at least, whatever it takes: the library rearranges a layer's weights once a product, which fewer rows do not pay for
/// (`benches/lm_step.rs`, 16 sequences of 128: 264 ms with tiles of 128 positions, 240 with 256, 230 with 512).
const TILE_POSITIONS: usize = 512;

/// A data set with its plan and the memory to run it.
pub(super) struct Prepared {
    pub(super) data: Data,
    /// The examples of a step, where that is not the whole set.
    batch: Option<Batch>,
    pub(super) plan: Plan,
    pub(super) lanes: Vec<Lane>,
    pub(super) shared: Vec<f32>,
    pub(super) shared_grad: Vec<f32>,
}

impl Prepared {
    /// Checks a data set and makes room for it: to be trained on (`train`), or only evaluated.
    pub(super) fn new(
        program: &Program,
        [tokens, targets]: [&[i32]; 2],
        config: &TrainConfig,
        train: bool,
    ) -> Result<Self> {
        let size = config.batch_size;
        let merge = config.savings && size.is_none();
        let most_distinct = if config.savings { most_distinct(program, size) } else { usize::MAX };
        let data = Data::new(program, tokens, targets, merge, most_distinct)?;
        let batch = match size {
            Some(size) if train => Some(Batch::new(&data, size, config.batch_seed)?),
            _ => None,
        };
        let examples = size.map_or(data.examples(), |size| size.min(data.examples()));
        let rows = data.distinct.tokens.len();
        let mode = match (config.savings, rows) {
            (false, _) => Mode::Naive,
            (true, 0) => Mode::Rows,
            (true, _) => Mode::Savings { examples },
        };
        let one = Plan::new(program, mode, 1, data.seq, rows)?;
        let tile = tile_examples(one.tile_len, data.seq).min(examples.div_ceil(LANES));
        let plan = Plan::new(program, mode, tile, data.seq, rows)?;
        let lanes =
            (0..LANES).map(|_| Lane::new(program, &plan, &data, train)).collect::<Result<_>>()?;
        let (shared, shared_grad) = (zeros(plan.shared_len)?, zeros(plan.shared_len)?);
        Ok(Self { data, batch, plan, lanes, shared, shared_grad })
    }

    /// An executor without examples: for the shared arena.
    pub(super) fn shared_exec<'a>(
        program: &'a Program,
        plan: &'a Plan,
        data: &'a Data,
    ) -> Exec<'a> {
        let batch = exec::Batch { examples: 0, tokens: &[], index: &[] };
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

    /// Calls `f` on every tile of the whole set, or of the batch that was chosen.
    fn for_each_tile(
        &mut self,
        program: &Program,
        whole: bool,
        lanes: Range<usize>,
        f: impl Fn(&mut Lane, TileJob<'_>) + Sync,
    ) {
        let (plan, all, shared) = (&self.plan, &self.data, &self.shared[..]);
        let data = self.batch.as_ref().filter(|_| !whole).map_or(all, |batch| &batch.data);
        let (distinct, first) = (&all.distinct, lanes.start);
        par::for_each(&mut self.lanes[lanes], |l, lane| {
            let l = first + l;
            lane.clear();
            for (lo, hi) in tiles(data.examples(), plan.examples, l) {
                f(lane, TileJob { program, plan, data, distinct, shared, lo, hi });
            }
        });
    }

    /// Loss and gradients of step `step`, in some of the lanes.
    pub(super) fn lanes_forward_backward(
        &mut self,
        program: &Program,
        lanes: Range<usize>,
        step: u64,
    ) {
        if let Some(batch) = &mut self.batch {
            batch.choose(&self.data, step);
        }
        self.for_each_tile(program, false, lanes, |lane, job| {
            job.forward(lane);
            job.loss(lane, true);
            job.backward(lane);
        });
    }

    /// Loss and hits of the whole set, in some of the lanes.
    pub(super) fn lanes_forward(&mut self, program: &Program, lanes: Range<usize>) {
        self.for_each_tile(program, true, lanes, |lane, job| {
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
                exec.backward_input(i, k, &acts, dy, &mut before[exec.range(input)], scratch);
            }
        }
    }
}

/// Most distinct rows that are computed on their own. In a mini-batch only some of them occur, so there must not be more than the batch has positions;
/// and attention over long sequences reads whole blocks of rows, which a table of distinct rows does not have.
fn most_distinct(program: &Program, batch: Option<usize>) -> usize {
    if program.attends_in_blocks() {
        return 0;
    }
    batch.map_or(usize::MAX, |size| size.saturating_mul(program.spec.ctx))
}

/// Elements of a sum of lanes that are added up in one piece.
const SUM_PIECE: usize = 16 * 1024;

/// total = sum over lanes, in lane order, element by element.
fn sum_lanes<'a>(total: &mut [f32], lane: impl Fn(usize) -> &'a [f32] + Sync) {
    par::for_each_piece(total, SUM_PIECE, |at, piece| {
        let range = at..at + piece.len();
        piece.copy_from_slice(&lane(0)[range.clone()]);
        for l in 1..LANES {
            tritlens_kernels::add(&lane(l)[range.clone()], piece);
        }
    });
}

/// Examples of a tile, from the elements and positions one example takes.
fn tile_examples(per_example: usize, seq: usize) -> usize {
    (TILE_BYTES / (8 * per_example.max(1))).max(TILE_POSITIONS / seq).clamp(1, 1024)
}

/// The tiles of lane `lane`: a contiguous quarter of the examples, cut into pieces of at most `size`.
fn tiles(examples: usize, size: usize, lane: usize) -> impl Iterator<Item = (usize, usize)> {
    let (from, to) = (examples * lane / LANES, examples * (lane + 1) / LANES);
    (from..to).step_by(size.max(1)).map(move |lo| (lo, to.min(lo + size)))
}
