//! Attention nodes that are computed together (`Role::Attention`).

use crate::ops::attention::{Heads, Score};
use crate::ops::blocks::Head;
use crate::program::exec::Exec;
use crate::program::roles::Attention;
use crate::program::scratch::Scratch;
use crate::program::spec::NodeSpec;

impl Exec<'_> {
    /// The nodes of queries, keys and values.
    pub(crate) fn attention_inputs(&self, a: Attention) -> [usize; 3] {
        let scores = self.program.spec.nodes[a.scores].inputs();
        [scores[0], scores[1], a.values]
    }

    fn attention_sizes(&self, a: Attention) -> (Heads, Score) {
        let (heads, kv_heads, scale, causal) = match self.program.spec.nodes[a.scores] {
            NodeSpec::Scores { heads, kv_heads, scale, causal, .. } => {
                (heads, kv_heads, scale, causal)
            }
            _ => (1, 1, 1.0, false),
        };
        (self.heads(a.scores, heads, kv_heads, a.values), Score { scale, causal })
    }

    /// Computes mix node `i` with its scores and pattern.
    pub(crate) fn attention_forward(
        &self,
        i: usize,
        a: Attention,
        tile: &mut [f32],
        patterns: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (d, sc) = self.attention_sizes(a);
        let range = self.range(i);
        let (before, after) = tile.split_at_mut(range.start);
        let z = &mut after[..range.len()];
        let inputs = self.attention_inputs(a).map(|k| &before[self.range(k)]);
        for head in Head::all(d, sc) {
            let pattern = &mut patterns[a.patterns..][head.pattern()];
            head.forward(inputs, &mut scratch.pattern, pattern, z);
        }
    }

    /// Adds to the gradients of queries, keys and values.
    pub(crate) fn attention_backward(
        &self,
        i: usize,
        a: Attention,
        [tile, patterns]: [&[f32]; 2],
        tile_grad: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (d, sc) = self.attention_sizes(a);
        let (before, dz) = tile_grad.split_at_mut(self.range(i).start);
        let [q, k, v] = self.attention_inputs(a);
        let (room, dscores) = scratch.pattern.split_at_mut(d.seq * d.seq);
        for head in Head::all(d, sc) {
            let pattern = &patterns[a.patterns..][head.pattern()];
            head.scores_gradient(pattern, &tile[self.range(v)], dz, room, dscores);
            head.add_query_gradient(dscores, &tile[self.range(k)], &mut before[self.range(q)]);
            head.add_key_gradient(dscores, &tile[self.range(q)], &mut before[self.range(k)]);
            head.add_value_gradient(pattern, dz, &mut before[self.range(v)]);
        }
    }
}
