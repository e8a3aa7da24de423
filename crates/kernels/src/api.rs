//! The safe side of the table: each kernel is checked once here, then called through its pointer.
//!
//! `api!` declares a kernel once and yields two functions with the same documentation: a method of [`Kernels`], for tests and benchmarks that walk
//! the tables, and a free function that uses the selected table.

use crate::isa::kernels;
use crate::layouts::Elements;
use crate::pack::{Format, row_bytes};
use crate::table::{AdamHyper, Columns, Kernels, PackedGroups, PackedRows};

/// Panics unless the slice named `what` has `expected` elements: a wrong length is an error in the calling program.
#[track_caller]
pub(crate) fn length(what: &str, found: usize, expected: usize) {
    assert!(found == expected, "{what} has {found} elements, expected {expected}");
}

/// Panics unless `len` elements are whole rows of `cols`; returns the number of rows.
#[track_caller]
pub(crate) fn whole_rows(len: usize, cols: usize) -> usize {
    assert!(
        cols > 0 && len.is_multiple_of(cols),
        "{len} elements are not whole rows of {cols} columns"
    );
    len / cols
}

/// Panics unless `cols` columns of every row lie inside the table, and rows do not overlap.
#[track_caller]
fn table_rows(rows: &[u32], table: Columns<'_>, cols: usize) {
    let last = table.first.checked_add(cols);
    assert!(
        last.is_some_and(|last| last <= table.stride),
        "the table has fewer columns than taken"
    );
    let start = |row: u32| (row as usize).checked_mul(table.stride)?.checked_add(table.first);
    let end = |row: u32| start(row)?.checked_add(cols);
    let fits = |&row: &u32| end(row).is_some_and(|end| end <= table.data.len());
    assert!(rows.iter().all(fits), "a row lies outside the table of {} elements", table.data.len());
}

/// Panics unless the operands of a packed product fit its shape.
#[track_caller]
fn packed_shape(w: PackedRows<'_>, x: usize, m: usize, y: usize) {
    let width = w.width();
    assert!(w.stride >= width, "rows are {} bytes apart, a row has {width}", w.stride);
    // Saturating: no slice is that long, while a product that wraps could equal the length of a short one.
    let before = w.rows.saturating_sub(1).saturating_mul(w.stride);
    let needed = if w.rows == 0 { 0 } else { before.saturating_add(width) };
    assert!(w.data.len() >= needed, "w has {} bytes, expected {needed}", w.data.len());
    length("x", x, m.saturating_mul(w.cols));
    length("y", y, m.saturating_mul(w.rows));
}

/// Bytes of `values` numbers of a checkpoint; panics unless they are whole blocks.
#[track_caller]
fn element_bytes(elements: Elements, values: usize) -> usize {
    elements.bytes(values).unwrap_or_else(|e| panic!("{}: {e}", elements.name()))
}

/// Panics unless packed bytes are whole rows.
#[track_caller]
fn whole_matrix(format: Format, w: &[u8], rows: usize, cols: usize) -> PackedRows<'_> {
    length("w", w.len(), rows.saturating_mul(row_bytes(format, cols)));
    PackedRows::whole(format, w, rows, cols)
}

macro_rules! api {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? { $($check:tt)* })*) => {
        impl Kernels {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                $($check)*
                // SAFETY: the lengths that the kernel trusts were checked above, and a table is only handed out by
                // `available` and `kernels`, which list no instruction set that this machine lacks.
                unsafe { (self.$name)($($arg),*) }
            })*
        }
        $($(#[$doc])*
        #[track_caller]
        #[inline]
        pub fn $name($($arg: $ty),*) $(-> $ret)? {
            kernels().$name($($arg),*)
        })*
    };
}
pub(crate) use api;

