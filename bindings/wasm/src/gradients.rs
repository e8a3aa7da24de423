//! Gradients of runs.

use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, arenas, to_js};

/// Mean cross-entropy of the output rows; seeds the output's gradient.
#[wasm_bindgen]
pub fn loss(run: u32, targets: &[i32]) -> Result<f64> {
    arenas::with(run, |arena| surface::loss(run, arena, targets)).map_err(to_js)
}

/// Seeds the output's gradient with given numbers.
#[wasm_bindgen(js_name = seedGrad)]
pub fn seed_grad(run: u32, grad: &[f32]) -> Result<()> {
    arenas::with(run, |arena| surface::seed_grad(run, arena, grad)).map_err(to_js)
}

/// Runs backward to the next paused site (its index) or to the end (-1).
#[wasm_bindgen(js_name = stepBack)]
pub fn step_back(run: u32) -> Result<i32> {
    arenas::with(run, |arena| surface::step_back(run, arena)).map_err(to_js)
}

/// Gradient of a latent parameter.
#[wasm_bindgen(js_name = readParamGrad)]
pub fn read_param_grad(run: u32, param: u32, out: &mut [f32]) -> Result<()> {
    surface::read_param_grad(run, param, out).map_err(to_js)
}

/// Opens a run over `batch` x `seq` tokens.
#[wasm_bindgen(js_name = openRun)]
pub fn open_run(program: u32, batch: u32, seq: u32, grads: u32) -> Result<u32> {
    arenas::open(|| surface::open_run(program, batch, seq, grads)).map_err(to_js)
}

/// Places of a run's activations, as JSON.
#[wasm_bindgen(js_name = describeRun)]
pub fn describe_run(run: u32) -> Result<String> {
    surface::describe_run(run).map_err(to_js)
}
