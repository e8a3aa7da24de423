//! Rotary position embedding (`RoFormer`, arXiv 2104.09864, eq. 15), as TransformerLens lays it out.

use std::sync::Arc;

/// Which angles a rotary node turns by.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Rotated entries.
    pub dim: usize,
    /// Base of the frequencies.
    pub base: f32,
    /// Frequencies `[dim / 2]` instead of those of `base`; empty for those.
    pub freqs: Arc<[f32]>,
    /// Factor of cosine and sine.
    pub scale: f32,
}

impl Turn {
    fn angle(&self, position: usize, i: usize) -> f64 {
        let position = position as f32;
        if let Some(frequency) = self.freqs.get(i) {
            return f64::from(position * frequency);
        }
        let frequency = libm::powf(self.base, i as f32 / (self.dim / 2) as f32);
        f64::from(position / frequency)
    }
}

/// Cosine and sine of every rotated pair at every position.
#[derive(Debug, Clone)]
pub struct Angles {
    turn: Turn,
    /// `[T, dim / 2]` each.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Angles of positions 0 to `seq`.
    pub fn new(turn: Turn, seq: usize) -> Self {
        let half = turn.dim / 2;
        let angles = (0..seq).flat_map(|p| (0..half).map(move |i| (p, i)));
        let (cos, sin) = angles
            .map(|(p, i)| {
                let angle = turn.angle(p, i);
                let part = |x: f64| (x * f64::from(turn.scale)) as f32;
                (part(libm::cos(angle)), part(libm::sin(angle)))
            })
            .unzip();
        Self { turn, cos, sin }
    }

    /// Whether these are the angles of this turn.
    pub fn is_of(&self, turn: &Turn) -> bool {
        self.turn == *turn
    }

    /// Rotated entries.
    pub fn dim(&self) -> usize {
        self.turn.dim
    }

    /// Bytes of the table for `seq` positions.
    pub fn bytes(turn: &Turn, seq: usize) -> usize {
        seq * (turn.dim / 2) * 2 * size_of::<f32>()
    }

    /// Cosines and sines `[dim / 2]` of a position.
    pub fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let half = self.turn.dim / 2;
        let range = position * half..(position + 1) * half;
        (&self.cos[range.clone()], &self.sin[range])
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
        (cos, sin): (&[f32], &[f32]),
        sign: f32,
        mut write: impl FnMut(usize, f32),
    ) {
        let dim = self.angles.dim();
        for (i, (&cos, &sin)) in cos.iter().zip(sin).enumerate() {
            let (a, b) = if self.adjacent { (2 * i, 2 * i + 1) } else { (i, i + dim / 2) };
            write(a, x[a] * cos - sign * x[b] * sin);
            write(b, x[b] * cos + sign * x[a] * sin);
        }
        for (j, &v) in x.iter().enumerate().skip(dim) {
            write(j, v);
        }
    }
}
