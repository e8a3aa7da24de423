//! Codes as WebAssembly's products want them (`kernels::quads`): without that layout a product there spends most of its time on decoding.

use tritlens_kernels::{self as k, AlignedBytes, Format, PackedRows, quads};

use super::split::{Rows, product};
use super::{PackedLinear, PackedShape, aligned};
use crate::error::{CoreError, Result, codes, zeros};

/// Codes of each group of columns, `[groups]` matrices `[rows, group]`, and the sums of their rows.
pub(super) struct Quads {
    bytes: AlignedBytes,
    sums: Vec<i32>,
}

impl Quads {
    /// Whether groups of a shape lose nothing in the layout, whose columns are padded.
    pub(super) fn suit(shape: PackedShape) -> bool {
        shape.groups() == 1 || shape.group.is_multiple_of(quads::COLS)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Rearranges a layer's packed codes.
    pub(super) fn of(layer: &PackedLinear) -> Result<Self> {
        let (shape, size) = (layer.shape, size(layer.shape));
        let mut bytes = aligned(size * shape.groups())?;
        let mut sums = zeros(shape.rows * shape.groups())?;
        let groups = bytes.chunks_exact_mut(size).zip(sums.chunks_exact_mut(shape.rows));
        for (g, (bytes, sums)) in groups.enumerate() {
            quads::repack(layer.group(g), bytes, sums)
                .map_err(|e| CoreError::new(codes::FORMAT, e.to_string()))?;
        }
        Ok(Self { bytes, sums })
    }

    /// `y [m, rows]` = codes of group `g` times x `[m, group]`.
    pub(super) fn product(&self, shape: PackedShape, g: usize, x: &[i8], m: usize, y: &mut [i32]) {
        let size = size(shape);
        let w = QuadRows {
            bytes: &self.bytes[g * size..][..size],
            sums: &self.sums[g * shape.rows..][..shape.rows],
            cols: shape.group,
        };
        product(w, x, m, y, |w, x: &[i8], m, y: &mut [i32]| {
            quads::matmul_i8((w.bytes, w.sums), w.sums.len(), w.cols, x, m, y);
        });
    }

    /// Rows `first..first + out.len() / width` as packed rows of [`Format::Ternary2`], group after group.
    pub(super) fn pack_rows(&self, shape: PackedShape, first: usize, out: &mut [u8]) {
        let (groups, size) = (shape.groups(), size(shape));
        let width = k::row_bytes(Format::Ternary2, shape.group);
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let (row, g) = (first + i / groups, i % groups);
            quads::pack_row(&self.bytes[g * size..][..size], shape.group, row, out);
        }
    }
}

/// Bytes of a group.
fn size(shape: PackedShape) -> usize {
    quads::bytes(shape.rows, shape.group)
}

#[derive(Clone, Copy)]
struct QuadRows<'a> {
    bytes: &'a [u8],
    sums: &'a [i32],
    cols: usize,
}

impl Rows for QuadRows<'_> {
    fn rows(self) -> usize {
        self.sums.len()
    }

    fn cols(self) -> usize {
        self.cols
    }

    fn part(self, first: usize, count: usize) -> Self {
        let at = quads::bytes(first, self.cols);
        QuadRows {
            bytes: &self.bytes[at..][..quads::bytes(count, self.cols)],
            sums: &self.sums[first..][..count],
            ..self
        }
    }
}

impl PackedLinear {
    /// Makes the quads that products of this target use, beside the packed codes.
    pub(super) fn prepare_quads(&mut self) -> Result<()> {
        if cfg!(target_arch = "wasm32") && self.quads.is_none() && Quads::suit(self.shape) {
            self.quads = Some(Quads::of(self)?);
        }
        Ok(())
    }

    /// Keeps only what products of this target use: in WebAssembly quads, and not the packed codes beside them.
    ///
    /// # Errors
    /// `E_MEMORY`.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if cfg!(target_arch = "wasm32") { self.keep_quads() } else { Ok(()) }
    }

    /// Gives up the packed codes for quads, where the shape suits them.
    pub(super) fn keep_quads(&mut self) -> Result<()> {
        if Quads::suit(self.shape) {
            self.quads = Some(Quads::of(self)?);
            self.bytes = aligned(0)?;
        }
        Ok(())
    }

    /// Packed codes of rows `first..first + count`, and their format: the layer's own, or what quads are packed into.
    pub(super) fn packed_rows<'a>(
        &'a self,
        first: usize,
        count: usize,
        room: &'a mut Vec<u8>,
    ) -> Result<(Format, &'a [u8])> {
        let width = |format| self.shape.groups() * k::row_bytes(format, self.shape.group);
        match &self.quads {
            Some(quads) if self.bytes.is_empty() => {
                let out = super::room(room, count * width(Format::Ternary2))?;
                quads.pack_rows(self.shape, first, out);
                Ok((Format::Ternary2, out))
            }
            _ => {
                let width = width(self.format);
                Ok((self.format, &self.bytes[first * width..][..count * width]))
            }
        }
    }

    /// Group `g` of packed rows.
    pub(super) fn group_of<'a>(&self, format: Format, data: &'a [u8], g: usize) -> PackedRows<'a> {
        let width = k::row_bytes(format, self.shape.group);
        let stride = self.shape.groups() * width;
        PackedRows {
            format,
            data: &data[g * width..],
            rows: data.len() / stride,
            cols: self.shape.group,
            stride,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::{PackedScratch, quantize_activations};

    /// A layer of quads alone is the same layer.
    #[test]
    fn quads_alone_lose_nothing() {
        let (rows, cols) = (70, 512);
        let codes_of = |format: Format| -> Vec<i8> {
            let zero = format != Format::Binary;
            let code = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) % 3;
            (0..rows * cols)
                .map(|i| if zero { code(i) as i8 - 1 } else { 1 - 2 * (code(i) as i8 % 2) })
                .collect()
        };
        let x: Vec<f32> = (0..3 * cols).map(|i| (i as f32 * 0.37).sin()).collect();
        let (mut codes, mut scales) = (vec![0; x.len()], vec![0.0; 3]);
        quantize_activations(&x, cols, &mut codes, &mut scales);
        for format in Format::ALL {
            for (group, suits) in [(0, true), (256, true), (32, true), (16, false)] {
                let shape = PackedShape::new(rows, cols, group).unwrap();
                let own: Vec<f32> = (0..rows * shape.groups()).map(|i| 1.0 + i as f32).collect();
                let make = || {
                    PackedLinear::from_codes(
                        format,
                        shape,
                        &codes_of(format),
                        own.clone(),
                        Vec::new(),
                    )
                    .unwrap()
                };
                let run = |layer: &PackedLinear| {
                    let mut s = PackedScratch::default();
                    let (mut y, mut z) = (vec![0.0; 3 * rows], vec![0.0; 3 * rows]);
                    let (mut back, mut wide) = (vec![0; rows * cols], vec![0.0; 5 * cols]);
                    layer.forward_codes(&codes, &scales, 3, &mut y, &mut s).unwrap();
                    layer
                        .forward_with(&x, 3, crate::packed::Activations::F32, &mut z, &mut s)
                        .unwrap();
                    layer.codes(&mut back).unwrap();
                    layer.widen(60, 5, &mut wide);
                    (y, z, back, wide)
                };
                let (packed, mut quads) = (make(), make());
                quads.keep_quads().unwrap();
                assert_eq!(quads.bytes.is_empty(), suits);
                assert!(run(&packed) == run(&quads), "{format:?} groups of {group}");
            }
        }
    }
}
