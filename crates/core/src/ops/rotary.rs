//! Rotary position embedding (`RoFormer`, arXiv 2104.09864, eq. 15), as TransformerLens lays it out.

/// What to rotate.
#[derive(Debug, Clone, Copy)]
pub struct Rotary {
    /// Heads H in a row.
    pub heads: usize,
    /// Head size D.
    pub head: usize,
    /// Rotated entries of each head.
    pub dim: usize,
    /// Base of the frequencies.
    pub base: f32,
    /// Pairs (2i, 2i+1) instead of (i, i + dim/2).
    pub adjacent: bool,
}

impl Rotary {
    /// y `[N, H D]` = rotated x; `positions` gives the position of each row. With `sign` -1 this is the inverse and the transpose.
    pub fn rotate(
        self,
        x: &[f32],
        positions: impl Iterator<Item = usize>,
        sign: f32,
        mut write: impl FnMut(usize, f32),
    ) {
        let mut angles = vec![(0.0f32, 0.0f32); self.dim / 2];
        for (r, position) in positions.enumerate() {
            self.fill_angles(position, &mut angles);
            for h in 0..self.heads {
                let at = (r * self.heads + h) * self.head;
                self.rotate_head(&x[at..at + self.head], &angles, sign, |j, v| write(at + j, v));
            }
        }
    }

    fn fill_angles(self, position: usize, angles: &mut [(f32, f32)]) {
        for (i, a) in angles.iter_mut().enumerate() {
            let frequency = libm::powf(self.base, i as f32 / (self.dim / 2) as f32);
            let angle = f64::from(position as f32 / frequency);
            *a = (libm::cos(angle) as f32, libm::sin(angle) as f32);
        }
    }

    fn rotate_head(
        self,
        x: &[f32],
        angles: &[(f32, f32)],
        sign: f32,
        mut write: impl FnMut(usize, f32),
    ) {
        for (i, &(cos, sin)) in angles.iter().enumerate() {
            let (a, b) = if self.adjacent { (2 * i, 2 * i + 1) } else { (i, i + self.dim / 2) };
            write(a, x[a] * cos - sign * x[b] * sin);
            write(b, x[b] * cos + sign * x[a] * sin);
        }
        for (j, &v) in x.iter().enumerate().skip(self.dim) {
            write(j, v);
        }
    }
}
