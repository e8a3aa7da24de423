//! Inference runs and what is kept between them.

use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, arenas, to_js};

/// Opens a session: room for the keys and values of `capacity` positions.
#[wasm_bindgen(js_name = openSession)]
pub fn open_session(program: u32, batch: u32, capacity: u32) -> Result<u32> {
    surface::open_session(program, batch, capacity).map_err(to_js)
}

/// Positions that a session holds.
#[wasm_bindgen(js_name = sessionLength)]
pub fn session_length(session: u32) -> Result<u32> {
    surface::session_length(session).map_err(to_js)
}

/// Goes back to the first `length` positions.
#[wasm_bindgen(js_name = rewindSession)]
pub fn rewind_session(session: u32, length: u32) -> Result<()> {
    surface::rewind_session(session, length).map_err(to_js)
}

/// Forgets a session.
#[wasm_bindgen(js_name = closeSession)]
pub fn close_session(session: u32) -> Result<()> {
    surface::close_session(session).map_err(to_js)
}

/// Where a site lies now: offset, length, offset of the gradient or -1, axes, extents; site -1 is the output.
#[wasm_bindgen(js_name = sitePlace)]
pub fn site_place(run: u32, site: i32, out: &mut [f64]) -> Result<()> {
    surface::site_place(run, site, out).map_err(to_js)
}

/// Bytes that a session and an inference run would take, as JSON.
#[wasm_bindgen(js_name = planInference)]
pub fn plan_inference(
    program: u32,
    batch: u32,
    seq: u32,
    capacity: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<String> {
    surface::plan_inference(program, batch, seq, capacity, listen, last_only).map_err(to_js)
}

/// Opens an inference run; session 0 stands for none.
#[wasm_bindgen(js_name = openInference)]
pub fn open_inference(
    program: u32,
    session: u32,
    batch: u32,
    seq: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<u32> {
    arenas::open(|| surface::open_inference(program, session, batch, seq, listen, last_only))
        .map_err(to_js)
}

/// Runs a sweep: variants of one run. `shape` holds batch, seq, last-only (0 or 1), and each variant's number of edits.
#[cfg(not(feature = "lean"))]
#[wasm_bindgen]
pub fn sweep(
    program: u32,
    shape: &[u32],
    tokens: &[i32],
    edits: &[i32],
    floats: &[f32],
    classes: &[i32],
    out: &mut [f32],
) -> Result<()> {
    surface::sweep(program, shape, tokens, edits, floats, classes, out).map_err(to_js)
}
