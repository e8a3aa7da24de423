//! One step, shared out: lanes that other instances of the program computed, with the same parameters and the same data.
//!
//! A step is cut into [`LANES`] lanes whatever happens (see `prepared.rs`), so a lane may be computed anywhere and carried over: its gradient is a flat
//! array, and adding the lanes in their order gives the bits that one thread would get. This is how workers without shared memory train together:
//!
//! ```text
//! each instance:   run_lanes(its lanes)
//! the first one:   set_lane(what came from the others), finish_step
//! ```

use std::ops::Range;

use super::{Trainer, codes};
use crate::error::{CoreError, Result, check_len};
use crate::train::lane::{Holds, Lane};
use crate::train::prepared::LANES;

impl Trainer {
    /// Elements of part `part` of a lane's gradient.
    ///
    /// # Errors
    /// `E_SHAPE` when there is no training data, `E_RANGE` for an unknown part.
    pub fn lane_len(&self, part: u32) -> Result<usize> {
        Ok(part_of(self.lane(0, 0)?, part)?.len())
    }

    /// Computes lanes `first..first + count` of data set `which`: with `backward`, their gradients (data set 0 alone); without, their losses and hits.
    ///
    /// # Errors
    /// `E_RANGE` for lanes or a data set that do not exist, or a backward pass of a set that is not trained on.
    pub fn run_lanes(&mut self, which: u32, first: u32, count: u32, backward: bool) -> Result<()> {
        let lanes = lane_range(first, count)?;
        if backward && which != 0 {
            return Err(CoreError::new(codes::RANGE, "only data set 0 is trained on")
                .expected("data set 0", which));
        }
        self.program.params.refresh();
        let step = self.step;
        let set = self.sets.get_mut(&which).ok_or_else(|| not_set(which))?;
        set.forward_shared(&self.program);
        let holds = if backward {
            set.lanes_forward_backward(&self.program, lanes.clone(), step);
            Holds::Gradient
        } else {
            set.lanes_forward(&self.program, lanes.clone());
            Holds::Loss
        };
        set.lanes[lanes].iter_mut().for_each(|lane| lane.holds = holds);
        Ok(())
    }

    /// Part `part` of the gradient of lane `lane`, as [`Trainer::run_lanes`] left it.
    ///
    /// # Errors
    /// As [`Trainer::lane_len`]; `E_RANGE` for a lane that does not exist.
    pub fn lane_gradient(&self, lane: u32, part: u32) -> Result<&[f32]> {
        part_of(self.lane(0, lane)?, part)
    }

    /// Weighted loss and hits of lane `lane` of data set `which`.
    ///
    /// # Errors
    /// `E_RANGE` for a lane or data set that does not exist.
    pub fn lane_sums(&self, which: u32, lane: u32) -> Result<[f64; 2]> {
        let lane = self.lane(which, lane)?;
        Ok([lane.loss, lane.hits])
    }

    /// Takes part `part` of a lane's gradient from another instance.
    ///
    /// # Errors
    /// As [`Trainer::lane_gradient`]; `E_SHAPE` for a wrong length.
    pub fn set_lane_gradient(&mut self, lane: u32, part: u32, data: &[f32]) -> Result<()> {
        let lane = self.lane_mut(0, lane)?;
        let expected = part_of(lane, part)?.len();
        check_len("the gradient of a lane", expected, data.len())?;
        let to = if part == 0 { &mut lane.param_grad } else { &mut lane.shared_grad };
        to.copy_from_slice(data);
        Ok(())
    }

    /// Takes a lane's loss and hits from another instance, after its gradient if there is one (`backward`).
    ///
    /// # Errors
    /// As [`Trainer::lane_sums`].
    pub fn set_lane_sums(
        &mut self,
        which: u32,
        lane: u32,
        sums: [f64; 2],
        backward: bool,
    ) -> Result<()> {
        let lane = self.lane_mut(which, lane)?;
        [lane.loss, lane.hits] = sums;
        lane.holds = if backward { Holds::Gradient } else { Holds::Loss };
        Ok(())
    }

