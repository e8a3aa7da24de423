//! Matrices of checkpoints (placeholder while the module is written).
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "placeholder")]
use crate::error::{CoreError, Result, check_len, codes};
use crate::packed::PackedLinear;

/// Room for products.
#[derive(Debug, Default)]
pub struct StoredScratch;

/// A matrix.
#[derive(Debug)]
pub struct Stored {
    rows: usize,
    cols: usize,
    values: Vec<f32>,
}

/// What a matrix is.
#[derive(Debug)]
pub struct StoredInfo {
    pub format: &'static str,
    pub bytes: usize,
    pub rows: usize,
    pub cols: usize,
    pub group: usize,
    pub scales: usize,
    pub shifts: usize,
}

/// A matrix being filled.
#[derive(Debug)]
pub struct Filling {
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl Filling {
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    pub fn finish(self) -> Result<Stored> {
        let values = self
            .bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Ok(Stored { rows: self.rows, cols: self.cols, values })
    }
}

impl Stored {
    pub fn bytes_of(_format: &str, rows: usize, cols: usize) -> Result<usize> {
        Ok(rows * cols * 4)
    }
    pub fn filling(_format: &str, rows: usize, cols: usize, _scale: f32) -> Result<Filling> {
        Ok(Filling { rows, cols, bytes: vec![0; rows * cols * 4] })
    }
    pub fn from_codes(
        _format: tritlens_kernels::Format,
        shape: crate::packed::PackedShape,
        codes: &[i8],
        scales: Vec<f32>,
        _shifts: Vec<f32>,
    ) -> Result<Self> {
        Ok(Self {
            rows: shape.rows,
            cols: shape.cols,
            values: codes.iter().map(|&c| f32::from(c) * scales[0]).collect(),
        })
    }
    pub fn rows(&self) -> usize {
        self.rows
    }
    pub fn cols(&self) -> usize {
        self.cols
    }
    pub fn info(&self) -> StoredInfo {
        StoredInfo {
            format: "f32",
            bytes: self.values.len() * 4,
            rows: self.rows,
            cols: self.cols,
            group: 0,
            scales: 0,
            shifts: 0,
        }
    }
    pub fn is_packed(&self) -> bool {
        false
    }
    pub fn forward(
        &self,
        x: &[f32],
        m: usize,
        y: &mut [f32],
        _s: &mut StoredScratch,
    ) -> Result<()> {
        let d = crate::ops::linear::Dims { rows: m, input: self.cols, output: self.rows };
        crate::ops::linear::forward(
            x,
            crate::ops::linear::Weight { rows: &self.values, transposed: None },
            None,
            y,
            d,
        );
        Ok(())
    }
    pub fn forward_codes(
        &self,
        _c: &[i8],
        _s: &[f32],
        _m: usize,
        _y: &mut [f32],
        _x: &mut StoredScratch,
    ) -> Result<()> {
        Err(CoreError::new(codes::FORMAT, "not packed"))
    }
    pub fn accumulators(
        &self,
        _c: &[i8],
        _m: usize,
        _y: &mut [i32],
        _x: &mut StoredScratch,
    ) -> Result<()> {
        Err(CoreError::new(codes::FORMAT, "not packed"))
    }
    pub fn backward(
        &self,
        dy: &[f32],
        m: usize,
        dx: &mut [f32],
        _s: &mut StoredScratch,
    ) -> Result<()> {
        let d = crate::ops::linear::Dims { rows: m, input: self.cols, output: self.rows };
        crate::ops::linear::backward_input(dy, &self.values, 1.0, dx, d);
        Ok(())
    }
    pub fn rows_into(&self, first: usize, count: usize, out: &mut [f32]) -> Result<()> {
        check_len("rows", count * self.cols, out.len())?;
        out.copy_from_slice(&self.values[first * self.cols..][..count * self.cols]);
        Ok(())
    }
    pub fn codes(&self, _out: &mut [i8]) -> Result<()> {
        Err(CoreError::new(codes::NAME, "not packed"))
    }
    pub fn scales(&self) -> &[f32] {
        &[]
    }
    pub fn shifts(&self) -> &[f32] {
        &[]
    }
    pub fn packed(&self) -> Option<&PackedLinear> {
        None
    }
    pub fn export(&self, _layout: &str, _out: &mut [u8]) -> Result<f32> {
        Err(CoreError::new(codes::FORMAT, "not packed"))
    }
}
