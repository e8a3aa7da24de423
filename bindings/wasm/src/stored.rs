//! Stored matrices: those of a checkpoint, filled in pieces.

use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, to_js};

/// Bytes of a matrix in a format.
#[wasm_bindgen(js_name = storedBytes)]
pub fn stored_bytes(format: &str, rows: u32, cols: u32) -> Result<f64> {
    surface::stored_bytes(format, rows, cols).map_err(to_js)
}

/// Begins to fill a stored parameter.
#[wasm_bindgen(js_name = openStored)]
pub fn open_stored(program: u32, param: u32, format: &str, scale: f64) -> Result<()> {
    surface::open_stored(program, param, format, scale).map_err(to_js)
}

/// Writes bytes of a matrix that is being filled.
#[wasm_bindgen(js_name = writeStored)]
pub fn write_stored(program: u32, param: u32, offset: f64, bytes: &[u8]) -> Result<()> {
    surface::write_stored(program, param, offset, bytes).map_err(to_js)
}

/// Checks what was written and puts the matrix in place.
#[wasm_bindgen(js_name = finishStored)]
pub fn finish_stored(program: u32, param: u32) -> Result<()> {
    surface::finish_stored(program, param).map_err(to_js)
}

/// Puts packed codes in place.
#[wasm_bindgen(js_name = setStoredCodes)]
pub fn set_stored_codes(
    program: u32,
    param: u32,
    format: &str,
    group: u32,
    codes: &[i8],
    scales: &[f32],
    shifts: &[f32],
) -> Result<()> {
    surface::set_stored_codes(program, param, format, group, codes, scales, shifts).map_err(to_js)
}

/// Format, shape and sizes of a stored parameter, as JSON.
#[wasm_bindgen(js_name = describeStored)]
pub fn describe_stored(program: u32, param: u32) -> Result<String> {
    surface::describe_stored(program, param).map_err(to_js)
}

/// Rows of a stored matrix as f32.
#[wasm_bindgen(js_name = readStoredRows)]
pub fn read_stored_rows(
    program: u32,
    param: u32,
    first: u32,
    count: u32,
    out: &mut [f32],
) -> Result<()> {
    surface::read_stored_rows(program, param, first, count, out).map_err(to_js)
}

/// Codes of a packed stored matrix.
#[wasm_bindgen(js_name = readStoredCodes)]
pub fn read_stored_codes(program: u32, param: u32, out: &mut [i8]) -> Result<()> {
    surface::read_stored_codes(program, param, out).map_err(to_js)
}

/// Scales (0) or shifts (1) of a stored matrix.
#[wasm_bindgen(js_name = readStoredScales)]
pub fn read_stored_scales(program: u32, param: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    surface::read_stored_scales(program, param, kind, out).map_err(to_js)
}

/// Writes a stored matrix in another layout; returns its scale.
#[wasm_bindgen(js_name = exportStored)]
pub fn export_stored(program: u32, param: u32, layout: &str, out: &mut [u8]) -> Result<f64> {
    surface::export_stored(program, param, layout, out).map_err(to_js)
}
