//! The third exact saving: linear maps behind an attention that reads few distinct rows are applied to the distinct rows.
//!
//! With one query an example, attention output is `z_h[e] = sum_t A[e,h,t] v_h[u(e,t)]` with `u` the distinct row of a position. A linear map
//! of z, of its sum with a distinct row, and of that again, are all of the form
//! `y[e] = base[u(e, last)] + sum_{h,t} A[e,h,t] table[u(e,t), h]`:
//! matrix products move from the examples to the (far fewer) distinct rows times heads. Only what a non-linear node reads is ever expanded.
//! Same sums in another order; tested against the naive graph.

use tritlens_kernels::{Columns, View, gemm, mix_rows, mix_rows_back};

use crate::par;
use crate::program::compile::Program;
use crate::program::exec::Exec;
pub use crate::program::roles::{Attention, Fold, Role, Source, roles};
use crate::program::scratch::Scratch;
use crate::program::spec::NodeSpec;

/// Columns of a table that are mixed for all examples of a tile before the next ones: at p = 113 they and their gradients are half a megabyte,
/// which stays in the second-level cache; whole rows would not.
const BLOCK: usize = 128;

/// Sizes of a fold.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rows: usize,
    heads: usize,
    kv_heads: usize,
    cols: usize,
}

/// `c[rows, o] = beta c + x[rows, i] w[o, i]^T`, all contiguous.
fn apply(x: &[f32], w: &[f32], c: &mut [f32], [i, o]: [usize; 2], beta: f32) {
    let rows = x.len() / i;
    // Two halves, always: where rows are cut may not depend on the number of threads.
    let half = rows / 2;
    let (top, bottom) = c.split_at_mut(half * o);
    let part = |x: &[f32], rows: usize, c: &mut [f32]| {
        gemm((rows, o, i), 1.0, View::rows(x, i), View::rows(w, i).t(), beta, c, (o, 1));
    };
    par::join(|| part(&x[..half * i], half, top), || part(&x[half * i..], rows - half, bottom));
}

/// dx += dy w and dw += dy^T x.
fn unapply([x, dy]: [&[f32]; 2], w: &[f32], dx: &mut [f32], dw: &mut [f32], [i, o]: [usize; 2]) {
    let rows = x.len() / i;
    par::join(
        || gemm((rows, i, o), 1.0, View::rows(dy, o), View::rows(w, i), 1.0, dx, (i, 1)),
        || gemm((o, i, rows), 1.0, View::rows(dy, o).t(), View::rows(x, i), 1.0, dw, (i, 1)),
    );
}

