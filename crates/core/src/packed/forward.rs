//! y = x W^T: int8 activations (quantised in front, integer products) or f32 (each product exact).
//!
//! Work is split over rows of W for few rows of x and over rows of x for many: no element's sum is ever split, so results do not depend on the threads.

use tritlens_kernels::{self as k, PackedRows};

use super::{PackedLinear, Quads};
use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::par;

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
}

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

    /// `sums [m, rows]` = `codes [m, cols] . Wcodes^T` in integers, exact below 2^24 columns, of a layer with one group.
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths or a layer with groups, whose codes have no common sum.
    pub fn accumulators(&self, codes: &[i8], m: usize, sums: &mut [i32]) -> Result<()> {
        check_len("codes", size(m, self.shape.cols)?, codes.len())?;
        check_len("sums", size(m, self.shape.rows)?, sums.len())?;
        if self.shape.groups() > 1 {
            return Err(CoreError::new(codes::SHAPE, "sums of codes need one group")
                .expected(format!("groups of {}", self.shape.cols), self.shape.group));
        }
        self.integer_products(0, codes, m, sums);
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
        let (cols, group, rows) = (self.shape.cols, self.shape.group, self.shape.rows);
        let sums = room(&mut s.sums, m * rows)?;
        for g in 0..self.shape.groups() {
            let part = columns(codes, cols, g * group, group, m, &mut s.codes)?;
            self.integer_products(g, part, m, sums);
            for i in 0..m {
                let total = self.has_shifts().then(|| row_sum(&part[i * group..][..group]));
                let (y, sums) = (&mut y[i * rows..][..rows], &sums[i * rows..][..rows]);
                self.finish(g, scales[i], |r| sums[r] as f32, total.map(|t| t as f32), y);
            }
        }
        Ok(())
    }

    /// Lays the codes out as WebAssembly's products want them (2 bits a code, beside the packed ones, which other calls need): without it a product there
    /// spends most of its time on decoding. Groups are products of their own and stay as they are.
    fn prepare_quads(&mut self) -> Result<()> {
        if !cfg!(target_arch = "wasm32") || self.quads.is_some() || self.shape.groups() > 1 {
            return Ok(());
        }
        let (rows, cols) = (self.shape.rows, self.shape.cols);
        let mut bytes = super::aligned(k::quads::bytes(rows, cols))?;
        let mut sums = zeros(rows)?;
        k::quads::repack(self.format, &self.bytes, rows, cols, &mut bytes, &mut sums)
            .map_err(|e| CoreError::new(codes::FORMAT, e.to_string()))?;
        self.quads = Some(Quads { bytes, sums });
        Ok(())
    }

    fn integer_products(&self, g: usize, x: &[i8], m: usize, y: &mut [i32]) {
        match &self.quads {
            Some(q) => {
                let (rows, cols) = (self.shape.rows, self.shape.cols);
                k::quads::matmul_i8((&q.bytes, &q.sums), rows, cols, x, m, y);
            }
            None => product(self.group(g), x, m, y, k::packed_rows_i8),
        }
    }

    fn forward_f32(&self, x: &[f32], m: usize, s: &mut Parts, y: &mut [f32]) -> Result<()> {
        let (cols, group, rows) = (self.shape.cols, self.shape.group, self.shape.rows);
        let sums = room(&mut s.sums_f32, m * rows)?;
        let exact = |w: PackedRows<'_>, x: &[f32], m: usize, y: &mut [f32]| {
            k::packed_rows_f32(w, 1.0, x, m, y);
        };
        for g in 0..self.shape.groups() {
            let part = columns(x, cols, g * group, group, m, &mut s.floats)?;
            product(self.group(g), part, m, sums, exact);
            for i in 0..m {
                let total = self.has_shifts().then(|| k::sum(&part[i * group..][..group]) as f32);
                let (y, sums) = (&mut y[i * rows..][..rows], &sums[i * rows..][..rows]);
                self.finish(g, 1.0, |r| sums[r], total, y);
            }
        }
        Ok(())
    }

    fn has_shifts(&self) -> bool {
        !self.shifts.is_empty()
    }

    /// Writes (first group) or adds (the others) `unit * (scale * sum + shift * total)`.
    fn finish(
        &self,
        g: usize,
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
            let shift = total.map_or(0.0, |total| self.shifts[r * groups + g] * total);
            let value = unit * (self.scale(r, g) * sum(r) + shift);
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

/// Products below this number are not worth waking a thread for.
const WORTH_SPLITTING: usize = 1 << 18;
/// From so many rows of x on, they are what is split.
const MANY: usize = 16;

/// `y [m, rows]` over the pool: `f` for parts of the rows of W (few rows of x) or of x.
pub(super) fn product<X: Copy + Sync, Y: Copy + Default + Send>(
    w: PackedRows<'_>,
    x: &[X],
    m: usize,
    y: &mut [Y],
    f: impl Fn(PackedRows<'_>, &[X], usize, &mut [Y]) + Sync,
) {
    let threads = par::threads() as usize;
    let work = w.rows.saturating_mul(w.cols).saturating_mul(m);
    if threads == 1 || work < WORTH_SPLITTING {
        return f(w, x, m, y);
    }
    if m >= MANY {
        let part = m.div_ceil(threads).next_multiple_of(4);
        let parts = x.chunks(part * w.cols).zip(y.chunks_mut(part * w.rows)).collect();
        return par::spread(parts, |(x, y): (&[X], &mut [Y])| f(w, x, x.len() / w.cols, y));
    }
    let part = w.rows.div_ceil(threads).next_multiple_of(4);
    if m == 1 {
        let parts = y.chunks_mut(part).enumerate().collect();
        return par::spread(parts, |(i, y): (usize, &mut [Y])| {
            f(rows_from(w, i * part, y.len()), x, 1, y);
        });
    }
    split_rows(w, x, m, part, y, f);
}

/// A few rows of x and parts of W: a part's results are not contiguous in y, so each goes through a buffer of its own.
fn split_rows<X: Copy + Sync, Y: Copy + Default + Send>(
    w: PackedRows<'_>,
    x: &[X],
    m: usize,
    part: usize,
    y: &mut [Y],
    f: impl Fn(PackedRows<'_>, &[X], usize, &mut [Y]) + Sync,
) {
    let mut buffers: Vec<(usize, Vec<Y>)> = (0..w.rows)
        .step_by(part)
        .map(|first| (first, vec![Y::default(); m * part.min(w.rows - first)]))
        .collect();
    let parts = buffers.iter_mut().collect();
    par::spread(parts, |(first, out): &mut (usize, Vec<Y>)| {
        f(rows_from(w, *first, out.len() / m), x, m, out);
    });
    for (first, out) in &buffers {
        let count = out.len() / m;
        for (i, out) in out.chunks_exact(count).enumerate() {
            y[i * w.rows + first..][..count].copy_from_slice(out);
        }
    }
}

/// Rows `first..first + count`.
fn rows_from(w: PackedRows<'_>, first: usize, count: usize) -> PackedRows<'_> {
    PackedRows { data: &w.data[first * w.stride..], rows: count, ..w }
}
