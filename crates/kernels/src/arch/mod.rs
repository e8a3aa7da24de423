//! One thin file for each instruction set: an implementation of [`crate::lanes::Lanes`] and a table. No loops here.

use crate::table::Kernels;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod share;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// The tables this machine can run besides the scalar one, best first.
#[cfg(target_arch = "x86_64")]
pub(crate) fn detect() -> Vec<&'static Kernels> {
    x86_64::detect()
}

/// The tables this machine can run besides the scalar one, best first.
#[cfg(target_arch = "aarch64")]
pub(crate) fn detect() -> Vec<&'static Kernels> {
    aarch64::detect()
}

/// WebAssembly cannot be asked at run time: a module with SIMD does not load where SIMD is missing, so the build decides.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) fn detect() -> Vec<&'static Kernels> {
    vec![&wasm32::simd128::TABLE]
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
pub(crate) fn detect() -> Vec<&'static Kernels> {
    Vec::new()
}

/// Applies an operation to each register of one, two or four arrays of registers.
macro_rules! each {
    (1, $op:expr, $($a:expr),+) => { [$op($($a[0]),+)] };
    (2, $op:expr, $($a:expr),+) => { [$op($($a[0]),+), $op($($a[1]),+)] };
    (4, $op:expr, $($a:expr),+) => {
        [$op($($a[0]),+), $op($($a[1]),+), $op($($a[2]),+), $op($($a[3]),+)]
    };
}

/// Writes `Lanes` functions that are one instruction for each register.
macro_rules! lift {
    ($n:tt: $($name:ident($($arg:ident: $ty:ident),+) -> $ret:ident = $op:expr;)+) => {
        $(#[inline(always)]
        unsafe fn $name($($arg: Self::$ty),+) -> Self::$ret {
            // SAFETY: the caller has the instruction set (the contract of `Lanes`); registers only, no memory.
            unsafe { each!($n, $op, $($arg),+) }
        })+
    };
}

/// Writes the other `Lanes` functions: plain bodies, whose conditions are those of the trait.
macro_rules! contract {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? { $($body:tt)* })+) => {
        $(#[inline(always)]
        #[allow(unused_unsafe, reason = "some instruction sets have only safe functions for what others do with pointers")]
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller has the instruction set, and the elements that the trait names behind a pointer.
            unsafe { $($body)* }
        })+
    };
}

