//! Attention of the plain run and of lanes: every lane sees its own keys and values where it has any, the plain run's elsewhere.

use super::engine::Engine;
use super::value::{Layout, Span, Value};
use crate::error::{Result, zeros};
use crate::infer::attend::kind_of;
use crate::infer::attention::{Shape, Vectors};
use crate::infer::plan::Work;
use crate::par;

impl Engine<'_> {
    /// What an attention node reads: q (or a pattern), keys (where there are any), values (where there are any).
    fn operands(&self, i: usize) -> (usize, Vec<usize>) {
        let reads = self.plan.reads(self.program, i);
        (reads[0], reads[1..].to_vec())
    }

    /// Sizes, but for those of the queries.
    fn kind(&self, i: usize) -> Shape {
        let scores = if let Work::Attend { scores } = self.plan.slots[i].work { scores } else { i };
        kind_of(self.program, scores, self.seq)
    }

    /// Where an attention node differs: at every query that sees a key or value that does.
    pub(super) fn attention_spans(&self, i: usize) -> Vec<Span> {
        let (q, others) = self.operands(i);
        let causal = self.kind(i).causal;
        let mut spans = self.value(q).layout.spans.clone();
        for k in others {
            for (span, keys) in spans.iter_mut().zip(&self.value(k).layout.spans) {
                if !keys.is_empty() {
                    let lo = if causal { keys.lo } else { 0 };
                    *span = span.hull(Span::new(lo, self.seq));
                }
            }
        }
        spans
    }

    /// Computes the rows of an attention node.
    pub(super) fn attention(
        &self,
        i: usize,
        layout: &Layout,
        derived: &[Span],
        queries: usize,
        data: &mut [f32],
    ) -> Result<()> {
        let (q, others) = self.operands(i);
        let step = data.len() / layout.rows;
        let base = self.batch * queries;
        let shape = self.kind(i);
        let (plain, mut lanes) = data.split_at_mut(base * step);
        let first = Shape {
            batch: self.batch,
            queries,
            rows: self.value(q).queries,
            first: self.seq - queries,
            ..shape
        };
        let rows = |k: usize, s: Shape| Vectors::rows(&self.value(k).data, s);
        let of_queries = &self.value(q).data[..];
        match (&others[..], self.plan.slots[i].work) {
            (&[k, v], _) => first.attend(of_queries, rows(k, first), rows(v, first), plain)?,
            (&[k], _) if self.is_scores(i) => first.scores(of_queries, rows(k, first), plain),
            (&[v], _) => first.mix(of_queries, rows(v, first), plain),
            _ => {}
        }
        let mut jobs = Vec::new();
        for (lane, span) in layout.spans.iter().enumerate().filter(|(l, _)| !derived[*l].is_empty())
        {
            let z = lanes.split_off_mut(..span.len() * step).unwrap_or_default();
            jobs.push((lane, *span, z));
        }
        par::spread(jobs, |(lane, span, z): (usize, Span, &mut [f32])| {
            let one =
                Shape { batch: 1, queries: span.len(), rows: span.len(), first: span.lo, ..shape };
            if self.lane(i, lane, span, one, z).is_err() {
                z.fill(f32::NAN);
            }
        });
        Ok(())
    }

    fn lane(&self, i: usize, lane: usize, span: Span, s: Shape, z: &mut [f32]) -> Result<()> {
        let (q, others) = self.operands(i);
        let queries = rows_of(self.value(q), lane, self.batch, span)?;
        let all = Span::new(0, self.seq);
        let mut vectors = Vec::new();
        for &k in &others {
            vectors.push(rows_of(self.value(k), lane, self.batch, all)?);
        }
        let vectors: Vec<Vectors<'_>> = vectors.iter().map(|v| Vectors::rows(v, s)).collect();
        match vectors[..] {
            [k, v] => s.attend_alone(&queries, [k, v], z),
            [k] if self.is_scores(i) => s.scores_alone(&queries, k, z),
            [v] => s.mix_alone(&queries, v, z),
            _ => {}
        }
        Ok(())
    }
}

/// Rows of a lane, with the plain run's where it has none.
fn rows_of(value: &Value, lane: usize, batch: usize, span: Span) -> Result<Vec<f32>> {
    let mut out = zeros(span.len() * value.step())?;
    value.copy_lane(lane, lane % batch, span, &mut out);
    Ok(out)
}
