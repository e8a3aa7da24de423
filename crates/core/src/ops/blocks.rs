//! Attention over whole sequences as matrix products: a few query rows at a time against the keys they may see. Scores live for one block only;
//! of the pattern just the blocks that a mask leaves are kept. Same mathematics as `attention.rs`, which serves gathered rows and single queries.
//!
//! A masked key inside a block has weight 0 exactly. Zero times infinity is NaN, so an infinite value makes the whole block NaN: training has
//! diverged by then and stops.

use super::attention::{Heads, Score};
use tritlens_kernels::{View, gemm, softmax_back_rows, softmax_rows};

/// Query rows of a block. With fewer, a mask would spare more keys, but the products get too small for the library.
const ROWS: usize = 64;

/// The blocks of one head over one example.
#[derive(Debug, Clone, Copy)]
pub struct Blocks {
    /// T.
    pub seq: usize,
    /// Keys after the query are masked.
    pub causal: bool,
}

/// Queries `first..first + rows` against keys `0..keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    first: usize,
    rows: usize,
    keys: usize,
    /// Where its part of a pattern begins.
    offset: usize,
}

impl Block {
    /// Its part of a pattern.
    fn of<'a>(&self, pattern: &'a [f32]) -> &'a [f32] {
        &pattern[self.offset..self.offset + self.rows * self.keys]
    }

    fn of_mut<'a>(&self, pattern: &'a mut [f32]) -> &'a mut [f32] {
        &mut pattern[self.offset..self.offset + self.rows * self.keys]
    }
}

impl Blocks {
    fn iter(self) -> impl Iterator<Item = Block> {
        let mut offset = 0;
        (0..self.seq).step_by(ROWS).map(move |first| {
            let rows = ROWS.min(self.seq - first);
            let keys = if self.causal { first + rows } else { self.seq };
            let block = Block { first, rows, keys, offset };
            offset += rows * keys;
            block
        })
    }

    /// Elements of a pattern.
    pub fn elements(self) -> usize {
        self.iter().map(|b| b.rows * b.keys).sum()
    }
}

/// One head of one example.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    d: Heads,
    sc: Score,
    e: usize,
    h: usize,
}

impl Head {
    /// Every head of every example, in order.
    pub fn all(d: Heads, sc: Score) -> impl Iterator<Item = Self> {
        (0..d.examples).flat_map(move |e| (0..d.heads).map(move |h| Self { d, sc, e, h }))
    }

    fn blocks(self) -> Blocks {
        Blocks { seq: self.d.seq, causal: self.sc.causal }
    }

    /// This head's part of the patterns of all examples.
    pub fn pattern(self) -> std::ops::Range<usize> {
        let len = self.blocks().elements();
        let at = (self.e * self.d.heads + self.h) * len;
        at..at + len
    }

    /// Where this head of query row `row` begins, and the distance of rows.
    fn query(self, row: usize) -> (usize, usize) {
        let stride = self.d.heads * self.d.head;
        ((self.e * self.d.seq + row) * stride + self.h * self.d.head, stride)
    }

    /// The same of the key or value head that serves this one, from the first row on.
    fn key(self) -> (usize, usize) {
        let stride = self.d.kv_heads * self.d.head;
        let group = self.h / (self.d.heads / self.d.kv_heads);
        (self.e * self.d.seq * stride + group * self.d.head, stride)
    }

    /// The pattern of this head and z `[T, D]` = pattern v; `scores` has room for a block.
    pub fn forward(
        self,
        [q, k, v]: [&[f32]; 3],
        scores: &mut [f32],
        pattern: &mut [f32],
        z: &mut [f32],
    ) {
        let (d, keys_at) = (self.d.head, self.key());
        for b in self.blocks().iter() {
            let query = self.query(b.first);
            let scores = &mut scores[..b.rows * b.keys];
            let shape = (b.rows, b.keys, d);
            gemm(
                shape,
                self.sc.scale,
                view(q, query),
                view(k, keys_at).t(),
                0.0,
                scores,
                (b.keys, 1),
            );
            if self.sc.causal {
                mask(scores, b);
            }
            let pattern = b.of_mut(pattern);
            softmax_rows(scores, b.keys, pattern);
            let (shape, pattern) = ((b.rows, d, b.keys), View::rows(pattern, b.keys));
            gemm(shape, 1.0, pattern, view(v, keys_at), 0.0, &mut z[query.0..], (query.1, 1));
        }
    }

    /// Gradient of the scores, laid out like the pattern; `room` has room for a block.
    pub fn scores_gradient(
        self,
        pattern: &[f32],
        v: &[f32],
        dz: &[f32],
        room: &mut [f32],
        dscores: &mut [f32],
    ) {
        for b in self.blocks().iter() {
            let dpattern = &mut room[..b.rows * b.keys];
            let (dz, v) = (view(dz, self.query(b.first)), view(v, self.key()).t());
            gemm((b.rows, b.keys, self.d.head), 1.0, dz, v, 0.0, dpattern, (b.keys, 1));
            let dscores = b.of_mut(dscores);
            dscores.fill(0.0);
            softmax_back_rows(b.of(pattern), dpattern, b.keys, dscores);
        }
    }

    /// dq += scale ds k.
    pub fn add_query_gradient(self, dscores: &[f32], k: &[f32], dq: &mut [f32]) {
        for b in self.blocks().iter() {
            let (at, stride) = self.query(b.first);
            let (ds, k) = (View::rows(b.of(dscores), b.keys), view(k, self.key()));
            let shape = (b.rows, self.d.head, b.keys);
            gemm(shape, self.sc.scale, ds, k, 1.0, &mut dq[at..], (stride, 1));
        }
    }

    /// dk += scale ds^T q.
    pub fn add_key_gradient(self, dscores: &[f32], q: &[f32], dk: &mut [f32]) {
        self.add_transposed(self.sc.scale, dscores, q, dk);
    }

    /// dv += pattern^T dz.
    pub fn add_value_gradient(self, pattern: &[f32], dz: &[f32], dv: &mut [f32]) {
        self.add_transposed(1.0, pattern, dz, dv);
    }

    fn add_transposed(self, factor: f32, pattern: &[f32], rows: &[f32], out: &mut [f32]) {
        let (at, stride) = self.key();
        for b in self.blocks().iter() {
            let pattern = View::rows(b.of(pattern), b.keys).t();
            let shape = (b.keys, self.d.head, b.rows);
            let rows = view(rows, self.query(b.first));
            gemm(shape, factor, pattern, rows, 1.0, &mut out[at..], (stride, 1));
        }
    }
}

fn view(data: &[f32], (at, row_stride): (usize, usize)) -> View<'_> {
    View { data: &data[at..], row_stride, col_stride: 1 }
}

/// Keys after each query become -inf.
fn mask(scores: &mut [f32], b: Block) {
    for (r, row) in scores.chunks_exact_mut(b.keys).enumerate() {
        row[b.first + r + 1..].fill(f32::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_what_a_mask_leaves() {
        let causal: Vec<Block> = Blocks { seq: 150, causal: true }.iter().collect();
        let place = |b: &Block| (b.first, b.rows, b.keys, b.offset);
        assert_eq!(
            causal.iter().map(place).collect::<Vec<_>>(),
            [(0, 64, 64, 0), (64, 64, 128, 4096), (128, 22, 150, 12_288)]
        );
        assert_eq!(Blocks { seq: 150, causal: true }.elements(), 12_288 + 22 * 150);
        assert_eq!(Blocks { seq: 150, causal: false }.elements(), 150 * 150);
    }
}