/// A generic body compiled with an instruction set's features.
macro_rules! wrap {
    ($features:literal, $body:expr, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {{
        #[target_feature(enable = $features)]
        unsafe fn wrapper($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the wrapper may only be called where the features exist and with lengths that were checked, which is all
            // that the body asks for.
            unsafe { $body($($arg),*) }
        }
        wrapper
    }};
}

/// Stands in for kernels that are left out: a build with `lean` has no gradients, no trainer and none of the other calls that could call one.
#[cold]
pub(crate) fn left_out() -> ! {
    panic!("this build is for inference: this kernel is left out")
}

/// Like `wrap`, of a kernel that builds for inference never call.
macro_rules! full {
    ($features:literal, $body:expr, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {{
        #[target_feature(enable = $features)]
        #[allow(unused_variables, reason = "where it is left out")]
        unsafe fn wrapper($($arg: $ty),*) $(-> $ret)? {
            if $crate::arch::LEAN {
                $crate::arch::left_out();
            }
            // SAFETY: as in `wrap`.
            unsafe { $body($($arg),*) }
        }
        wrapper
    }};
}

/// Like `wrap`, of a kernel that products of WebAssembly hardly need beside `quads`: where `plain` says so, the specification itself, which is much smaller.
macro_rules! rare {
    ($plain:expr, $features:literal, $body:expr, $scalar:path, ($($arg:ident: $ty:ty),*)) => {{
        #[target_feature(enable = $features)]
        unsafe fn wrapper($($arg: $ty),*) {
            if $plain {
                return $scalar($($arg),*);
            }
            // SAFETY: as in `wrap`.
            unsafe { $body($($arg),*) }
        }
        wrapper
    }};
}

/// Whether this build is downloaded to infer: rare kernels are not worth their size there.
pub(crate) const LEAN: bool = cfg!(all(feature = "lean", target_arch = "wasm32"));

/// An instruction set's table: every generic body, wrapped. Floats, bytes and bits may come from different instruction sets. The tile sizes say how many rows
/// of packed weights and rows of activations have their sums in registers at once, `vector` and (for binary weights, whose sums
/// are in three parts) `binary` how many rows of weights with a single row of activations.
macro_rules! table {
    (
        $name:literal, floats: $floats:ty, bytes: $bytes:ty, bits: $bits:ty, $features:literal,
        f32: $rf:literal x $mf:literal, vector: $v:literal, binary: $vb:literal, i8: $ri:literal x $mi:literal, signs: $rs:literal x $ms:literal
    ) => {
        /// This instruction set's kernels.
        pub(crate) static TABLE: $crate::table::Kernels = {
            use $crate::generic::{
                attend as at, bits as b, elementwise as e, elements as el, mix, packed_f32 as pf, packed_i8 as pi, quantise as q, reduce as r, softmax as s,
            };
            use $crate::generic::{activation as act, norm};
            use $crate::layouts::Elements;
            use $crate::scalar as plain;
            use $crate::table::{AdamHyper, Columns, Kernels, NormRows, PackedGroups, PackedRows, Strided};
            type L = $floats;
            Kernels {
                name: $name,
                add: wrap!($features, e::add::<L>, (x: &[f32], y: &mut [f32])),
                axpy: wrap!($features, e::axpy::<L>, (a: f32, x: &[f32], y: &mut [f32])),
                scale_add: wrap!($features, e::scale_add::<L>, (a: f32, x: &[f32], y: &mut [f32])),
                scale_in_place: wrap!($features, e::scale_in_place::<L>, (a: f32, x: &mut [f32])),
                dot: wrap!($features, r::dot::<L>, (a: &[f32], b: &[f32]) -> f32),
                dot_rows: wrap!($features, at::dot_rows::<L>, (q: &[f32], keys: Strided<'_>, out: &mut [f32])),
                row_products: wrap!($features, at::row_products::<L>, (x: &[f32], w: &[f32], cols: usize, y: &mut [f32])),
                weigh_rows: wrap!($features, at::weigh_rows::<L>, (weights: &[f32], values: Strided<'_>, y: &mut [f32])),
                mix_rows: wrap!(
                    $features, mix::mix_rows::<L>,
                    (weights: &[f32], rows: &[u32], table: Columns<'_>, y: &mut [f32])
                ),
                mix_rows_back: $crate::arch::full!(
                    $features, mix::mix_rows_back::<L>,
                    (weights: &[f32], rows: &[u32], table: Columns<'_>, dy: &[f32], dweights: &mut [f32], dtable: &mut [f32])
                ),
                sum: wrap!($features, r::sum::<L>, (x: &[f32]) -> f64),
                sum_abs: wrap!($features, r::sum_abs::<L>, (x: &[f32]) -> f64),
                sum_sq: wrap!($features, r::sum_sq::<L>, (x: &[f32]) -> f64),
                max_abs: wrap!($features, r::max_abs::<L>, (x: &[f32]) -> f32),
                relu: wrap!($features, e::relu::<L>, (x: &[f32], y: &mut [f32])),
                relu_back: $crate::arch::full!($features, e::relu_back::<L>, (y: &[f32], dy: &[f32], dx: &mut [f32])),
                gelu: wrap!($features, act::gelu::<L>, (x: &[f32], y: &mut [f32])),
                gelu_back: $crate::arch::full!($features, act::gelu_back::<L>, (x: &[f32], dy: &[f32], dx: &mut [f32])),
                gelu_new: wrap!($features, act::gelu_new::<L>, (x: &[f32], y: &mut [f32])),
                gelu_new_back: $crate::arch::full!($features, act::gelu_new_back::<L>, (x: &[f32], dy: &[f32], dx: &mut [f32])),
                silu: wrap!($features, act::silu::<L>, (x: &[f32], y: &mut [f32])),
                silu_back: $crate::arch::full!($features, act::silu_back::<L>, (x: &[f32], dy: &[f32], dx: &mut [f32])),
                norm_scale: wrap!($features, norm::norm_scale::<L>, (x: &[f32], n: NormRows, s: &mut [f32])),
                norm_scale_back: $crate::arch::full!(
                    $features, norm::norm_scale_back::<L>,
                    (x: &[f32], ds: &[f32], n: NormRows, dx: &mut [f32])
                ),
                norm_apply: wrap!(
                    $features, norm::norm_apply::<L>,
                    (x: &[f32], s: &[f32], w: Option<&[f32]>, b: Option<&[f32]>, n: NormRows, y: &mut [f32])
                ),
                norm_apply_back_x: $crate::arch::full!(
                    $features, norm::norm_apply_back_x::<L>,
                    (s: &[f32], w: Option<&[f32]>, dy: &[f32], n: NormRows, dx: &mut [f32])
                ),
                norm_apply_back_s: $crate::arch::full!(
                    $features, norm::norm_apply_back_s::<L>,
                    (x: &[f32], s: &[f32], w: Option<&[f32]>, dy: &[f32], n: NormRows, ds: &mut [f32])
                ),
                norm_apply_back_w: $crate::arch::full!(
                    $features, norm::norm_apply_back_w::<L>,
                    (x: &[f32], s: &[f32], dy: &[f32], n: NormRows, dw: &mut [f32])
                ),
                softmax_rows: wrap!($features, s::softmax_rows::<L>, (x: &[f32], cols: usize, y: &mut [f32])),
                softmax_back_rows: $crate::arch::full!(
                    $features, s::softmax_back_rows::<L>,
                    (y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32])
                ),
                cross_entropy_rows: $crate::arch::full!(
                    $features, s::cross_entropy_rows::<L>,
                    (z: &[f32], cols: usize, targets: &[i32], weights: &[f32], dz: Option<&mut [f32]>, losses: &mut [f64]) -> u64
                ),
                adamw: $crate::arch::full!(
                    $features, e::adamw::<L>,
                    (p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], h: &AdamHyper)
                ),
                quantize_ternary: wrap!(
                    $features, q::quantize_ternary::<L>,
                    (w: &[f32], shift: f32, gamma: f32, codes: &mut [i8], eff: &mut [f32])
                ),
                quantize_binary: wrap!(
                    $features, q::quantize_binary::<L>,
                    (w: &[f32], shift: f32, beta: f32, zero: bool, codes: &mut [i8], eff: &mut [f32])
                ),
                quantize_act_rows: wrap!(
                    $features, q::quantize_act_rows::<L>,
                    (x: &[f32], cols: usize, codes: &mut [i8], scales: &mut [f32])
                ),
                count_diff: $crate::arch::full!($features, q::count_diff::<L>, (a: &[i8], b: &[i8]) -> u64),
                widen: wrap!($features, el::widen::<L>, (elements: Elements, bytes: &[u8], values: &mut [f32])),
                element_rows: wrap!(
                    $features, el::element_rows::<L, $bytes, $rf>,
                    (elements: Elements, bytes: &[u8], x: &[f32], y: &mut [f32])
                ),
                packed_rows_f32: $crate::arch::full!(
                    $features, pf::packed_rows_f32::<L, $rf, $mf>,
                    (w: PackedRows<'_>, scale: f32, x: &[f32], m: usize, y: &mut [f32])
                ),
                packed_rows_i8: $crate::arch::rare!(
                    $crate::arch::LEAN, $features, pi::packed_rows_i8::<$bytes, $v, $vb, $ri, $mi>, plain::packed_rows_i8,
                    (w: PackedRows<'_>, x: &[i8], m: usize, y: &mut [i32])
                ),
                packed_groups_i8: $crate::arch::rare!(
                    cfg!(target_arch = "wasm32"), $features, pi::packed_groups_i8::<$bytes>, plain::packed_groups_i8,
                    (w: PackedGroups<'_>, x: &[i8], m: usize, y: &mut [f32])
                ),
                binary_matmul_bits: $crate::arch::full!(
                    $features, b::binary_matmul_bits::<$bits, $rs, $ms>,
                    (w: &[u8], rows: usize, cols: usize, x: &[u8], m: usize, y: &mut [i32])
                ),
            }
        };
    };
}

pub(crate) use {contract, each, full, lift, rare, table, wrap};
