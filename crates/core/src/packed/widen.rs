//! Weights of a packed layer as f32.

use tritlens_kernels::{BLOCK, Format, row_bytes, trit_digit};

use super::PackedLinear;

impl PackedLinear {
    /// Rows `first..first + count`, which exist, as `scale * code + shift` `[count, cols]`, into room that fits.
    pub(crate) fn widen(&self, first: usize, count: usize, out: &mut [f32]) {
        let (cols, group, groups) = (self.shape.cols, self.shape.group, self.shape.groups());
        let mut room = Vec::new();
        for (r, out) in (first..first + count).zip(out.chunks_exact_mut(cols)) {
            let Ok((format, bytes)) = self.packed_rows(r, 1, &mut room) else { return };
            let parts = bytes.chunks_exact(row_bytes(format, group));
            for ((g, out), bytes) in out.chunks_exact_mut(group).enumerate().zip(parts) {
                let scale = self.scale(r, g);
                scaled(format, bytes, scale, out);
                if !self.shifts.is_empty() {
                    let shift = self.shifts[r * groups + g];
                    for w in out {
                        *w += shift;
                    }
                }
            }
        }
    }
}

/// `scale * code` of a packed row. Digit `n` of 32 bytes is 32 weights side by side, so loops over bytes become vectors.
fn scaled(format: Format, bytes: &[u8], scale: f32, out: &mut [f32]) {
    match format {
        Format::Binary => {
            blocks::<8>(bytes, out, |byte, n| if byte >> n & 1 == 1 { scale } else { -scale });
        }
        Format::Ternary2 => {
            blocks::<4>(bytes, out, |byte, n| scale * (f32::from(byte >> (2 * n) & 3) - 1.0));
        }
        Format::Ternary5 => {
            blocks::<5>(bytes, out, |byte, n| scale * (f32::from(trit_digit(byte, n)) - 1.0));
        }
    }
}

fn blocks<const DIGITS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    weight: impl Fn(u8, usize) -> f32 + Copy,
) {
    for (bytes, out) in bytes.as_chunks::<BLOCK>().0.iter().zip(out.chunks_mut(BLOCK * DIGITS)) {
        for (n, out) in out.chunks_mut(BLOCK).enumerate() {
            for (out, &byte) in out.iter_mut().zip(bytes) {
                *out = weight(byte, n);
            }
        }
    }
}