api! {
    /// `y += x`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn add(x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `y += a x`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn axpy(a: f32, x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `y = a y + x`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn scale_add(a: f32, x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `x *= a`.
    fn scale_in_place(a: f32, x: &mut [f32]) { }

    /// Sum of `a[i] b[i]` in f32, in a fixed order (16 lanes, halving tree).
    ///
    /// # Panics
    /// When the lengths differ.
    fn dot(a: &[f32], b: &[f32]) -> f32 { length("b", b.len(), a.len()); }

    /// `y += sum over j of weights[j] table[rows[j]]`, in the order of j, over as many columns of the table as `y` has elements.
    ///
    /// # Panics
    /// When `weights` and `rows` differ in length or a row lies outside the table.
    fn mix_rows(weights: &[f32], rows: &[u32], table: Columns<'_>, y: &mut [f32]) {
        length("weights", weights.len(), rows.len());
        table_rows(rows, table, y.len());
    }

    /// The gradients of [`mix_rows`]: `dweights[j] += dy . table[rows[j]]` (as [`dot`]) and `dtable[rows[j]] += weights[j] dy`, in the order of j.
    ///
    /// # Panics
    /// When lengths do not fit or a row lies outside the table.
    fn mix_rows_back(weights: &[f32], rows: &[u32], table: Columns<'_>, dy: &[f32], dweights: &mut [f32], dtable: &mut [f32]) {
        length("weights", weights.len(), rows.len());
        length("dweights", dweights.len(), rows.len());
        length("dtable", dtable.len(), table.data.len());
        table_rows(rows, table, dy.len());
    }

    /// Sum of `x`, accumulated in f64 in a fixed order.
    fn sum(x: &[f32]) -> f64 { }

    /// Sum of `|x|`, accumulated in f64 in a fixed order.
    fn sum_abs(x: &[f32]) -> f64 { }

    /// Sum of `x^2`, accumulated in f64 in a fixed order.
    fn sum_sq(x: &[f32]) -> f64 { }

    /// Largest `|x|`; NaN is passed over, an empty slice gives 0.
    fn max_abs(x: &[f32]) -> f32 { }

    /// `y = x` where x is not below zero (NaN stays NaN), else 0.
    ///
    /// # Panics
    /// When the lengths differ.
    fn relu(x: &[f32], y: &mut [f32]) { length("x", x.len(), y.len()); }

    /// `dx += dy` where `y > 0`; `y` is the output (or just as well the input) of [`relu`].
    ///
    /// # Panics
    /// When the lengths differ.
    fn relu_back(y: &[f32], dy: &[f32], dx: &mut [f32]) {
        length("y", y.len(), dx.len());
        length("dy", dy.len(), dx.len());
    }

    /// `y` = softmax of each row of `x` (`[rows, cols]`). -inf gives exactly 0; a row of nothing but -inf gives NaN, as in `PyTorch`.
    ///
    /// # Panics
    /// When the lengths differ or are not whole rows.
    fn softmax_rows(x: &[f32], cols: usize, y: &mut [f32]) {
        length("x", x.len(), y.len());
        whole_rows(x.len(), cols);
    }

    /// `dx += y (dy - sum(y dy))` for each row; `y` is the output of [`softmax_rows`].
    ///
    /// # Panics
    /// When the lengths differ or are not whole rows.
    fn softmax_back_rows(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
        length("y", y.len(), dx.len());
        length("dy", dy.len(), dx.len());
        whole_rows(y.len(), cols);
    }

    /// Cross-entropy of each row of `logits` (`[rows, cols]`) with log-softmax in f64.
    ///
    /// `losses[r] = weights[r] * -log softmax(logits[r])[targets[r]]`, so with weights 1 / rows the losses add up to the mean. `dlogits`
    /// is overwritten with the gradient of that sum: `weights[r] (softmax - onehot)`. A negative target leaves its row out: loss and gradient 0.
    /// Returns the number of rows whose arg-max (the first of equal ones) is the target; weights do not count here.
    ///
    /// # Panics
    /// When lengths do not fit, or a target is not below `cols`.
    fn cross_entropy_rows(logits: &[f32], cols: usize, targets: &[i32], weights: &[f32], dlogits: Option<&mut [f32]>, losses: &mut [f64]) -> u64 {
        let rows = whole_rows(logits.len(), cols);
        length("targets", targets.len(), rows);
        length("weights", weights.len(), rows);
        length("losses", losses.len(), rows);
        length("dlogits", dlogits.as_ref().map_or(logits.len(), |d| d.len()), logits.len());
        assert!(targets.iter().all(|&t| t < 0 || (t as usize) < cols), "a target is not below {cols}");
    }

    /// One `AdamW` step on parameters `p` with gradient `g` and moments `m` and `v`, in `PyTorch`'s order of operations:
    /// `p *= decay; m += (g - m)(1 - b1); v = v b2 + (1 - b2) g g; p += -step * m / (sqrt(v) / sqrt(bias2) + eps)`.
    ///
    /// # Panics
    /// When the lengths differ.
    fn adamw(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], hyper: &AdamHyper) {
        length("g", g.len(), p.len());
        length("m", m.len(), p.len());
        length("v", v.len(), p.len());
    }

    /// Ternary codes of `(w - shift) / gamma`, rounded half to even and clamped to -1..=1, and `eff = gamma * code`.
    /// `shift` is 0 for `BitNet` b1.58 and the mean for Li's variant; `gamma` is the mean absolute value of what is rounded.
    ///
    /// # Panics
    /// When the lengths differ.
    fn quantize_ternary(w: &[f32], shift: f32, gamma: f32, codes: &mut [i8], eff: &mut [f32]) {
        length("codes", codes.len(), w.len());
        length("eff", eff.len(), w.len());
    }

    /// Binary codes, the sign of `w - shift`, and `eff = beta * code`. Exactly zero becomes 0 when `zero_is_zero` (Li's sign) and -1 when not
    /// (`BitNet`'s).
    ///
    /// # Panics
    /// When the lengths differ.
    fn quantize_binary(w: &[f32], shift: f32, beta: f32, zero_is_zero: bool, codes: &mut [i8], eff: &mut [f32]) {
        length("codes", codes.len(), w.len());
        length("eff", eff.len(), w.len());
    }

    /// int8 codes of each row of `x` (`[rows, cols]`): `s = 127 / max(max|x|, 1e-5)`, `code = clamp(round half to even(x s), -128, 127)`.
    /// `scales[r] = 1 / s`, so `code * scale` is about x.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn quantize_act_rows(x: &[f32], cols: usize, codes: &mut [i8], scales: &mut [f32]) {
        let rows = whole_rows(x.len(), cols);
        length("codes", codes.len(), x.len());
        length("scales", scales.len(), rows);
    }

    /// How many codes differ: the flips of one training step.
    ///
    /// # Panics
    /// When the lengths differ.
    fn count_diff(a: &[i8], b: &[i8]) -> u64 { length("b", b.len(), a.len()); }

    /// The values of whole blocks of a checkpoint's numbers, as [`crate::layouts::dequantize`].
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn widen(elements: Elements, bytes: &[u8], values: &mut [f32]) {
        length("bytes", bytes.len(), element_bytes(elements, values.len()));
    }

    /// `y[rows]` = the products of `rows` rows of a checkpoint's numbers with `x[cols]`, without a copy in f32: of each the bits of [`dot`] with the widened row.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn element_rows(elements: Elements, bytes: &[u8], x: &[f32], y: &mut [f32]) {
        length("bytes", bytes.len(), element_bytes(elements, x.len()).saturating_mul(y.len()));
    }

    /// `y[m, rows] = scale * x[m, cols] . W^T` with packed rows, each product exact, summed in a fixed order that does not depend on the format (32 lanes,
    /// halving tree). Rows of `w` and rows of `x` may be computed in separate calls: the bits do not change.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn packed_rows_f32(w: PackedRows<'_>, scale: f32, x: &[f32], m: usize, y: &mut [f32]) {
        packed_shape(w, x.len(), m, y.len());
    }

    /// `y[m, rows] = x[m, cols] . W^T` in integers, exact as long as it fits 32 bits (`cols < 2^24`) and modulo 2^32 beyond.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn packed_rows_i8(w: PackedRows<'_>, x: &[i8], m: usize, y: &mut [i32]) {
        packed_shape(w, x.len(), m, y.len());
    }

    /// `y[m, rows]` = the sum over groups of `scale * (x[m, group] . codes)`: each group's product is an exact integer, as [`packed_rows_i8`], and groups are
    /// added in f32 in their order.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn packed_groups_i8(w: PackedGroups<'_>, x: &[i8], m: usize, y: &mut [f32]) {
        let groups = w.rows.saturating_mul(w.groups);
        length("w", w.data.len(), groups.saturating_mul(w.width()));
        length("scales", w.scales.len(), groups);
        length("x", x.len(), m.saturating_mul(w.groups).saturating_mul(w.group));
        length("y", y.len(), m.saturating_mul(w.rows));
    }

    /// `y[m, rows]` = the products of signs `x[m, cols] . W^T` of two binary matrices, both packed as [`Format::Binary`] (`row_bytes` bytes a
    /// row), modulo 2^32. Bits of padding must be equal on both sides, as [`crate::pack()`] writes them.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn binary_matmul_bits(w: &[u8], rows: usize, cols: usize, x: &[u8], m: usize, y: &mut [i32]) {
        let width = row_bytes(Format::Binary, cols);
        length("w", w.len(), rows.saturating_mul(width));
        length("x", x.len(), m.saturating_mul(width));
        length("y", y.len(), m.saturating_mul(rows));
    }
}

