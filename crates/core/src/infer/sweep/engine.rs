//! Goes through the nodes of a program, for the plain run and all lanes at once.

use super::value::{Layout, Span, Value};
use crate::edit::Edit;
use crate::error::{Result, check_len, zeros};
use crate::infer::linear::{Products, add_bias};
use crate::infer::plan::{Plan, Work};
use crate::infer::rowwise::RowNode;
use crate::ops::linear;
use crate::ops::rotary::Angles;
use crate::program::compile::Program;
use crate::program::plan::heads_of;
use crate::program::scratch::angles;
use crate::program::spec::{ActQuant, NodeSpec};

/// A sweep under way.
pub(super) struct Engine<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a Plan,
    tokens: &'a [u32],
    /// Edits and the variants they belong to.
    pub(super) edits: Vec<(usize, Edit)>,
    pub(super) batch: usize,
    pub(super) seq: usize,
    lanes: usize,
    classes: &'a [usize],
    /// Node by node, while somebody still reads it.
    values: Vec<Option<Value>>,
    products: Products,
    angles: Vec<Angles>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        program: &'a Program,
        plan: &'a Plan,
        tokens: &'a [u32],
        edits: Vec<(usize, Edit)>,
        variants: usize,
        classes: &'a [usize],
    ) -> Self {
        let (batch, seq) = (plan.sizes.batch, plan.sizes.seq);
        Self {
            program,
            plan,
            tokens,
            edits,
            batch,
            seq,
            lanes: variants * batch,
            classes,
            values: Vec::new(),
            products: Products::default(),
            angles: angles(program, seq),
        }
    }

    /// A node that was computed.
    pub(super) fn value(&self, i: usize) -> &Value {
        self.values[self.plan.root(i)].as_ref().unwrap_or_else(|| unreachable!("read too late"))
    }

    pub(super) fn is_scores(&self, i: usize) -> bool {
        matches!(self.program.spec.nodes[i], NodeSpec::Scores { .. })
    }

    /// Runs everything and writes the logits.
    pub(super) fn run(mut self, last_only: bool, out: &mut [f32]) -> Result<()> {
        self.drop_undone();
        let (program, plan) = (self.program, self.plan);
        let (queries, count) = self.logits(last_only);
        check_len(
            "room for logits",
            self.batch.saturating_add(self.lanes).saturating_mul(queries).saturating_mul(count),
            out.len(),
        )?;
        let last_use = plan.last_uses(program);
        for i in 0..program.spec.nodes.len() {
            let computed = matches!(plan.slots[i].work, Work::Compute | Work::Attend { .. });
            let value = if computed { Some(self.node(i)?) } else { None };
            self.values.push(value);
            for (k, &end) in last_use[..=i].iter().enumerate() {
                if end == i {
                    self.values[k] = None;
                }
            }
        }
        self.write(queries, count, out);
        Ok(())
    }

    /// Positions and classes of what is handed out.
    fn logits(&self, last_only: bool) -> (usize, usize) {
        let out = self.program.spec.output;
        let last = last_only || self.program.is_last[out];
        let all = self.program.cols[out];
        let count = if self.classes.is_empty() { all } else { self.classes.len() };
        (if last { 1 } else { self.seq }, count)
    }

    /// Where lanes differ at a node, by what it reads.
    fn derived(&self, i: usize) -> Vec<Span> {
        let nodes = &self.program.spec.nodes;
        let mut spans = vec![Span::default(); self.lanes];
        if matches!(nodes[i], NodeSpec::Scores { .. } | NodeSpec::Mix { .. }) {
            spans = self.attention_spans(i);
        } else {
            for &k in nodes[i].inputs() {
                let inputs = &self.value(k).layout.spans;
                spans.iter_mut().zip(inputs).for_each(|(s, &x)| *s = s.hull(x));
            }
        }
        if self.plan.slots[i].last {
            let last = |s: Span| {
                if s.hi == self.seq && !s.is_empty() {
                    Span::new(self.seq - 1, self.seq)
                } else {
                    Span::default()
                }
            };
            for span in &mut spans {
                *span = last(*span);
            }
        }
        spans
    }

    fn node(&mut self, i: usize) -> Result<Value> {
        let program = self.program;
        let mut derived = self.derived(i);
        let spans = self.edited(i, &mut derived);
        let queries = self.plan.queries(i);
        let layout = Layout::new(self.batch * queries, &derived, spans);
        let (heads, width) = match heads_of(program, i) {
            Some(heads) => (heads, self.seq),
            None => (1, self.width(i)),
        };
        let step = heads * width;
        let mut data = zeros(layout.rows * step)?;
        let computed = layout.computed * step;
        if matches!(program.spec.nodes[i], NodeSpec::Scores { .. } | NodeSpec::Mix { .. }) {
            self.attention(i, &layout, &derived, queries, &mut data)?;
        } else {
            self.rows(i, &layout, &derived, queries, &mut data[..computed])?;
        }
        let mut value = Value { data, layout, queries, heads, width, seq: self.seq };
        for (lane, derived) in derived.iter().enumerate() {
            if derived.is_empty() && !value.layout.spans[lane].is_empty() {
                let at = value.lane(lane);
                let mut copy = zeros(at.len())?;
                value.copy_base(lane % self.batch, value.layout.spans[lane], &mut copy);
                value.data[at].copy_from_slice(&copy);
            }
        }
        self.change(i, &mut value)?;
        Ok(value)
    }

    /// Whether a node is the unembedding and only some of its classes are wanted.
    fn chosen(&self, i: usize) -> Option<(usize, usize, Option<usize>)> {
        let edited = self.program.sites_of[i].iter().any(|&s| self.plan.listened[s as usize]);
        match self.program.spec.nodes[i] {
            NodeSpec::Linear { input: [x], w, b, act_quant: ActQuant::None }
                if i == self.program.spec.output && !self.classes.is_empty() && !edited =>
            {
                Some((x, w, b))
            }
            _ => None,
        }
    }

    fn width(&self, i: usize) -> usize {
        if self.chosen(i).is_some() { self.classes.len() } else { self.program.cols[i] }
    }

    /// Computes the rows of a node without attention.
    fn rows(
        &mut self,
        i: usize,
        layout: &Layout,
        derived: &[Span],
        queries: usize,
        y: &mut [f32],
    ) -> Result<()> {
        let inputs = self.program.spec.nodes[i].inputs();
        let mut gathered: [Vec<f32>; 2] = Default::default();
        let mut x: [&[f32]; 2] = [&[], &[]];
        let mut source = inputs.first().map_or(usize::MAX, |&k| self.plan.root(k));
        let mut products = std::mem::take(&mut self.products);
        for ((j, &k), gathered) in inputs.iter().enumerate().zip(&mut gathered) {
            let value = self.value(k);
            x[j] = if value.fits(layout, derived, queries) {
                &value.data[..layout.computed * value.step()]
            } else {
                source = usize::MAX - i;
                *gathered = value.gather(layout, derived, queries, self.batch)?;
                gathered
            };
        }
        let result = if let Some((k, w, b)) = self.chosen(i) {
            self.unembed(x[0], self.program.cols[k], w, b, y)
        } else {
            let positions = self.positions(i, layout, derived, queries);
            let node = RowNode {
                program: self.program,
                i,
                x,
                source,
                token: &|r| {
                    self.tokens[(r / queries + 1) * self.seq - queries + r % queries] as usize
                },
                position: &|r| positions[r],
                keys: self.seq,
            };
            node.compute(&mut products, &self.angles, y)
        };
        self.products = products;
        result
    }

    /// Position of every computed row, for nodes that ask.
    fn positions(&self, i: usize, layout: &Layout, derived: &[Span], queries: usize) -> Vec<usize> {
        if !matches!(self.program.spec.nodes[i], NodeSpec::Pos { .. } | NodeSpec::Rotary { .. }) {
            return Vec::new();
        }
        let mut out: Vec<usize> =
            (0..self.batch).flat_map(|_| self.seq - queries..self.seq).collect();
        for (span, _) in layout.spans.iter().zip(derived).filter(|(_, d)| !d.is_empty()) {
            out.extend(span.lo..span.hi);
        }
        out
    }

    /// The logits of the classes that are wanted.
    fn unembed(
        &self,
        x: &[f32],
        cols: usize,
        w: usize,
        b: Option<usize>,
        y: &mut [f32],
    ) -> Result<()> {
        let params = &self.program.params;
        let mut rows = zeros(self.classes.len() * cols)?;
        for (&class, row) in self.classes.iter().zip(rows.chunks_exact_mut(cols)) {
            match params.stored(w) {
                Some(stored) => stored.rows_into(class, 1, row)?,
                None => row.copy_from_slice(&params.effective(w)[class * cols..][..cols]),
            }
        }
        let output = self.classes.len();
        let d = linear::Dims { rows: x.len() / cols, input: cols, output };
        linear::forward(x, linear::Weight { rows: &rows, transposed: None }, None, y, d);
        let bias: Option<Vec<f32>> =
            b.map(|b| self.classes.iter().map(|&c| params.effective(b)[c]).collect());
        add_bias(y, bias.as_deref());
        Ok(())
    }

    /// Hands the logits out: the plain run, then every variant.
    fn write(&self, queries: usize, count: usize, out: &mut [f32]) {
        let value = self.value(self.program.spec.output);
        let span = Span::new(self.seq - queries, self.seq);
        let mut row = vec![0.0; queries * value.width];
        let chosen = value.width != count || self.chosen(self.program.spec.output).is_none();
        for (k, out) in out.chunks_exact_mut(queries * count).enumerate() {
            match k.checked_sub(self.batch) {
                None => value.copy_base(k, span, &mut row),
                Some(lane) => value.copy_lane(lane, lane % self.batch, span, &mut row),
            }
            if self.classes.is_empty() || !chosen {
                out.copy_from_slice(&row);
                continue;
            }
            for (out, row) in out.chunks_exact_mut(count).zip(row.chunks_exact(value.width)) {
                out.iter_mut().zip(self.classes).for_each(|(o, &c)| *o = row[c]);
            }
        }
    }
}
