//! Binary weights times binary activations: the sum of products of signs is `cols - 2 * (number of differing bits)`.
//!
//! Both sides are packed rows of [`crate::Format::Binary`], whose padding is equal on both sides and so never differs. A step is a xor, a population
//! count and an addition for all the bits of a register; `R` by `M` rows share their loads. The bound is the population count: one instruction with
//! VPOPCNTDQ and on NEON and WASM, seven without.

use crate::lanes::Bits;
use crate::pack::{BLOCK, Format, row_bytes};

#[inline(always)]
pub(crate) unsafe fn binary_matmul_bits<L: Bits, const R: usize, const M: usize>(
    w: &[u8],
    rows: usize,
    cols: usize,
    x: &[u8],
    m: usize,
    y: &mut [i32],
) {
    let width = row_bytes(Format::Binary, cols);
    let mut i = 0;
    while i < m {
        let wide = i + M <= m;
        let mut row = 0;
        while row < rows {
            let tall = row + R <= rows;
            let y = &mut y[i * rows + row..];
            // SAFETY: w has rows row..row+R when `tall` and row `row` anyway, x rows i..i+M when `wide` and row i anyway, of `width` bytes; the
            // caller has the instruction set.
            unsafe {
                let (w, x) = (w.as_ptr().add(row * width), x.as_ptr().add(i * width));
                match (tall, wide) {
                    (true, true) => put(tile::<L, R, M>(w, x, width), cols, y, rows),
                    (true, false) => put(tile::<L, R, 1>(w, x, width), cols, y, rows),
                    (false, true) => put(tile::<L, 1, M>(w, x, width), cols, y, rows),
                    (false, false) => put(tile::<L, 1, 1>(w, x, width), cols, y, rows),
                }
            }
            row += if tall { R } else { 1 };
        }
        i += if wide { M } else { 1 };
    }
}

/// Turns numbers of differing bits into sums of products.
#[inline(always)]
fn put<const R: usize, const M: usize>(
    differing: [[u32; R]; M],
    cols: usize,
    y: &mut [i32],
    stride: usize,
) {
    for k in 0..M {
        for r in 0..R {
            y[k * stride + r] = (cols as i32).wrapping_sub(2 * differing[k][r] as i32);
        }
    }
}

/// How many bits of R rows of w and M rows of x differ.
#[inline(always)]
unsafe fn tile<L: Bits, const R: usize, const M: usize>(
    w: *const u8,
    x: *const u8,
    width: usize,
) -> [[u32; R]; M] {
    let step = BLOCK * L::BLOCKS;
    let whole = width / step;
    let mut out = [[0u32; R]; M];
    // SAFETY: vectors below `whole` lie inside a row of `width` bytes, and what is left is one block; the caller has the instruction set.
    unsafe {
        let mut v = 0;
        while v < whole {
            let end = if whole - v > L::POPS { v + L::POPS } else { whole };
            let mut counts = [[L::czero(); R]; M];
            while v < end {
                for k in 0..M {
                    let x = L::bload(x.add(k * width + v * step));
                    for r in 0..R {
                        let w = L::bload(w.add(r * width + v * step));
                        counts[k][r] = L::cpop(counts[k][r], L::bxor(w, x));
                    }
                }
                v += 1;
            }
            add::<L, R, M>(&mut out, counts);
        }
        if whole * step < width {
            let mut counts = [[L::czero(); R]; M];
            for k in 0..M {
                let x = L::bload_block(x.add(k * width + whole * step));
                for r in 0..R {
                    let w = L::bload_block(w.add(r * width + whole * step));
                    counts[k][r] = L::cpop(counts[k][r], L::bxor(w, x));
                }
            }
            add::<L, R, M>(&mut out, counts);
        }
    }
    out
}

#[inline(always)]
unsafe fn add<L: Bits, const R: usize, const M: usize>(
    out: &mut [[u32; R]; M],
    counts: [[L::C; R]; M],
) {
    for k in 0..M {
        for r in 0..R {
            // SAFETY: registers only; the caller has the instruction set.
            out[k][r] += unsafe { L::csum(counts[k][r]) };
        }
    }
}
