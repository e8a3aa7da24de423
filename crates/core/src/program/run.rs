//! The step machine: runs nodes until a paused site, gives control back, continues. Rust holds nothing of the caller's while it is paused,
//! so a hook may do anything, asynchronous work included.
//!
//! The arena belongs to the caller and is passed to every step: activations first, then (with gradients) their gradients in the same layout.

use crate::edit::Edit;
use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::program::check::{check_targets, check_tokens};
use crate::program::compile::Program;
use crate::program::exec::{Arenas, Batch, Distinct, Exec};
use crate::program::places::{RunInfo, describe};
use crate::program::plan::{Mode, Plan};
use crate::program::scratch::Scratch;

/// Returned by the step functions when nothing is left to do.
pub const DONE: i32 = -1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    NoTokens,
    Forward,
    Forwarded,
    Backward,
    Done,
}

/// What a run can say about its backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grads {
    /// Nothing: there is none.
    None,
    /// Gradients of activations. Those of parameters, which take as much memory as the model and half of the time, are not computed.
    Activations,
    /// Gradients of activations and of parameters.
    All,
}

/// One run of a program over a batch.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    info: RunInfo,
    tokens: Vec<u32>,
    scratch: Scratch,
    grads: Grads,
    param_grad: Vec<f32>,
    pause: [Vec<bool>; 2],
    edits: Vec<Edit>,
    phase: Phase,
    /// Forward: nodes done. Backward: nodes still to do.
    node: usize,
    /// Sites of the current node that fired already.
    fired: usize,
}

impl Run {
    /// Opens a run over `batch` x `seq` tokens.
    ///
    /// # Errors
    /// `E_RANGE` when `seq` is 0 or longer than the program's context or `batch` is 0, `E_MEMORY` when it does not fit,
    /// `E_SPEC` when a site's shape does not have its node's size.
    pub fn open(program: &Program, batch: usize, seq: usize, grads: Grads) -> Result<Self> {
        if batch == 0 || seq == 0 || seq > program.spec.ctx {
            return Err(CoreError::new(codes::RANGE, "batch or sequence out of range").expected(
                format!("batch >= 1 and 1 <= seq <= {}", program.spec.ctx),
                format!("{batch} x {seq}"),
            ));
        }
        program.params.check_loaded()?;
        let plan = Plan::new(program, Mode::Naive, batch, seq, 0)?;
        let info = describe(program, &plan, grads != Grads::None)?;
        let params = program.params.latent().len();
        Ok(Self {
            scratch: Scratch::new(program, &plan)?,
            grads,
            param_grad: zeros(if grads == Grads::All { params } else { 0 })?,
            tokens: Vec::new(),
            pause: [vec![false; info.sites.len()], vec![false; info.sites.len()]],
            edits: Vec::new(),
            phase: Phase::NoTokens,
            node: 0,
            fired: 0,
            plan,
            info,
        })
    }

    /// Layout.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Sets the tokens `[batch, seq]` and rewinds.
    ///
    /// # Errors
    /// `E_SHAPE` for a wrong length, `E_RANGE` for a token outside the vocabulary.
    pub fn set_tokens(&mut self, program: &Program, tokens: &[i32]) -> Result<()> {
        check_len("tokens", self.plan.examples * self.plan.seq, tokens.len())?;
        self.tokens = check_tokens(tokens, program.spec.vocab)?;
        self.phase = Phase::Forward;
        (self.node, self.fired) = (0, 0);
        Ok(())
    }

    /// Sets where to pause, one byte a site.
    ///
    /// # Errors
    /// `E_SHAPE` for a wrong length.
    pub fn set_pause(&mut self, forward: &[u8], backward: &[u8]) -> Result<()> {
        for (pause, bytes) in self.pause.iter_mut().zip([forward, backward]) {
            check_len("pause mask", pause.len(), bytes.len())?;
            pause.iter_mut().zip(bytes).for_each(|(p, &b)| *p = b != 0);
        }
        Ok(())
    }

    /// Replaces the edits; see [`crate::edit`].
    ///
    /// # Errors
    /// As [`Edit::parse_all`].
    pub fn set_edits(&mut self, ints: &[i32], floats: &[f32]) -> Result<()> {
        let sites = &self.info.sites;
        self.edits = Edit::parse_all(ints, floats, |s| sites.get(s).map(|p| p.shape.clone()))?;
        Ok(())
    }

