//! The rows of one activation: those of the plain run, then of each lane those that may differ.

use crate::error::{Result, zeros};

/// Positions `lo..hi`; empty when nothing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) lo: usize,
    pub(super) hi: usize,
}

impl Span {
    pub(super) fn new(lo: usize, hi: usize) -> Self {
        Self { lo, hi }
    }

    pub(super) fn len(self) -> usize {
        self.hi - self.lo
    }

    pub(super) fn is_empty(self) -> bool {
        self.hi == self.lo
    }

    /// The smallest span around both.
    pub(super) fn hull(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) },
        }
    }
}

/// Where the rows of lanes begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) spans: Vec<Span>,
    /// First row of a lane, the plain run's counted.
    pub(super) starts: Vec<usize>,
    /// Rows of the plain run and of the lanes that are computed; rows of lanes that only an edit makes differ come after them.
    pub(super) computed: usize,
    pub(super) rows: usize,
}

impl Layout {
    /// `derived` lanes are computed, others in `spans` are copies of the plain run.
    pub(super) fn new(base: usize, derived: &[Span], spans: Vec<Span>) -> Self {
        let mut starts = vec![0; spans.len()];
        let mut rows = base;
        let mut place = |computed: bool| {
            for (lane, span) in spans.iter().enumerate() {
                if !span.is_empty() && derived[lane].is_empty() != computed {
                    starts[lane] = rows;
                    rows += span.len();
                }
            }
            rows
        };
        let computed = place(true);
        let rows = place(false);
        Self { spans, starts, computed, rows }
    }
}

/// Rows `[plain run, lanes]`. Scores and patterns have a row of keys for every head: the rows of a lane then lie head by head.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) data: Vec<f32>,
    pub(super) layout: Layout,
    /// Positions an example of the plain run has: T, or only the last one.
    pub(super) queries: usize,
    /// Rows a position.
    pub(super) heads: usize,
    pub(super) width: usize,
    /// T.
    pub(super) seq: usize,
}

impl Value {
    /// Elements of a position.
    pub(super) fn step(&self) -> usize {
        self.heads * self.width
    }

    /// Elements of a lane.
    pub(super) fn lane(&self, lane: usize) -> std::ops::Range<usize> {
        let at = self.layout.starts[lane] * self.step();
        at..at + self.layout.spans[lane].len() * self.step()
    }

    fn base_row(&self, b: usize, h: usize, p: usize) -> &[f32] {
        let q = if self.queries == 1 { 0 } else { p };
        &self.data[((b * self.heads + h) * self.queries + q) * self.width..][..self.width]
    }

    fn row(&self, lane: usize, b: usize, h: usize, p: usize) -> &[f32] {
        let span = self.layout.spans[lane];
        if p < span.lo || p >= span.hi {
            return self.base_row(b, h, p);
        }
        let at = self.lane(lane).start + (h * span.len() + p - span.lo) * self.width;
        &self.data[at..at + self.width]
    }

    /// Positions `span` of example `b` of the plain run.
    pub(super) fn copy_base(&self, b: usize, span: Span, to: &mut [f32]) {
        self.copy(span, to, |h, p| self.base_row(b, h, p));
    }

    /// Positions `span` of a lane, its own where it has any.
    pub(super) fn copy_lane(&self, lane: usize, b: usize, span: Span, to: &mut [f32]) {
        self.copy(span, to, |h, p| self.row(lane, b, h, p));
    }

    fn copy<'a>(&self, span: Span, to: &mut [f32], row: impl Fn(usize, usize) -> &'a [f32]) {
        let mut to = to.chunks_exact_mut(self.width);
        for h in 0..self.heads {
            for (p, to) in (span.lo..span.hi).zip(&mut to) {
                to.copy_from_slice(row(h, p));
            }
        }
    }

    /// Whether the first `layout.computed` rows are just those that a node with this layout needs.
    pub(super) fn fits(&self, layout: &Layout, derived: &[Span], queries: usize) -> bool {
        let same = |lane: usize| {
            derived[lane].is_empty()
                || (self.layout.spans[lane] == layout.spans[lane]
                    && self.layout.starts[lane] == layout.starts[lane])
        };
        self.queries == queries && (0..derived.len()).all(same)
    }

    /// The computed rows of a node with another layout.
    pub(super) fn gather(
        &self,
        layout: &Layout,
        derived: &[Span],
        queries: usize,
        batch: usize,
    ) -> Result<Vec<f32>> {
        let mut out = zeros(layout.computed * self.step())?;
        let all = Span::new(self.seq - queries, self.seq);
        for (b, to) in out.chunks_mut(queries * self.step()).take(batch).enumerate() {
            self.copy_base(b, all, to);
        }
        for (lane, &span) in layout.spans.iter().enumerate() {
            if derived[lane].is_empty() {
                continue;
            }
            let at = layout.starts[lane] * self.step();
            self.copy_lane(lane, lane % batch, span, &mut out[at..][..span.len() * self.step()]);
        }
        Ok(out)
    }

    /// Leaves of a lane's span what differs from the plain run, bit for bit.
    pub(super) fn narrow(&mut self, lane: usize, b: usize) {
        let span = self.layout.spans[lane];
        let differs = |p: &usize| {
            (0..self.heads).any(|h| {
                let pairs = self.row(lane, b, h, *p).iter().zip(self.base_row(b, h, *p));
                pairs.into_iter().any(|(x, y)| x.to_bits() != y.to_bits())
            })
        };
        let first = (span.lo..span.hi).find(differs);
        let last = (span.lo..span.hi).rev().find(differs);
        let narrow = match (first, last) {
            (Some(lo), Some(hi)) if self.heads == 1 => Span::new(lo, hi + 1),
            // Rows of a lane that lie head by head cannot be cut.
            (Some(_), _) => span,
            (None, _) => Span::default(),
        };
        if !narrow.is_empty() {
            self.layout.starts[lane] += narrow.lo - span.lo;
        }
        self.layout.spans[lane] = narrow;
    }
}
