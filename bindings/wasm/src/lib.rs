//! The surface of `tritlens-core` as WebAssembly: one function here for each one of `tritlens_core::surface`, nothing decided twice.
//!
//! The feature `train` (on by default) has gradients and the trainer; a build without it is for inference and hooks alone.
//!
//! Two things differ from the Node addon. Run arenas live in this module's memory (`arenas.rs`), and a panic cannot be caught: it ends the
//! instance, and the hook set in [`start`] keeps its message for [`panic_message`], which the SDK's adapter asks before it gives the instance up.

#[cfg(all(feature = "train", feature = "lean", target_arch = "wasm32"))]
compile_error!("`lean` leaves the kernels for training out: build with --no-default-features");

mod arenas;
#[cfg(feature = "train")]
pub mod gradients;
pub mod inference;
pub mod packed;
mod panics;
pub mod stored;
#[cfg(feature = "train")]
pub mod training;

use tritlens_core::error::CoreError;
use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

/// What a failed call throws: the core's wire format.
type Result<T> = std::result::Result<T, wasm_bindgen::JsError>;

#[allow(clippy::needless_pass_by_value, reason = "used as a function value in map_err")]
fn to_js(error: CoreError) -> wasm_bindgen::JsError {
    wasm_bindgen::JsError::new(&error.to_wire())
}

/// Runs once, when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    panics::keep_message();
}

/// What the panic said that ended this instance, if one did.
#[wasm_bindgen(js_name = panicMessage)]
pub fn panic_message() -> Option<String> {
    panics::message()
}

/// The compiled module this instance was made from: workers make theirs from it.
#[wasm_bindgen(js_name = compiledModule)]
pub fn compiled_module() -> wasm_bindgen::JsValue {
    wasm_bindgen::module()
}

/// Lends this thread to the pool that `setThreads` made, until that pool is given up; false when it wants none.
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
#[wasm_bindgen(js_name = runThread)]
pub fn run_thread() -> bool {
    tritlens_core::par::run_thread()
}

/// Version, instruction sets and threads, as JSON.
#[wasm_bindgen]
pub fn info() -> Result<String> {
    surface::info().map_err(to_js)
}

/// Sets the size of the thread pool; returns what is in force.
#[wasm_bindgen(js_name = setThreads)]
pub fn set_threads(threads: u32) -> Result<u32> {
    surface::set_threads(threads).map_err(to_js)
}

/// Compiles a Spec (JSON) into a program.
#[wasm_bindgen]
pub fn compile(spec: &str) -> Result<u32> {
    surface::compile(spec).map_err(to_js)
}

/// Parameters and sites of a program, as JSON.
#[wasm_bindgen]
pub fn describe(program: u32) -> Result<String> {
    surface::describe(program).map_err(to_js)
}

/// Forgets a program.
#[wasm_bindgen(js_name = closeProgram)]
pub fn close_program(program: u32) -> Result<()> {
    surface::close_program(program).map_err(to_js)
}

/// Fills every parameter as the Spec says.
#[wasm_bindgen]
pub fn init(program: u32, seed: f64) -> Result<()> {
    surface::init(program, seed).map_err(to_js)
}

/// Copies a parameter into `out`.
#[wasm_bindgen(js_name = readParam)]
pub fn read_param(program: u32, param: u32, out: &mut [f32]) -> Result<()> {
    surface::read_param(program, param, out).map_err(to_js)
}

/// Replaces a parameter.
#[wasm_bindgen(js_name = writeParam)]
pub fn write_param(program: u32, param: u32, data: &[f32]) -> Result<()> {
    surface::write_param(program, param, data).map_err(to_js)
}

/// The matrix the forward pass multiplies with.
#[wasm_bindgen(js_name = effectiveParam)]
pub fn effective_param(program: u32, param: u32, out: &mut [f32]) -> Result<()> {
    surface::effective_param(program, param, out).map_err(to_js)
}

/// Codes of a quantised parameter; returns the scale.
#[wasm_bindgen(js_name = paramCodes)]
pub fn param_codes(program: u32, param: u32, out: &mut [i8]) -> Result<f64> {
    surface::param_codes(program, param, out).map_err(to_js)
}

/// Elements the run's arena must have.
#[wasm_bindgen(js_name = arenaLen)]
pub fn arena_len(run: u32) -> Result<f64> {
    surface::arena_len(run).map(|len| len as f64).map_err(to_js)
}

/// Where the run's arena begins in this module's memory, in bytes.
#[wasm_bindgen(js_name = arenaPtr)]
pub fn arena_ptr(run: u32) -> Result<u32> {
    arenas::with(run, |arena| Ok(arena.as_ptr() as usize as u32)).map_err(to_js)
}

/// Sets the tokens and rewinds the run.
#[wasm_bindgen(js_name = setTokens)]
pub fn set_tokens(run: u32, tokens: &[i32]) -> Result<()> {
    surface::set_tokens(run, tokens).map_err(to_js)
}

/// Chooses the sites at which `step` and `step_back` return.
#[wasm_bindgen(js_name = setPause)]
pub fn set_pause(run: u32, forward: &[u8], backward: &[u8]) -> Result<()> {
    surface::set_pause(run, forward, backward).map_err(to_js)
}

/// Replaces the list of data edits.
#[wasm_bindgen(js_name = setEdits)]
pub fn set_edits(run: u32, ints: &[i32], floats: &[f32]) -> Result<()> {
    surface::set_edits(run, ints, floats).map_err(to_js)
}

/// Runs forward to the next paused site (its index) or to the end (-1).
#[wasm_bindgen]
pub fn step(run: u32) -> Result<i32> {
    arenas::with(run, |arena| surface::step(run, arena)).map_err(to_js)
}

/// Forgets a run.
#[wasm_bindgen(js_name = closeRun)]
pub fn close_run(run: u32) -> Result<()> {
    arenas::close(run).map_err(to_js)
}

/// Codes of a latent matrix under a quantiser; returns the scale.
#[wasm_bindgen(js_name = quantizeWeights)]
pub fn quantize_weights(quant: &str, w: &[f32], codes: &mut [i8]) -> Result<f64> {
    surface::quantize_weights(quant, w, codes).map_err(to_js)
}

/// Dense product c[m, n] = a[m, k] b[k, n].
#[wasm_bindgen]
pub fn matmul(a: &[f32], b: &[f32], m: u32, k: u32, n: u32, out: &mut [f32]) -> Result<()> {
    surface::matmul(a, b, m, k, n, out).map_err(to_js)
}

/// Uniform (kind 0) or normal (kind 1) numbers of the counter-based generator.
#[wasm_bindgen]
pub fn random(seed: f64, stream: f64, kind: u32, out: &mut [f32]) -> Result<()> {
    surface::random(seed, stream, kind, out).map_err(to_js)
}
