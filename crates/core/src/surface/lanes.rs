//! Steps whose lanes are computed by several instances; see `train/trainer/shard.rs`.

use super::{TRAINERS, copy, find, give_back, lock, with_trainer};
use crate::error::{Result, check_len};

/// Elements of part `part` of a lane's gradient: of the parameters (0) or of the shared activations (1).
pub fn lane_len(trainer: u32, part: u32) -> Result<usize> {
    with_trainer(trainer, |t| t.lane_len(part))
}

/// Computes lanes of a data set, with their gradients or only their losses.
pub fn run_lanes(trainer: u32, which: u32, first: u32, count: u32, backward: bool) -> Result<()> {
    with_trainer(trainer, |t| t.run_lanes(which, first, count, backward))
}

/// Reads part of a lane's gradient.
pub fn read_lane(trainer: u32, lane: u32, part: u32, out: &mut [f32]) -> Result<()> {
    with_trainer(trainer, |t| copy("the gradient of a lane", t.lane_gradient(lane, part)?, out))
}

/// Where part of a lane's gradient lies in this process's memory.
pub fn lane_address(trainer: u32, lane: u32, part: u32) -> Result<usize> {
    with_trainer(trainer, |t| Ok(t.lane_gradient(lane, part)?.as_ptr() as usize))
}

/// Replaces part of a lane's gradient.
pub fn write_lane(trainer: u32, lane: u32, part: u32, data: &[f32]) -> Result<()> {
    with_trainer(trainer, |t| t.set_lane_gradient(lane, part, data))
}

/// Reads a lane's loss and hits.
pub fn read_lane_sums(trainer: u32, which: u32, lane: u32, out: &mut [f64]) -> Result<()> {
    with_trainer(trainer, |t| copy("the sums of a lane", &t.lane_sums(which, lane)?, out))
}

/// Replaces a lane's loss and hits; with `backward`, its gradient is complete then.
pub fn write_lane_sums(
    trainer: u32,
    which: u32,
    lane: u32,
    sums: &[f64],
    backward: bool,
) -> Result<()> {
    check_len("the sums of a lane", 2, sums.len())?;
    with_trainer(trainer, |t| t.set_lane_sums(which, lane, [sums[0], sums[1]], backward))
}

/// Ends a step whose lanes are complete, and copies the parameters back to the program.
pub fn finish_step(trainer: u32, out: &mut [f64]) -> Result<()> {
    let open = find(&TRAINERS, trainer, "trainer")?;
    let mut t = lock(&open.trainer, "trainer")?;
    t.finish_step(out)?;
    give_back(&open, &t)
}

/// Mean loss and accuracy on a data set whose lanes are complete.
pub fn finish_evaluation(trainer: u32, which: u32) -> Result<(f64, f64)> {
    with_trainer(trainer, |t| t.finish_evaluation(which))
}
