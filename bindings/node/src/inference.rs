//! Inference runs and what is kept between them.

use napi::Result;
use napi_derive::napi;
use tritlens_core::surface;

use crate::arrays::{Float32Array, Float64Array};
use crate::guard::guard;

/// Opens a session: room for the keys and values of `capacity` positions.
#[napi]
pub fn open_session(program: u32, batch: u32, capacity: u32) -> Result<u32> {
    guard(|| surface::open_session(program, batch, capacity))
}

/// Positions that a session holds.
#[napi]
pub fn session_length(session: u32) -> Result<u32> {
    guard(|| surface::session_length(session))
}

/// Goes back to the first `length` positions.
#[napi]
pub fn rewind_session(session: u32, length: u32) -> Result<()> {
    guard(|| surface::rewind_session(session, length))
}

/// Forgets a session.
#[napi]
pub fn close_session(session: u32) -> Result<()> {
    guard(|| surface::close_session(session))
}

/// Where a site lies now: offset, length, offset of the gradient or -1, axes, extents; site -1 is the output.
#[napi]
pub fn site_place(run: u32, site: i32, out: Float64Array) -> Result<()> {
    guard(|| surface::site_place(run, site, out))
}

/// Bytes that a session and an inference run would take, as JSON.
#[napi]
pub fn plan_inference(
    program: u32,
    batch: u32,
    seq: u32,
    capacity: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<String> {
    guard(|| surface::plan_inference(program, batch, seq, capacity, listen, last_only))
}

/// Opens an inference run; session 0 stands for none.
#[napi]
pub fn open_inference(
    program: u32,
    session: u32,
    batch: u32,
    seq: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<u32> {
    guard(|| surface::open_inference(program, session, batch, seq, listen, last_only))
}

/// Runs a sweep: variants of one run. `shape` holds batch, seq, last-only (0 or 1), and each variant's number of edits.
#[napi]
pub fn sweep(
    program: u32,
    shape: &[u32],
    tokens: &[i32],
    edits: &[i32],
    floats: &[f32],
    classes: &[i32],
    out: Float32Array,
) -> Result<()> {
    guard(|| surface::sweep(program, shape, tokens, edits, floats, classes, out))
}