impl Exec<'_> {
    fn fold(&self, i: usize) -> Option<Fold> {
        match self.plan.roles[i] {
            Role::Folded(fold) => Some(fold),
            _ => None,
        }
    }

    fn sizes(&self, i: usize, fold: Fold) -> Sizes {
        let (heads, kv_heads) = match self.program.spec.nodes[fold.mix] {
            NodeSpec::Mix { heads, kv_heads, .. } => (heads, kv_heads),
            _ => (1, 1),
        };
        Sizes { rows: self.plan.distinct, heads, kv_heads, cols: self.program.cols[i] }
    }

    /// Table and base of node `k`, read from an arena (activations or gradients).
    fn tables<'s>(&self, k: usize, arena: &'s [f32]) -> (&'s [f32], &'s [f32]) {
        let Some(fold) = self.fold(k) else { return (&[], &[]) };
        let s = self.sizes(k, fold);
        let base = s.rows * s.cols;
        (&arena[fold.table..fold.table + base * s.heads], &arena[fold.base..fold.base + base])
    }

    /// Computes table and base of folded node `i` in the shared arena.
    pub(crate) fn fold_forward(&self, i: usize, shared: &mut [f32]) {
        let Some(fold) = self.fold(i) else { return };
        let s = self.sizes(i, fold);
        let (before, own) = shared.split_at_mut(fold.base);
        let (base, own) = own.split_at_mut(s.rows * s.cols);
        match fold.source {
            Source::Project { mix, w, b } => {
                fill_rows(base, b.map(|b| self.params.effective(b)), s.cols);
                let v = self.program.spec.nodes[mix].inputs()[1];
                let values = &before[self.range(v)];
                self.project(i, s, values, w, &mut own[fold.table - fold.base - base.len()..]);
            }
            Source::Shift { from, plus } => {
                base.copy_from_slice(self.tables(from, before).1);
                tritlens_kernels::add(&before[self.range(plus)], base);
            }
            Source::Map { from, w, b } => {
                fill_rows(base, b.map(|b| self.params.effective(b)), s.cols);
                let (table, from_base) = self.tables(from, before);
                let (weight, io) = (self.params.effective(w), [self.program.cols[from], s.cols]);
                apply(from_base, weight, base, io, 1.0);
                let at = fold.table - fold.base - base.len();
                apply(table, weight, &mut own[at..at + s.rows * s.heads * s.cols], io, 0.0);
            }
        }
    }

    fn project(&self, i: usize, s: Sizes, values: &[f32], w: usize, table: &mut [f32]) {
        let (weight, d) = (self.params.effective(w), self.head_size(i, s));
        for h in 0..s.heads {
            let v = strided(&values[h / (s.heads / s.kv_heads) * d..], s.kv_heads * d);
            let w = strided(&weight[h * d..], s.heads * d).t();
            let c = &mut table[h * s.cols..];
            gemm((s.rows, s.cols, d), 1.0, v, w, 0.0, c, (s.heads * s.cols, 1));
        }
    }

    /// Head size of the values under a projection.
    fn head_size(&self, i: usize, s: Sizes) -> usize {
        self.program.cols[self.program.spec.nodes[i].inputs()[0]] / s.heads
    }

    /// Adds to the gradients of what folded node `i` was computed from. `grads` is laid out like the shared arena.
    pub(crate) fn fold_backward(
        &self,
        i: usize,
        shared: &[f32],
        grads: &mut [f32],
        param_grad: &mut [f32],
    ) {
        let Some(fold) = self.fold(i) else { return };
        let s = self.sizes(i, fold);
        let len = s.rows * s.cols;
        let (before, own) = grads.split_at_mut(fold.base);
        let dbase = &own[..len];
        let place = |p: usize| self.params.places()[p].range();
        match fold.source {
            Source::Project { mix, w, b } => {
                if let Some(b) = b {
                    crate::ops::linear::backward_bias(dbase, &mut param_grad[place(b)]);
                }
                let v = self.program.spec.nodes[mix].inputs()[1];
                let dtable = &own[fold.table - fold.base..];
                let values = [&shared[self.range(v)], dtable];
                let dv = &mut before[self.range(v)];
                self.unproject(i, s, values, w, dv, &mut param_grad[place(w)]);
            }
            Source::Shift { from, plus } => {
                if let Some(f) = self.fold(from) {
                    tritlens_kernels::add(dbase, &mut before[f.base..f.base + len]);
                }
                tritlens_kernels::add(dbase, &mut before[self.range(plus)]);
            }
            Source::Map { from, w, b } => {
                if let Some(b) = b {
                    crate::ops::linear::backward_bias(dbase, &mut param_grad[place(b)]);
                }
                let Some(f) = self.fold(from) else { return };
                let (io, weight) = ([self.program.cols[from], s.cols], self.params.effective(w));
                let dw = &mut param_grad[place(w)];
                let (table, base) = self.tables(from, shared);
                let dtable = &own[fold.table - fold.base..][..len * s.heads];
                let dx = &mut before[f.base..f.base + base.len()];
                unapply([base, dbase], weight, dx, dw, io);
                let dx = &mut before[f.table..f.table + table.len()];
                unapply([table, dtable], weight, dx, dw, io);
            }
        }
    }

    fn unproject(
        &self,
        i: usize,
        s: Sizes,
        [values, dtable]: [&[f32]; 2],
        w: usize,
        dv: &mut [f32],
        dw: &mut [f32],
    ) {
        let (weight, d) = (self.params.effective(w), self.head_size(i, s));
        for h in 0..s.heads {
            let kv = h / (s.heads / s.kv_heads) * d;
            let dt = strided(&dtable[h * s.cols..], s.heads * s.cols);
            let w = strided(&weight[h * d..], s.heads * d);
            let (kv_stride, w_stride) = ((s.kv_heads * d, 1), (s.heads * d, 1));
            gemm((s.rows, d, s.cols), 1.0, dt, w, 1.0, &mut dv[kv..], kv_stride);
            let v = strided(&values[kv..], s.kv_heads * d);
            gemm((s.cols, d, s.rows), 1.0, dt.t(), v, 1.0, &mut dw[h * d..], w_stride);
        }
    }

    /// y `[B, C]` of a folded node that something reads.
    pub(crate) fn expand(&self, i: usize, shared: &[f32], tile: &mut [f32], scratch: &mut Scratch) {
        let Some(fold) = self.fold(i) else { return };
        let s = self.sizes(i, fold);
        let (table, base) = self.tables(i, shared);
        let range = self.range(i);
        let (before, after) = tile.split_at_mut(range.start);
        let pattern = &before[self.range(self.program.spec.nodes[fold.mix].inputs()[0])];
        let rows = self.table_rows(s.heads, scratch);
        let width = s.heads * self.plan.seq;
        for first in (0..s.cols).step_by(BLOCK) {
            let columns = Columns { data: table, stride: s.cols, first };
            for (e, y) in after[..range.len()].chunks_exact_mut(s.cols).enumerate() {
                let end = s.cols.min(first + BLOCK);
                let last = self.last_row(e) * s.cols;
                y[first..end].copy_from_slice(&base[last + first..last + end]);
                let at = e * width..(e + 1) * width;
                mix_rows(&pattern[at.clone()], &rows[at], columns, &mut y[first..end]);
            }
        }
    }

    /// Distinct row of an example's last position.
    fn last_row(&self, e: usize) -> usize {
        self.batch.index[(e + 1) * self.plan.seq - 1] as usize
    }

    /// Rows `u * heads + h` of the table for every example, in the pattern's order (head, position).
    fn table_rows<'s>(&self, heads: usize, scratch: &'s mut Scratch) -> &'s [u32] {
        let examples = self.batch.index.chunks_exact(self.plan.seq);
        let row = |u: u32, h: usize| u * heads as u32 + h as u32;
        scratch.rows.clear();
        scratch.rows.extend(
            examples.flat_map(|rows| {
                (0..heads).flat_map(move |h| rows.iter().map(move |&u| row(u, h)))
            }),
        );
        &scratch.rows
    }

    /// Adds the gradient of an expanded node to those of its table, base and pattern.
    pub(crate) fn unexpand(
        &self,
        i: usize,
        [shared, tile]: [&[f32]; 2],
        shared_grad: &mut [f32],
        tile_grad: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Some(fold) = self.fold(i) else { return };
        let s = self.sizes(i, fold);
        let table = self.tables(i, shared).0;
        let node = self.program.spec.nodes[fold.mix].inputs()[0];
        let range = self.range(i);
        let (before, after) = tile_grad.split_at_mut(range.start);
        let (pattern, dpattern) = (&tile[self.range(node)], &mut before[self.range(node)]);
        let rows = self.table_rows(s.heads, scratch);
        let width = s.heads * self.plan.seq;
        for first in (0..s.cols).step_by(BLOCK) {
            let columns = Columns { data: table, stride: s.cols, first };
            for (e, dy) in after[..range.len()].chunks_exact(s.cols).enumerate() {
                let dy = &dy[first..s.cols.min(first + BLOCK)];
                let last = fold.base + self.last_row(e) * s.cols + first;
                tritlens_kernels::add(dy, &mut shared_grad[last..last + dy.len()]);
                let at = e * width..(e + 1) * width;
                let (weights, dweights) = (&pattern[at.clone()], &mut dpattern[at.clone()]);
                let dtable = &mut shared_grad[fold.table..fold.table + table.len()];
                mix_rows_back(weights, &rows[at], columns, dy, dweights, dtable);
            }
        }
    }
}

