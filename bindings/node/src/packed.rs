//! Packed formats, their products, and packed layers.

use crate::arrays::{Float32Array, Int8Array, Int32Array, Uint8Array};
use crate::guard::guard;
use napi::Result;
use napi_derive::napi;
use tritlens_core::surface;

/// Bytes a packed matrix takes.
#[napi]
pub fn packed_bytes(format: String, rows: u32, cols: u32) -> Result<f64> {
    guard(|| surface::packed_bytes(&format, rows, cols))
}

/// Packs codes row by row.
#[napi]
pub fn pack_codes(
    format: String,
    codes: &[i8],
    rows: u32,
    cols: u32,
    scale: f64,
    out: Uint8Array,
) -> Result<()> {
    guard(|| surface::pack_codes(&format, codes, rows, cols, scale, out))
}

/// Unpacks to codes.
#[napi]
pub fn unpack_codes(
    format: String,
    packed: &[u8],
    rows: u32,
    cols: u32,
    out: Int8Array,
) -> Result<()> {
    guard(|| surface::unpack_codes(&format, packed, rows, cols, out))
}

/// Quantises floats into a GGUF block format.
#[napi]
pub fn quantize_blocks(format: String, values: &[f32], cols: u32, out: Uint8Array) -> Result<()> {
    guard(|| surface::quantize_blocks(&format, values, cols, out))
}

/// Reads a GGUF block format back to floats.
#[napi]
pub fn dequantize_blocks(
    format: String,
    packed: &[u8],
    cols: u32,
    out: Float32Array,
) -> Result<()> {
    guard(|| surface::dequantize_blocks(&format, packed, cols, out))
}

/// y = scale * x W^T with packed W and f32 activations.
#[napi]
pub fn packed_matmul(
    format: String,
    packed: &[u8],
    rows: u32,
    cols: u32,
    scale: f64,
    x: &[f32],
    m: u32,
    y: Float32Array,
) -> Result<()> {
    guard(|| surface::packed_matmul(&format, packed, rows, cols, scale, x, m, y))
}

/// y = x W^T in integers.
#[napi]
pub fn packed_matmul_int8(
    format: String,
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[i8],
    m: u32,
    y: Int32Array,
) -> Result<()> {
    guard(|| surface::packed_matmul_int8(&format, packed, rows, cols, x, m, y))
}

/// Opens a layer from packed codes, scales and shifts.
#[napi]
pub fn open_packed(
    format: String,
    rows: u32,
    cols: u32,
    group: u32,
    packed: &[u8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    guard(|| surface::open_packed(&format, rows, cols, group, packed, scales, shifts))
}

/// Opens a layer from codes -1, 0, +1.
#[napi]
pub fn open_packed_codes(
    format: String,
    rows: u32,
    cols: u32,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    guard(|| surface::open_packed_codes(&format, rows, cols, group, codes, scales, shifts))
}

/// Opens a layer from another program's bytes.
#[napi]
pub fn import_packed(
    layout: String,
    format: String,
    rows: u32,
    cols: u32,
    scale: f64,
    bytes: &[u8],
) -> Result<u32> {
    guard(|| surface::import_packed(&layout, &format, rows, cols, scale, bytes))
}

/// Writes a layer in another program's layout; returns its scale.
#[napi]
pub fn export_packed(layer: u32, layout: String, out: Uint8Array) -> Result<f64> {
    guard(|| surface::export_packed(layer, &layout, out))
}

/// Format, shape and sizes of a layer: JSON.
#[napi]
pub fn describe_packed(layer: u32) -> Result<String> {
    guard(|| surface::describe_packed(layer))
}

/// Reads the packed bytes of a layer.
#[napi]
pub fn read_packed_bytes(layer: u32, out: Uint8Array) -> Result<()> {
    guard(|| surface::read_packed_bytes(layer, out))
}

/// Reads the codes of a layer.
#[napi]
pub fn read_packed_codes(layer: u32, out: Int8Array) -> Result<()> {
    guard(|| surface::read_packed_codes(layer, out))
}

/// Reads the scales (kind 0) or shifts (kind 1) of a layer.
#[napi]
pub fn read_packed_scales(layer: u32, kind: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_packed_scales(layer, kind, out))
}

/// y = x W^T of a layer.
#[napi]
pub fn packed_forward(layer: u32, x: &[f32], m: u32, int8: bool, y: Float32Array) -> Result<()> {
    guard(|| surface::packed_forward(layer, x, m, int8, y))
}

/// dx = dy W of a layer.
#[napi]
pub fn packed_backward(layer: u32, dy: &[f32], m: u32, dx: Float32Array) -> Result<()> {
    guard(|| surface::packed_backward(layer, dy, m, dx))
}

/// Forgets a layer.
#[napi]
pub fn close_packed(layer: u32) -> Result<()> {
    guard(|| surface::close_packed(layer))
}

/// Signs times signs, both sides packed as `binary`.
#[napi]
pub fn binary_matmul(
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[u8],
    m: u32,
    y: Int32Array,
) -> Result<()> {
    guard(|| surface::binary_matmul(packed, rows, cols, x, m, y))
}

/// int8 codes and scales of activations, row by row.
#[napi]
pub fn quantize_activations(
    x: &[f32],
    rows: u32,
    cols: u32,
    codes: Int8Array,
    scales: Float32Array,
) -> Result<()> {
    guard(|| surface::quantize_activations(x, rows, cols, codes, scales))
}
