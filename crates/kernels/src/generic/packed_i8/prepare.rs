//! Activations in the order in which digits come out of packed bytes.
//!
//! A vector of packed bytes holds `BLOCKS` blocks; its digit `n` stands for 32 elements of each of them. So the prepared row is, for each vector, for each
//! digit, for each block of the vector, those 32 elements. With one block a vector that is the order of the row itself.

use crate::aligned::AlignedBytes;
use crate::lanes::Bytes;
use crate::pack::BLOCK;

/// How a packed row is cut.
#[derive(Clone, Copy)]
pub(super) struct Units {
    /// Blocks of a row.
    pub(super) blocks: usize,
    /// Digits of a byte: groups of 32 elements in a block.
    pub(super) digits: usize,
}

impl Units {
    /// Vectors that a row fills, the last one perhaps not to its end.
    pub(super) fn vectors<L: Bytes>(self) -> usize {
        self.blocks.div_ceil(L::BLOCKS)
    }

    /// Bytes of a prepared row.
    pub(super) fn stride<L: Bytes>(self) -> usize {
        self.vectors::<L>() * L::BLOCKS * self.digits * BLOCK * L::X_BYTES
    }
}

/// Prepared activations: bytes of each row and its sum.
pub(super) struct Prepared {
    /// Keeps the memory behind `start`.
    _bytes: AlignedBytes,
    start: *const u8,
    pub(super) stride: usize,
    pub(super) sums: Vec<i32>,
}

impl Prepared {
    /// Where row `i` starts.
    ///
    /// # Safety
    /// The row exists.
    #[inline(always)]
    pub(super) unsafe fn row(&self, i: usize) -> *const u8 {
        // SAFETY: the caller knows that row i exists.
        unsafe { self.start.add(i * self.stride) }
    }
}

/// Prepares m rows of `cols` activations.
#[inline(always)]
pub(super) unsafe fn rows<L: Bytes>(x: &[i8], m: usize, cols: usize, units: Units) -> Prepared {
    let stride = units.stride::<L>();
    let mut bytes = AlignedBytes::zeros(m * stride);
    let mut sums = vec![0; m];
    for i in 0..m {
        // Not `collect`: a closure that is not inlined loses the instruction set.
        sums[i] = sum(&x[i * cols..][..cols]);
        // SAFETY: the caller has the instruction set.
        unsafe { row::<L>(&x[i * cols..][..cols], units, &mut bytes[i * stride..][..stride]) };
    }
    Prepared { start: bytes.as_ptr(), _bytes: bytes, stride, sums }
}

/// The sum of a row, modulo 2^32.
#[inline(always)]
pub(super) fn sum(x: &[i8]) -> i32 {
    x.iter().fold(0, |sum: i32, &x| sum.wrapping_add(x.into()))
}

/// Prepares one row into zeros.
#[inline(always)]
unsafe fn row<L: Bytes>(x: &[i8], units: Units, to: &mut [u8]) {
    for (group, x) in x.chunks(BLOCK).enumerate() {
        let (block, digit) = (group / units.digits, group % units.digits);
        let (vector, inside) = (block / L::BLOCKS, block % L::BLOCKS);
        let place = ((vector * units.digits + digit) * L::BLOCKS + inside) * BLOCK * L::X_BYTES;
        let to = to[place..][..BLOCK * L::X_BYTES].as_mut_ptr();
        let mut padded = [0i8; BLOCK];
        let from = if x.len() == BLOCK {
            x.as_ptr()
        } else {
            padded[..x.len()].copy_from_slice(x);
            padded.as_ptr()
        };
        // SAFETY: 32 activations behind `from`, 32 * X_BYTES bytes behind `to`; the caller has the instruction set.
        unsafe { L::prepare(from, to) };
    }
}
