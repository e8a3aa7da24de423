//! Attention nodes: what they read, what they keep.

use crate::error::Result;
use crate::infer::attention::{Shape, Vectors};
use crate::infer::exec::Node;
use crate::infer::plan::Work;
use crate::infer::session::Session;
use crate::program::compile::Program;
use crate::program::spec::NodeSpec;

impl Node<'_> {
    /// Scores, a mix, or both together; keeps keys and values in the session.
    pub(super) fn attention(
        &self,
        mut session: Option<&mut Session>,
        g: &[Vec<f32>; 2],
        y: &mut [f32],
    ) -> Result<()> {
        let (nodes, i) = (&self.program().spec.nodes, self.i);
        let vectors = nodes[i].inputs()[1];
        self.keep(i, vectors, session.as_deref_mut());
        if let Work::Attend { scores } = self.exec.plan.slots[i].work {
            let (q, k) = (nodes[scores].inputs()[0], nodes[scores].inputs()[1]);
            self.keep(scores, k, session.as_deref_mut());
            let (s, session) = (self.shape(scores, q), session.as_deref());
            let keys = self.vectors(scores, k, s, session);
            return s.attend(self.whole(q), keys, self.vectors(i, vectors, s, session), y);
        }
        let session = session.as_deref();
        if let NodeSpec::Scores { input: [q, k], .. } = nodes[i] {
            let s = self.shape(i, q);
            s.scores(self.whole(q), self.vectors(i, k, s, session), y);
        } else {
            let s = self.shape(i, nodes[i].inputs()[0]);
            s.mix(self.input(0, g), self.vectors(i, vectors, s, session), y);
        }
        Ok(())
    }

    fn keep(&self, i: usize, vectors: usize, session: Option<&mut Session>) {
        if let Some(session) = session {
            session.keep(i, self.exec.past, self.whole(vectors));
        }
    }

    fn vectors<'b>(
        &'b self,
        i: usize,
        k: usize,
        s: Shape,
        session: Option<&'b Session>,
    ) -> Vectors<'b> {
        match session.and_then(|session| Some((session.cache(i)?, session.capacity()))) {
            Some((cache, capacity)) => Vectors::kept(cache, capacity),
            None => Vectors::rows(self.whole(k), s),
        }
    }

    /// Sizes of attention node `i`, whose queries are rows of node `q` (for a mix the pattern) and whose keys or values are node `k`.
    fn shape(&self, i: usize, q: usize) -> Shape {
        let plan = self.exec.plan;
        let queries = plan.queries(i);
        Shape {
            batch: plan.sizes.batch,
            queries,
            rows: plan.queries(q),
            first: self.exec.keys() - queries,
            ..kind_of(self.program(), i, self.exec.keys())
        }
    }
}

/// Heads, scale and mask of an attention node over `keys` positions; a single query, which is the last one.
pub(super) fn kind_of(program: &Program, i: usize, keys: usize) -> Shape {
    let nodes = &program.spec.nodes;
    let (heads, kv_heads, scale, causal) = match nodes[i] {
        NodeSpec::Scores { heads, kv_heads, scale, causal, .. } => (heads, kv_heads, scale, causal),
        NodeSpec::Mix { heads, kv_heads, .. } => (heads, kv_heads, 1.0, is_causal(program, i)),
        _ => (1, 1, 1.0, false),
    };
    let head = program.cols[nodes[i].inputs()[1]] / kv_heads;
    Shape {
        batch: 1,
        queries: 1,
        rows: 1,
        first: keys - 1,
        keys,
        heads,
        kv_heads,
        head,
        scale,
        causal,
    }
}

/// Whether the scores behind a mix are masked.
fn is_causal(program: &Program, i: usize) -> bool {
    let nodes = &program.spec.nodes;
    let mut k = nodes[i].inputs()[0];
    while let NodeSpec::Softmax { input } = nodes[k] {
        k = input[0];
    }
    matches!(nodes[k], NodeSpec::Scores { causal: true, .. })
}