    /// Ends a step whose lanes were run or set: adds their gradients and updates the parameters. `row` receives [`Trainer::columns`] numbers.
    ///
    /// # Errors
    /// `E_SHAPE` when a lane's gradient is missing or `row` has another length; otherwise as [`Trainer::steps`].
    pub fn finish_step(&mut self, row: &mut [f64]) -> Result<()> {
        check_len("room for the numbers of a step", self.columns().len(), row.len())?;
        self.require_lanes(0, Holds::Gradient)?;
        let mut set = self.sets.remove(&0).ok_or_else(|| not_set(0))?;
        self.remember_codes();
        let result = self.end_step(&mut set, row);
        self.sets.insert(0, set);
        self.forget_lanes();
        result
    }

    /// Mean loss and accuracy on data set `which`, whose lanes were run or set.
    ///
    /// # Errors
    /// `E_RANGE` when the data set was not set, `E_SHAPE` when a lane is missing.
    pub fn finish_evaluation(&mut self, which: u32) -> Result<(f64, f64)> {
        self.require_lanes(which, Holds::Loss)?;
        let set = self.sets.get(&which).ok_or_else(|| not_set(which))?;
        let loss = set.lanes.iter().map(|l| l.loss).sum();
        let hits: f64 = set.lanes.iter().map(|l| l.hits).sum();
        let total = set.data.total as f64;
        self.forget_lanes();
        Ok((loss, hits / total))
    }

    /// Lanes of another step, or of other parameters, are of no use any more.
    pub(super) fn forget_lanes(&mut self) {
        let lanes = self.sets.values_mut().flat_map(|set| &mut set.lanes);
        lanes.for_each(|lane| lane.holds = Holds::Nothing);
    }

    fn require_lanes(&self, which: u32, holds: Holds) -> Result<()> {
        let set = self.sets.get(&which).ok_or_else(|| not_set(which))?;
        match set.lanes.iter().position(|lane| lane.holds != holds) {
            None => Ok(()),
            Some(missing) => Err(CoreError::new(codes::SHAPE, "a lane was not computed")
                .expected(format!("{LANES} lanes"), format!("none for lane {missing}"))),
        }
    }

    fn lane(&self, which: u32, lane: u32) -> Result<&Lane> {
        let set = self.sets.get(&which).ok_or_else(|| not_set(which))?;
        set.lanes.get(lane as usize).ok_or_else(|| no_lane(lane))
    }

    fn lane_mut(&mut self, which: u32, lane: u32) -> Result<&mut Lane> {
        let set = self.sets.get_mut(&which).ok_or_else(|| not_set(which))?;
        set.lanes.get_mut(lane as usize).ok_or_else(|| no_lane(lane))
    }
}

fn part_of(lane: &Lane, part: u32) -> Result<&[f32]> {
    match part {
        0 => Ok(&lane.param_grad),
        1 => Ok(&lane.shared_grad),
        _ => {
            Err(CoreError::new(codes::RANGE, "unknown part of a gradient").expected("0 or 1", part))
        }
    }
}

fn lane_range(first: u32, count: u32) -> Result<Range<usize>> {
    // In u64: on a 32-bit machine the sum of two u32 could wrap.
    let end = u64::from(first) + u64::from(count);
    if end <= LANES as u64 {
        return Ok(first as usize..end as usize);
    }
    Err(CoreError::new(codes::RANGE, "lanes out of range")
        .expected(format!("lanes below {LANES}"), format!("{first} to {end}")))
}

fn no_lane(lane: u32) -> CoreError {
    CoreError::new(codes::RANGE, "no such lane").expected(format!("below {LANES}"), lane)
}

fn not_set(which: u32) -> CoreError {
    CoreError::new(codes::RANGE, format!("data set {which} was not set"))
}
