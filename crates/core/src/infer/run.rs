//! The step machine of an inference run: to the next paused site, and on.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::edit::Edit;
use crate::error::{CoreError, Result, check_len, codes};
use crate::infer::exec::{Exec, Scratch};
use crate::infer::plan::{Plan, Sizes};
use crate::infer::session::{Session, angle_bytes};
use crate::program::check::{check_targets, check_tokens};
use crate::program::compile::Program;
use crate::program::places::SitePlace;
use crate::program::run::DONE;
use crate::program::scratch::angles;
use crate::program::spec::Dim;

/// A forward run over new positions.
#[derive(Debug)]
pub struct InferenceRun {
    plan: Arc<Plan>,
    session: Option<Arc<Mutex<Session>>>,
    tokens: Vec<u32>,
    scratch: Scratch,
    pause: Vec<bool>,
    edits: Vec<Edit>,
    /// Positions before this run's.
    past: usize,
    /// Nodes done; `None` before tokens are set.
    node: Option<usize>,
    /// Sites of the last node that fired already.
    fired: usize,
    done: bool,
}

/// Locks a session, which only one run may step at a time.
fn lock(session: &Mutex<Session>) -> Result<MutexGuard<'_, Session>> {
    session
        .try_lock()
        .map_err(|_| CoreError::new(codes::BUSY, "the session is in use by another run"))
}

impl InferenceRun {
    /// Opens a run over `batch` x `seq` new positions; see [`Plan::new`].
    ///
    /// # Errors
    /// As [`Plan::new`]; `E_SHAPE` when the session has another batch, `E_SPEC` while a stored parameter is empty.
    pub fn open(
        program: &mut Program,
        session: Option<Arc<Mutex<Session>>>,
        [batch, seq]: [usize; 2],
        listen: &[u8],
        last_only: bool,
    ) -> Result<Self> {
        program.params.check_loaded()?;
        let mut capacity = seq;
        if let Some(session) = &session {
            let session = lock(session)?;
            check_len("sequences of the session", session.batch(), batch)?;
            capacity = session.capacity();
        }
        let plan = program.inference(Sizes { batch, seq, capacity }, listen, last_only)?;
        let mut scratch = Scratch::default();
        if session.is_none() {
            scratch.angles = angles(program, seq);
        }
        let sites = program.spec.sites.len();
        Ok(Self {
            plan,
            session,
            tokens: Vec::new(),
            scratch,
            pause: vec![false; sites],
            edits: Vec::new(),
            past: 0,
            node: None,
            fired: 0,
            done: false,
        })
    }

    /// Elements of the arena.
    pub fn arena_len(&self) -> usize {
        self.plan.arena_len()
    }

    fn exec<'a>(&'a self, program: &'a Program) -> Exec<'a> {
        Exec { program, plan: &self.plan, tokens: &self.tokens, past: self.past }
    }

    /// Where a site lies now.
    ///
    /// # Errors
    /// `E_NAME` for no site, or one that was not listened to when the run was opened.
    pub fn place(&self, program: &Program, site: usize) -> Result<SitePlace> {
        let Some(spec) = program.spec.sites.get(site) else {
            return Err(CoreError::new(codes::NAME, format!("no site has index {site}")));
        };
        if !self.plan.listened[site] {
            return Err(CoreError::new(codes::NAME, format!("nobody listens to {}", spec.name))
                .expected("a site of the listen mask the run was opened with", &spec.name));
        }
        let exec = self.exec(program);
        let range = exec.range(spec.node);
        let sizes = self.plan.sizes;
        let size = |d: &Dim| match d {
            Dim::Size(n) => *n,
            Dim::Name(n) if n == "batch" => sizes.batch,
            Dim::Name(n) if n == "keys" => exec.keys(),
            Dim::Name(_) => sizes.seq,
        };
        let shape: Vec<usize> = spec.shape.iter().map(size).collect();
        check_len(&format!("shape of site {}", spec.name), range.len(), shape.iter().product())?;
        Ok(SitePlace { offset: range.start, length: range.len(), shape, grad_offset: -1 })
    }

    /// Where the output lies: `[batch, class]` when only the last position is computed or read, else `[batch, pos, class]`.
    pub fn output(&self, program: &Program) -> SitePlace {
        let out = program.spec.output;
        let (range, cols) = (self.exec(program).range(out), program.cols[out]);
        let batch = self.plan.sizes.batch;
        let shape = if self.plan.slots[out].last {
            vec![batch, cols]
        } else {
            vec![batch, self.plan.sizes.seq, cols]
        };
        SitePlace { offset: range.start, length: range.len(), shape, grad_offset: -1 }
    }

    /// Sets the tokens `[batch, seq]` of the next positions: those after what the session holds.
    ///
    /// # Errors
    /// `E_SHAPE` for a wrong length, `E_RANGE` for a token outside the vocabulary or when the session is full.
    pub fn set_tokens(&mut self, program: &Program, tokens: &[i32]) -> Result<()> {
        let Sizes { batch, seq, capacity } = self.plan.sizes;
        check_len("tokens", batch * seq, tokens.len())?;
        let tokens = check_tokens(tokens, program.spec.vocab)?;
        let past = match &self.session {
            Some(session) => lock(session)?.length(),
            None => 0,
        };
        if past + seq > capacity {
            return Err(CoreError::new(codes::RANGE, "the session is full")
                .expected(format!("at most {} more positions", capacity - past), seq));
        }
        (self.tokens, self.past) = (tokens, past);
        (self.node, self.fired, self.done) = (Some(0), 0, false);
        self.scratch.products.begin();
        Ok(())
    }

