//! The table of kernels: one function pointer each. An instruction set that lacks a kernel ends its table with `..SCALAR`.

use crate::activation;
use crate::layouts::Elements;
use crate::norm;
use crate::pack::{Format, row_bytes};
use crate::scalar;

/// The numbers of one `AdamW` step, computed once in f64 and rounded to f32 as `PyTorch` does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamHyper {
    /// 1 - lr * weight decay.
    pub decay: f32,
    /// 1 - beta1.
    pub one_minus_beta1: f32,
    /// beta2.
    pub beta2: f32,
    /// 1 - beta2.
    pub one_minus_beta2: f32,
    /// sqrt(1 - beta2^step).
    pub sqrt_bias2: f32,
    /// Added to the denominator.
    pub eps: f32,
    /// -lr / (1 - beta1^step).
    pub minus_step: f32,
}

impl AdamHyper {
    /// The numbers of step `step` (the first one is 1).
    pub fn new(lr: f64, beta1: f64, beta2: f64, eps: f64, weight_decay: f64, step: u64) -> Self {
        AdamHyper {
            decay: (1.0 - lr * weight_decay) as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            sqrt_bias2: (1.0 - libm::pow(beta2, step as f64)).sqrt() as f32,
            eps: eps as f32,
            minus_step: -(lr / (1.0 - libm::pow(beta1, step as f64))) as f32,
        }
    }
}

/// Some columns of a table of rows: element c of row r is `data[r * stride + first + c]`. Taking a few columns of many rows at a time keeps a
/// large table's part in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The table.
    pub data: &'a [f32],
    /// Columns of the whole table.
    pub stride: usize,
    /// The first column taken.
    pub first: usize,
}

impl Columns<'_> {
    /// Where row `row` begins.
    pub(crate) fn at(&self, row: u32) -> usize {
        row as usize * self.stride + self.first
    }
}

/// Rows of f32 that begin `stride` elements apart: the keys or values of one attention head.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// The first row begins with the first element.
    pub data: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
}

/// Rows of packed weights `[rows, cols]`, `stride` bytes apart: a whole matrix, or a group of columns of one that is packed group by group.
#[derive(Clone, Copy, Debug)]
pub struct PackedRows<'a> {
    /// How codes lie in the bytes.
    pub format: Format,
    /// The bytes; the first row begins with the first.
    pub data: &'a [u8],
    /// Rows.
    pub rows: usize,
    /// Codes of a row.
    pub cols: usize,
    /// Bytes from one row to the next, at least [`row_bytes`].
    pub stride: usize,
}

impl<'a> PackedRows<'a> {
    /// A matrix as [`crate::pack()`] writes it: rows without gaps.
    pub fn whole(format: Format, data: &'a [u8], rows: usize, cols: usize) -> Self {
        PackedRows { format, data, rows, cols, stride: row_bytes(format, cols) }
    }

    /// Bytes of a row.
    pub fn width(&self) -> usize {
        row_bytes(self.format, self.cols)
    }
}

/// Rows of packed weights with a scale for each group of columns. A group is a short packed row of its own; a row's groups lie side by side, rows without gaps.
#[derive(Clone, Copy, Debug)]
pub struct PackedGroups<'a> {
    /// How codes lie in the bytes.
    pub format: Format,
    /// The bytes: `rows * groups` short rows of [`row_bytes`] of `group`.
    pub data: &'a [u8],
    /// `[rows, groups]`.
    pub scales: &'a [f32],
    /// Rows.
    pub rows: usize,
    /// Groups of a row.
    pub groups: usize,
    /// Codes of a group.
    pub group: usize,
}

impl PackedGroups<'_> {
    /// Bytes of a group.
    pub fn width(&self) -> usize {
        row_bytes(self.format, self.group)
    }
}

/// Rows to be normalised, and how: the scale of a row is max(sqrt(mean(c^2) + eps), floor), with c the row, less its mean when `center`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormRows {
    /// Columns of a row.
    pub cols: usize,
    /// Whether the row's mean is taken off (`LayerNorm`).
    pub center: bool,
    /// Added under the root.
    pub eps: f32,
    /// Smallest scale.
    pub floor: f32,
}

