//! The f32 matrix product in WebAssembly, written here because it is faster than the libraries'.
//!
//! Measured in Node 20 on a Zen 4 (GMAC/s for 3300x512x128, 3300x128x512, 512x128x3300): this one 19, 17, 18; matrixmultiply 0.3 16, 15, 16;
//! gemm 0.19 with simd128 14, 14, 13. The limit of separate multiplications and additions on its two pipes each would be 29.
//!
//! The usual scheme (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008): panels of A and B are packed so that the
//! innermost loop reads both in order, and a tile of `MR` by `NR` results stays in registers. A tile of 4 by 8 is 8 registers of sums, 2 of B and a
//! broadcast of A: more (6 by 8, 4 by 12) overflows the 15 registers an engine has on x86 and runs at 11.
//!
//! Every element of C is summed in order of k, in runs of `KC`: the result does not depend on how the caller splits rows or columns, except into
//! single ones, which take a path of their own.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics, all of one module")]
use std::arch::wasm32::*;

use super::View;

/// Rows and columns of a register tile.
const MR: usize = 4;
const NR: usize = 8;
/// Depth of a panel: 4 KiB of A and 8 KiB of B stay in the first-level cache.
const KC: usize = 256;
/// Rows of A packed at once (96 KiB), columns of B packed at once (512 KiB): the second-level cache.
const MC: usize = 96;
const NC: usize = 512;

/// `c = beta c + alpha a b`, row stride `rsc`, column stride `csc`.
///
/// # Safety
/// The operands hold their shapes with their strides, and nothing aliases `c`.
pub(super) unsafe fn gemm(
    (m, n, k): (usize, usize, usize),
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    beta: f32,
    c: *mut f32,
    (rsc, csc): (usize, usize),
) {
    if (csc > rsc && m > 1) || (n == 1 && m > 1) {
        // Tiles are stored row by row, and a single row has a path of its own: such results are computed as their transpose.
        // SAFETY: the same product with the names of rows and columns exchanged.
        return unsafe { gemm((n, m, k), alpha, b.t(), a.t(), beta, c, (csc, rsc)) };
    }
    if m == 1 && (b.row_stride == 1 || b.col_stride == 1) {
        // SAFETY: the caller's conditions.
        return unsafe { one_row((n, k), alpha, a, b, beta, c, csc) };
    }
    let mut a_panels = vec![0.0f32; m.min(MC).next_multiple_of(MR) * k.min(KC)];
    let mut b_panels = vec![0.0f32; n.min(NC).next_multiple_of(NR) * k.min(KC)];
    // Without a depth there is still beta to apply: one run of length 0.
    for l in (0..k.max(1)).step_by(KC) {
        let depth = KC.min(k - l);
        let beta = if l == 0 { beta } else { 1.0 };
        for j in (0..n).step_by(NC) {
            let cols = NC.min(n - j);
            pack::<NR>(b.t(), j, cols, l, depth, &mut b_panels);
            for i in (0..m).step_by(MC) {
                let rows = MC.min(m - i);
                pack::<MR>(a, i, rows, l, depth, &mut a_panels);
                // SAFETY: i < m and j < n, so the block starts inside c and has rows by cols elements there.
                unsafe {
                    let c = Result { start: c.add(i * rsc + j * csc), rsc, csc, alpha, beta };
                    block(&a_panels, &b_panels, depth, rows, cols, c);
                }
            }
        }
    }
}

