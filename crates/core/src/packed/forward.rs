//! y = x W^T: int8 activations (quantised in front, integer products) or f32 (each product exact).
//!
//! Products are split by split.rs.

use tritlens_kernels::{self as k, PackedGroups, PackedRows, View, gemm};

use super::split::product;
use super::{PackedLinear, PackedShape};
use crate::error::{CoreError, Result, check_len, codes};

/// How activations enter the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activations {
    /// As they are.
    F32,
    /// Quantised to int8, one scale a row: max|x| / 127.
    Int8,
}

/// Buffers of a product that are kept between calls. Any layer may use any scratch; two threads need two.
#[derive(Default)]
pub struct PackedScratch {
    codes: Vec<i8>,
    scales: Vec<f32>,
    parts: Parts,
}

/// A group's columns, and sums of one group.
#[derive(Default)]
struct Parts {
    codes: Vec<i8>,
    floats: Vec<f32>,
    sums: Vec<i32>,
    sums_f32: Vec<f32>,
    packed: Vec<u8>,
}

/// Rows that are packed at a time where only quads are kept.
const TILE: usize = 64;

/// A buffer of `len` elements; grows only.
pub(crate) fn room<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> Result<&mut [T]> {
    if buffer.len() < len {
        buffer.try_reserve_exact(len - buffer.len()).map_err(|_| {
            CoreError::new(codes::MEMORY, format!("cannot allocate {len} elements"))
        })?;
        buffer.resize(len, T::default());
    }
    Ok(&mut buffer[..len])
}

