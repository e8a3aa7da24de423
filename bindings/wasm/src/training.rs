//! The trainer: whole steps, and steps whose lanes are shared out over several instances.

use tritlens_core::surface;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, to_js};

/// Opens a trainer on a program; `config` is JSON.
#[wasm_bindgen(js_name = openTrainer)]
pub fn open_trainer(program: u32, config: &str) -> Result<u32> {
    surface::open_trainer(program, config).map_err(to_js)
}

/// The columns `train_steps` writes per step, as JSON.
#[wasm_bindgen(js_name = describeTrainer)]
pub fn describe_trainer(trainer: u32) -> Result<String> {
    surface::describe_trainer(trainer).map_err(to_js)
}

/// Sets data set `which` (0 is trained on).
#[wasm_bindgen(js_name = setData)]
pub fn set_data(trainer: u32, which: u32, tokens: &[i32], targets: &[i32]) -> Result<()> {
    surface::set_data(trainer, which, tokens, targets).map_err(to_js)
}

/// Takes up to `n` steps; `out` receives the columns of `describe_trainer` for each step.
#[wasm_bindgen(js_name = trainSteps)]
pub fn train_steps(trainer: u32, n: u32, out: &mut [f64]) -> Result<u32> {
    surface::train_steps(trainer, n, out).map_err(to_js)
}

/// Mean loss and accuracy on data set `which`.
#[wasm_bindgen]
pub fn evaluate(trainer: u32, which: u32) -> Result<Vec<f64>> {
    surface::evaluate(trainer, which).map(|(loss, accuracy)| vec![loss, accuracy]).map_err(to_js)
}

/// Steps taken so far.
#[wasm_bindgen(js_name = trainerStep)]
pub fn trainer_step(trainer: u32) -> Result<f64> {
    surface::trainer_step(trainer).map_err(to_js)
}

/// Reads flat optimiser state: 0 parameters, 1 first moments, 2 second moments.
#[wasm_bindgen(js_name = readTrainerState)]
pub fn read_trainer_state(trainer: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    surface::read_trainer_state(trainer, kind, out).map_err(to_js)
}

/// Replaces flat optimiser state.
#[wasm_bindgen(js_name = writeTrainerState)]
pub fn write_trainer_state(trainer: u32, kind: u32, data: &[f32]) -> Result<()> {
    surface::write_trainer_state(trainer, kind, data).map_err(to_js)
}

/// Says how many steps were taken, after a resume.
#[wasm_bindgen(js_name = setTrainerStep)]
pub fn set_trainer_step(trainer: u32, step: f64) -> Result<()> {
    surface::set_trainer_step(trainer, step).map_err(to_js)
}

/// Makes a running `train_steps` end after its current step.
#[wasm_bindgen(js_name = cancelTrainer)]
pub fn cancel_trainer(trainer: u32) -> Result<()> {
    surface::cancel_trainer(trainer).map_err(to_js)
}

/// Forgets a trainer.
#[wasm_bindgen(js_name = closeTrainer)]
pub fn close_trainer(trainer: u32) -> Result<()> {
    surface::close_trainer(trainer).map_err(to_js)
}

/// Elements of part `part` of a lane's gradient: of the parameters (0) or of the shared activations (1).
#[wasm_bindgen(js_name = laneLen)]
pub fn lane_len(trainer: u32, part: u32) -> Result<f64> {
    surface::lane_len(trainer, part).map(|len| len as f64).map_err(to_js)
}

/// Computes lanes of a data set, with their gradients (`backward`) or only their losses.
#[wasm_bindgen(js_name = runLanes)]
pub fn run_lanes(trainer: u32, which: u32, first: u32, count: u32, backward: bool) -> Result<()> {
    surface::run_lanes(trainer, which, first, count, backward).map_err(to_js)
}

/// Copies part of a lane's gradient into `out`.
#[wasm_bindgen(js_name = readLane)]
pub fn read_lane(trainer: u32, lane: u32, part: u32, out: &mut [f32]) -> Result<()> {
    surface::read_lane(trainer, lane, part, out).map_err(to_js)
}

/// Where part of a lane's gradient lies in this module's memory, in bytes: read and written there without another copy.
#[wasm_bindgen(js_name = lanePtr)]
pub fn lane_ptr(trainer: u32, lane: u32, part: u32) -> Result<u32> {
    surface::lane_address(trainer, lane, part).map(|address| address as u32).map_err(to_js)
}

/// Replaces part of a lane's gradient.
#[wasm_bindgen(js_name = writeLane)]
pub fn write_lane(trainer: u32, lane: u32, part: u32, data: &[f32]) -> Result<()> {
    surface::write_lane(trainer, lane, part, data).map_err(to_js)
}

/// Reads a lane's loss and hits.
#[wasm_bindgen(js_name = readLaneSums)]
pub fn read_lane_sums(trainer: u32, which: u32, lane: u32, out: &mut [f64]) -> Result<()> {
    surface::read_lane_sums(trainer, which, lane, out).map_err(to_js)
}

/// Replaces a lane's loss and hits; with `backward`, its gradient is complete then.
#[wasm_bindgen(js_name = writeLaneSums)]
pub fn write_lane_sums(
    trainer: u32,
    which: u32,
    lane: u32,
    sums: &[f64],
    backward: bool,
) -> Result<()> {
    surface::write_lane_sums(trainer, which, lane, sums, backward).map_err(to_js)
}

/// Ends a step whose lanes are complete; `out` receives the columns of `describe_trainer`.
#[wasm_bindgen(js_name = finishStep)]
pub fn finish_step(trainer: u32, out: &mut [f64]) -> Result<()> {
    surface::finish_step(trainer, out).map_err(to_js)
}

/// Mean loss and accuracy on a data set whose lanes are complete.
#[wasm_bindgen(js_name = finishEvaluation)]
pub fn finish_evaluation(trainer: u32, which: u32) -> Result<Vec<f64>> {
    surface::finish_evaluation(trainer, which)
        .map(|(loss, accuracy)| vec![loss, accuracy])
        .map_err(to_js)
}