/// A product with one row reads each element of b once: packing it would triple the traffic.
///
/// # Safety
/// `c` has n elements, `csc` apart, that nothing aliases.
unsafe fn one_row(
    (n, k): (usize, usize),
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    beta: f32,
    c: *mut f32,
    csc: usize,
) {
    let a: Vec<f32> = (0..k).map(|l| a.data[l * a.col_stride]).collect();
    let mut sums = vec![0.0; n];
    if k == 0 {
        // No element of b may be looked at.
    } else if b.row_stride == 1 {
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = crate::dot(&a, &b.data[j * b.col_stride..][..k]);
        }
    } else {
        for (l, &a) in a.iter().enumerate() {
            crate::axpy(a, &b.data[l * b.row_stride..][..n], &mut sums);
        }
    }
    for (j, sum) in sums.into_iter().enumerate() {
        // SAFETY: j < n.
        let at = unsafe { &mut *c.add(j * csc) };
        let old = if beta == 0.0 { 0.0 } else { beta * *at };
        *at = old + alpha * sum;
    }
}

/// Where and how sums are stored.
#[derive(Clone, Copy)]
struct Result {
    start: *mut f32,
    rsc: usize,
    csc: usize,
    alpha: f32,
    beta: f32,
}

/// Packs rows `first..first + count` of `x`, columns `l..l + depth`, into panels of P rows: element (row, col) of a panel at `col * P + row`. Missing rows
/// of the last panel become zero.
fn pack<const P: usize>(
    x: View<'_>,
    first: usize,
    count: usize,
    l: usize,
    depth: usize,
    out: &mut [f32],
) {
    for (index, panel) in out.chunks_mut(P * depth.max(1)).take(count.div_ceil(P)).enumerate() {
        let row = first + index * P;
        let rows = P.min(count - index * P);
        let mut done = 0;
        if rows == P && depth > 0 {
            let start = row * x.row_stride + l * x.col_stride;
            if x.col_stride == 1 {
                done = pack_transposed::<P>(&x.data[start..], x.row_stride, depth, panel);
            } else if x.row_stride == 1 {
                done = pack_straight::<P>(&x.data[start..], x.col_stride, depth, panel);
            }
        }
        for col in done..depth {
            for i in 0..P {
                let at = (row + i) * x.row_stride + (l + col) * x.col_stride;
                panel[col * P + i] = if i < rows { x.data[at] } else { 0.0 };
            }
        }
    }
}

/// Rows are contiguous: transposes 4 by 4 at a time. Returns the columns done.
fn pack_transposed<const P: usize>(
    x: &[f32],
    stride: usize,
    depth: usize,
    panel: &mut [f32],
) -> usize {
    let whole = depth / 4 * 4;
    assert!(x.len() >= (P - 1) * stride + whole && panel.len() >= whole * P);
    for col in (0..whole).step_by(4) {
        for i in (0..P).step_by(4) {
            // SAFETY: row i + 3 < P and column col + 3 < whole, inside both slices by the assertion.
            unsafe {
                let from = x.as_ptr().add(i * stride + col);
                let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|r| v128_load(from.add(r * stride).cast()));
                let (low01, low23) =
                    (i32x4_shuffle::<0, 4, 1, 5>(r0, r1), i32x4_shuffle::<0, 4, 1, 5>(r2, r3));
                let (high01, high23) =
                    (i32x4_shuffle::<2, 6, 3, 7>(r0, r1), i32x4_shuffle::<2, 6, 3, 7>(r2, r3));
                let to = panel.as_mut_ptr().add(col * P + i);
                v128_store(to.cast(), i64x2_shuffle::<0, 2>(low01, low23));
                v128_store(to.add(P).cast(), i64x2_shuffle::<1, 3>(low01, low23));
                v128_store(to.add(2 * P).cast(), i64x2_shuffle::<0, 2>(high01, high23));
                v128_store(to.add(3 * P).cast(), i64x2_shuffle::<1, 3>(high01, high23));
            }
        }
    }
    whole
}

/// Columns are contiguous: copies P at a time. Returns the columns done.
fn pack_straight<const P: usize>(
    x: &[f32],
    stride: usize,
    depth: usize,
    panel: &mut [f32],
) -> usize {
    for col in 0..depth {
        panel[col * P..][..P].copy_from_slice(&x[col * stride..][..P]);
    }
    depth
}

