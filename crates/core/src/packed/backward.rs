//! dx = dy W, with the packed transpose: what straight-through training and gradients through a packed layer need.

use tritlens_kernels::{self as k, AlignedBytes, PackedRows};

use super::PackedLinear;
use super::split::product;
use crate::error::{CoreError, Result, check_len, codes, zeros};

impl PackedLinear {
    /// `dx [m, cols]` = `dy [m, rows]` W. The first call packs the transpose (as many bytes again as the layer has).
    ///
    /// # Errors
    /// `E_SHAPE` for wrong lengths, `E_MEMORY` when buffers do not fit.
    pub fn backward(&mut self, dy: &[f32], m: usize, dx: &mut [f32]) -> Result<()> {
        let (rows, cols, group) = (self.shape.rows, self.shape.cols, self.shape.group);
        check_len("dy", m.saturating_mul(rows), dy.len())?;
        check_len("dx", m.saturating_mul(cols), dx.len())?;
        if self.transposed.is_none() {
            self.transposed = Some(self.transpose()?);
        }
        let packed = self.transposed.as_deref().unwrap_or(&[]);
        let width = k::row_bytes(self.format, rows);
        let (mut scaled, mut part) = (zeros(dy.len())?, zeros(m * group)?);
        for g in 0..self.shape.groups() {
            let data = &packed[g * group * width..][..group * width];
            let w =
                PackedRows { format: self.format, data, rows: group, cols: rows, stride: width };
            self.scale_gradient(g, dy, &mut scaled);
            product(w, &scaled, m, &mut part, |w, x: &[f32], m, y: &mut [f32]| {
                k::packed_rows_f32(w, 1.0, x, m, y);
            });
            for i in 0..m {
                let shift = self.shift_gradient(g, &dy[i * rows..][..rows]);
                let to = &mut dx[i * cols + g * group..][..group];
                for (to, from) in to.iter_mut().zip(&part[i * group..]) {
                    *to = from + shift;
                }
            }
        }
        Ok(())
    }

    /// dy times the scale of each row in group `g`.
    fn scale_gradient(&self, g: usize, dy: &[f32], out: &mut [f32]) {
        for (dy, out) in dy.chunks_exact(self.shape.rows).zip(out.chunks_exact_mut(self.shape.rows))
        {
            for (r, (out, dy)) in out.iter_mut().zip(dy).enumerate() {
                *out = self.scale(r, g) * dy;
            }
        }
    }

    /// What the shifts of group `g` add to every column of it.
    fn shift_gradient(&self, g: usize, dy: &[f32]) -> f32 {
        if self.shifts.is_empty() {
            return 0.0;
        }
        let groups = self.shape.groups();
        dy.iter().enumerate().map(|(r, dy)| self.shifts[r * groups + g] * dy).sum()
    }

    /// Codes `[cols, rows]`, packed.
    fn transpose(&self) -> Result<AlignedBytes> {
        let (rows, cols) = (self.shape.rows, self.shape.cols);
        let mut straight = zeros(rows * cols)?;
        self.codes(&mut straight)?;
        let mut turned = zeros(rows * cols)?;
        for r in 0..rows {
            for c in 0..cols {
                turned[c * rows + r] = straight[r * cols + c];
            }
        }
        let mut out = super::aligned(cols.saturating_mul(k::row_bytes(self.format, rows)))?;
        k::pack(self.format, &turned, cols, rows, &mut out)
            .map_err(|e| CoreError::new(codes::FORMAT, e.to_string()))?;
        Ok(out)
    }
}
