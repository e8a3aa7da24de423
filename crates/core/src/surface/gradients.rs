//! The part of the surface that builds for inference do without: runs with gradients, which keep every activation, and sweeps.

use std::sync::Mutex;

use super::{
    AnyRun, OpenRun, PROGRAMS, RUNS, copy, find, insert, lock, param, text, with_program, with_run,
};
use crate::error::{CoreError, Result, codes};
use crate::infer::{self, SweepRequest};
use crate::program::{Grads, Run};

/// Opens a run that keeps every activation; `grads`: 0 for none, 1 for those of activations, 2 for those of parameters as well.
pub fn open_run(program: u32, batch: u32, seq: u32, grads: u32) -> Result<u32> {
    let grads = match grads {
        0 => Grads::None,
        1 => Grads::Activations,
        2 => Grads::All,
        other => {
            return Err(CoreError::new(codes::NAME, "no gradients have this number")
                .expected("0, 1 or 2", other));
        }
    };
    let shared = find(&PROGRAMS, program, "program")?;
    let run = Run::open(&*lock(&shared, "program")?, batch as usize, seq as usize, grads)?;
    let run = AnyRun::Full(Box::new(run));
    Ok(insert(&RUNS, Mutex::new(OpenRun { program: shared, run })))
}

/// Layout of a run that keeps everything: JSON.
pub fn describe_run(run: u32) -> Result<String> {
    with_run(run, |_, r| text(r.full()?.info()))
}

/// Seeds the gradient of the output.
pub fn seed_grad(run: u32, arena: &mut [f32], grad: &[f32]) -> Result<()> {
    with_run(run, |_, r| r.full()?.seed_grad(arena, grad))
}

/// Runs backward to the next paused site or the end (-1).
pub fn step_back(run: u32, arena: &mut [f32]) -> Result<i32> {
    with_run(run, |p, r| {
        p.params.refresh();
        r.full()?.step_back(p, arena)
    })
}

/// Reads the gradient of a latent parameter.
pub fn read_param_grad(run: u32, index: u32, out: &mut [f32]) -> Result<()> {
    with_run(run, |p, r| {
        let place = &p.params.places()[param(p, index)?];
        let grad = r.full()?.param_grad()?;
        copy(&format!("gradient of {}", place.name), &grad[place.range()], out)
    })
}

/// Runs a sweep; see [`infer::sweep`]. `shape` holds batch, seq, whether only the last position's logits are wanted (0 or 1), and each variant's number of edits.
pub fn sweep(
    program: u32,
    shape: &[u32],
    tokens: &[i32],
    edits: &[i32],
    floats: &[f32],
    classes: &[i32],
    out: &mut [f32],
) -> Result<()> {
    let [batch, seq, last, ref counts @ ..] = *shape else {
        return Err(CoreError::new(codes::SHAPE, "a sweep has no shape")
            .expected("batch, seq, last and the variants", shape.len()));
    };
    let (batch, seq, last_only) = (batch as usize, seq as usize, last != 0);
    let request = SweepRequest { tokens, batch, seq, edits, floats, counts, classes, last_only };
    with_program(program, |p| infer::sweep(p, request, out))
}
