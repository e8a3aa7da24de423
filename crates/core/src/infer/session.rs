//! Keys and values of the positions that were run before.

use crate::error::{CoreError, Result, codes, zeros};
use crate::ops::rotary::Angles;
use crate::program::compile::Program;
use crate::program::scratch::angles;
use crate::program::spec::NodeSpec;

/// Keys or values of one attention, `[batch, kv heads, capacity, head]`: one head's positions lie side by side, as products read them.
#[derive(Debug)]
pub(super) struct Cache {
    /// The node that reads them.
    node: usize,
    pub(super) kv_heads: usize,
    pub(super) head: usize,
    pub(super) data: Vec<f32>,
}

/// What a program keeps between runs.
#[derive(Debug)]
pub struct Session {
    batch: usize,
    capacity: usize,
    length: usize,
    caches: Vec<Cache>,
    angles: Vec<Angles>,
}

/// Nodes that keep something, with key-value heads and head size.
fn kept(program: &Program) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    program.spec.nodes.iter().enumerate().filter_map(|(i, node)| match *node {
        NodeSpec::Scores { input: [_, x], kv_heads, .. }
        | NodeSpec::Mix { input: [_, x], kv_heads, .. } => {
            Some((i, kv_heads, program.cols[x] / kv_heads))
        }
        _ => None,
    })
}

impl Session {
    /// Room for `capacity` positions of `batch` sequences.
    ///
    /// # Errors
    /// `E_RANGE` for sizes out of range, `E_SPEC` when attention is not causal (earlier positions would change with later ones), `E_MEMORY`.
    pub fn new(program: &Program, batch: usize, capacity: usize) -> Result<Self> {
        if batch == 0 || capacity == 0 || capacity > program.spec.ctx {
            return Err(CoreError::new(codes::RANGE, "size of a session out of range").expected(
                format!("batch >= 1 and 1 <= capacity <= {}", program.spec.ctx),
                format!("{batch} x {capacity}"),
            ));
        }
        let open = |n: &NodeSpec| matches!(n, NodeSpec::Scores { causal: false, .. });
        if program.spec.nodes.iter().any(open) {
            return Err(CoreError::new(
                codes::SPEC,
                "attention without a mask cannot be continued",
            )
            .expected("causal attention", "bidirectional attention"));
        }
        let mut caches = Vec::new();
        for (node, kv_heads, head) in kept(program) {
            let len = batch.checked_mul(capacity).and_then(|n| n.checked_mul(kv_heads * head));
            let data = zeros(len.unwrap_or(usize::MAX))?;
            caches.push(Cache { node, kv_heads, head, data });
        }
        Ok(Self { batch, capacity, length: 0, caches, angles: angles(program, capacity) })
    }

    /// Bytes that [`Session::new`] would take.
    pub fn bytes(program: &Program, batch: usize, capacity: usize) -> usize {
        let numbers: usize = kept(program).map(|(_, kv_heads, head)| kv_heads * head).sum();
        let tables = angle_bytes(program, capacity);
        numbers.saturating_mul(batch).saturating_mul(capacity).saturating_mul(size_of::<f32>())
            + tables
    }

    /// Sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Most positions.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Positions kept.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Goes back to the first `length` positions.
    ///
    /// # Errors
    /// `E_RANGE` when there are fewer.
    pub fn rewind(&mut self, length: usize) -> Result<()> {
        if length > self.length {
            return Err(CoreError::new(codes::RANGE, "a session cannot be rewound forward")
                .expected(format!("at most {}", self.length), length));
        }
        self.length = length;
        Ok(())
    }

    /// A run over `count` more positions is done.
    pub(super) fn advance(&mut self, count: usize) {
        self.length += count;
    }

    pub(super) fn angles(&self) -> &[Angles] {
        &self.angles
    }

    /// What node `i` kept.
    pub(super) fn cache(&self, i: usize) -> Option<&Cache> {
        self.caches.iter().find(|c| c.node == i)
    }

    /// Keeps rows `[batch, seq, kv heads * head]` of node `i`, from position `past` on.
    pub(super) fn keep(&mut self, i: usize, past: usize, rows: &[f32]) {
        let (batch, capacity) = (self.batch, self.capacity);
        let Some(cache) = self.caches.iter_mut().find(|c| c.node == i) else { return };
        let (kv, d) = (cache.kv_heads, cache.head);
        let seq = rows.len() / (batch * kv * d);
        for (r, row) in rows.chunks_exact(kv * d).enumerate() {
            let (b, t) = (r / seq, past + r % seq);
            for (g, vector) in row.chunks_exact(d).enumerate() {
                let at = ((b * kv + g) * capacity + t) * d;
                cache.data[at..at + d].copy_from_slice(vector);
            }
        }
    }
}

/// Bytes of the tables of angles for so many positions.
pub(super) fn angle_bytes(program: &Program, positions: usize) -> usize {
    let mut turns = Vec::new();
    for turn in program.spec.nodes.iter().filter_map(NodeSpec::turn) {
        if !turns.contains(&turn) {
            turns.push(turn);
        }
    }
    turns.iter().map(|turn| Angles::bytes(turn, positions)).sum()
}
