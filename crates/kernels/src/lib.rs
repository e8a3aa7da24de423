//! Kernels of tritlens: products with packed binary and ternary weights, quantisers, and the fused steps of training.
//!
//! Slices in, slices out, single-threaded, no state. All of the SIMD `unsafe` of the project lives in this crate. Every kernel exists as plain Rust in
//! `scalar.rs`; the vector tables equal it **bit for bit**, floats included (tests/agree.rs), so results do not depend on the machine.
//! Only [`gemm`] and [`matmul`] come from a library and may differ in the last bits between machines.
//!
//! ```
//! use tritlens_kernels::{Format, pack, packed_matmul_f32, row_bytes};
//! let codes = [1, 0, -1, 1, 1, 1]; // [2, 3]
//! let mut w = vec![0; 2 * row_bytes(Format::Ternary2, 3)];
//! pack(Format::Ternary2, &codes, 2, 3, &mut w).unwrap();
//! let mut y = [0.0; 2];
//! packed_matmul_f32(Format::Ternary2, &w, 2, 3, 0.5, &[1.0, 2.0, 3.0], 1, &mut y);
//! assert_eq!(y, [-1.0, 3.0]);
//! ```

mod activation;
mod aligned;
mod api;
mod api_layers;
mod arch;
mod dense;
mod generic;
mod isa;
mod lanes;
pub mod layouts;
mod math;
mod norm;
mod pack;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod pages;
pub mod quads;
mod scalar;
mod table;

pub use aligned::AlignedBytes;
pub use api::{
    adamw, add, axpy, binary_matmul_bits, count_diff, cross_entropy_rows, dot, element_rows,
    max_abs, mix_rows, mix_rows_back, packed_groups_i8, packed_matmul_f32, packed_matmul_i8,
    packed_rows_f32, packed_rows_i8, quantize_act_rows, quantize_binary, quantize_ternary, relu,
    relu_back, scale_add, scale_in_place, softmax_back_rows, softmax_rows, sum, sum_abs, sum_sq,
    widen,
};
pub use api_layers::{
    dot_rows, gelu, gelu_back, gelu_new, gelu_new_back, norm_apply, norm_apply_back_s,
    norm_apply_back_w, norm_apply_back_x, norm_scale, norm_scale_back, row_products, silu,
    silu_back, weigh_rows,
};
pub use dense::{View, gemm, matmul};
pub use isa::{available, isa, kernels};
pub use math::{exp_f32, exp_f64, log_f64};
pub use pack::{
    BLOCK, Format, PackError, decode, invalid_pair, pack, place, row_bytes, trit_byte, trit_digit,
    unpack,
};
pub use table::{AdamHyper, Columns, Kernels, NormRows, PackedGroups, PackedRows, Strided};