    fn check_arena(&self, arena: &[f32]) -> Result<()> {
        if arena.is_empty() {
            return Err(CoreError::new(
                codes::DETACHED,
                "the run's arena was detached: its buffer has been transferred",
            ));
        }
        check_len("arena", self.info.arena_length, arena.len())
    }

    fn phase_error(&self, wanted: &str) -> CoreError {
        CoreError::new(codes::BUSY, "the run is not at that point")
            .expected(wanted, format!("{:?}", self.phase))
    }

    /// Runs forward to the next paused site and returns its index, or [`DONE`].
    ///
    /// # Errors
    /// `E_DETACHED` or `E_SHAPE` for a wrong arena, `E_BUSY` when no tokens are set or the run is going backward.
    pub fn step(&mut self, program: &Program, arena: &mut [f32]) -> Result<i32> {
        self.check_arena(arena)?;
        match self.phase {
            Phase::Forward => {}
            Phase::Forwarded => return Ok(DONE),
            _ => return Err(self.phase_error("tokens set, forward pass under way")),
        }
        loop {
            if let Some(site) = self.fire_forward(program, arena) {
                return Ok(site);
            }
            if self.node == program.spec.nodes.len() {
                self.phase = Phase::Forwarded;
                return Ok(DONE);
            }
            self.compute(program, arena)?;
            self.node += 1;
            self.fired = 0;
        }
    }

    /// Fires the remaining sites of the node that was computed last.
    fn fire_forward(&mut self, program: &Program, arena: &mut [f32]) -> Option<i32> {
        let sites = &program.sites_of[self.node.checked_sub(1)?];
        while let Some(&site) = sites.get(self.fired) {
            self.fired += 1;
            let place = &self.info.sites[site as usize];
            for edit in self.edits.iter().filter(|e| e.site == site as usize) {
                let range = place.offset..place.offset + place.length;
                edit.apply(&place.shape, &mut arena[range]);
            }
            if self.pause[0][site as usize] {
                return Some(site as i32);
            }
        }
        None
    }

    fn compute(&mut self, program: &Program, arena: &mut [f32]) -> Result<()> {
        let (node, tile) = (self.node, self.plan.tile_len);
        let mut scratch = std::mem::take(&mut self.scratch);
        let distinct = Distinct::default();
        let exec = self.exec(program, &distinct);
        exec.forward(node, &[], &mut arena[..tile], &mut scratch);
        let failed = scratch.failed.take();
        self.scratch = scratch;
        failed.map_or(Ok(()), Err)
    }

