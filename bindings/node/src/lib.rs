//! The surface of `tritlens-core` as a Node addon: one function here for each one of `tritlens_core::surface`, nothing decided twice.
//!
//! Every function runs inside `guard`, so that a panic reaches JavaScript as `E_PANIC` and never ends the process. Typed arrays are borrowed
//! for the length of a call; one whose memory was transferred away arrives with length 0, which the surface's length checks refuse.
#![allow(clippy::needless_pass_by_value, reason = "napi hands strings over by value")]

mod arrays;
mod guard;
pub mod inference;
pub mod lanes;
pub mod packed;
pub mod stored;
pub mod tasks;

use arrays::{Float32Array, Int8Array};
use guard::guard;
use napi::Result;
use napi_derive::napi;
use tritlens_core::surface;

/// Version, instruction sets and threads, as JSON.
#[napi]
pub fn info() -> Result<String> {
    guard(surface::info)
}

/// Sets the size of the thread pool; returns what is in force.
#[napi]
pub fn set_threads(threads: u32) -> Result<u32> {
    guard(|| surface::set_threads(threads))
}

/// Compiles a Spec (JSON) into a program.
#[napi]
pub fn compile(spec: String) -> Result<u32> {
    guard(|| surface::compile(&spec))
}

/// Parameters and sites of a program, as JSON.
#[napi]
pub fn describe(program: u32) -> Result<String> {
    guard(|| surface::describe(program))
}

/// Forgets a program.
#[napi]
pub fn close_program(program: u32) -> Result<()> {
    guard(|| surface::close_program(program))
}

/// Fills every parameter as the Spec says.
#[napi]
pub fn init(program: u32, seed: f64) -> Result<()> {
    guard(|| surface::init(program, seed))
}

/// Copies a parameter into `out`.
#[napi]
pub fn read_param(program: u32, param: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_param(program, param, out))
}

/// Replaces a parameter.
#[napi]
pub fn write_param(program: u32, param: u32, data: &[f32]) -> Result<()> {
    guard(|| surface::write_param(program, param, data))
}

/// The matrix the forward pass multiplies with.
#[napi]
pub fn effective_param(program: u32, param: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::effective_param(program, param, out))
}

/// Codes of a quantised parameter; returns the scale.
#[napi]
pub fn param_codes(program: u32, param: u32, out: Int8Array) -> Result<f64> {
    guard(|| surface::param_codes(program, param, out))
}

/// Opens a run over `batch` x `seq` tokens.
#[napi]
pub fn open_run(program: u32, batch: u32, seq: u32, grads: u32) -> Result<u32> {
    guard(|| surface::open_run(program, batch, seq, grads))
}

/// Places of a run's activations, as JSON.
#[napi]
pub fn describe_run(run: u32) -> Result<String> {
    guard(|| surface::describe_run(run))
}

/// Elements the run's arena must have.
#[napi]
pub fn arena_len(run: u32) -> Result<f64> {
    guard(|| surface::arena_len(run).map(|len| len as f64))
}

/// Sets the tokens and rewinds the run.
#[napi]
pub fn set_tokens(run: u32, tokens: &[i32]) -> Result<()> {
    guard(|| surface::set_tokens(run, tokens))
}

/// Chooses the sites at which `step` and `step_back` return.
#[napi]
pub fn set_pause(run: u32, forward: &[u8], backward: &[u8]) -> Result<()> {
    guard(|| surface::set_pause(run, forward, backward))
}

/// Replaces the list of data edits.
#[napi]
pub fn set_edits(run: u32, ints: &[i32], floats: &[f32]) -> Result<()> {
    guard(|| surface::set_edits(run, ints, floats))
}

/// Runs forward to the next paused site (its index) or to the end (-1).
#[napi]
pub fn step(run: u32, arena: Float32Array) -> Result<i32> {
    guard(|| surface::step(run, arena))
}

/// Mean cross-entropy of the output rows; seeds the output's gradient.
#[napi]
pub fn loss(run: u32, arena: Float32Array, targets: &[i32]) -> Result<f64> {
    guard(|| surface::loss(run, arena, targets))
}

/// Seeds the output's gradient with given numbers.
#[napi]
pub fn seed_grad(run: u32, arena: Float32Array, grad: &[f32]) -> Result<()> {
    guard(|| surface::seed_grad(run, arena, grad))
}

/// Runs backward to the next paused site (its index) or to the end (-1).
#[napi]
pub fn step_back(run: u32, arena: Float32Array) -> Result<i32> {
    guard(|| surface::step_back(run, arena))
}

/// Gradient of a latent parameter.
#[napi]
pub fn read_param_grad(run: u32, param: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_param_grad(run, param, out))
}

/// Forgets a run.
#[napi]
pub fn close_run(run: u32) -> Result<()> {
    guard(|| surface::close_run(run))
}

/// Opens a trainer on a program; `config` is JSON.
#[napi]
pub fn open_trainer(program: u32, config: String) -> Result<u32> {
    guard(|| surface::open_trainer(program, &config))
}

/// The columns `train_steps` writes per step, as JSON.
#[napi]
pub fn describe_trainer(trainer: u32) -> Result<String> {
    guard(|| surface::describe_trainer(trainer))
}

/// Sets data set `which` (0 is trained on).
#[napi]
pub fn set_data(trainer: u32, which: u32, tokens: &[i32], targets: &[i32]) -> Result<()> {
    guard(|| surface::set_data(trainer, which, tokens, targets))
}

/// Steps taken so far.
#[napi]
pub fn trainer_step(trainer: u32) -> Result<f64> {
    guard(|| surface::trainer_step(trainer))
}

/// Reads flat optimiser state: 0 parameters, 1 first moments, 2 second moments.
#[napi]
pub fn read_trainer_state(trainer: u32, kind: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_trainer_state(trainer, kind, out))
}

/// Replaces flat optimiser state.
#[napi]
pub fn write_trainer_state(trainer: u32, kind: u32, data: &[f32]) -> Result<()> {
    guard(|| surface::write_trainer_state(trainer, kind, data))
}

/// Says how many steps were taken, after a resume.
#[napi]
pub fn set_trainer_step(trainer: u32, step: f64) -> Result<()> {
    guard(|| surface::set_trainer_step(trainer, step))
}

/// Makes a running `train_steps` end after its current step.
#[napi]
pub fn cancel_trainer(trainer: u32) -> Result<()> {
    guard(|| surface::cancel_trainer(trainer))
}

/// Forgets a trainer.
#[napi]
pub fn close_trainer(trainer: u32) -> Result<()> {
    guard(|| surface::close_trainer(trainer))
}

/// Codes of a latent matrix under a quantiser; returns the scale.
#[napi]
pub fn quantize_weights(quant: String, w: &[f32], codes: Int8Array) -> Result<f64> {
    guard(|| surface::quantize_weights(&quant, w, codes))
}

/// Dense product c[m, n] = a[m, k] b[k, n].
#[napi]
pub fn matmul(a: &[f32], b: &[f32], m: u32, k: u32, n: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::matmul(a, b, m, k, n, out))
}

/// Uniform (kind 0) or normal (kind 1) numbers of the counter-based generator.
#[napi]
pub fn random(seed: f64, stream: f64, kind: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::random(seed, stream, kind, out))
}