fn strided(data: &[f32], row_stride: usize) -> View<'_> {
    View { data, row_stride, col_stride: 1 }
}

fn fill_rows(rows: &mut [f32], value: Option<&[f32]>, cols: usize) {
    match value {
        None => rows.fill(0.0),
        Some(v) => rows.chunks_exact_mut(cols).for_each(|r| r.copy_from_slice(v)),
    }
}

/// Elements a fold takes in the shared arena: base and, unless it shares one, table.
pub(crate) fn place(
    program: &Program,
    placed: &[Role],
    fold: &mut Fold,
    i: usize,
    at: usize,
    distinct: usize,
) -> usize {
    let heads = match program.spec.nodes[fold.mix] {
        NodeSpec::Mix { heads, .. } => heads,
        _ => 1,
    };
    let base = distinct * program.cols[i];
    fold.base = at;
    if let Source::Shift { from, .. } = fold.source
        && let Role::Folded(source) = placed[from]
    {
        fold.table = source.table;
        return base.next_multiple_of(16);
    }
    fold.table = at + base.next_multiple_of(16);
    base.next_multiple_of(16) + (base * heads).next_multiple_of(16)
}

/// Whether folding is worth it: the distinct rows times heads are at most half the examples.
pub(crate) fn pays(distinct: usize, heads: usize, examples: usize) -> bool {
    distinct.saturating_mul(2 * heads) <= examples
}