/// All tiles of a packed block.
///
/// # Safety
/// `c` has rows by cols elements, the panels hold them over `depth`.
unsafe fn block(a: &[f32], b: &[f32], depth: usize, rows: usize, cols: usize, c: Result) {
    for j in (0..cols).step_by(NR) {
        let b = &b[j * depth..][..NR * depth];
        for i in (0..rows).step_by(MR) {
            let sums = tile(&a[i * depth..][..MR * depth], b);
            // SAFETY: row i and column j lie inside c, with as many rows and columns after them as are passed on.
            unsafe {
                let c = Result { start: c.start.add(i * c.rsc + j * c.csc), ..c };
                if c.csc == 1 && i + MR <= rows && j + NR <= cols {
                    store(sums, c);
                } else {
                    store_part(sums, MR.min(rows - i), NR.min(cols - j), c);
                }
            }
        }
    }
}

/// a b + c, rounded twice.
#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn mul_add(a: v128, b: v128, c: v128) -> v128 {
    f32x4_add(c, f32x4_mul(a, b))
}

/// a b + c, rounded once or twice, whichever the machine does.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn mul_add(a: v128, b: v128, c: v128) -> v128 {
    f32x4_relaxed_madd(a, b, c)
}

/// The product of a panel of A and a panel of B.
#[inline(always)]
fn tile(a: &[f32], b: &[f32]) -> [[v128; 2]; MR] {
    let mut sums = [[f32x4_splat(0.0); 2]; MR];
    for (a, b) in a.chunks_exact(MR).zip(b.chunks_exact(NR)) {
        // SAFETY: the chunks have MR and NR elements.
        unsafe {
            let b = [v128_load(b.as_ptr().cast()), v128_load(b.as_ptr().add(4).cast())];
            for i in 0..MR {
                let a = v128_load32_splat(a.as_ptr().add(i).cast());
                sums[i][0] = mul_add(a, b[0], sums[i][0]);
                sums[i][1] = mul_add(a, b[1], sums[i][1]);
            }
        }
    }
    sums
}

/// c = beta c + alpha sums, a whole tile with contiguous rows.
///
/// # Safety
/// `c` has MR rows of NR elements.
#[inline(always)]
unsafe fn store(sums: [[v128; 2]; MR], c: Result) {
    let (alpha, beta) = (f32x4_splat(c.alpha), f32x4_splat(c.beta));
    for (i, sums) in sums.into_iter().enumerate() {
        for (j, sum) in sums.into_iter().enumerate() {
            // SAFETY: i < MR and 4 j + 3 < NR.
            unsafe {
                let at = c.start.add(i * c.rsc + 4 * j).cast::<v128>();
                let sum = f32x4_mul(alpha, sum);
                // With beta 0 the old value may be NaN and must not be read.
                let old = if c.beta == 0.0 { f32x4_splat(0.0) } else { v128_load(at) };
                v128_store(at, f32x4_add(f32x4_mul(beta, old), sum));
            }
        }
    }
}

/// As `store`, for the first `rows` by `cols` of a tile and any strides.
///
/// # Safety
/// `c` has that many rows and columns.
#[cold]
unsafe fn store_part(sums: [[v128; 2]; MR], rows: usize, cols: usize, c: Result) {
    let mut flat = [0.0f32; MR * NR];
    for (sums, flat) in sums.iter().zip(flat.chunks_exact_mut(NR)) {
        // SAFETY: two vectors of 4 are one row of NR.
        unsafe {
            v128_store(flat.as_mut_ptr().cast(), sums[0]);
            v128_store(flat.as_mut_ptr().add(4).cast(), sums[1]);
        }
    }
    for i in 0..rows {
        for j in 0..cols {
            // SAFETY: the caller's rows and columns.
            let at = unsafe { &mut *c.start.add(i * c.rsc + j * c.csc) };
            let old = if c.beta == 0.0 { 0.0 } else { c.beta * *at };
            *at = old + c.alpha * flat[i * NR + j];
        }
    }
}
