//! Typed arrays that a function writes to, under their JavaScript names (which is what the generated declarations show).
//!
//! They are borrowed for one synchronous call: no JavaScript runs meanwhile, so nothing can transfer or resize the memory. One that was
//! transferred away earlier arrives with length 0.

/// An `Int8Array` to write to.
pub(crate) type Int8Array<'a> = &'a mut [i8];
/// A `Uint8Array` to write to.
pub(crate) type Uint8Array<'a> = &'a mut [u8];
/// An `Int32Array` to write to.
pub(crate) type Int32Array<'a> = &'a mut [i32];
/// A `Float32Array` to write to.
pub(crate) type Float32Array<'a> = &'a mut [f32];
/// A `Float64Array` to write to.
pub(crate) type Float64Array<'a> = &'a mut [f64];
