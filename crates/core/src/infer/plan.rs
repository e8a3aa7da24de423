//! What an inference run computes, and where it lies.

use crate::error::{CoreError, Result, codes};
use crate::infer::place::Places;
use crate::program::compile::{MAX_ELEMENTS, Program};
use crate::program::plan::heads_of;
use crate::program::spec::NodeSpec;

/// Sizes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Examples B.
    pub batch: usize,
    /// New positions T.
    pub seq: usize,
    /// Most keys: cached positions and new ones.
    pub capacity: usize,
}

/// What is done about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Nobody needs it, or another node computes what it stands for.
    Skip,
    /// A copy that nobody listens to: it lies where this node lies.
    Alias(usize),
    /// Computed.
    Compute,
    /// A mix node that computes its scores and pattern as well, a block at a time.
    Attend {
        /// The node of the scores.
        scores: usize,
    },
}

/// One node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) work: Work,
    /// One row an example, the last position, instead of one a position.
    pub(super) last: bool,
    pub(super) offset: usize,
}

/// A laid-out inference run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) sizes: Sizes,
    pub(super) slots: Vec<Slot>,
    /// Sites that may be looked at.
    pub(super) listened: Vec<bool>,
    last_only: bool,
    arena: usize,
}

impl Plan {
    /// Plans a run whose sites in `listen` (one byte a site, non-zero) may be looked at. With `last_only` only the logits of the last position are computed, and
    /// with them only what they need of the last block.
    ///
    /// # Errors
    /// `E_RANGE` for sizes out of range, `E_SHAPE` for a mask of the wrong length, `E_MEMORY` when the activations exceed 2^30 elements.
    pub fn new(program: &Program, sizes: Sizes, listen: &[u8], last_only: bool) -> Result<Self> {
        check(program, sizes)?;
        crate::error::check_len("listen mask", program.spec.sites.len(), listen.len())?;
        let listened: Vec<bool> = listen.iter().map(|&b| b != 0).collect();
        let heard: Vec<bool> = program
            .sites_of
            .iter()
            .map(|sites| sites.iter().any(|&s| listened[s as usize]))
            .collect();
        let slots = choose(program, &heard, last_only);
        let mut plan = Self { sizes, slots, listened, last_only, arena: 0 };
        plan.lay_out(program)?;
        Ok(plan)
    }

    /// Whether it was made for this.
    pub fn is_for(&self, sizes: Sizes, listen: &[u8], last_only: bool) -> bool {
        let same = |(&a, &b): (&bool, &u8)| a == (b != 0);
        self.sizes == sizes
            && self.last_only == last_only
            && self.listened.len() == listen.len()
            && self.listened.iter().zip(listen).all(same)
    }

    /// Elements of the arena.
    pub fn arena_len(&self) -> usize {
        self.arena
    }

    /// The node whose memory a node uses.
    pub(super) fn root(&self, mut i: usize) -> usize {
        while let Work::Alias(k) = self.slots[i].work {
            i = k;
        }
        i
    }

    /// Rows of a node.
    pub(super) fn rows(&self, i: usize) -> usize {
        self.sizes.batch * self.queries(i)
    }

    /// Positions a node has rows for.
    pub(super) fn queries(&self, i: usize) -> usize {
        if self.slots[i].last { 1 } else { self.sizes.seq }
    }

    /// Elements of a node while attention sees `keys` positions.
    pub(super) fn len(&self, program: &Program, i: usize, keys: usize) -> usize {
        match heads_of(program, i) {
            Some(heads) => self.rows(i) * heads * keys,
            None => self.rows(i) * program.cols[i],
        }
    }

    /// Nodes that node `i` reads when it is computed.
    pub(super) fn reads(&self, program: &Program, i: usize) -> Vec<usize> {
        let nodes = &program.spec.nodes;
        match self.slots[i].work {
            Work::Skip => Vec::new(),
            Work::Attend { scores } => {
                let q = nodes[scores].inputs();
                vec![q[0], q[1], nodes[i].inputs()[1]]
            }
            Work::Alias(_) | Work::Compute => nodes[i].inputs().to_vec(),
        }
    }

    /// The node that reads each node last: itself when none does, and one past the last node for the output.
    pub(super) fn last_uses(&self, program: &Program) -> Vec<usize> {
        let n = self.slots.len();
        let mut last_use: Vec<usize> = (0..n).collect();
        for i in 0..n {
            for k in self.reads(program, i) {
                last_use[self.root(k)] = i;
            }
        }
        last_use[self.root(program.spec.output)] = n;
        last_use
    }

    fn lay_out(&mut self, program: &Program) -> Result<()> {
        let n = self.slots.len();
        let last_use = self.last_uses(program);
        let mut ends: Vec<Vec<usize>> = vec![Vec::new(); n + 1];
        for (i, &end) in last_use.iter().enumerate() {
            if matches!(self.slots[i].work, Work::Compute | Work::Attend { .. }) {
                ends[end].push(i);
            }
        }
        let mut places = Places::default();
        for (i, ends) in ends[..n].iter().enumerate() {
            if matches!(self.slots[i].work, Work::Compute | Work::Attend { .. }) {
                self.slots[i].offset = places.take(self.largest(program, i)?);
            }
            for &k in ends {
                places.give(self.slots[k].offset, self.largest(program, k)?);
            }
        }
        self.arena = places.len();
        if self.arena > MAX_ELEMENTS { Err(too_large()) } else { Ok(()) }
    }

