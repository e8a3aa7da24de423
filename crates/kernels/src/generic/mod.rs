//! Kernel bodies, written once over [`crate::lanes::Lanes`].
//!
//! Every function here is `#[inline(always)]`, so that it is compiled into the wrapper of an instruction set with that set's features. Lengths are
//! trusted: `api.rs` has checked them. What remains after the last whole vector goes to `scalar.rs` where a kernel works element by element, and into a
//! padded vector where it reduces, because there the lane of an element matters.

// Tiles are arrays of registers: an index over a constant range is unrolled, an iterator chain need not be.
#![allow(clippy::needless_range_loop, reason = "tiles of registers, see above")]

pub(crate) mod activation;
pub(crate) mod attend;
pub(crate) mod bits;
pub(crate) mod digits;
pub(crate) mod elements;
pub(crate) mod elementwise;
pub(crate) mod exp;
pub(crate) mod mix;
pub(crate) mod norm;
pub(crate) mod packed_f32;
pub(crate) mod packed_i8;
pub(crate) mod quantise;
pub(crate) mod reduce;
pub(crate) mod softmax;

/// f32 in a vector.
pub(crate) const W: usize = crate::scalar::LANES;

/// The last `x.len() % W` elements, padded to a vector.
#[inline(always)]
pub(crate) fn tail(x: &[f32], padding: f32) -> [f32; W] {
    let mut padded = [padding; W];
    let rest = x.len() % W;
    padded[..rest].copy_from_slice(&x[x.len() - rest..]);
    padded
}
