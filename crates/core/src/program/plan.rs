//! Which rows each node is computed for, and where its output lies.
//!
//! The exact savings (same mathematics, fewer rows; see ARCHITECTURE.md, "Exact savings"):
//! * a node that depends only on (token, position) is computed once per distinct pair (`Space::Distinct`) and gathered;
//! * after the last attention, only the read-out position is computed (`Space::Last`).
//!
//! Nodes in `Distinct` space live in the shared arena, computed once a step; all others live in a tile's arena, computed for a few examples
//! at a time so that the arena stays in the cache.

use crate::error::{CoreError, Result, codes};
use crate::ops::blocks::Blocks;
use crate::program::compile::{MAX_ELEMENTS, Program};
use crate::program::fold::{self, Role};
use crate::program::roles::find_attentions;
use crate::program::spec::NodeSpec;

/// Rows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// One row a position: row = example x seq + position.
    Full,
    /// One row a distinct (token, position).
    Distinct,
    /// One row an example: the last position.
    Last,
}

/// How a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every node for every position: what a run with sites computes.
    Naive,
    /// The exact savings, for steps of so many examples: what the trainer computes.
    Savings {
        /// Examples of a step; decides whether folding pays.
        examples: usize,
    },
    /// As savings, but without distinct rows: every row is computed where it stands, and attention over long sequences in blocks.
    Rows,
}

/// Shortest context whose attention is computed in blocks: below a vector's length there is nothing to gain.
const SHORTEST_BLOCK: usize = 16;

/// One node of a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanNode {
    /// Rows (for attention nodes: rows of queries).
    pub space: Space,
    /// First element in its arena.
    pub offset: usize,
    /// Elements at the plan's largest number of examples.
    pub len: usize,
}

/// A laid-out program for up to `examples` sequences of `seq` tokens.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Nodes, index for index those of the Spec.
    pub nodes: Vec<PlanNode>,
    /// What folding decided for each node; see [`crate::program::fold`].
    pub roles: Vec<Role>,
    /// Whether every node is computed for every position, on as many threads as there are; else the caller has threads of its own.
    pub naive: bool,
    /// Sequence length.
    pub seq: usize,
    /// Largest number of examples.
    pub examples: usize,
    /// Number of distinct rows.
    pub distinct: usize,
    /// Elements of the tile arena (activations only; gradients double it).
    pub tile_len: usize,
    /// Elements of the shared arena.
    pub shared_len: usize,
    /// Elements of the attention patterns of a tile that lie outside its arena.
    pub patterns_len: usize,
}

impl Plan {
    /// Plans `program` for `examples` x `seq` tokens with `distinct` distinct (token, position) rows (ignored in naive mode).
    ///
    /// # Errors
    /// `E_MEMORY` when an arena would exceed 2^30 elements.
    pub fn new(
        program: &Program,
        mode: Mode,
        examples: usize,
        seq: usize,
        distinct: usize,
    ) -> Result<Self> {
        let spaces = match mode {
            Mode::Naive => naive_spaces(program),
            // A graph whose rows would not line up is computed in full: correct before fast.
            Mode::Savings { .. } => {
                saving_spaces(program, Space::Distinct).unwrap_or_else(|| naive_spaces(program))
            }
            Mode::Rows => {
                saving_spaces(program, Space::Full).unwrap_or_else(|| naive_spaces(program))
            }
        };
        let mut plan = Self {
            nodes: Vec::with_capacity(spaces.len()),
            roles: choose_roles(program, &spaces, mode, seq, distinct),
            naive: mode == Mode::Naive,
            seq,
            examples,
            distinct,
            tile_len: 0,
            shared_len: 0,
            patterns_len: 0,
        };
        for (i, &space) in spaces.iter().enumerate() {
            plan.place(program, i, space)?;
        }
        Ok(plan)
    }

    /// Rows of a space for `n` examples.
    pub fn rows(&self, space: Space, n: usize) -> usize {
        match space {
            Space::Full => n * self.seq,
            Space::Distinct => self.distinct,
            Space::Last => n,
        }
    }

    /// Queries an example of an attention node in `space`.
    pub fn queries(&self, space: Space) -> usize {
        if space == Space::Last { 1 } else { self.seq }
    }

    /// Whether a node lives in the shared arena.
    pub fn is_shared(&self, node: usize) -> bool {
        self.nodes[node].space == Space::Distinct
    }

    /// Elements of node `i` for `n` examples.
    pub fn len_for(&self, program: &Program, i: usize, n: usize) -> usize {
        let space = self.nodes[i].space;
        match heads_of(program, i) {
            Some(heads) => n * heads * self.queries(space) * self.seq,
            None => self.rows(space, n) * program.cols[i],
        }
    }

    fn place(&mut self, program: &Program, i: usize, space: Space) -> Result<()> {
        self.nodes.push(PlanNode { space, offset: 0, len: 0 });
        let mut len = self.checked_len(program, i)?;
        if matches!(self.roles[i], Role::Skipped) {
            len = 0;
        }
        let end = if space == Space::Distinct { &mut self.shared_len } else { &mut self.tile_len };
        self.nodes[i] = PlanNode { space, offset: *end, len };
        // Starts on a cache line.
        *end = (*end + len).next_multiple_of(16);
        if let Role::Folded(mut f) = self.roles[i] {
            self.shared_len +=
                fold::place(program, &self.roles, &mut f, i, self.shared_len, self.distinct);
            self.roles[i] = Role::Folded(f);
        }
        if let Role::Attention(a) = &mut self.roles[i] {
            a.patterns = self.patterns_len;
            let heads = heads_of(program, a.scores).unwrap_or(1);
            self.patterns_len += self.examples * heads * pattern_len(program, a.scores, self.seq);
        }
        if self.tile_len.max(self.shared_len).max(self.patterns_len) > MAX_ELEMENTS {
            Err(too_large())
        } else {
            Ok(())
        }
    }