type Vector<'a> = Option<&'a [f32]>;
type NormApply = unsafe fn(&[f32], &[f32], Vector<'_>, Vector<'_>, NormRows, &mut [f32]);
type NormBackX = unsafe fn(&[f32], Vector<'_>, &[f32], NormRows, &mut [f32]);
type NormBackS = unsafe fn(&[f32], &[f32], Vector<'_>, &[f32], NormRows, &mut [f32]);
type NormBackW = unsafe fn(&[f32], &[f32], &[f32], NormRows, &mut [f32]);
type Binary = unsafe fn(&[f32], &mut [f32]);
type ScaledBinary = unsafe fn(f32, &[f32], &mut [f32]);
type Reduce64 = unsafe fn(&[f32]) -> f64;
type Back = unsafe fn(&[f32], &[f32], &mut [f32]);
type CrossEntropy = unsafe fn(&[f32], usize, &[i32], &[f32], Option<&mut [f32]>, &mut [f64]) -> u64;
type Mix = unsafe fn(&[f32], &[u32], Columns<'_>, &mut [f32]);
type Attend = unsafe fn(&[f32], Strided<'_>, &mut [f32]);
type MixBack = unsafe fn(&[f32], &[u32], Columns<'_>, &[f32], &mut [f32], &mut [f32]);
type QuantizeTernary = unsafe fn(&[f32], f32, f32, &mut [i8], &mut [f32]);
type QuantizeBinary = unsafe fn(&[f32], f32, f32, bool, &mut [i8], &mut [f32]);
type AdamW = unsafe fn(&mut [f32], &[f32], &mut [f32], &mut [f32], &AdamHyper);
type MatmulF32 = unsafe fn(PackedRows<'_>, f32, &[f32], usize, &mut [f32]);
type MatmulI8 = unsafe fn(PackedRows<'_>, &[i8], usize, &mut [i32]);
type MatmulBits = unsafe fn(&[u8], usize, usize, &[u8], usize, &mut [i32]);

/// One instruction set's kernels. The pointers are `unsafe` for two reasons: they need the instruction set, which
/// [`crate::available`] has checked before it hands the table out, and they trust lengths, which the safe methods check.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// `scalar`; on x86-64 `sse42`, `avx2`, `avxvnni`, `avx512vnni` or `avx512`; on aarch64 `neon`, `neondot` or `neoni8mm`; in WebAssembly
    /// `simd128`.
    pub name: &'static str,
    pub(crate) add: Binary,
    pub(crate) axpy: ScaledBinary,
    pub(crate) scale_add: ScaledBinary,
    pub(crate) scale_in_place: unsafe fn(f32, &mut [f32]),
    pub(crate) dot: unsafe fn(&[f32], &[f32]) -> f32,
    pub(crate) dot_rows: Attend,
    pub(crate) row_products: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
    pub(crate) weigh_rows: Attend,
    pub(crate) mix_rows: Mix,
    pub(crate) mix_rows_back: MixBack,
    pub(crate) sum: Reduce64,
    pub(crate) sum_abs: Reduce64,
    pub(crate) sum_sq: Reduce64,
    pub(crate) max_abs: unsafe fn(&[f32]) -> f32,
    pub(crate) relu: Binary,
    pub(crate) relu_back: Back,
    pub(crate) gelu: Binary,
    pub(crate) gelu_back: Back,
    pub(crate) gelu_new: Binary,
    pub(crate) gelu_new_back: Back,
    pub(crate) silu: Binary,
    pub(crate) silu_back: Back,
    pub(crate) norm_scale: unsafe fn(&[f32], NormRows, &mut [f32]),
    pub(crate) norm_scale_back: unsafe fn(&[f32], &[f32], NormRows, &mut [f32]),
    pub(crate) norm_apply: NormApply,
    pub(crate) norm_apply_back_x: NormBackX,
    pub(crate) norm_apply_back_s: NormBackS,
    pub(crate) norm_apply_back_w: NormBackW,
    pub(crate) softmax_rows: unsafe fn(&[f32], usize, &mut [f32]),
    pub(crate) softmax_back_rows: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
    pub(crate) cross_entropy_rows: CrossEntropy,
    pub(crate) adamw: AdamW,
    pub(crate) quantize_ternary: QuantizeTernary,
    pub(crate) quantize_binary: QuantizeBinary,
    pub(crate) quantize_act_rows: unsafe fn(&[f32], usize, &mut [i8], &mut [f32]),
    pub(crate) count_diff: unsafe fn(&[i8], &[i8]) -> u64,
    pub(crate) widen: unsafe fn(Elements, &[u8], &mut [f32]),
    pub(crate) element_rows: unsafe fn(Elements, &[u8], &[f32], &mut [f32]),
    pub(crate) packed_rows_f32: MatmulF32,
    pub(crate) packed_rows_i8: MatmulI8,
    pub(crate) packed_groups_i8: unsafe fn(PackedGroups<'_>, &[i8], usize, &mut [f32]),
    pub(crate) binary_matmul_bits: MatmulBits,
}

/// The specification, and the fallback of every other table.
pub(crate) static SCALAR: Kernels = Kernels {
    name: "scalar",
    add: scalar::add,
    axpy: scalar::axpy,
    scale_add: scalar::scale_add,
    scale_in_place: scalar::scale_in_place,
    dot: scalar::dot,
    dot_rows: scalar::dot_rows,
    row_products: scalar::row_products,
    weigh_rows: scalar::weigh_rows,
    mix_rows: scalar::mix_rows,
    mix_rows_back: scalar::mix_rows_back,
    sum: scalar::sum,
    sum_abs: scalar::sum_abs,
    sum_sq: scalar::sum_sq,
    max_abs: scalar::max_abs,
    relu: scalar::relu,
    relu_back: scalar::relu_back,
    gelu: activation::gelu,
    gelu_back: activation::gelu_back,
    gelu_new: activation::gelu_new,
    gelu_new_back: activation::gelu_new_back,
    silu: activation::silu,
    silu_back: activation::silu_back,
    norm_scale: norm::norm_scale,
    norm_scale_back: norm::norm_scale_back,
    norm_apply: norm::norm_apply,
    norm_apply_back_x: norm::norm_apply_back_x,
    norm_apply_back_s: norm::norm_apply_back_s,
    norm_apply_back_w: norm::norm_apply_back_w,
    softmax_rows: scalar::softmax_rows,
    softmax_back_rows: scalar::softmax_back_rows,
    cross_entropy_rows: scalar::cross_entropy_rows,
    adamw: scalar::adamw,
    quantize_ternary: scalar::quantize_ternary,
    quantize_binary: scalar::quantize_binary,
    quantize_act_rows: scalar::quantize_act_rows,
    count_diff: scalar::count_diff,
    widen: scalar::widen,
    element_rows: scalar::element_rows,
    packed_rows_f32: scalar::packed_rows_f32,
    packed_rows_i8: scalar::packed_rows_i8,
    packed_groups_i8: scalar::packed_groups_i8,
    binary_matmul_bits: scalar::binary_matmul_bits,
};
