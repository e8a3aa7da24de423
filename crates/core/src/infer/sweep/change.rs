//! Edits of lanes.

use super::engine::Engine;
use super::value::{Span, Value};
use crate::edit::{Edit, EditKind};
use crate::error::{Result, zeros};
use crate::program::spec::Dim;

/// Place of the positions among a site's axes.
fn positions(shape: &[Dim]) -> Option<usize> {
    shape.iter().position(|d| matches!(d, Dim::Name(n) if n == "seq"))
}

impl Engine<'_> {
    /// Edits at the sites of a node, in the order in which they happen.
    fn edits_at(&self, node: usize) -> impl Iterator<Item = &(usize, Edit)> {
        let sites = self.program.sites_of[node].iter().map(|&s| s as usize);
        sites.flat_map(|s| self.edits.iter().filter(move |(_, e)| e.site == s))
    }

    /// Lanes of an edit, with the positions that it changes.
    fn reach(&self, variant: usize, edit: &Edit) -> impl Iterator<Item = (usize, Span)> + use<> {
        let (axis, all) =
            (positions(&self.program.spec.sites[edit.site].shape), Span::new(0, self.seq));
        let whole = edit.kind == EditKind::Mean;
        let (b0, b1) = if whole { (0, self.batch) } else { edit.ranges[0] };
        let span = match axis {
            Some(axis) if !whole => Span::new(edit.ranges[axis].0, edit.ranges[axis].1),
            _ => all,
        };
        let first = variant * self.batch;
        (b0..b1).map(move |b| (first + b, span))
    }

    /// Spans of a node once its edits have happened. Lanes that are held as a whole are taken out of `derived`: nothing of them need be computed.
    pub(super) fn edited(&self, node: usize, derived: &mut [Span]) -> Vec<Span> {
        for (variant, edit) in self.edits_at(node).filter(|(_, e)| self.holds(e)) {
            for (lane, _) in self.reach(*variant, edit) {
                derived[lane] = Span::default();
            }
        }
        let mut spans = derived.to_vec();
        for freeze in [false, true] {
            let some = |(_, e): &&(usize, Edit)| (e.kind == EditKind::Freeze) == freeze;
            for (variant, edit) in self.edits_at(node).filter(some) {
                for (lane, span) in self.reach(*variant, edit) {
                    // What does not differ need not be held.
                    if !freeze || !spans[lane].is_empty() && !self.holds(edit) {
                        spans[lane] = spans[lane].hull(span);
                    }
                }
            }
        }
        spans
    }

    /// Whether an edit holds all of a site.
    fn holds(&self, edit: &Edit) -> bool {
        let site = &self.program.spec.sites[edit.site].shape;
        let whole = self.shape(site, self.batch, self.seq);
        edit.kind == EditKind::Freeze && edit.ranges.iter().zip(whole).all(|(r, n)| *r == (0, n))
    }

    /// Drops edits that a later one of the same variant, which holds all of the same activation, undoes.
    pub(super) fn drop_undone(&mut self) {
        let mut held: Vec<(usize, usize)> = Vec::new();
        let mut kept = Vec::new();
        while let Some((variant, edit)) = self.edits.pop() {
            let place = (variant, self.program.spec.sites[edit.site].node);
            if held.contains(&place) {
                continue;
            }
            if self.holds(&edit) {
                held.push(place);
            }
            kept.push((variant, edit));
        }
        kept.reverse();
        self.edits = kept;
    }

    /// Applies the edits of a node, and forgets lanes that they left as the plain run.
    pub(super) fn change(&self, node: usize, value: &mut Value) -> Result<()> {
        let mut touched = vec![false; value.layout.spans.len()];
        for (variant, edit) in self.edits_at(node).filter(|(_, e)| !self.holds(e)) {
            if edit.kind == EditKind::Mean {
                self.mean(*variant, edit, value);
            }
            for (lane, _) in self.reach(*variant, edit) {
                if value.layout.spans[lane].is_empty() {
                    continue;
                }
                touched[lane] = true;
                if edit.kind != EditKind::Mean {
                    self.change_lane(lane, edit, value)?;
                }
            }
        }
        for lane in (0..touched.len()).filter(|&lane| touched[lane]) {
            value.narrow(lane, lane % self.batch);
        }
        Ok(())
    }

    fn change_lane(&self, lane: usize, edit: &Edit, value: &mut Value) -> Result<()> {
        let (b, span, at) = (lane % self.batch, value.layout.spans[lane], value.lane(lane));
        let site = &self.program.spec.sites[edit.site].shape;
        let Some(axis) = positions(site) else { return Ok(()) };
        let Some(one) = edit.of_example(b, axis, span.lo) else { return Ok(()) };
        let shape = self.shape(site, 1, span.len());
        if edit.kind == EditKind::Freeze {
            let mut plain = zeros(at.len())?;
            value.copy_base(b, span, &mut plain);
            one.copy_box(&shape, &plain, &mut value.data[at]);
        } else {
            one.apply(&shape, &mut value.data[at]);
        }
        Ok(())
    }

    /// The mean over the batch needs all examples of a variant at once: their spans are whole.
    fn mean(&self, variant: usize, edit: &Edit, value: &mut Value) {
        let site = &self.program.spec.sites[edit.site].shape;
        let mut all = Vec::new();
        for b in 0..self.batch {
            all.extend_from_slice(&value.data[value.lane(variant * self.batch + b)]);
        }
        edit.apply(&self.shape(site, self.batch, self.seq), &mut all);
        let each = all.len() / self.batch;
        for (b, example) in all.chunks_exact(each).enumerate() {
            let at = value.lane(variant * self.batch + b);
            value.data[at].copy_from_slice(example);
        }
    }

    fn shape(&self, site: &[Dim], batch: usize, positions: usize) -> Vec<usize> {
        site.iter()
            .map(|d| match d {
                Dim::Size(n) => *n,
                Dim::Name(n) if n == "batch" => batch,
                Dim::Name(n) if n == "keys" => self.seq,
                Dim::Name(_) => positions,
            })
            .collect()
    }
}
