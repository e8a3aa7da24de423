//! What nodes do with a weight that may be latent (f32 in the flat vector) or stored (a matrix of a checkpoint).

use crate::error::{Result, zeros};
use crate::ops::{self, linear};
use crate::program::exec::Exec;
use crate::program::scratch::Scratch;
use crate::program::spec::{ActQuant, NodeSpec};
use tritlens_kernels as kernels;

/// x, or what its int8 codes stand for.
pub(super) fn quantised<'s>(
    x: &'s [f32],
    cols: usize,
    q: ActQuant,
    scratch: &'s mut Scratch,
) -> &'s [f32] {
    match q {
        ActQuant::None => x,
        ActQuant::Int8 => scratch.quantise(x, cols),
    }
}

impl Exec<'_> {
    /// y `[rows, C]` = rows of a table.
    pub(super) fn look_up(
        &self,
        w: usize,
        ids: impl Iterator<Item = usize>,
        y: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let cols = self.params.places()[w].shape[1];
        match self.params.stored(w) {
            None => ops::embed::forward(self.weight(w), ids, y, cols),
            Some(table) => {
                let mut rows = ids.zip(y.chunks_exact_mut(cols));
                let result = rows.try_for_each(|(id, y)| table.rows_into(id, 1, y));
                scratch.note(result, y);
            }
        }
    }

    /// y `[rows, O]` = x W^T + b.
    #[allow(clippy::too_many_arguments, reason = "the fields of a linear node")]
    pub(super) fn linear(
        &self,
        x: &[f32],
        w: usize,
        b: Option<usize>,
        act_quant: ActQuant,
        d: linear::Dims,
        scratch: &mut Scratch,
        y: &mut [f32],
    ) {
        let Some(stored) = self.params.stored(w) else {
            let value = quantised(x, d.input, act_quant, scratch);
            if self.plan.naive {
                linear::forward_rows(value, d.input, self.weight(w), y);
                if let Some(b) = self.vector(b) {
                    y.chunks_exact_mut(b.len()).for_each(|y| kernels::add(b, y));
                }
                return;
            }
            let w = linear::Weight { rows: self.weight(w), transposed: self.params.transposed(w) };
            return linear::forward(value, w, self.vector(b), y, d);
        };
        let result = if act_quant == ActQuant::Int8 && stored.is_packed() {
            let (codes, scales, room) = scratch.codes(x, d.input);
            stored.forward_codes(codes, scales, d.rows, y, room)
        } else {
            let mut room = std::mem::take(&mut scratch.stored);
            let value = quantised(x, d.input, act_quant, scratch);
            let result = stored.forward(value, d.rows, y, &mut room);
            scratch.stored = room;
            result
        };
        scratch.note(result, y);
        if let Some(b) = self.vector(b) {
            y.chunks_exact_mut(b.len()).for_each(|y| kernels::add(b, y));
        }
    }

    /// dx += dy W.
    pub(super) fn linear_back(
        &self,
        w: usize,
        dy: &[f32],
        d: linear::Dims,
        scratch: &mut Scratch,
        dx: &mut [f32],
    ) {
        match self.params.stored(w) {
            None if self.plan.naive => linear::backward_input_rows(dy, self.weight(w), dx, d),
            None => linear::backward_input(dy, self.weight(w), 1.0, dx, d),
            Some(stored) => {
                let result = stored.backward(dy, d.rows, dx, &mut scratch.stored);
                scratch.note(result, dx);
            }
        }
    }

    /// Codes of x, their scale, or integer sums.
    pub(super) fn tap(&self, i: usize, x: &[f32], scratch: &mut Scratch, y: &mut [f32]) {
        let node = &self.program.spec.nodes[i];
        let cols = self.program.cols[node.inputs()[0]];
        let mut sums = std::mem::take(&mut scratch.sums);
        let (codes, scales, room) = scratch.codes(x, cols);
        let result = match *node {
            NodeSpec::CodeScale { .. } => {
                y.copy_from_slice(scales);
                Ok(())
            }
            NodeSpec::Acc { w, .. } => self.sums(w, codes, cols, room, &mut sums, y),
            _ => {
                y.iter_mut().zip(codes).for_each(|(y, &c)| *y = f32::from(c));
                Ok(())
            }
        };
        scratch.sums = sums;
        scratch.note(result, y);
    }

    fn sums(
        &self,
        w: usize,
        codes: &[i8],
        cols: usize,
        room: &mut crate::stored::StoredScratch,
        sums: &mut Vec<i32>,
        y: &mut [f32],
    ) -> Result<()> {
        let rows = codes.len() / cols;
        if let Some(stored) = self.params.stored(w) {
            if sums.len() < y.len() {
                *sums = zeros(y.len())?;
            }
            let sums = &mut sums[..y.len()];
            stored.accumulators(codes, rows, sums, room)?;
            y.iter_mut().zip(sums).for_each(|(y, &mut s)| *y = s as f32);
        } else if let Some((weights, _)) = self.params.codes(w) {
            integer_sums(codes, weights, cols, y);
        }
        Ok(())
    }
}

/// Sums of codes of latent weights: for looking at, not for speed.
pub(crate) fn integer_sums(codes: &[i8], weights: &[i8], cols: usize, y: &mut [f32]) {
    let out = weights.len() / cols;
    for (x, y) in codes.chunks_exact(cols).zip(y.chunks_exact_mut(out)) {
        for (w, y) in weights.chunks_exact(cols).zip(y) {
            let sum: i32 = x.iter().zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            *y = sum as f32;
        }
    }
}

impl Scratch {
    /// Keeps the first failure; what was being computed becomes NaN.
    pub(super) fn note(&mut self, result: Result<()>, y: &mut [f32]) {
        if let Err(error) = result {
            y.fill(f32::NAN);
            self.failed.get_or_insert(error);
        }
    }
}
