//! Computes one node of an inference run.

use crate::error::{Result, zeros};
use crate::infer::linear::Products;
use crate::infer::plan::{Plan, Work};
use crate::infer::rowwise::RowNode;
use crate::infer::session::Session;
use crate::ops::rotary::Angles;
use crate::program::compile::Program;
use crate::program::plan::heads_of;
use crate::program::spec::NodeSpec;

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

    /// Whose codes a product of this node can use: last rows are another input than all of them.
    fn source(&self) -> usize {
        match self.program().spec.nodes[self.i].inputs() {
            [] => usize::MAX,
            &[k, ..] if self.narrows(k) => usize::MAX - self.i,
            &[k, ..] => self.exec.plan.root(k),
        }
    }

    fn compute(
        &self,
        g: &[Vec<f32>; 2],
        session: Option<&mut Session>,
        scratch: &mut Scratch,
        y: &mut [f32],
    ) -> Result<()> {
        let spec = &self.program().spec.nodes[self.i];
        if matches!(spec, NodeSpec::Scores { .. } | NodeSpec::Mix { .. }) {
            return self.attention(session, g, y);
        }
        let inputs = spec.inputs();
        let input = |j: usize| if j < inputs.len() { self.input(j, g) } else { &[] };
        let rows = RowNode {
            program: self.program(),
            i: self.i,
            x: [input(0), input(1)],
            source: self.source(),
            token: &|r| self.token(r),
            position: &|r| self.position(r),
            keys: self.exec.keys(),
        };
        let angles = session.map_or(&scratch.angles[..], |s| s.angles());
        rows.compute(&mut scratch.products, angles, y)
    }
}
