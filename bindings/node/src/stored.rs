//! Stored matrices: those of a checkpoint, filled in pieces.

use napi::Result;
use napi_derive::napi;
use tritlens_core::surface;

use crate::arrays::{Float32Array, Int8Array, Uint8Array};
use crate::guard::guard;

/// Bytes of a matrix in a format.
#[napi]
pub fn stored_bytes(format: String, rows: u32, cols: u32) -> Result<f64> {
    guard(|| surface::stored_bytes(&format, rows, cols))
}

/// Begins to fill a stored parameter.
#[napi]
pub fn open_stored(program: u32, param: u32, format: String, scale: f64) -> Result<()> {
    guard(|| surface::open_stored(program, param, &format, scale))
}

/// Writes bytes of a matrix that is being filled.
#[napi]
pub fn write_stored(program: u32, param: u32, offset: f64, bytes: &[u8]) -> Result<()> {
    guard(|| surface::write_stored(program, param, offset, bytes))
}

/// Checks what was written and puts the matrix in place.
#[napi]
pub fn finish_stored(program: u32, param: u32) -> Result<()> {
    guard(|| surface::finish_stored(program, param))
}

/// Puts packed codes in place.
#[napi]
pub fn set_stored_codes(
    program: u32,
    param: u32,
    format: String,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<()> {
    guard(|| surface::set_stored_codes(program, param, &format, group, codes, scales, shifts))
}

/// Format, shape and sizes of a stored parameter, as JSON.
#[napi]
pub fn describe_stored(program: u32, param: u32) -> Result<String> {
    guard(|| surface::describe_stored(program, param))
}

/// Rows of a stored matrix as f32.
#[napi]
pub fn read_stored_rows(
    program: u32,
    param: u32,
    first: u32,
    count: u32,
    out: Float32Array,
) -> Result<()> {
    guard(|| surface::read_stored_rows(program, param, first, count, out))
}

/// Codes of a packed stored matrix.
#[napi]
pub fn read_stored_codes(program: u32, param: u32, out: Int8Array) -> Result<()> {
    guard(|| surface::read_stored_codes(program, param, out))
}

/// Scales (0) or shifts (1) of a stored matrix.
#[napi]
pub fn read_stored_scales(program: u32, param: u32, kind: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_stored_scales(program, param, kind, out))
}

/// Writes a stored matrix in another layout; returns its scale.
#[napi]
pub fn export_stored(program: u32, param: u32, layout: String, out: Uint8Array) -> Result<f64> {
    guard(|| surface::export_stored(program, param, &layout, out))
}
