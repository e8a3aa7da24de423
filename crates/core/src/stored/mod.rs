//! Matrices of loaded checkpoints `[rows, cols]`, multiplied without a copy in f32.
//!
//! | format of the file | is kept as | products |
//! |---|---|---|
//! | `f32` `f16` `bf16` `q8_0` `q4_0` `q4_k` `q6_k` `q2_0` | the file's bytes | a few rows are widened to f32 at a time |
//! | `tq1_0` `tq2_0` `hf` `i2_s` `i2_s_neon` `ternary2` `ternary5` `q1_0` `binary` | a [`PackedLinear`] (`ternary2`, `ternary5` or `binary`) | codes, with int8 or f32 activations |
//!
//! A matrix is filled once ([`Stored::filling`]), checked when all of its bytes are there ([`Filling::finish`]), and read-only from then on: threads share it, and
//! what a product needs beside it belongs to the caller ([`StoredScratch`]).
//!
//! Bytes that are no codes are refused (`E_FORMAT`): the pair 3 of the two-bit layouts (a byte 0xFF in `tq2_0`), which ggml reads as +2. Scales of packed
//! formats that are NaN or infinite are refused too (`E_NONFINITE`); floats and the other block formats are taken as they are.

mod dense;
mod filling;
mod tiles;

use serde::Serialize;
use tritlens_kernels::Format;
use tritlens_kernels::layouts::{BlockFormat, Elements};

use crate::error::{CoreError, Result, check_len, codes};
use crate::formats;
use crate::packed::{Activations, PackedLinear, PackedScratch, PackedShape, size};

use dense::Dense;
pub use filling::Filling;
use tiles::Tile;

/// A matrix of a checkpoint.
pub struct Stored {
    kept: Kept,
}

enum Kept {
    Dense(Dense),
    Packed(Box<PackedLinear>),
}

/// What a stored matrix is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StoredInfo {
    /// As what it is kept: `f32` `f16` `bf16` `q8_0` `q4_0` `q4_k` `q6_k` `q2_0` `binary` `ternary2` `ternary5`.
    pub format: &'static str,
    /// Bytes of the numbers or codes, scales beside them not counted.
    pub bytes: usize,
    /// Rows: outputs.
    pub rows: usize,
    /// Columns: inputs.
    pub cols: usize,
    /// Columns that share a scale; `cols` where scales are not kept apart.
    pub group: usize,
    /// Scales beside the codes: 0 (dense), 1, `rows` or `rows * cols / group`.
    pub scales: usize,
    /// Shifts beside the codes.
    pub shifts: usize,
}

/// Buffers of products that are kept between calls. Any matrix may use any scratch; two threads need two.
#[derive(Default)]
pub struct StoredScratch {
    packed: PackedScratch,
    tiles: Vec<Tile>,
}

/// What the bytes of a file become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dense(Elements),
    /// A layout of `packed::LAYOUTS`, and the format its codes are kept in.
    Layout(Format),
    Own(Format),
}

fn kind(format: &str) -> Result<Kind> {
    if let Some(own) = Format::ALL.into_iter().find(|f| f.name() == format) {
        return Ok(Kind::Own(own));
    }
    let packed = [BlockFormat::Tq1_0, BlockFormat::Tq2_0, BlockFormat::Q1_0].map(Elements::Block);
    let elements = Elements::ALL.into_iter().find(|e| e.name() == format);
    if let Some(elements) = elements.filter(|e| !packed.contains(e)) {
        return Ok(Kind::Dense(elements));
    }
    // Refuses other names with the list.
    formats::packed_bytes(format, 0, 0)?;
    Ok(Kind::Layout(match format {
        "q1_0" => Format::Binary,
        // As small in memory as in the file.
        "tq1_0" => Format::Ternary5,
        _ => Format::Ternary2,
    }))
}

impl Stored {
    /// Bytes of a matrix `[rows, cols]` in a file.
    ///
    /// # Errors
    /// `E_NAME` for an unknown format, `E_SHAPE` for a shape without elements or one that the format has no place for.
    pub fn bytes_of(format: &str, rows: usize, cols: usize) -> Result<usize> {
        let bytes = formats::packed_bytes(format, rows, cols)?;
        PackedShape::new(rows, cols, 0)?;
        Ok(bytes)
    }

