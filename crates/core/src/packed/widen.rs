//! Weights of a packed layer as f32.

use tritlens_kernels as k;

use super::PackedLinear;

impl PackedLinear {
    /// Rows `first..first + count`, which exist, as `scale * code + shift` `[count, cols]`, into room that fits.
    pub(crate) fn widen(&self, first: usize, count: usize, out: &mut [f32]) {
        let (cols, group, groups) = (self.shape.cols, self.shape.group, self.shape.groups());
        let mut room = Vec::new();
        for (r, out) in (first..first + count).zip(out.chunks_exact_mut(cols)) {
            let Ok((format, bytes)) = self.packed_rows(r, 1, &mut room) else { return };
            let width = bytes.len() / groups;
            for ((g, out), bytes) in
                out.chunks_exact_mut(group).enumerate().zip(bytes.chunks_exact(width))
            {
                let scale = self.scale(r, g);
                let shift = self.shifts.get(r * groups + g).copied();
                for (element, out) in out.iter_mut().enumerate() {
                    let (byte, digit) = k::place(format, element);
                    let code = k::decode(format, bytes[byte], digit).unwrap_or(0);
                    *out = scale * f32::from(code);
                    if let Some(shift) = shift {
                        *out += shift;
                    }
                }
            }
        }
    }
}
