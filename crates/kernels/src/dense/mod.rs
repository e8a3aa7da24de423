//! Dense f32 matrix products. A library's, behind one function; which library was chosen by measurement (benches/kernels.rs).
//!
//! Natively the crate `gemm` (runtime dispatch, AVX-512 where there is any): 45 to 50 GMAC/s on one Zen 4 core at the shapes of training, of 59 that its
//! multipliers could do; matrixmultiply reaches 35 to 47. In WebAssembly a kernel of our own, see `simd128.rs`. Results are not the same bits on
//! different machines, and a library may choose another kernel for another shape: a caller that splits a product over threads must split
//! at places that do not depend on the number of threads.

#[cfg(target_family = "wasm")]
mod simd128;

/// A matrix operand: elements at `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The elements; may be longer than the matrix needs.
    pub data: &'a [f32],
    /// Distance from one row to the next.
    pub row_stride: usize,
    /// Distance from one column to the next.
    pub col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix with `cols` columns.
    pub fn rows(data: &'a [f32], cols: usize) -> Self {
        View { data, row_stride: cols, col_stride: 1 }
    }

    /// The transpose: rows become columns.
    #[must_use]
    pub fn t(self) -> Self {
        View { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }
}

/// `c = beta c + alpha a b` with `a` `[m, k]`, `b` `[k, n]` and `c` `[m, n]` (`c_strides` = row stride, column stride).
/// With `beta` 0 the old `c` is not read, so it may hold NaN. Single-threaded.
///
/// # Panics
/// When an operand is too short for its shape and strides, or elements of `c` would overlap.
#[track_caller]
pub fn gemm(
    (m, n, k): (usize, usize, usize),
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    beta: f32,
    c: &mut [f32],
    c_strides: (usize, usize),
) {
    check("a", a.data.len(), (m, k), (a.row_stride, a.col_stride));
    check("b", b.data.len(), (k, n), (b.row_stride, b.col_stride));
    check("c", c.len(), (m, n), c_strides);
    assert!(distinct((m, n), c_strides), "elements of c overlap: strides {c_strides:?}");
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: `check` proved that every element of the three operands lies inside its slice; `c` is borrowed mutably and
    // its elements are distinct, so nothing aliases.
    unsafe { library((m, n, k), alpha, a, b, beta, c.as_mut_ptr(), c_strides) }
}

/// `c[m, n] = beta c + a[m, k] . b[k, n]`, all row-major and contiguous.
///
/// # Panics
/// When an operand is too short.
#[track_caller]
pub fn matmul(m: usize, n: usize, k: usize, a: &[f32], b: &[f32], beta: f32, c: &mut [f32]) {
    gemm((m, n, k), 1.0, View::rows(a, k), View::rows(b, n), beta, c, (n, 1));
}

#[track_caller]
fn check(name: &str, len: usize, (rows, cols): (usize, usize), (rs, cs): (usize, usize)) {
    if rows == 0 || cols == 0 {
        return;
    }
    let last = (rows - 1).checked_mul(rs).zip((cols - 1).checked_mul(cs));
    let last = last.and_then(|(row, col)| row.checked_add(col));
    assert!(
        last.is_some_and(|last| last < len && isize::try_from(rs.max(cs)).is_ok()),
        "{name} has {len} elements, too few for [{rows}, {cols}] with strides ({rs}, {cs})"
    );
}

/// Whether a strided matrix visits every element once.
fn distinct((rows, cols): (usize, usize), (rs, cs): (usize, usize)) -> bool {
    let row_major = rs >= cols * cs && cs >= 1;
    let col_major = cs >= rows * rs && rs >= 1;
    row_major || col_major || (rows <= 1 && cs >= 1) || (cols <= 1 && rs >= 1) || rows * cols <= 1
}

#[cfg(not(target_family = "wasm"))]
#[rustfmt::skip]
unsafe fn library(
    (m, n, k): (usize, usize, usize),
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    beta: f32,
    c: *mut f32,
    (rsc, csc): (usize, usize),
) {
    // The library's micro-kernels store columns: a row-major result is computed as its transpose, c^T = b^T a^T.
    let (m, n, a, b, rsc, csc) =
        if csc < rsc { (n, m, b.t(), a.t(), csc, rsc) } else { (m, n, a, b, rsc, csc) };
    let run = gemm_f32::gemm::f32::get_gemm_fn();
    let alone = gemm_common::Parallelism::None;
    let read_c = beta != 0.0;
    let (lhs, rhs) = (a.data.as_ptr(), b.data.as_ptr());
    let (lhs_cs, lhs_rs) = (a.col_stride as isize, a.row_stride as isize);
    let (rhs_cs, rhs_rs) = (b.col_stride as isize, b.row_stride as isize);
    // SAFETY: the caller has checked bounds and aliasing. The library computes dst = alpha dst + beta lhs rhs: its two factors are named the
    // other way round.
    unsafe {
        run(
            m, n, k,
            c, csc as isize, rsc as isize, read_c,
            lhs, lhs_cs, lhs_rs,
            rhs, rhs_cs, rhs_rs,
            beta, alpha, false, false, false, alone,
        );
    }
}

#[cfg(target_family = "wasm")]
use simd128::gemm as library;
