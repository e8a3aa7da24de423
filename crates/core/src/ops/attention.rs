//! Attention in three nodes: scores, softmax (a kernel), mix. Keys and values may be gathered rows, so equal tokens are computed once.

use super::{Rows, row, row_mut};
use tritlens_kernels as k;

/// Sizes of an attention layer.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// B.
    pub examples: usize,
    /// T.
    pub seq: usize,
    /// Q: T, or 1 when only the last position asks.
    pub queries: usize,
    /// H.
    pub heads: usize,
    /// Key and value heads; H is a multiple (grouped-query attention).
    pub kv_heads: usize,
    /// D.
    pub head: usize,
}

impl Heads {
    fn query_position(self, i: usize) -> usize {
        if self.queries == 1 { self.seq - 1 } else { i }
    }

    fn group(self, h: usize) -> usize {
        h / (self.heads / self.kv_heads)
    }

    /// Slice of head `h` in a row of query-shaped vectors.
    fn q_slice(self, r: usize, h: usize) -> std::ops::Range<usize> {
        let at = (r * self.heads + h) * self.head;
        at..at + self.head
    }

    /// Slice of the key or value head that serves head `h`.
    fn kv_slice(self, r: usize, h: usize) -> std::ops::Range<usize> {
        let at = (r * self.kv_heads + self.group(h)) * self.head;
        at..at + self.head
    }

    /// Calls `f(e, h, i, row of the [B, H, Q] scores)`.
    fn for_each(self, mut f: impl FnMut(usize, usize, usize, usize)) {
        for e in 0..self.examples {
            for h in 0..self.heads {
                for i in 0..self.queries {
                    f(e, h, i, (e * self.heads + h) * self.queries + i);
                }
            }
        }
    }
}

/// scale and mask of the scores.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// Factor.
    pub scale: f32,
    /// Keys after the query are -inf.
    pub causal: bool,
}

impl Score {
    fn visible(self, query: usize, seq: usize) -> usize {
        if self.causal { query + 1 } else { seq }
    }
}

/// s `[B, H, Q, T]` = scale q.k.
pub fn scores_forward(
    d: Heads,
    sc: Score,
    q: (&[f32], Rows<'_>),
    key: (&[f32], Rows<'_>),
    s: &mut [f32],
) {
    d.for_each(|e, h, i, r| {
        let position = d.query_position(i);
        let query = &q.0[d.q_slice(q.1.at(e, position), h)];
        let out = row_mut(s, r, d.seq);
        out.fill(f32::NEG_INFINITY);
        for (t, o) in out.iter_mut().enumerate().take(sc.visible(position, d.seq)) {
            *o = k::dot(query, &key.0[d.kv_slice(key.1.at(e, t), h)]) * sc.scale;
        }
    });
}

/// dq += scale ds k.
pub fn scores_backward_q(
    d: Heads,
    sc: Score,
    q: Rows<'_>,
    key: (&[f32], Rows<'_>),
    ds: &[f32],
    dq: &mut [f32],
) {
    d.for_each(|e, h, i, r| {
        let position = d.query_position(i);
        let out = d.q_slice(q.at(e, position), h);
        let grads = row(ds, r, d.seq);
        for (t, g) in grads.iter().enumerate().take(sc.visible(position, d.seq)) {
            let source = &key.0[d.kv_slice(key.1.at(e, t), h)];
            k::axpy(g * sc.scale, source, &mut dq[out.clone()]);
        }
    });
}

/// dk += scale ds q.
pub fn scores_backward_k(
    d: Heads,
    sc: Score,
    q: (&[f32], Rows<'_>),
    key: Rows<'_>,
    ds: &[f32],
    dk: &mut [f32],
) {
    d.for_each(|e, h, i, r| {
        let position = d.query_position(i);
        let query = &q.0[d.q_slice(q.1.at(e, position), h)];
        let grads = row(ds, r, d.seq);
        for (t, g) in grads.iter().enumerate().take(sc.visible(position, d.seq)) {
            k::axpy(g * sc.scale, query, &mut dk[d.kv_slice(key.at(e, t), h)]);
        }
    });
}

/// z `[B Q, H D]` = pattern v.
pub fn mix_forward(d: Heads, pattern: &[f32], v: (&[f32], Rows<'_>), z: &mut [f32]) {
    z.fill(0.0);
    d.for_each(|e, h, i, r| {
        let out = d.q_slice(e * d.queries + i, h);
        for (t, &p) in row(pattern, r, d.seq).iter().enumerate() {
            // A masked key has weight 0 exactly; skipping it keeps an infinite value elsewhere from becoming NaN here.
            if p != 0.0 {
                k::axpy(p, &v.0[d.kv_slice(v.1.at(e, t), h)], &mut z[out.clone()]);
            }
        }
    });
}

/// dpattern += dz.v.
pub fn mix_backward_pattern(d: Heads, v: (&[f32], Rows<'_>), dz: &[f32], dp: &mut [f32]) {
    d.for_each(|e, h, i, r| {
        let grad = &dz[d.q_slice(e * d.queries + i, h)];
        for (t, g) in row_mut(dp, r, d.seq).iter_mut().enumerate() {
            *g += k::dot(grad, &v.0[d.kv_slice(v.1.at(e, t), h)]);
        }
    });
}

/// dv += pattern dz.
pub fn mix_backward_v(d: Heads, pattern: &[f32], v: Rows<'_>, dz: &[f32], dv: &mut [f32]) {
    d.for_each(|e, h, i, r| {
        let grad = &dz[d.q_slice(e * d.queries + i, h)];
        for (t, &p) in row(pattern, r, d.seq).iter().enumerate() {
            k::axpy(p, grad, &mut dv[d.kv_slice(v.at(e, t), h)]);
        }
    });
}
