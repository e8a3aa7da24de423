//! Rotary position embedding (`RoFormer`, arXiv 2104.09864, eq. 15), as TransformerLens lays it out.

/// Cosine and sine of every rotated pair at every position.
#[derive(Debug, Clone)]
pub struct Angles {
    dim: usize,
    base: f32,
    /// `[T, dim / 2]`.
    table: Vec<(f32, f32)>,
}

impl Angles {
    /// Angles of positions 0 to `seq` for `dim` rotated entries.
    pub fn new(dim: usize, base: f32, seq: usize) -> Self {
        let angle = |position: usize, i: usize| {
            let frequency = libm::powf(base, i as f32 / (dim / 2) as f32);
            let angle = f64::from(position as f32 / frequency);
            (libm::cos(angle) as f32, libm::sin(angle) as f32)
        };
        let table = (0..seq).flat_map(|p| (0..dim / 2).map(move |i| angle(p, i))).collect();
        Self { dim, base, table }
    }

    /// Whether these are the angles of so many entries with this base.
    pub fn is_of(&self, dim: usize, base: f32) -> bool {
        self.dim == dim && self.base.to_bits() == base.to_bits()
    }

    fn at(&self, position: usize) -> &[(f32, f32)] {
        let half = self.dim / 2;
        &self.table[position * half..(position + 1) * half]
    }
}

/// What to rotate.
#[derive(Debug, Clone, Copy)]
pub struct Rotary<'a> {
    /// Heads H in a row.
    pub heads: usize,
    /// Head size D.
    pub head: usize,
    /// How far.
    pub angles: &'a Angles,
    /// Pairs (2i, 2i+1) instead of (i, i + dim/2).
    pub adjacent: bool,
}

impl Rotary<'_> {
    /// y `[N, H D]` = rotated x; `positions` gives the position of each row. With `sign` -1 this is the inverse and the transpose.
    pub fn rotate(
        self,
        x: &[f32],
        positions: impl Iterator<Item = usize>,
        sign: f32,
        mut write: impl FnMut(usize, f32),
    ) {
        for (r, position) in positions.enumerate() {
            let angles = self.angles.at(position);
            for h in 0..self.heads {
                let at = (r * self.heads + h) * self.head;
                self.rotate_head(&x[at..at + self.head], angles, sign, |j, v| write(at + j, v));
            }
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
            let (a, b) =
                if self.adjacent { (2 * i, 2 * i + 1) } else { (i, i + self.angles.dim / 2) };
            write(a, x[a] * cos - sign * x[b] * sin);
            write(b, x[b] * cos + sign * x[a] * sin);
        }
        for (j, &v) in x.iter().enumerate().skip(self.angles.dim) {
            write(j, v);
        }
    }
}
