//! Attention over kept and new positions: scores, softmax and mix as nodes of their own where somebody listens, else block by block without keeping scores.
//! Every query is computed on its own, in the same order of operations: neither listening nor how a text was cut into runs changes a bit. That matters where codes
//! are made of the result, which a last bit can move to the next one; matrix products of many queries at once were twice as fast here and 7 % of a prompt's time.

use tritlens_kernels::{self as kernels, Strided, softmax_rows};

use crate::error::{Result, zeros};
use crate::infer::session::Cache;
use crate::par;

/// Query rows of a block.
const ROWS: usize = 64;
/// Keys (or values) that many queries go through together.
const TILE: usize = 32;
/// Multiplications below which a thread is not worth waking.
const WORTH_SPLITTING: usize = 1 << 18;

/// Sizes of one attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) batch: usize,
    /// Queries an example: the last ones of the rows that q has.
    pub(super) queries: usize,
    /// Rows an example of what is read for queries: q, or the pattern of a mix.
    pub(super) rows: usize,
    /// Position of the first query.
    pub(super) first: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    /// Head size D.
    pub(super) head: usize,
    pub(super) scale: f32,
    pub(super) causal: bool,
}

/// Where keys (or values) lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vectors<'a> {
    data: &'a [f32],
    /// From one position to the next.
    stride: usize,
    /// From one head to the next, and from one example to the next.
    head_stride: usize,
    batch_stride: usize,
}

impl<'a> Vectors<'a> {
    /// Rows of a run without a session: `[batch, seq, kv heads, head]`.
    pub(super) fn rows(data: &'a [f32], s: Shape) -> Self {
        let width = s.kv_heads * s.head;
        Self { data, stride: width, head_stride: s.head, batch_stride: s.keys * width }
    }

    /// Kept ones.
    pub(super) fn kept(cache: &'a Cache, capacity: usize) -> Self {
        let head_stride = capacity * cache.head;
        let batch_stride = cache.kv_heads * head_stride;
        Self { data: &cache.data, stride: cache.head, head_stride, batch_stride }
    }

    /// Those that serve query head `h` of example `b`.
    fn of(self, s: Shape, b: usize, h: usize) -> Strided<'a> {
        let group = h / (s.heads / s.kv_heads);
        let at = b * self.batch_stride + group * self.head_stride;
        Strided { data: &self.data[at..], stride: self.stride }
    }
}