impl PackedLinear {
    /// `y [m, rows]` = `x [m, cols]` W^T.
    ///
    /// With [`Activations::Int8`] a row of x that holds NaN or infinity gives NaN in all of y's row; with [`Activations::F32`] it follows f32's rules.
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn forward(&mut self, x: &[f32], m: usize, how: Activations, y: &mut [f32]) -> Result<()> {
        if how == Activations::Int8 {
            self.prepare_quads()?;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.forward_with(x, m, how, y, &mut scratch);
        self.scratch = scratch;
        result
    }

    /// [`PackedLinear::forward`] with the caller's scratch, so that threads can share a layer.
    ///
    /// # Errors
    /// As [`PackedLinear::forward`].
    pub fn forward_with(
        &self,
        x: &[f32],
        m: usize,
        how: Activations,
        y: &mut [f32],
        scratch: &mut PackedScratch,
    ) -> Result<()> {
        check_len("x", size(m, self.shape.cols)?, x.len())?;
        check_len("y", size(m, self.shape.rows)?, y.len())?;
        if m == 0 {
            return Ok(());
        }
        if how == Activations::F32 {
            return self.forward_f32(x, m, &mut scratch.parts, y);
        }
        let codes = room(&mut scratch.codes, x.len())?;
        let scales = room(&mut scratch.scales, m)?;
        quantize_activations(x, self.shape.cols, codes, scales);
        self.forward_int8(codes, scales, m, &mut scratch.parts, y)
    }

    /// `y [m, rows]` = `(codes [m, cols] * scales [m]) W^T`: int8 activations that were quantised before ([`quantize_activations`]), for layers that share
    /// them. A scale of NaN gives a row of NaN.
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn forward_codes(
        &self,
        codes: &[i8],
        scales: &[f32],
        m: usize,
        y: &mut [f32],
        scratch: &mut PackedScratch,
    ) -> Result<()> {
        check_len("codes", size(m, self.shape.cols)?, codes.len())?;
        check_len("scales", m, scales.len())?;
        check_len("y", size(m, self.shape.rows)?, y.len())?;
        self.forward_int8(codes, scales, m, &mut scratch.parts, y)
    }

    /// `sums [m, rows]` = `codes [m, cols] . Wcodes^T` in integers, exact below 2^24 columns. With several groups, the sum over all of them: what scales of groups
    /// are left out of.
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn accumulators(
        &self,
        codes: &[i8],
        m: usize,
        sums: &mut [i32],
        scratch: &mut PackedScratch,
    ) -> Result<()> {
        let PackedShape { rows, cols, group } = self.shape;
        check_len("codes", size(m, cols)?, codes.len())?;
        check_len("sums", size(m, rows)?, sums.len())?;
        if self.shape.groups() == 1 {
            self.integer_products(0, codes, m, sums);
            return Ok(());
        }
        let s = &mut scratch.parts;
        let one = room(&mut s.sums, m * rows)?;
        sums.fill(0);
        for g in 0..self.shape.groups() {
            let part = columns(codes, cols, g * group, group, m, &mut s.codes)?;
            self.integer_products(g, part, m, one);
            sums.iter_mut().zip(one.iter()).for_each(|(sum, &x)| *sum += x);
        }
        Ok(())
    }

    fn forward_int8(
        &self,
        codes: &[i8],
        scales: &[f32],
        m: usize,
        s: &mut Parts,
        y: &mut [f32],
    ) -> Result<()> {
        let groups = self.shape.groups();
        if groups > 1 && self.scales.len() == self.shape.rows * groups {
            return self.forward_groups(codes, scales, m, s, y);
        }
        let (cols, group, rows) = (self.shape.cols, self.shape.group, self.shape.rows);
        let sums = room(&mut s.sums, m * rows)?;
        for g in 0..self.shape.groups() {
            let part = columns(codes, cols, g * group, group, m, &mut s.codes)?;
            self.integer_products(g, part, m, sums);
            for i in 0..m {
                let total = self.has_shifts().then(|| row_sum(&part[i * group..][..group]));
                let (y, sums) = (&mut y[i * rows..][..rows], &sums[i * rows..][..rows]);
                self.finish((0, g), scales[i], |r| sums[r] as f32, total.map(|t| t as f32), y);
            }
        }
        Ok(())
    }

    fn integer_products(&self, g: usize, x: &[i8], m: usize, y: &mut [i32]) {
        match &self.quads {
            Some(quads) => quads.product(self.shape, g, x, m, y),
            None => product(self.group(g), x, m, y, k::packed_rows_i8),
        }
    }

    /// A scale for each group: `y = unit * (sum over groups of scale * sum of codes, + shift * sum of x)`, in the order of the groups.
    fn forward_groups(
        &self,
        codes: &[i8],
        units: &[f32],
        m: usize,
        s: &mut Parts,
        y: &mut [f32],
    ) -> Result<()> {
        let PackedShape { rows, cols, group } = self.shape;
        let groups = self.shape.groups();
        // WebAssembly has no product over groups: quads, or a product a group.
        if self.quads.is_some() || cfg!(target_arch = "wasm32") {
            let sums = room(&mut s.sums, m * rows)?;
            y.fill(0.0);
            for g in 0..groups {
                let part = columns(codes, cols, g * group, group, m, &mut s.codes)?;
                self.integer_products(g, part, m, sums);
                for (y, sums) in y.chunks_exact_mut(rows).zip(sums.chunks_exact(rows)) {
                    let scales = self.scales[g..].iter().step_by(groups);
                    for ((y, &sum), scale) in y.iter_mut().zip(sums).zip(scales) {
                        *y += scale * sum as f32;
                    }
                }
            }
        } else {
            // One pass over the codes instead of one a group.
            let (data, scales) = (&self.bytes[..], &self.scales[..]);
            let w = PackedGroups { format: self.format, data, scales, rows, groups, group };
            product(w, codes, m, y, k::packed_groups_i8);
        }
        let each = y.chunks_exact_mut(rows).zip(codes.chunks_exact(cols)).zip(units);
        for ((y, codes), &unit) in each {
            if self.has_shifts() {
                let totals: Vec<f32> =
                    codes.chunks_exact(group).map(|codes| row_sum(codes) as f32).collect();
                for (y, shifts) in y.iter_mut().zip(self.shifts.chunks_exact(groups)) {
                    *y += k::dot(shifts, &totals);
                }
            }
            k::scale_in_place(unit, y);
        }
        Ok(())
    }

    fn forward_f32(&self, x: &[f32], m: usize, s: &mut Parts, y: &mut [f32]) -> Result<()> {
        if cfg!(feature = "lean") {
            return self.forward_widened(x, m, s, y);
        }
        // Without packed codes some rows are packed at a time.
        let step = if self.bytes.is_empty() { TILE } else { self.shape.rows };
        let mut packed = std::mem::take(&mut s.packed);
        for first in (0..self.shape.rows).step_by(step) {
            let count = step.min(self.shape.rows - first);
            let (format, data) = self.packed_rows(first, count, &mut packed)?;
            for g in 0..self.shape.groups() {
                self.forward_f32_group(self.group_of(format, data, g), (first, g), x, m, s, y)?;
            }
        }
        s.packed = packed;
        Ok(())
    }

    /// A few rows at a time as f32, and the dense product: less code than products with packed codes, which differ from it in the last bits.
    fn forward_widened(&self, x: &[f32], m: usize, s: &mut Parts, y: &mut [f32]) -> Result<()> {
        let PackedShape { rows, cols, .. } = self.shape;
        let weights = room(&mut s.floats, TILE * cols)?;
        for first in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - first);
            self.widen(first, count, weights);
            let w = View::rows(weights, cols).t();
            let strides = (rows, 1);
            gemm((m, count, cols), 1.0, View::rows(x, cols), w, 0.0, &mut y[first..], strides);
        }
        Ok(())
    }

    /// What group `g` of rows `first..` adds to y.
    fn forward_f32_group(
        &self,
        w: PackedRows<'_>,
        (first, g): (usize, usize),
        x: &[f32],
        m: usize,
        s: &mut Parts,
        y: &mut [f32],
    ) -> Result<()> {
        let (cols, group, rows) = (self.shape.cols, self.shape.group, w.rows);
        let sums = room(&mut s.sums_f32, m * rows)?;
        let part = columns(x, cols, g * group, group, m, &mut s.floats)?;
        product(w, part, m, sums, |w, x: &[f32], m, y: &mut [f32]| {
            k::packed_rows_f32(w, 1.0, x, m, y);
        });
        for i in 0..m {
            let total = self.has_shifts().then(|| k::sum(&part[i * group..][..group]) as f32);
            let (y, sums) =
                (&mut y[i * self.shape.rows + first..][..rows], &sums[i * rows..][..rows]);
            self.finish((first, g), 1.0, |r| sums[r], total, y);
        }
        Ok(())
    }

    fn has_shifts(&self) -> bool {
        !self.shifts.is_empty()
    }

    /// Writes (first group) or adds (the others) `unit * (scale * sum + shift * total)` to rows `first..` of group `g`.
    fn finish(
        &self,
        (first, g): (usize, usize),
        unit: f32,
        sum: impl Fn(usize) -> f32,
        total: Option<f32>,
        y: &mut [f32],
    ) {
        if self.scales.len() == 1 && total.is_none() && g == 0 {
            let scale = unit * self.scales[0];
            for (r, y) in y.iter_mut().enumerate() {
                *y = scale * sum(r);
            }
            return;
        }
        let groups = self.shape.groups();
        for (r, y) in y.iter_mut().enumerate() {
            let row = first + r;
            let shift = total.map_or(0.0, |total| self.shifts[row * groups + g] * total);
            let value = unit * (self.scale(row, g) * sum(r) + shift);
            *y = if g == 0 { value } else { *y + value };
        }
    }
}