    fn exec<'a>(&'a self, program: &'a Program, distinct: &'a Distinct) -> Exec<'a> {
        let batch = Batch { examples: self.plan.examples, tokens: &self.tokens, index: &[] };
        Exec { program, plan: &self.plan, params: &program.params, batch, distinct }
    }

    /// Mean cross-entropy of the output rows (log-softmax in f64); seeds the gradient when the run has gradients.
    ///
    /// # Errors
    /// `E_BUSY` before the forward pass is done, `E_SHAPE` for a wrong number of targets, `E_RANGE` for a target outside the classes.
    pub fn loss(&mut self, program: &Program, arena: &mut [f32], targets: &[i32]) -> Result<f64> {
        self.check_arena(arena)?;
        self.need_forward()?;
        let out = self.info.output.clone();
        let cols = program.cols[program.spec.output];
        check_targets(targets, out.length / cols, cols)?;
        let counted = targets.iter().filter(|&&t| t >= 0).count();
        let weights: Vec<f32> = vec![1.0 / counted.max(1) as f32; targets.len()];
        let mut losses = vec![0.0; targets.len()];
        let mut grad = vec![0.0; if out.grad_offset < 0 { 0 } else { out.length }];
        let logits = &arena[out.offset..out.offset + out.length];
        let dlogits = (out.grad_offset >= 0).then_some(&mut grad[..]);
        tritlens_kernels::cross_entropy_rows(logits, cols, targets, &weights, dlogits, &mut losses);
        if out.grad_offset >= 0 {
            self.seed(arena, &grad);
        }
        // Dividing once in f64 keeps the loss free of the weights' rounding.
        let sum: f64 = losses.iter().sum();
        Ok(sum / f64::from(1.0 / counted.max(1) as f32) / counted.max(1) as f64)
    }

    /// Seeds the gradient of the output.
    ///
    /// # Errors
    /// `E_BUSY` before the forward pass is done, `E_SHAPE` for a wrong length or a run without gradients.
    pub fn seed_grad(&mut self, arena: &mut [f32], grad: &[f32]) -> Result<()> {
        self.check_arena(arena)?;
        self.need_forward()?;
        if self.info.output.grad_offset < 0 {
            return Err(CoreError::new(codes::SHAPE, "the run was opened without gradients"));
        }
        check_len("gradient of the output", self.info.output.length, grad.len())?;
        self.seed(arena, grad);
        Ok(())
    }

    fn need_forward(&self) -> Result<()> {
        match self.phase {
            Phase::Forwarded | Phase::Backward | Phase::Done => Ok(()),
            _ => Err(self.phase_error("forward pass done")),
        }
    }

    fn seed(&mut self, arena: &mut [f32], grad: &[f32]) {
        arena[self.plan.tile_len..].fill(0.0);
        let at = usize::try_from(self.info.output.grad_offset).unwrap_or(0);
        arena[at..at + grad.len()].copy_from_slice(grad);
        self.param_grad.fill(0.0);
        self.phase = Phase::Backward;
        self.node = self.plan.nodes.len();
        self.fired = 0;
    }

    /// Runs backward to the next paused site, whose gradient is complete then, and returns its index, or [`DONE`].
    ///
    /// # Errors
    /// `E_BUSY` when no gradient was seeded, `E_DETACHED` or `E_SHAPE` for a wrong arena.
    pub fn step_back(&mut self, program: &Program, arena: &mut [f32]) -> Result<i32> {
        self.check_arena(arena)?;
        match self.phase {
            Phase::Backward => {}
            Phase::Done => return Ok(DONE),
            _ => return Err(self.phase_error("gradient seeded by loss or seedGrad")),
        }
        while self.node > 0 {
            if let Some(site) = self.fire_backward(program, arena) {
                return Ok(site);
            }
            self.node -= 1;
            self.fired = 0;
            self.differentiate(program, arena);
            if let Some(error) = self.scratch.failed.take() {
                return Err(error);
            }
        }
        if self.grads == Grads::All {
            program.params.differentiate_quantisers(&mut self.param_grad);
        }
        self.phase = Phase::Done;
        Ok(DONE)
    }

    /// Fires the sites of the node about to be differentiated, last first: pause, then undo the site's edits on the gradient.
    fn fire_backward(&mut self, program: &Program, arena: &mut [f32]) -> Option<i32> {
        let sites = &program.sites_of[self.node - 1];
        // Two half-steps a site: even = pause, odd = edits.
        while self.fired < 2 * sites.len() {
            let site = sites[sites.len() - 1 - self.fired / 2] as usize;
            let pausing = self.fired.is_multiple_of(2);
            self.fired += 1;
            if pausing {
                if self.pause[1][site] {
                    return Some(site as i32);
                }
            } else {
                self.undo_edits(site, arena);
            }
        }
        None
    }

    fn undo_edits(&self, site: usize, arena: &mut [f32]) {
        let place = &self.info.sites[site];
        let at = usize::try_from(place.grad_offset).unwrap_or(0);
        for edit in self.edits.iter().rev().filter(|e| e.site == site) {
            edit.apply_to_gradient(&place.shape, &mut arena[at..at + place.length]);
        }
    }

    fn differentiate(&mut self, program: &Program, arena: &mut [f32]) {
        let i = self.node;
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut param_grad = std::mem::take(&mut self.param_grad);
        let distinct = Distinct::default();
        let exec = self.exec(program, &distinct);
        let (tile, grads) = arena.split_at_mut(self.plan.tile_len);
        let acts = Arenas { exec: &exec, shared: &[], tile };
        let range = exec.range(i);
        let (before, dy) = grads.split_at_mut(range.start);
        let dy = &dy[..range.len()];
        if self.grads == Grads::All {
            exec.backward_params(i, &acts, dy, &mut param_grad, &mut scratch);
        }
        for (k, &input) in program.spec.nodes[i].inputs().iter().enumerate() {
            exec.backward_input(i, k, &acts, dy, &mut before[exec.range(input)], &mut scratch);
        }
        self.scratch = scratch;
        self.param_grad = param_grad;
    }

    /// Gradient of the latent parameters, flat, after the backward pass.
    ///
    /// # Errors
    /// `E_MODE` for a run that was opened without them, `E_BUSY` before the backward pass is done.
    pub fn param_grad(&self) -> Result<&[f32]> {
        if self.grads != Grads::All {
            return Err(CoreError::new(codes::MODE, "the run computes no gradients of parameters")
                .expected("a run opened with all gradients", "one without"));
        }
        if self.phase == Phase::Done {
            Ok(&self.param_grad)
        } else {
            Err(self.phase_error("backward pass done"))
        }
    }
}