/// Rows from `first` on.
fn from(rows: Strided<'_>, first: usize) -> Strided<'_> {
    Strided { data: &rows.data[first * rows.stride..], stride: rows.stride }
}

/// Queries `first..first + rows` of one head of one example.
#[derive(Debug, Clone, Copy)]
struct Block {
    b: usize,
    h: usize,
    first: usize,
    rows: usize,
}

impl Shape {
    /// Blocks of one example: (first query, queries).
    fn blocks(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.queries).step_by(ROWS).map(move |first| (first, ROWS.min(self.queries - first)))
    }

    fn width(self) -> usize {
        self.heads * self.head
    }

    /// Keys that query `i` of an example sees.
    fn seen(self, i: usize) -> usize {
        if self.causal { self.first + i + 1 } else { self.keys }
    }

    /// Query `r` of a block.
    fn query(self, q: &[f32], b: Block, r: usize) -> &[f32] {
        let row = (b.b + 1) * self.rows - self.queries + b.first + r;
        &q[row * self.width() + b.h * self.head..][..self.head]
    }

    /// Scores of a block into rows of `stride`; keys that a query does not see are -inf.
    fn scores_of(self, b: Block, q: &[f32], k: Vectors<'_>, out: &mut [f32], stride: usize) {
        let key = k.of(self, b.b, b.h);
        out[..b.rows * stride].fill(f32::NEG_INFINITY);
        for tile in self.tiles(b) {
            let keys = from(key, tile.start);
            for (r, row) in out.chunks_mut(stride).take(b.rows).enumerate() {
                let seen = tile.start..tile.end.min(self.seen(b.first + r)).max(tile.start);
                kernels::dot_rows(self.query(q, b, r), keys, &mut row[seen.clone()]);
                kernels::scale_in_place(self.scale, &mut row[seen]);
            }
        }
    }

    /// Mixes values of a block by a pattern with rows of `stride` into rows of `z` `[rows, H D]`, which begins with the head's columns of the first query.
    fn mix_of(self, b: Block, pattern: &[f32], stride: usize, v: Vectors<'_>, z: &mut [f32]) {
        let value = v.of(self, b.b, b.h);
        for z in z.chunks_mut(self.width()).take(b.rows) {
            z[..self.head].fill(0.0);
        }
        for tile in self.tiles(b) {
            let values = from(value, tile.start);
            for (r, pattern) in pattern.chunks(stride).take(b.rows).enumerate() {
                let seen = tile.start..tile.end.min(self.seen(b.first + r)).max(tile.start);
                let z = &mut z[r * self.width()..][..self.head];
                kernels::weigh_rows(&pattern[seen], values, z);
            }
        }
    }

    /// Keys that the queries of a block see, a few at a time: those stay in the nearest cache for all queries.
    fn tiles(self, b: Block) -> impl Iterator<Item = std::ops::Range<usize>> {
        let end = self.seen(b.first + b.rows - 1);
        let len = if b.rows == 1 { end } else { TILE };
        (0..end).step_by(len).map(move |start| start..end.min(start + len))
    }

    /// s `[B, H, Q, keys]`.
    pub(super) fn scores(self, q: &[f32], k: Vectors<'_>, s: &mut [f32]) {
        let per_head = self.queries * self.keys;
        par::for_each_piece(s, per_head, |at, s| {
            let (b, h) = (at / per_head / self.heads, at / per_head % self.heads);
            for (first, rows) in self.blocks() {
                let s = &mut s[first * self.keys..][..rows * self.keys];
                self.scores_of(Block { b, h, first, rows }, q, k, s, self.keys);
            }
        });
    }

    /// z `[B, Q, H D]` from a pattern `[B, H, rows, keys]`.
    pub(super) fn mix(self, pattern: &[f32], v: Vectors<'_>, z: &mut [f32]) {
        self.each_block(z, |b, (first, rows), z| {
            for h in 0..self.heads {
                let row = (b * self.heads + h + 1) * self.rows - self.queries + first;
                let at = row * self.keys;
                let pattern = &pattern[at..][..rows * self.keys];
                let block = Block { b, h, first, rows };
                self.mix_of(block, pattern, self.keys, v, &mut z[h * self.head..]);
            }
        });
    }

    /// z `[B, Q, H D]` from queries, without keeping scores.
    ///
    /// # Errors
    /// `E_MEMORY` when a block of scores does not fit.
    pub(super) fn attend(
        self,
        q: &[f32],
        k: Vectors<'_>,
        v: Vectors<'_>,
        z: &mut [f32],
    ) -> Result<()> {
        if self.queries == 1 {
            return self.attend_one(q, k, v, z);
        }
        // Tried once, so that the blocks' own rooms can hardly fail; one that does shows as NaN.
        zeros::<f32>(2 * ROWS.min(self.queries) * self.keys)?;
        self.each_block(z, |b, block, z| self.attend_block(b, block, q, [k, v], z));
        Ok(())
    }

    /// Queries `first..first + rows` of example `b`, all heads.
    fn attend_block(
        self,
        b: usize,
        (first, rows): (usize, usize),
        q: &[f32],
        [k, v]: [Vectors<'_>; 2],
        z: &mut [f32],
    ) {
        let stride = self.seen(first + rows - 1);
        let Ok(mut room) = zeros(2 * rows * stride) else { return z.fill(f32::NAN) };
        let (scores, pattern) = room.split_at_mut(rows * stride);
        for h in 0..self.heads {
            let block = Block { b, h, first, rows };
            self.scores_of(block, q, k, scores, stride);
            softmax_rows(scores, stride, pattern);
            self.mix_of(block, pattern, stride, v, &mut z[h * self.head..]);
        }
    }

    /// As [`Shape::attend`], of a single example and on this thread alone.
    pub(super) fn attend_alone(self, q: &[f32], kv: [Vectors<'_>; 2], z: &mut [f32]) {
        for (block, z) in self.blocks().zip(z.chunks_mut(ROWS * self.width())) {
            self.attend_block(0, block, q, kv, z);
        }
    }

    /// As [`Shape::scores`], of a single example and on this thread alone.
    pub(super) fn scores_alone(self, q: &[f32], k: Vectors<'_>, s: &mut [f32]) {
        for (h, s) in s.chunks_exact_mut(self.queries * self.keys).enumerate() {
            for ((first, rows), s) in self.blocks().zip(s.chunks_mut(ROWS * self.keys)) {
                self.scores_of(Block { b: 0, h, first, rows }, q, k, s, self.keys);
            }
        }
    }

    /// As [`Shape::mix`], of a single example and on this thread alone.
    pub(super) fn mix_alone(self, pattern: &[f32], v: Vectors<'_>, z: &mut [f32]) {
        for (h, pattern) in pattern.chunks_exact(self.rows * self.keys).enumerate() {
            for (first, rows) in self.blocks() {
                let block = Block { b: 0, h, first, rows };
                let z = &mut z[first * self.width() + h * self.head..];
                self.mix_of(block, &pattern[first * self.keys..], self.keys, v, z);
            }
        }
    }

    /// One query an example: heads in parallel.
    fn attend_one(self, q: &[f32], k: Vectors<'_>, v: Vectors<'_>, z: &mut [f32]) -> Result<()> {
        let heads = self.batch * self.heads;
        let threads = par::threads() as usize;
        let work = heads * self.keys * self.head;
        let count = if work < WORTH_SPLITTING { heads } else { heads.div_ceil(threads) };
        let mut rooms: Vec<Vec<f32>> = Vec::new();
        for _ in 0..heads.div_ceil(count) {
            rooms.push(zeros(2 * self.keys)?);
        }
        let parts = z.chunks_mut(count * self.head).zip(&mut rooms).enumerate().collect();
        par::spread(parts, |(i, (z, room)): (usize, (&mut [f32], &mut Vec<f32>))| {
            let (scores, pattern) = room.split_at_mut(self.keys);
            for (j, z) in z.chunks_exact_mut(self.head).enumerate() {
                let (b, h) = ((i * count + j) / self.heads, (i * count + j) % self.heads);
                let block = Block { b, h, first: 0, rows: 1 };
                self.scores_of(block, q, k, scores, self.keys);
                softmax_rows(scores, self.keys, pattern);
                self.mix_of(block, pattern, self.keys, v, z);
            }
        });
        Ok(())
    }

    /// Calls `f` with (example, block, its rows of z), in parallel.
    fn each_block(self, z: &mut [f32], f: impl Fn(usize, (usize, usize), &mut [f32]) + Sync) {
        let mut parts = Vec::new();
        for (b, z) in z.chunks_exact_mut(self.queries * self.width()).enumerate() {
            parts.extend(
                self.blocks().zip(z.chunks_mut(ROWS * self.width())).map(|(k, z)| (b, k, z)),
            );
        }
        par::spread(parts, |(b, block, z): (usize, (usize, usize), &mut [f32])| f(b, block, z));
    }
}
