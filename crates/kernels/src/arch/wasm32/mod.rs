//! WebAssembly with 128-bit SIMD.

pub(crate) mod quads;
pub(crate) mod simd128;
