//! A matrix that stays as the file has it.

use tritlens_kernels::layouts::Elements;
use tritlens_kernels::{self as k, AlignedBytes};

use super::tiles::{self, Tile};
use crate::error::{CoreError, Result, check_len, codes};
use crate::formats;
use crate::packed::split::{Rows, product};

/// Rows of numbers, to be cut.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    elements: Elements,
    bytes: &'a [u8],
    rows: usize,
    cols: usize,
}

impl Rows for Numbers<'_> {
    fn rows(self) -> usize {
        self.rows
    }

    fn cols(self) -> usize {
        self.cols
    }

    fn part(self, first: usize, count: usize) -> Self {
        let width = self.bytes.len() / self.rows;
        Numbers { bytes: &self.bytes[first * width..][..count * width], rows: count, ..self }
    }
}

/// Numbers as in a file, row after row.
pub(super) struct Dense {
    elements: Elements,
    rows: usize,
    cols: usize,
    bytes: AlignedBytes,
}

impl Dense {
    /// `bytes` are those of `rows` rows of `cols` values.
    pub(super) fn new(elements: Elements, rows: usize, cols: usize, bytes: AlignedBytes) -> Self {
        Self { elements, rows, cols, bytes }
    }

    pub(super) fn elements(&self) -> Elements {
        self.elements
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Rows `first..first + count` in f32, which exist, into room that fits.
    pub(super) fn widen(&self, first: usize, count: usize, out: &mut [f32]) {
        k::widen(self.elements, self.some_rows(first, count), out);
    }

    /// The bytes of rows.
    fn some_rows(&self, first: usize, count: usize) -> &[u8] {
        let width = self.bytes.len() / self.rows;
        &self.bytes[first * width..][..count * width]
    }

    /// `y [m, rows]` = `x [m, cols]` W^T; lengths as checked by the caller.
    pub(super) fn forward(
        &self,
        x: &[f32],
        m: usize,
        y: &mut [f32],
        scratch: &mut Vec<Tile>,
    ) -> Result<()> {
        match m {
            0 => Ok(()),
            1 => {
                let (elements, bytes) = (self.elements, &self.bytes[..]);
                let w = Numbers { elements, bytes, rows: self.rows, cols: self.cols };
                product(w, x, 1, y, |w, x: &[f32], _, y: &mut [f32]| {
                    k::element_rows(w.elements, w.bytes, x, y);
                });
                Ok(())
            }
            _ => {
                let widen = |first: usize, count: usize, out: &mut [f32]| {
                    self.widen(first, count, out);
                };
                tiles::forward((self.rows, self.cols), x, m, y, scratch, widen)
            }
        }
    }

    /// The same bytes, or the same numbers in f32.
    pub(super) fn export(&self, layout: &str, out: &mut [u8]) -> Result<()> {
        let expected = formats::packed_bytes(layout, self.rows, self.cols)?;
        check_len("room for the layout", expected, out.len())?;
        if layout == self.elements.name() {
            out.copy_from_slice(&self.bytes);
            return Ok(());
        }
        if layout != Elements::F32.name() {
            return Err(CoreError::new(
                codes::FORMAT,
                format!("numbers would be lost in the layout {layout}"),
            )
            .expected(format!("{} or f32", self.elements.name()), layout));
        }
        let mut row = crate::error::zeros(self.cols)?;
        for (i, out) in out.chunks_exact_mut(4 * self.cols).enumerate() {
            self.widen(i, 1, &mut row);
            for (out, value) in out.chunks_exact_mut(4).zip(&row) {
                out.copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }
}