    /// Takes room for the bytes of a matrix, which [`Filling::write`] brings. `scale` is what codes are multiplied with where the bytes hold no scale
    /// (`hf`, `binary`, `ternary2`, `ternary5`).
    ///
    /// # Errors
    /// As [`Stored::bytes_of`]; `E_NONFINITE` for a scale that is no number, `E_MEMORY` where there is no room.
    pub fn filling(format: &str, rows: usize, cols: usize, scale: f32) -> Result<Filling> {
        Filling::new(format, rows, cols, scale)
    }

    /// Packs codes -1, 0, +1 `[rows, cols]` with scales (1, `rows` or `rows * groups`) and shifts (none or `rows * groups`).
    ///
    /// # Errors
    /// As [`PackedLinear::from_codes`].
    pub fn from_codes(
        format: Format,
        shape: PackedShape,
        codes: &[i8],
        scales: Vec<f32>,
        shifts: Vec<f32>,
    ) -> Result<Self> {
        Self::of_packed(PackedLinear::from_codes(format, shape, codes, scales, shifts)?)
    }

    fn of_packed(mut packed: PackedLinear) -> Result<Self> {
        packed.settle()?;
        Ok(Self { kept: Kept::Packed(Box::new(packed)) })
    }

    fn of_dense(dense: Dense) -> Self {
        Self { kept: Kept::Dense(dense) }
    }

    /// Rows: outputs.
    pub fn rows(&self) -> usize {
        match &self.kept {
            Kept::Dense(d) => d.rows(),
            Kept::Packed(p) => p.shape().rows,
        }
    }

    /// Columns: inputs.
    pub fn cols(&self) -> usize {
        match &self.kept {
            Kept::Dense(d) => d.cols(),
            Kept::Packed(p) => p.shape().cols,
        }
    }

    /// Format, sizes, and numbers of scales.
    pub fn info(&self) -> StoredInfo {
        let (rows, cols) = (self.rows(), self.cols());
        match &self.kept {
            Kept::Dense(d) => StoredInfo {
                format: d.elements().name(),
                bytes: d.bytes().len(),
                rows,
                cols,
                group: cols,
                scales: 0,
                shifts: 0,
            },
            Kept::Packed(p) => StoredInfo {
                format: p.format().name(),
                bytes: p.code_bytes(),
                rows,
                cols,
                group: p.shape().group,
                scales: p.scales().len(),
                shifts: p.shifts().len(),
            },
        }
    }

    /// Whether codes and scales are kept apart: what integer products need.
    pub fn is_packed(&self) -> bool {
        self.packed().is_some()
    }

    /// The packed layer.
    pub fn packed(&self) -> Option<&PackedLinear> {
        match &self.kept {
            Kept::Dense(_) => None,
            Kept::Packed(p) => Some(p),
        }
    }

    fn need_packed(&self, what: &str) -> Result<&PackedLinear> {
        self.packed().ok_or_else(|| {
            let format = self.info().format;
            CoreError::new(codes::MODE, format!("{what} need a packed matrix"))
                .expected("binary, ternary2 or ternary5", format)
        })
    }

    /// `y [m, rows]` = `x [m, cols]` W^T with the dequantised weights.
    ///
    /// Packed: each product is exact, in a fixed order of summation. Dense: one row of x in a fixed order, several as `kernels::gemm`. No result depends on the number
    /// of threads.
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn forward(&self, x: &[f32], m: usize, y: &mut [f32], s: &mut StoredScratch) -> Result<()> {
        match &self.kept {
            Kept::Packed(p) => p.forward_with(x, m, Activations::F32, y, &mut s.packed),
            Kept::Dense(d) => {
                check_len("x", size(m, self.cols())?, x.len())?;
                check_len("y", size(m, self.rows())?, y.len())?;
                d.forward(x, m, y, &mut s.tiles)
            }
        }
    }

    /// `y [m, rows]` = `(codes [m, cols] * scales [m]) W^T` in integers, from activations that `packed::quantize_activations` made. A scale of NaN gives a
    /// row of NaN.
    ///
    /// # Errors
    /// `E_MODE` for a dense matrix, `E_SHAPE`, `E_MEMORY`.
    pub fn forward_codes(
        &self,
        codes: &[i8],
        scales: &[f32],
        m: usize,
        y: &mut [f32],
        s: &mut StoredScratch,
    ) -> Result<()> {
        let packed = self.need_packed("int8 activations")?;
        packed.forward_codes(codes, scales, m, y, &mut s.packed)
    }

