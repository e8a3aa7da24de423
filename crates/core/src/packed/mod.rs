//! Packed linear layers for inference: codes stay packed, scales and shifts beside them.
//!
//! A matrix `[rows, cols]` is cut into groups of `group` columns; each group of each row is packed as a short row of its own (`kernels::pack`), so any group
//! size works, and with one group the layout is that of the whole matrix. A weight is `scale * code + shift`:
//!
//! ```text
//! y[r] = sum over groups g of  scale[r, g] * (codes[r, g] . x[g])  +  shift[r, g] * sum(x[g])
//! ```
//! Scales are one a matrix, one a row, or one a row and group; shifts (`TernaryLLM`, arXiv 2406.07177, "DLT") one a row and group, or none.

mod backward;
mod forward;
mod layouts;
mod quads;
pub(crate) mod split;
mod widen;

use tritlens_kernels::{self as k, AlignedBytes, Format, PackedRows};

use crate::error::{CoreError, Result, check_len, codes};

pub use forward::{Activations, PackedScratch, quantize_activations};
pub(crate) use forward::{room, size};
pub use layouts::LAYOUTS;

/// What a packed layer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedShape {
    /// Rows of W: outputs.
    pub rows: usize,
    /// Columns of W: inputs.
    pub cols: usize,
    /// Columns of a group; equal to `cols` when there are no groups.
    pub group: usize,
}

impl PackedShape {
    /// Checks the sizes; `group` 0 stands for one group.
    ///
    /// # Errors
    /// `E_SHAPE` when a size is 0 or too large, or groups do not divide the columns.
    pub fn new(rows: usize, cols: usize, group: usize) -> Result<Self> {
        let group = if group == 0 { cols } else { group };
        if rows == 0 || cols == 0 || rows.checked_mul(cols).is_none() {
            return Err(CoreError::new(codes::SHAPE, "a packed layer has no such shape")
                .expected("rows and columns above 0", format!("{rows} x {cols}")));
        }
        if !cols.is_multiple_of(group) {
            return Err(CoreError::new(codes::SHAPE, "groups do not divide the columns")
                .expected(format!("a divisor of {cols}"), group));
        }
        Ok(Self { rows, cols, group })
    }

    /// Groups of a row.
    pub fn groups(self) -> usize {
        self.cols / self.group
    }

    /// Bytes of the packed codes.
    pub fn bytes(self, format: Format) -> Result<usize> {
        let row = self.groups().checked_mul(k::row_bytes(format, self.group));
        row.and_then(|row| row.checked_mul(self.rows)).ok_or_else(|| {
            CoreError::new(codes::SHAPE, "the packed matrix is too large")
                .expected("a size that fits the machine", format!("{} x {}", self.rows, self.cols))
        })
    }
}

/// Zeroed bytes that begin at a cache line, or `E_MEMORY` instead of an abort.
pub fn aligned(len: usize) -> Result<AlignedBytes> {
    AlignedBytes::try_zeros(len)
        .ok_or_else(|| CoreError::new(codes::MEMORY, format!("cannot allocate {len} bytes")))
}

/// A linear layer with packed weights.
pub struct PackedLinear {
    format: Format,
    shape: PackedShape,
    bytes: AlignedBytes,
    /// One, `rows`, or `rows * groups`.
    scales: Vec<f32>,
    /// None, or `rows * groups`.
    shifts: Vec<f32>,
    transposed: Option<AlignedBytes>,
    /// The codes as WebAssembly's products want them, made at the first one; in a stored matrix instead of the packed ones.
    quads: Option<quads::Quads>,
    scratch: PackedScratch,
}

