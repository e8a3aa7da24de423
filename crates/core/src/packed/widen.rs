//! Weights of a packed layer as f32.

use tritlens_kernels as k;

use super::PackedLinear;

impl PackedLinear {
    /// Rows `first..first + count`, which exist, as `scale * code + shift` `[count, cols]`, into room that fits.
    pub(crate) fn widen(&self, first: usize, count: usize, out: &mut [f32]) {
        let (cols, group) = (self.shape.cols, self.shape.group);
        let width = k::row_bytes(self.format, group);
        for (r, out) in (first..first + count).zip(out.chunks_exact_mut(cols)) {
            for (g, out) in out.chunks_exact_mut(group).enumerate() {
                let at = r * self.shape.groups() + g;
                let bytes = &self.bytes[at * width..][..width];
                let (scale, shift) = (self.scale(r, g), self.shifts.get(at).copied());
                for (element, out) in out.iter_mut().enumerate() {
                    let (byte, digit) = k::place(self.format, element);
                    let code = k::decode(self.format, bytes[byte], digit).unwrap_or(0);
                    *out = scale * f32::from(code);
                    if let Some(shift) = shift {
                        *out += shift;
                    }
                }
            }
        }
    }
}