impl Kernels {
    /// [`Kernels::packed_rows_f32`] of a whole matrix: `rows * row_bytes(format, cols)` bytes.
    ///
    /// # Panics
    /// When the lengths do not fit.
    #[track_caller]
    pub fn packed_matmul_f32(
        &self,
        format: Format,
        w: &[u8],
        rows: usize,
        cols: usize,
        scale: f32,
        x: &[f32],
        m: usize,
        y: &mut [f32],
    ) {
        self.packed_rows_f32(whole_matrix(format, w, rows, cols), scale, x, m, y);
    }

    /// [`Kernels::packed_rows_i8`] of a whole matrix: `rows * row_bytes(format, cols)` bytes.
    ///
    /// # Panics
    /// When the lengths do not fit.
    #[track_caller]
    pub fn packed_matmul_i8(
        &self,
        format: Format,
        w: &[u8],
        rows: usize,
        cols: usize,
        x: &[i8],
        m: usize,
        y: &mut [i32],
    ) {
        self.packed_rows_i8(whole_matrix(format, w, rows, cols), x, m, y);
    }
}

/// [`Kernels::packed_matmul_f32`] with the selected table.
///
/// # Panics
/// When the lengths do not fit.
#[track_caller]
pub fn packed_matmul_f32(
    format: Format,
    w: &[u8],
    rows: usize,
    cols: usize,
    scale: f32,
    x: &[f32],
    m: usize,
    y: &mut [f32],
) {
    kernels().packed_matmul_f32(format, w, rows, cols, scale, x, m, y);
}

/// [`Kernels::packed_matmul_i8`] with the selected table.
///
/// # Panics
/// When the lengths do not fit.
#[track_caller]
pub fn packed_matmul_i8(
    format: Format,
    w: &[u8],
    rows: usize,
    cols: usize,
    x: &[i8],
    m: usize,
    y: &mut [i32],
) {
    kernels().packed_matmul_i8(format, w, rows, cols, x, m, y);
}