    /// `sums [m, rows]` = `codes [m, cols] . Wcodes^T`: exact below 2^24 columns.
    ///
    /// # Errors
    /// `E_MODE` for a dense matrix, `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn accumulators(
        &self,
        codes: &[i8],
        m: usize,
        sums: &mut [i32],
        s: &mut StoredScratch,
    ) -> Result<()> {
        self.need_packed("sums of codes")?.accumulators(codes, m, sums, &mut s.packed)
    }

    /// `dx [m, cols]` += `dy [m, rows]` W with the dequantised weights, a few rows of W at a time.
    ///
    /// # Errors
    /// `E_SHAPE`, `E_MEMORY`.
    pub fn backward(
        &self,
        dy: &[f32],
        m: usize,
        dx: &mut [f32],
        s: &mut StoredScratch,
    ) -> Result<()> {
        let (rows, cols) = (self.rows(), self.cols());
        check_len("dy", size(m, rows)?, dy.len())?;
        check_len("dx", size(m, cols)?, dx.len())?;
        tiles::backward((rows, cols), dy, dx, &mut s.tiles, |first, count, out| {
            self.widen(first, count, out);
        })
    }

    /// Row `i`, dequantised.
    ///
    /// # Errors
    /// `E_RANGE` for a row that does not exist, `E_SHAPE` for room of another length.
    pub fn row(&self, i: usize, out: &mut [f32]) -> Result<()> {
        self.rows_into(i, 1, out)
    }

    /// Rows `first..first + count` `[count, cols]`, dequantised.
    ///
    /// # Errors
    /// As [`Stored::row`].
    pub fn rows_into(&self, first: usize, count: usize, out: &mut [f32]) -> Result<()> {
        let rows = self.rows();
        if first.checked_add(count).is_none_or(|end| end > rows) {
            return Err(CoreError::new(codes::RANGE, "there are no such rows")
                .expected(format!("rows below {rows}"), format!("{count} rows from {first}")));
        }
        check_len("room for rows", size(count, self.cols())?, out.len())?;
        self.widen(first, count, out);
        Ok(())
    }

    /// Rows that exist, into room that fits.
    fn widen(&self, first: usize, count: usize, out: &mut [f32]) {
        match &self.kept {
            Kept::Dense(d) => d.widen(first, count, out),
            Kept::Packed(p) => p.widen(first, count, out),
        }
    }

    /// Codes -1, 0, +1 `[rows, cols]`.
    ///
    /// # Errors
    /// `E_NAME` for a dense matrix, `E_SHAPE` for room of another length.
    pub fn codes(&self, out: &mut [i8]) -> Result<()> {
        let Kept::Packed(p) = &self.kept else {
            return Err(CoreError::new(codes::NAME, "a dense matrix has no codes")
                .expected("binary, ternary2 or ternary5", self.info().format));
        };
        p.codes(out)
    }

    /// One scale, one a row, or one a row and group; none for a dense matrix.
    pub fn scales(&self) -> &[f32] {
        self.packed().map_or(&[], PackedLinear::scales)
    }

    /// No shifts, or one a row and group.
    pub fn shifts(&self) -> &[f32] {
        self.packed().map_or(&[], PackedLinear::shifts)
    }

    /// Writes the matrix in another layout ([`Stored::bytes_of`] bytes); returns the scale where the layout keeps it elsewhere (`hf`), that of the first
    /// block where it does not, 1 for a dense matrix.
    ///
    /// # Errors
    /// `E_NAME` for an unknown layout, `E_SHAPE` for room of another length, `E_FORMAT` when something would be lost.
    pub fn export(&self, layout: &str, out: &mut [u8]) -> Result<f32> {
        match &self.kept {
            Kept::Dense(d) => d.export(layout, out).map(|()| 1.0),
            Kept::Packed(p) => p.export(layout, out),
        }
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let info = self.info();
        write!(f, "{} [{}, {}]", info.format, info.rows, info.cols)
    }
}

impl std::fmt::Debug for StoredScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredScratch")
    }
}
