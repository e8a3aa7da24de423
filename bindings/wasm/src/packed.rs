//! Packed formats, their products, and packed layers.

use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, to_js};

/// Bytes a packed matrix takes.
#[wasm_bindgen(js_name = packedBytes)]
pub fn packed_bytes(format: &str, rows: u32, cols: u32) -> Result<f64> {
    surface::packed_bytes(format, rows, cols).map_err(to_js)
}

/// Packs codes row by row.
#[wasm_bindgen(js_name = packCodes)]
pub fn pack_codes(
    format: &str,
    codes: &[i8],
    rows: u32,
    cols: u32,
    scale: f64,
    out: &mut [u8],
) -> Result<()> {
    surface::pack_codes(format, codes, rows, cols, scale, out).map_err(to_js)
}

/// Unpacks to codes.
#[wasm_bindgen(js_name = unpackCodes)]
pub fn unpack_codes(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    out: &mut [i8],
) -> Result<()> {
    surface::unpack_codes(format, packed, rows, cols, out).map_err(to_js)
}

/// Quantises floats into a GGUF block format.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen(js_name = quantizeBlocks)]
pub fn quantize_blocks(format: &str, values: &[f32], cols: u32, out: &mut [u8]) -> Result<()> {
    surface::quantize_blocks(format, values, cols, out).map_err(to_js)
}

/// Reads a GGUF block format back to floats.
#[wasm_bindgen(js_name = dequantizeBlocks)]
pub fn dequantize_blocks(format: &str, packed: &[u8], cols: u32, out: &mut [f32]) -> Result<()> {
    surface::dequantize_blocks(format, packed, cols, out).map_err(to_js)
}

/// y = scale * x W^T with packed W and f32 activations.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen(js_name = packedMatmul)]
pub fn packed_matmul(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    scale: f64,
    x: &[f32],
    m: u32,
    y: &mut [f32],
) -> Result<()> {
    surface::packed_matmul(format, packed, rows, cols, scale, x, m, y).map_err(to_js)
}

/// y = x W^T in integers.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen(js_name = packedMatmulInt8)]
pub fn packed_matmul_int8(
    format: &str,
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[i8],
    m: u32,
    y: &mut [i32],
) -> Result<()> {
    surface::packed_matmul_int8(format, packed, rows, cols, x, m, y).map_err(to_js)
}

/// Opens a layer from packed codes, scales and shifts.
#[wasm_bindgen(js_name = openPacked)]
pub fn open_packed(
    format: &str,
    rows: u32,
    cols: u32,
    group: u32,
    packed: &[u8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    surface::open_packed(format, rows, cols, group, packed, scales, shifts).map_err(to_js)
}

/// Opens a layer from codes -1, 0, +1.
#[wasm_bindgen(js_name = openPackedCodes)]
pub fn open_packed_codes(
    format: &str,
    rows: u32,
    cols: u32,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<u32> {
    surface::open_packed_codes(format, rows, cols, group, codes, scales, shifts).map_err(to_js)
}

/// Opens a layer from another program's bytes.
#[wasm_bindgen(js_name = importPacked)]
pub fn import_packed(
    layout: &str,
    format: &str,
    rows: u32,
    cols: u32,
    scale: f64,
    bytes: &[u8],
) -> Result<u32> {
    surface::import_packed(layout, format, rows, cols, scale, bytes).map_err(to_js)
}

/// Writes a layer in another program's layout; returns its scale.
#[wasm_bindgen(js_name = exportPacked)]
pub fn export_packed(layer: u32, layout: &str, out: &mut [u8]) -> Result<f64> {
    surface::export_packed(layer, layout, out).map_err(to_js)
}

/// Format, shape and sizes of a layer: JSON.
#[wasm_bindgen(js_name = describePacked)]
pub fn describe_packed(layer: u32) -> Result<String> {
    surface::describe_packed(layer).map_err(to_js)
}

/// Reads the packed bytes of a layer.
#[wasm_bindgen(js_name = readPackedBytes)]
pub fn read_packed_bytes(layer: u32, out: &mut [u8]) -> Result<()> {
    surface::read_packed_bytes(layer, out).map_err(to_js)
}

/// Reads the codes of a layer.
#[wasm_bindgen(js_name = readPackedCodes)]
pub fn read_packed_codes(layer: u32, out: &mut [i8]) -> Result<()> {
    surface::read_packed_codes(layer, out).map_err(to_js)
}

/// Reads the scales (kind 0) or shifts (kind 1) of a layer.
#[wasm_bindgen(js_name = readPackedScales)]
pub fn read_packed_scales(layer: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    surface::read_packed_scales(layer, kind, out).map_err(to_js)
}

/// y = x W^T of a layer.
#[wasm_bindgen(js_name = packedForward)]
pub fn packed_forward(layer: u32, x: &[f32], m: u32, int8: bool, y: &mut [f32]) -> Result<()> {
    surface::packed_forward(layer, x, m, int8, y).map_err(to_js)
}

/// dx = dy W of a layer.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen(js_name = packedBackward)]
pub fn packed_backward(layer: u32, dy: &[f32], m: u32, dx: &mut [f32]) -> Result<()> {
    surface::packed_backward(layer, dy, m, dx).map_err(to_js)
}

/// Forgets a layer.
#[wasm_bindgen(js_name = closePacked)]
pub fn close_packed(layer: u32) -> Result<()> {
    surface::close_packed(layer).map_err(to_js)
}

/// Signs times signs, both sides packed as `binary`.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen(js_name = binaryMatmul)]
pub fn binary_matmul(
    packed: &[u8],
    rows: u32,
    cols: u32,
    x: &[u8],
    m: u32,
    y: &mut [i32],
) -> Result<()> {
    surface::binary_matmul(packed, rows, cols, x, m, y).map_err(to_js)
}

/// int8 codes and scales of activations, row by row.
#[wasm_bindgen(js_name = quantizeActivations)]
pub fn quantize_activations(
    x: &[f32],
    rows: u32,
    cols: u32,
    codes: &mut [i8],
    scales: &mut [f32],
) -> Result<()> {
    surface::quantize_activations(x, rows, cols, codes, scales).map_err(to_js)
}
