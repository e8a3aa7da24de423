//! A matrix whose bytes are still coming.

use std::collections::BTreeMap;

use tritlens_kernels::AlignedBytes;

use super::{Dense, Kind, Stored, kind};
use crate::error::{CoreError, Result, codes};
use crate::packed::{PackedLinear, PackedShape, aligned};

/// A matrix whose bytes are still coming: in any order, each once.
pub struct Filling {
    format: String,
    kind: Kind,
    rows: usize,
    cols: usize,
    scale: f32,
    bytes: AlignedBytes,
    written: Written,
}

impl Filling {
    pub(super) fn new(format: &str, rows: usize, cols: usize, scale: f32) -> Result<Self> {
        let len = Stored::bytes_of(format, rows, cols)?;
        if !scale.is_finite() {
            return Err(CoreError::new(codes::NONFINITE, "a scale is no number")
                .expected("a finite number", scale));
        }
        let (kind, bytes) = (kind(format)?, aligned(len)?);
        let written = Written::default();
        Ok(Self { format: format.to_owned(), kind, rows, cols, scale, bytes, written })
    }

    /// Copies bytes to an offset.
    ///
    /// # Errors
    /// `E_SHAPE` for bytes that lie outside the matrix or were written before.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        let end = offset.checked_add(bytes.len()).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            return Err(CoreError::new(codes::SHAPE, "bytes lie outside the matrix").expected(
                format!("at most {} bytes", self.bytes.len()),
                format!("{} from {offset}", bytes.len()),
            ));
        };
        if !self.written.add(offset, end) {
            return Err(CoreError::new(codes::SHAPE, "bytes of a matrix are written twice")
                .expected("every byte once", format!("{offset}..{end}")));
        }
        self.bytes[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    /// The matrix, when all bytes are there.
    ///
    /// # Errors
    /// `E_SHAPE` when bytes are missing, `E_FORMAT` for bytes that are no codes, `E_NONFINITE` for scales of packed formats that are no numbers, `E_MEMORY`.
    pub fn finish(self) -> Result<Stored> {
        if let Some(missing) = self.written.first_gap(self.bytes.len()) {
            let (len, written) = (self.bytes.len(), self.written.total());
            return Err(CoreError::new(
                codes::SHAPE,
                format!("bytes of a matrix are missing from {missing} on"),
            )
            .expected(len, written));
        }
        let (rows, cols, scale) = (self.rows, self.cols, self.scale);
        match self.kind {
            Kind::Dense(elements) => {
                Ok(Stored::of_dense(Dense::new(elements, rows, cols, self.bytes)))
            }
            Kind::Own(format) => {
                let shape = PackedShape::new(rows, cols, 0)?;
                let packed = PackedLinear::new(format, shape, self.bytes, vec![scale], Vec::new());
                Stored::of_packed(packed?)
            }
            Kind::Layout(format) => {
                let (name, bytes) = (self.format, self.bytes);
                let packed = PackedLinear::import(&name, format, rows, cols, scale, &bytes)?;
                // Before the codes are perhaps rearranged once more.
                drop(bytes);
                Stored::of_packed(packed)
            }
        }
    }
}

/// Ranges that were written, none touching another: start and end.
#[derive(Default)]
struct Written(BTreeMap<usize, usize>);

impl Written {
    /// Takes note of a range; false when a part of it was there.
    fn add(&mut self, start: usize, end: usize) -> bool {
        if start == end {
            return true;
        }
        if self.0.range(..end).next_back().is_some_and(|(_, &before)| before > start) {
            return false;
        }
        let end = self.0.remove(&end).unwrap_or(end);
        match self.0.range_mut(..start).next_back() {
            Some((_, before)) if *before == start => *before = end,
            _ => {
                self.0.insert(start, end);
            }
        }
        true
    }

    fn first_gap(&self, len: usize) -> Option<usize> {
        let covered = self.0.get(&0).copied().unwrap_or(0);
        (covered < len).then_some(covered)
    }

    fn total(&self) -> usize {
        self.0.iter().map(|(start, end)| end - start).sum()
    }
}