    /// Sets where to pause, one byte a site.
    ///
    /// # Errors
    /// `E_SHAPE` for a wrong length, `E_NAME` for a site that is not listened to.
    pub fn set_pause(&mut self, program: &Program, forward: &[u8]) -> Result<()> {
        check_len("pause mask", self.pause.len(), forward.len())?;
        let deaf = forward.iter().zip(&self.plan.listened).position(|(&b, &on)| b != 0 && !on);
        if let Some(site) = deaf {
            self.place(program, site)?;
        }
        self.pause.iter_mut().zip(forward).for_each(|(p, &b)| *p = b != 0);
        Ok(())
    }

    /// Replaces the edits; see [`crate::edit`].
    ///
    /// # Errors
    /// As [`Edit::parse_all`]; a site that is not listened to is an unknown one, and taps are not edited.
    pub fn set_edits(&mut self, program: &Program, ints: &[i32], floats: &[f32]) -> Result<()> {
        let shape = |site: usize| {
            let node = program.spec.sites.get(site)?.node;
            if program.spec.nodes[node].is_tap() {
                return None;
            }
            self.place(program, site).ok().map(|place| place.shape)
        };
        self.edits = Edit::parse_all(ints, floats, shape)?;
        Ok(())
    }

    fn check_arena(&self, arena: &[f32]) -> Result<()> {
        if arena.is_empty() && self.plan.arena_len() > 0 {
            return Err(CoreError::new(
                codes::DETACHED,
                "the run's arena was detached: its buffer has been transferred",
            ));
        }
        check_len("arena", self.plan.arena_len(), arena.len())
    }

    /// Runs to the next paused site and returns its index, or [`DONE`]; the session then holds the new positions as well.
    ///
    /// # Errors
    /// `E_DETACHED` or `E_SHAPE` for a wrong arena, `E_BUSY` when no tokens are set or the session was changed meanwhile, `E_MEMORY`.
    pub fn step(&mut self, program: &Program, arena: &mut [f32]) -> Result<i32> {
        self.check_arena(arena)?;
        if self.done {
            return Ok(DONE);
        }
        let Some(mut node) = self.node else {
            return Err(CoreError::new(codes::BUSY, "the run has no tokens")
                .expected("setTokens before", "step"));
        };
        let shared = self.session.clone();
        let mut session = shared.as_deref().map(lock).transpose()?;
        if session.as_ref().is_some_and(|s| s.length() != self.past) {
            return Err(CoreError::new(codes::BUSY, "the session was changed by another run")
                .expected(format!("a session of {} positions", self.past), "another length"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = loop {
            if let Some(site) = self.fire(program, node, arena) {
                break Ok(site);
            }
            if node == program.spec.nodes.len() {
                break Ok(DONE);
            }
            let exec = self.exec(program);
            if let Err(error) = exec.run(node, arena, session.as_deref_mut(), &mut scratch) {
                break Err(error);
            }
            node += 1;
            self.fired = 0;
        };
        self.scratch = scratch;
        self.node = Some(node);
        if matches!(result, Ok(DONE)) {
            self.done = true;
            if let Some(session) = &mut session {
                session.advance(self.plan.sizes.seq);
            }
        }
        result
    }

    /// Fires the remaining sites of the node that was computed last.
    fn fire(&mut self, program: &Program, node: usize, arena: &mut [f32]) -> Option<i32> {
        let sites = &program.sites_of[node.checked_sub(1)?];
        while let Some(&site) = sites.get(self.fired) {
            self.fired += 1;
            self.edit(program, site as usize, arena);
            if self.pause[site as usize] {
                return Some(site as i32);
            }
        }
        None
    }

    fn edit(&self, program: &Program, site: usize, arena: &mut [f32]) {
        for edit in self.edits.iter().filter(|e| e.site == site) {
            if let Ok(place) = self.place(program, site) {
                edit.apply(&place.shape, &mut arena[place.offset..place.offset + place.length]);
            }
        }
    }

    /// Mean cross-entropy of the output rows (log-softmax in f64).
    ///
    /// # Errors
    /// `E_BUSY` before the run is done, `E_SHAPE` for a wrong number of targets, `E_RANGE` for a target outside the classes.
    pub fn loss(&self, program: &Program, arena: &[f32], targets: &[i32]) -> Result<f64> {
        self.check_arena(arena)?;
        if !self.done {
            return Err(CoreError::new(codes::BUSY, "the run is not done yet"));
        }
        let place = self.output(program);
        let cols = program.cols[program.spec.output];
        check_targets(targets, place.length / cols, cols)?;
        let counted = targets.iter().filter(|&&t| t >= 0).count();
        let weights: Vec<f32> = vec![1.0; targets.len()];
        let mut losses = vec![0.0; targets.len()];
        let logits = &arena[place.offset..place.offset + place.length];
        tritlens_kernels::cross_entropy_rows(logits, cols, targets, &weights, None, &mut losses);
        Ok(losses.iter().sum::<f64>() / counted.max(1) as f64)
    }

    /// Bytes beside the arena and the session that a run takes.
    pub fn scratch_bytes(program: &Program, sizes: Sizes) -> usize {
        let rows = sizes.batch.saturating_mul(sizes.seq);
        let widest = program.cols.iter().copied().max().unwrap_or(0);
        // Codes (1 byte) and integer sums (4 bytes) of the widest layer.
        rows.saturating_mul(widest).saturating_mul(5) + angle_bytes(program, sizes.capacity)
    }
}