    fn checked_len(&self, program: &Program, i: usize) -> Result<usize> {
        let positions = self.examples.checked_mul(self.seq).ok_or_else(too_large)?;
        let width = heads_of(program, i)
            .map_or(Some(program.cols[i]), |h| h.checked_mul(self.seq))
            .ok_or_else(too_large)?;
        let rows = positions.max(self.distinct);
        match rows.checked_mul(width) {
            Some(len) if len <= MAX_ELEMENTS => Ok(self.len_for(program, i, self.examples)),
            _ => Err(too_large()),
        }
    }
}

fn choose_roles(
    program: &Program,
    spaces: &[Space],
    mode: Mode,
    seq: usize,
    distinct: usize,
) -> Vec<Role> {
    let heads = (0..spaces.len()).filter_map(|i| heads_of(program, i)).max().unwrap_or(1);
    let mut plain = vec![Role::Plain; spaces.len()];
    match mode {
        Mode::Savings { examples } if fold::pays(distinct, heads, examples) => {
            fold::roles(program, spaces, seq)
        }
        Mode::Rows if seq >= SHORTEST_BLOCK => {
            find_attentions(program, spaces, &mut plain);
            plain
        }
        _ => plain,
    }
}

/// Elements that the pattern of one head over one example takes in blocks.
fn pattern_len(program: &Program, scores: usize, seq: usize) -> usize {
    let causal = matches!(program.spec.nodes[scores], NodeSpec::Scores { causal: true, .. });
    Blocks { seq, causal }.elements()
}

impl Program {
    /// Whether the trainer computes attention in blocks: over long sequences, where more than the last position asks.
    pub(crate) fn attends_in_blocks(&self) -> bool {
        let full = needed_everywhere(self);
        let attends = |(n, &full): (&NodeSpec, &bool)| full && matches!(n, NodeSpec::Scores { .. });
        self.spec.ctx >= SHORTEST_BLOCK && self.spec.nodes.iter().zip(&full).any(attends)
    }
}

fn too_large() -> CoreError {
    CoreError::new(codes::MEMORY, "the activations do not fit into one arena")
        .expected(format!("at most {MAX_ELEMENTS} elements"), "more")
}

/// Heads of an attention-shaped node (scores or pattern), `None` for rows.
pub fn heads_of(program: &Program, mut i: usize) -> Option<usize> {
    loop {
        match &program.spec.nodes[i] {
            NodeSpec::Scores { heads, .. } => return Some(*heads),
            NodeSpec::Softmax { input } => i = input[0],
            _ => return None,
        }
    }
}

fn naive_spaces(program: &Program) -> Vec<Space> {
    program.is_last.iter().map(|&last| if last { Space::Last } else { Space::Full }).collect()
}

/// Nodes of which more than the last position is read. Everything else is needed at the last position only.
fn needed_everywhere(program: &Program) -> Vec<bool> {
    let nodes = &program.spec.nodes;
    let mut full = vec![false; nodes.len()];
    let out = program.spec.output;
    full[out] = !program.is_last[out];
    for i in (0..nodes.len()).rev() {
        for (k, &input) in nodes[i].inputs().iter().enumerate() {
            let keys = k == 1 && matches!(nodes[i], NodeSpec::Scores { .. } | NodeSpec::Mix { .. });
            let through = full[i] && !matches!(nodes[i], NodeSpec::Last { .. });
            full[input] |= keys || through;
        }
    }
    full
}

/// Spaces with savings, embeddings being in `embedded` space, or `None` when some node's inputs would have different rows.
fn saving_spaces(program: &Program, embedded: Space) -> Option<Vec<Space>> {
    let full = needed_everywhere(program);
    let mut spaces: Vec<Space> = Vec::with_capacity(full.len());
    for (i, node) in program.spec.nodes.iter().enumerate() {
        let inputs = node.inputs();
        let narrow = if full[i] { Space::Full } else { Space::Last };
        let space = match node {
            NodeSpec::Embed { .. } | NodeSpec::Pos { .. } => embedded,
            NodeSpec::Last { .. } => Space::Last,
            NodeSpec::Scores { .. } => narrow,
            NodeSpec::Add { .. } => {
                if inputs.iter().all(|&k| spaces[k] == Space::Distinct) {
                    Space::Distinct
                } else {
                    narrow
                }
            }
            // Rows follow the pattern; the values may have any rows.
            NodeSpec::Mix { .. } => spaces[inputs[0]],
            _ => {
                if inputs.iter().any(|&k| spaces[k] != spaces[inputs[0]]) {
                    return None;
                }
                spaces[inputs[0]]
            }
        };
        spaces.push(space);
    }
    let readable = spaces[program.spec.output] != Space::Distinct;
    (readable && row_maps_exist(program, &spaces)).then_some(spaces)
}

/// Wider rows can be read from narrower ones never: a `Full` node must not read a `Last` one.
fn row_maps_exist(program: &Program, spaces: &[Space]) -> bool {
    program.spec.nodes.iter().enumerate().all(|(i, node)| {
        node.inputs().iter().all(|&k| {
            let widens = spaces[i] == Space::Full && spaces[k] == Space::Last;
            let gathers_less = spaces[i] == Space::Distinct && spaces[k] != Space::Distinct;
            !widens && !gathers_less
        })
    })
}
