//! Products over the pool: rows of W are split for few rows of x, rows of x for many. No element's sum is ever split, so results do not depend on the threads.

use tritlens_kernels::{PackedGroups, PackedRows};

use crate::par;

/// Rows of weights that can be cut.
pub(crate) trait Rows: Copy + Sync {
    fn rows(self) -> usize;
    fn cols(self) -> usize;
    /// Rows `first..first + count`; `first` is a multiple of 4.
    fn part(self, first: usize, count: usize) -> Self;
}

impl Rows for PackedRows<'_> {
    fn rows(self) -> usize {
        self.rows
    }

    fn cols(self) -> usize {
        self.cols
    }

    fn part(self, first: usize, count: usize) -> Self {
        PackedRows { data: &self.data[first * self.stride..], rows: count, ..self }
    }
}

impl Rows for PackedGroups<'_> {
    fn rows(self) -> usize {
        self.rows
    }

    fn cols(self) -> usize {
        self.groups * self.group
    }

    fn part(self, first: usize, count: usize) -> Self {
        let (width, groups) = (self.groups * self.width(), self.groups);
        PackedGroups {
            data: &self.data[first * width..][..count * width],
            scales: &self.scales[first * groups..][..count * groups],
            rows: count,
            ..self
        }
    }
}

/// Products below this number are not worth waking a thread for.
const WORTH_SPLITTING: usize = 1 << 18;
/// From so many rows of x on, they are what is split.
const MANY: usize = 16;

/// `y [m, rows]` over the pool: `f` for parts of the rows of W (few rows of x) or of x.
pub(crate) fn product<W: Rows, X: Copy + Sync, Y: Copy + Default + Send>(
    w: W,
    x: &[X],
    m: usize,
    y: &mut [Y],
    f: impl Fn(W, &[X], usize, &mut [Y]) + Sync,
) {
    let threads = par::threads() as usize;
    let (rows, cols) = (w.rows(), w.cols());
    let work = rows.saturating_mul(cols).saturating_mul(m);
    if threads == 1 || work < WORTH_SPLITTING {
        return f(w, x, m, y);
    }
    if m >= MANY {
        let part = m.div_ceil(threads).next_multiple_of(4);
        let parts = x.chunks(part * cols).zip(y.chunks_mut(part * rows)).collect();
        return par::spread(parts, |(x, y): (&[X], &mut [Y])| f(w, x, x.len() / cols, y));
    }
    let part = rows.div_ceil(threads).next_multiple_of(4);
    if m == 1 {
        let parts = y.chunks_mut(part).enumerate().collect();
        return par::spread(parts, |(i, y): (usize, &mut [Y])| {
            f(w.part(i * part, y.len()), x, 1, y);
        });
    }
    split_rows(w, x, m, part, y, f);
}

/// A few rows of x and parts of W: a part's results are not contiguous in y, so each goes through a buffer of its own.
fn split_rows<W: Rows, X: Copy + Sync, Y: Copy + Default + Send>(
    w: W,
    x: &[X],
    m: usize,
    part: usize,
    y: &mut [Y],
    f: impl Fn(W, &[X], usize, &mut [Y]) + Sync,
) {
    let rows = w.rows();
    let mut buffers: Vec<(usize, Vec<Y>)> = (0..rows)
        .step_by(part)
        .map(|first| (first, vec![Y::default(); m * part.min(rows - first)]))
        .collect();
    let parts = buffers.iter_mut().collect();
    par::spread(parts, |(first, out): &mut (usize, Vec<Y>)| {
        f(w.part(*first, out.len() / m), x, m, out);
    });
    for (first, out) in &buffers {
        let count = out.len() / m;
        for (i, out) in out.chunks_exact(count).enumerate() {
            y[i * rows + first..][..count].copy_from_slice(out);
        }
    }
}
