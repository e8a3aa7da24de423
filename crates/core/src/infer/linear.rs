//! Linear layers of an inference run: latent or stored weights, and int8 codes that layers with the same input share.

use crate::error::{Result, zeros};
use crate::infer::rows::by_rows;
use crate::ops::linear;
use crate::packed::quantize_activations;
use crate::par;
use crate::program::Params;
use crate::program::weights::integer_sums;
use crate::stored::StoredScratch;
use tritlens_kernels as kernels;

/// Memory of one run's products.
#[derive(Debug, Default)]
pub(super) struct Products {
    codes: Vec<i8>,
    scales: Vec<f32>,
    values: Vec<f32>,
    sums: Vec<i32>,
    stored: StoredScratch,
    /// The node whose codes are held.
    quantised: Option<usize>,
}

/// x of a layer: the node it comes from, its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) node: usize,
    pub(super) x: &'a [f32],
    pub(super) cols: usize,
}

impl Input<'_> {
    fn rows(self) -> usize {
        self.x.len() / self.cols
    }
}

fn room<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> Result<()> {
    if buffer.len() < len {
        *buffer = zeros(len)?;
    }
    Ok(())
}

/// Elements that one thread quantises at a time.
const PIECE: usize = 1 << 14;

impl Products {
    /// Forgets the codes: activations change.
    pub(super) fn begin(&mut self) {
        self.quantised = None;
    }

    /// Makes the codes of an input, unless the last layer read the same one.
    fn quantise(&mut self, input: Input<'_>) -> Result<()> {
        if self.quantised == Some(input.node) {
            return Ok(());
        }
        let (len, rows, cols) = (input.x.len(), input.rows(), input.cols);
        room(&mut self.codes, len)?;
        room(&mut self.scales, rows)?;
        let (codes, scales) = (&mut self.codes[..len], &mut self.scales[..rows]);
        let some = (PIECE / cols).max(1);
        if par::threads() == 1 || rows <= some {
            quantize_activations(input.x, cols, codes, scales);
        } else {
            let x = input.x.chunks(some * cols);
            let parts = x.zip(codes.chunks_mut(some * cols)).zip(scales.chunks_mut(some)).collect();
            par::spread(parts, |((x, codes), scales): ((&[f32], &mut [i8]), &mut [f32])| {
                quantize_activations(x, cols, codes, scales);
            });
        }
        self.quantised = Some(input.node);
        Ok(())
    }

    /// y = x W^T, with int8 activations when `int8`.
    pub(super) fn forward(
        &mut self,
        params: &Params,
        w: usize,
        int8: bool,
        input: Input<'_>,
        y: &mut [f32],
    ) -> Result<()> {
        let rows = input.rows();
        match params.stored(w) {
            Some(stored) if int8 && stored.is_packed() => {
                self.quantise(input)?;
                let (codes, scales) = (&self.codes[..input.x.len()], &self.scales[..rows]);
                stored.forward_codes(codes, scales, rows, y, &mut self.stored)
            }
            Some(stored) => {
                let (x, room) = self.values(input, int8)?;
                stored.forward(x, rows, y, room)
            }
            None => {
                let (x, _) = self.values(input, int8)?;
                linear::forward_rows(x, input.cols, params.effective(w), y);
                Ok(())
            }
        }
    }

    /// x as it is, or as its codes stand for it.
    fn values<'a>(
        &'a mut self,
        input: Input<'a>,
        int8: bool,
    ) -> Result<(&'a [f32], &'a mut StoredScratch)> {
        if !int8 {
            return Ok((input.x, &mut self.stored));
        }
        self.quantise(input)?;
        room(&mut self.values, input.x.len())?;
        let (len, cols) = (input.x.len(), input.cols);
        let rows = self.codes[..len].chunks_exact(cols).zip(&self.scales);
        for ((codes, &scale), values) in rows.zip(self.values.chunks_exact_mut(cols)) {
            values.iter_mut().zip(codes).for_each(|(v, &c)| *v = f32::from(c) * scale);
        }
        Ok((&self.values[..len], &mut self.stored))
    }

    /// Codes of an input as numbers.
    pub(super) fn codes(&mut self, input: Input<'_>, y: &mut [f32]) -> Result<()> {
        self.quantise(input)?;
        y.iter_mut().zip(&self.codes).for_each(|(y, &c)| *y = f32::from(c));
        Ok(())
    }

    /// Scales of the codes.
    pub(super) fn scales(&mut self, input: Input<'_>, y: &mut [f32]) -> Result<()> {
        self.quantise(input)?;
        y.copy_from_slice(&self.scales[..y.len()]);
        Ok(())
    }

    /// Integer sums.
    pub(super) fn sums(
        &mut self,
        params: &Params,
        w: usize,
        input: Input<'_>,
        y: &mut [f32],
    ) -> Result<()> {
        self.quantise(input)?;
        let codes = &self.codes[..input.x.len()];
        if let Some(stored) = params.stored(w) {
            room(&mut self.sums, y.len())?;
            let sums = &mut self.sums[..y.len()];
            stored.accumulators(codes, input.rows(), sums, &mut self.stored)?;
            y.iter_mut().zip(sums).for_each(|(y, &mut s)| *y = s as f32);
        } else if let Some((weights, _)) = params.codes(w) {
            integer_sums(codes, weights, input.cols, y);
        }
        Ok(())
    }
}

/// y += b, row by row.
pub(super) fn add_bias(y: &mut [f32], b: Option<&[f32]>) {
    if let Some(b) = b {
        by_rows(y, b.len(), |_, y| y.chunks_exact_mut(b.len()).for_each(|y| kernels::add(b, y)));
    }
}
