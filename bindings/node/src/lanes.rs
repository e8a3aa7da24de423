//! Steps whose lanes are shared out over several instances; one function for each one of `tritlens_core::surface::lanes`.

use napi::Result;
use napi_derive::napi;
use tritlens_core::surface;

use crate::arrays::{Float32Array, Float64Array};
use crate::guard::guard;

/// Elements of part `part` of a lane's gradient: of the parameters (0) or of the shared activations (1).
#[napi]
pub fn lane_len(trainer: u32, part: u32) -> Result<f64> {
    guard(|| surface::lane_len(trainer, part).map(|len| len as f64))
}

/// Computes lanes of a data set, with their gradients (`backward`) or only their losses.
#[napi]
pub fn run_lanes(trainer: u32, which: u32, first: u32, count: u32, backward: bool) -> Result<()> {
    guard(|| surface::run_lanes(trainer, which, first, count, backward))
}

/// Copies part of a lane's gradient into `out`.
#[napi]
pub fn read_lane(trainer: u32, lane: u32, part: u32, out: Float32Array) -> Result<()> {
    guard(|| surface::read_lane(trainer, lane, part, out))
}

/// Replaces part of a lane's gradient.
#[napi]
pub fn write_lane(trainer: u32, lane: u32, part: u32, data: &[f32]) -> Result<()> {
    guard(|| surface::write_lane(trainer, lane, part, data))
}

/// Reads a lane's loss and hits.
#[napi]
pub fn read_lane_sums(trainer: u32, which: u32, lane: u32, out: Float64Array) -> Result<()> {
    guard(|| surface::read_lane_sums(trainer, which, lane, out))
}

/// Replaces a lane's loss and hits; with `backward`, its gradient is complete then.
#[napi]
pub fn write_lane_sums(
    trainer: u32,
    which: u32,
    lane: u32,
    sums: &[f64],
    backward: bool,
) -> Result<()> {
    guard(|| surface::write_lane_sums(trainer, which, lane, sums, backward))
}

/// Ends a step whose lanes are complete; `out` receives the columns of `describe_trainer`.
#[napi]
pub fn finish_step(trainer: u32, out: Float64Array) -> Result<()> {
    guard(|| surface::finish_step(trainer, out))
}

/// Mean loss and accuracy on a data set whose lanes are complete.
#[napi]
pub fn finish_evaluation(trainer: u32, which: u32) -> Result<Vec<f64>> {
    guard(|| {
        surface::finish_evaluation(trainer, which).map(|(loss, accuracy)| vec![loss, accuracy])
    })
}