    fn largest(&self, program: &Program, i: usize) -> Result<usize> {
        let width = match heads_of(program, i) {
            Some(heads) => heads.checked_mul(self.sizes.capacity),
            None => Some(program.cols[i]),
        };
        let rows = self.rows(i);
        let len = width.and_then(|w| w.checked_mul(rows)).filter(|&len| len <= MAX_ELEMENTS);
        len.ok_or_else(too_large)
    }
}

fn too_large() -> CoreError {
    CoreError::new(codes::MEMORY, "the activations do not fit into one arena")
        .expected(format!("at most {MAX_ELEMENTS} elements"), "more")
}

fn check(program: &Program, s: Sizes) -> Result<()> {
    let ctx = program.spec.ctx;
    if s.batch == 0 || s.seq == 0 || s.seq > s.capacity || s.capacity > ctx {
        return Err(CoreError::new(codes::RANGE, "batch or sequence out of range").expected(
            format!("batch >= 1 and 1 <= seq <= {}", ctx.min(s.capacity)),
            format!("{} x {}", s.batch, s.seq),
        ));
    }
    match s.batch.checked_mul(s.seq) {
        Some(rows) if rows <= MAX_ELEMENTS => Ok(()),
        _ => Err(too_large()),
    }
}

/// Decides about every node.
fn choose(program: &Program, heard: &[bool], last_only: bool) -> Vec<Slot> {
    let nodes = &program.spec.nodes;
    let needed = needed(program, heard);
    let full = wanted_everywhere(program, heard, &needed, last_only);
    let mut slots: Vec<Slot> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let last = !full[i];
        let work = match *node {
            _ if !needed[i] => Work::Skip,
            NodeSpec::Copy { input: [x] } if !heard[i] && slots[x].last == last => Work::Alias(x),
            _ => Work::Compute,
        };
        slots.push(Slot { work, last, offset: 0 });
    }
    for i in 0..nodes.len() {
        if let Some([pattern, scores]) = whole_attention(program, heard, i)
            && slots[i].work == Work::Compute
        {
            slots[pattern].work = Work::Skip;
            slots[scores].work = Work::Skip;
            slots[i].work = Work::Attend { scores };
        }
    }
    slots
}

/// Pattern and scores of a mix node that nobody else looks at.
fn whole_attention(program: &Program, heard: &[bool], i: usize) -> Option<[usize; 2]> {
    let nodes = &program.spec.nodes;
    let NodeSpec::Mix { input: [pattern, _], .. } = nodes[i] else { return None };
    let NodeSpec::Softmax { input: [scores] } = nodes[pattern] else { return None };
    let NodeSpec::Scores { .. } = nodes[scores] else { return None };
    let readers = |k: usize| nodes.iter().filter(|n| n.inputs().contains(&k)).count();
    let alone = |k: usize| !heard[k] && readers(k) == 1 && k != program.spec.output;
    (alone(pattern) && alone(scores)).then_some([pattern, scores])
}

/// What the output or a listener needs.
fn needed(program: &Program, heard: &[bool]) -> Vec<bool> {
    let nodes = &program.spec.nodes;
    let mut needed = heard.to_vec();
    needed[program.spec.output] = true;
    for i in (0..nodes.len()).rev() {
        if needed[i] {
            nodes[i].inputs().iter().for_each(|&k| needed[k] = true);
        }
    }
    needed
}

/// Nodes of which more than the last position is needed.
fn wanted_everywhere(
    program: &Program,
    heard: &[bool],
    needed: &[bool],
    last_only: bool,
) -> Vec<bool> {
    let nodes = &program.spec.nodes;
    let mut full = heard.to_vec();
    for (i, f) in full.iter_mut().enumerate() {
        // What lies behind a `last` node has one row an example in any case.
        *f &= !program.is_last[i];
    }
    let out = program.spec.output;
    full[out] |= !last_only && !program.is_last[out];
    for i in (0..nodes.len()).rev().filter(|&i| needed[i]) {
        for (k, &input) in nodes[i].inputs().iter().enumerate() {
            let keys = k == 1 && matches!(nodes[i], NodeSpec::Scores { .. } | NodeSpec::Mix { .. });
            let through = full[i] && !matches!(nodes[i], NodeSpec::Last { .. });
            full[input] |= (keys || through) && !program.is_last[input];
        }
    }
    // A softmax has the rows of its scores, whoever listens to which.
    for (i, node) in nodes.iter().enumerate() {
        if let NodeSpec::Softmax { input: [scores] } = *node {
            full[i] |= full[scores];
        }
    }
    full
}
