//! The operations of a program: each file holds forward, then backward, then its tests.
//!
//! Shapes are written in capitals: N rows, C columns, B examples, T positions (Q of them queried), H heads, D head size.
//! Backward functions ADD to the gradients they are given.

pub mod activation;
pub mod attention;
pub mod blocks;
pub mod embed;
pub mod linear;
pub mod norm;
pub mod residual;
pub mod rotary;

use crate::program::plan::Space;

/// Finds the row of an input for position `s` of example `e`, whatever rows that input is computed for.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Rows of the input.
    pub space: Space,
    /// T.
    pub seq: usize,
    /// Distinct row of each position `[B, T]`; read for `Space::Distinct` only.
    pub index: &'a [u32],
}

impl Rows<'_> {
    /// Row of (example, position).
    #[inline]
    pub fn at(&self, e: usize, s: usize) -> usize {
        match self.space {
            Space::Full => e * self.seq + s,
            Space::Last => e,
            Space::Distinct => self.index[e * self.seq + s] as usize,
        }
    }
}

/// The (example, position) pairs of the rows of a `Full` or `Last` output, in row order.
pub(crate) fn positions(
    space: Space,
    examples: usize,
    seq: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let first = if space == Space::Last { seq - 1 } else { 0 };
    (0..examples).flat_map(move |e| (first..seq).map(move |s| (e, s)))
}

/// Row `r` of a matrix with `cols` columns.
#[inline]
pub(crate) fn row(x: &[f32], r: usize, cols: usize) -> &[f32] {
    &x[r * cols..(r + 1) * cols]
}

/// Row `r`, to be written.
#[inline]
pub(crate) fn row_mut(x: &mut [f32], r: usize, cols: usize) -> &mut [f32] {
    &mut x[r * cols..(r + 1) * cols]
}