/// int8 codes `[m, cols]` and scales `[m]` of rows of x, as `kernels::quantize_act_rows`; rows with NaN or infinity, which no codes can stand for, get a scale of NaN.
///
/// # Panics
/// When lengths do not fit.
pub fn quantize_activations(x: &[f32], cols: usize, codes: &mut [i8], scales: &mut [f32]) {
    k::quantize_act_rows(x, cols, codes, scales);
    for (x, scale) in x.chunks_exact(cols).zip(scales) {
        // A sum of squares in f64 is finite exactly when all elements are.
        if !k::sum_sq(x).is_finite() {
            *scale = f32::NAN;
        }
    }
}

pub(crate) fn size(m: usize, cols: usize) -> Result<usize> {
    m.checked_mul(cols).ok_or_else(|| {
        CoreError::new(codes::SHAPE, "too many rows")
            .expected("a product that fits the machine", format!("{m} x {cols}"))
    })
}

/// Columns `first..first + count` of all rows, copied unless they are all there is.
fn columns<'a, T: Copy + Default>(
    x: &'a [T],
    cols: usize,
    first: usize,
    count: usize,
    m: usize,
    buffer: &'a mut Vec<T>,
) -> Result<&'a [T]> {
    if count == cols {
        return Ok(x);
    }
    let out = room(buffer, m * count)?;
    for (from, to) in x.chunks_exact(cols).zip(out.chunks_exact_mut(count)) {
        to.copy_from_slice(&from[first..first + count]);
    }
    Ok(out)
}

fn row_sum(x: &[i8]) -> i32 {
    x.iter().map(|&x| i32::from(x)).sum()
}