impl PackedLinear {
    /// A layer from packed codes (`rows * groups` short rows, see the module), scales (1, `rows` or `rows * groups`) and shifts (0 or `rows * groups`).
    ///
    /// # Errors
    /// `E_SHAPE` for lengths that do not fit, `E_FORMAT` for bytes that are no codes, `E_NONFINITE` for a scale or shift that is no number.
    pub fn new(
        format: Format,
        shape: PackedShape,
        bytes: AlignedBytes,
        scales: Vec<f32>,
        shifts: Vec<f32>,
    ) -> Result<Self> {
        check_len("packed", shape.bytes(format)?, bytes.len())?;
        let per_group = shape.rows * shape.groups();
        if ![1, shape.rows, per_group].contains(&scales.len()) {
            return Err(CoreError::new(codes::SHAPE, "scales have the wrong length")
                .expected(format!("1, {} or {per_group}", shape.rows), scales.len()));
        }
        if !shifts.is_empty() {
            check_len("shifts", per_group, shifts.len())?;
        }
        for (what, values) in [("scale", &scales), ("shift", &shifts)] {
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                return Err(CoreError::new(codes::NONFINITE, format!("a {what} is no number"))
                    .expected("finite numbers", bad));
            }
        }
        check_codes(format, shape, &bytes)?;
        let scratch = PackedScratch::default();
        Ok(Self { format, shape, bytes, scales, shifts, transposed: None, quads: None, scratch })
    }

    /// Packs codes `[rows, cols]`.
    ///
    /// # Errors
    /// As [`PackedLinear::new`].
    pub fn from_codes(
        format: Format,
        shape: PackedShape,
        codes: &[i8],
        scales: Vec<f32>,
        shifts: Vec<f32>,
    ) -> Result<Self> {
        check_len("codes", shape.rows * shape.cols, codes.len())?;
        let mut bytes = aligned(shape.bytes(format)?)?;
        k::pack(format, codes, shape.rows * shape.groups(), shape.group, &mut bytes)
            .map_err(|e| CoreError::new(codes::FORMAT, e.to_string()))?;
        Self::new(format, shape, bytes, scales, shifts)
    }

    /// How codes are packed.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows, columns and group size.
    pub fn shape(&self) -> PackedShape {
        self.shape
    }

    /// The packed codes; none in a layer of a stored matrix in WebAssembly, which keeps them in another order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One scale, one a row, or one a row and group `[rows, groups]`.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// No shifts, or one a row and group `[rows, groups]`.
    pub fn shifts(&self) -> &[f32] {
        &self.shifts
    }

    /// Codes -1, 0, +1 `[rows, cols]`.
    ///
    /// # Errors
    /// `E_SHAPE` for room of the wrong length.
    pub fn codes(&self, out: &mut [i8]) -> Result<()> {
        check_len("room for codes", self.shape.rows * self.shape.cols, out.len())?;
        let (mut room, cols, groups) = (Vec::new(), self.shape.cols, self.shape.groups());
        for (first, out) in out.chunks_mut(ROWS * cols).enumerate() {
            let (format, bytes) = self.packed_rows(first * ROWS, out.len() / cols, &mut room)?;
            k::unpack(format, bytes, out.len() / cols * groups, self.shape.group, out)
                .map_err(|e| CoreError::new(codes::FORMAT, e.to_string()))?;
        }
        Ok(())
    }

    /// Bytes of the codes, in whichever order they are kept.
    pub(crate) fn code_bytes(&self) -> usize {
        if self.bytes.is_empty() {
            self.quads.as_ref().map_or(0, quads::Quads::len)
        } else {
            self.bytes.len()
        }
    }

    /// Scale of row `r` and group `g`.
    fn scale(&self, r: usize, g: usize) -> f32 {
        let groups = self.shape.groups();
        match self.scales.len() {
            1 => self.scales[0],
            n if n == self.shape.rows && n != self.shape.rows * groups => self.scales[r],
            _ => self.scales[r * groups + g],
        }
    }

    /// Packed rows of group `g`.
    fn group(&self, g: usize) -> PackedRows<'_> {
        self.group_of(self.format, &self.bytes, g)
    }
}

/// Rows whose codes are unpacked at a time.
const ROWS: usize = 64;

/// `E_FORMAT` unless every byte is made of codes (ternary2 has the invalid digit 3). Padding is looked at as well.
fn check_codes(format: Format, shape: PackedShape, bytes: &[u8]) -> Result<()> {
    if format != Format::Ternary2 {
        return Ok(());
    }
    match k::invalid_pair(bytes) {
        None => Ok(()),
        Some(at) => {
            let width = shape.groups() * k::row_bytes(format, shape.group);
            Err(CoreError::new(codes::FORMAT, format!("row {} holds a code 0b11", at / width))
                .expected("codes 0, 1 and 2", format!("byte {:#04x} at {at}", bytes[at])))
        }
    }
}
