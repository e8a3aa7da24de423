//! The trainer: whole optimiser steps over a data set.
//!
//! A step takes the whole set or a mini-batch (see `batch.rs`), cuts its examples into tiles whose activations fit into the cache, deals the tiles to a fixed number of lanes, and gives each lane
//! its own gradient; lanes run on any number of threads and are added in lane order, so the result does not depend on the threads.

mod shard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tritlens_kernels::AdamHyper;

use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::par;
use crate::program::{NodeSpec, Params, Program};
use crate::quant::Quant;
use crate::train::config::TrainConfig;
use crate::train::prepared::{LANES, Prepared};

/// Elements of the flat vectors that are updated in one piece.
const PIECE: usize = 16 * 1024;

/// Trains a program on a data set.
pub struct Trainer {
    program: Program,
    config: TrainConfig,
    sets: BTreeMap<u32, Prepared>,
    grad: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
    /// Indices of the quantised parameters, and the codes they had after the last step.
    quantised: Vec<usize>,
    codes: Vec<Vec<i8>>,
    step: u64,
    cancelled: Arc<AtomicBool>,
}

impl Trainer {
    /// A trainer with its own copy of the program's parameters.
    ///
    /// # Errors
    /// As [`TrainConfig::parse`]; `E_MEMORY` when the optimiser's state does not fit.
    pub fn new(program: &Program, config: &str) -> Result<Self> {
        if let Some(place) = program.params.places().iter().find(|p| p.stored) {
            return Err(CoreError::new(codes::SPEC, "a model with stored matrices is not trained")
                .expected("latent parameters", format!("{} is stored", place.name)));
        }
        let config = TrainConfig::parse(config)?;
        let n = program.params.latent().len();
        let mut program = program.clone();
        program.params.keep_transposed(linear_weights(&program))?;
        Ok(Self {
            config,
            sets: BTreeMap::new(),
            grad: zeros(n)?,
            m: zeros(n)?,
            v: zeros(n)?,
            quantised: quantised(&program),
            codes: Vec::new(),
            step: 0,
            cancelled: Arc::default(),
            program,
        })
    }

    /// Names of the numbers written a step: `loss`, `lr`, then `flips.NAME` for every quantised parameter (codes that changed in the step).
    pub fn columns(&self) -> Vec<String> {
        let places = self.program.params.places();
        let flips = self.quantised.iter().map(|&i| format!("flips.{}", places[i].name));
        ["loss", "lr"].into_iter().map(String::from).chain(flips).collect()
    }

    /// Sets a data set: 0 is trained on, others are for [`Trainer::evaluate`].
    ///
    /// # Errors
    /// `E_SHAPE` for lengths that do not fit or an empty set, `E_RANGE` for a token, target or batch size outside its range, `E_MEMORY`.
    pub fn set_data(&mut self, which: u32, tokens: &[i32], targets: &[i32]) -> Result<()> {
        let prepared = Prepared::new(&self.program, [tokens, targets], &self.config, which == 0)?;
        self.sets.insert(which, prepared);
        Ok(())
    }

    /// A flag that stops [`Trainer::steps`] before its next step.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Steps taken.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Continues the count of a saved run.
    pub fn set_step_count(&mut self, step: u64) {
        self.step = step;
    }

    /// Parameters (0), first (1) or second (2) moments, flat.
    ///
    /// # Errors
    /// `E_RANGE` for another kind.
    pub fn state(&self, kind: u32) -> Result<&[f32]> {
        match kind {
            0 => Ok(self.program.params.latent()),
            1 => Ok(&self.m),
            2 => Ok(&self.v),
            _ => Err(unknown_state(kind)),
        }
    }

    /// Overwrites part of the state.
    ///
    /// # Errors
    /// `E_RANGE` for another kind, `E_SHAPE` for a wrong length.
    pub fn set_state(&mut self, kind: u32, data: &[f32]) -> Result<()> {
        let target = match kind {
            0 => self.program.params.latent_mut(),
            1 => &mut self.m[..],
            2 => &mut self.v[..],
            _ => return Err(unknown_state(kind)),
        };
        check_len("state", target.len(), data.len())?;
        target.copy_from_slice(data);
        self.codes.clear();
        self.forget_lanes();
        Ok(())
    }

    /// The trained parameters.
    pub fn params(&self) -> &Params {
        &self.program.params
    }

    /// Takes up to `n` steps; writes [`Trainer::columns`] numbers a step into `out` and returns the steps taken.
    ///
    /// # Errors
    /// `E_SHAPE` when there is no training data or `out` is too short; `E_NONFINITE` when a loss or gradient is not finite: the
    /// parameters are then those of the last good step.
    pub fn steps(&mut self, n: usize, out: &mut [f64]) -> Result<usize> {
        let columns = 2 + self.quantised.len();
        if out.len() < n.saturating_mul(columns) {
            return Err(CoreError::new(codes::SHAPE, "room for the metrics is too short")
                .expected(n.saturating_mul(columns), out.len()));
        }
        let Some(mut set) = self.sets.remove(&0) else {
            return Err(CoreError::new(codes::SHAPE, "no training data was set"));
        };
        self.cancelled.store(false, Ordering::Relaxed);
        let rows = out.chunks_exact_mut(columns).take(n);
        let result = par::run(|| self.some_steps(&mut set, rows));
        self.sets.insert(0, set);
        result
    }

    /// A step for each row, until it is cancelled; the number of steps taken.
    fn some_steps<'o>(
        &mut self,
        set: &mut Prepared,
        rows: impl Iterator<Item = &'o mut [f64]>,
    ) -> Result<usize> {
        let mut done = 0;
        for row in rows {
            if self.cancelled.load(Ordering::Relaxed) {
                break;
            }
            self.one_step(set, row)?;
            done += 1;
        }
        Ok(done)
    }

    fn one_step(&mut self, set: &mut Prepared, row: &mut [f64]) -> Result<()> {
        self.program.params.refresh();
        self.remember_codes();
        set.forward_shared(&self.program);
        set.lanes_forward_backward(&self.program, 0..LANES, self.step);
        self.end_step(set, row)
    }

    /// The rest of a step whose lanes are complete: adds them up, updates the parameters, writes the numbers of the step.
    fn end_step(&mut self, set: &mut Prepared, row: &mut [f64]) -> Result<()> {
        set.gather_gradients(&self.program, &mut self.grad);
        let loss = set.lanes.iter().map(|l| l.loss).sum::<f64>();
        self.check_finite(loss)?;
        row[0] = loss;
        row[1] = self.update();
        self.count_flips(&mut row[2..]);
        Ok(())
    }

    fn check_finite(&mut self, loss: f64) -> Result<()> {
        let what = if !loss.is_finite() {
            format!("loss {loss}")
        } else if !self.gradient_is_finite() {
            let places = self.program.params.places();
            let bad = places
                .iter()
                .find(|p| !tritlens_kernels::sum_sq(&self.grad[p.range()]).is_finite());
            format!("gradient of {}", bad.map_or("a parameter", |p| &p.name))
        } else {
            return Ok(());
        };
        let message = format!("training diverged at step {}", self.step);
        Err(CoreError::new(codes::NONFINITE, message).expected("finite numbers", what))
    }

    /// Squares of f32 do not overflow f64, so a sum of squares is finite when every term is.
    fn gradient_is_finite(&mut self) -> bool {
        let finite = AtomicBool::new(true);
        par::for_each_piece(&mut self.grad, PIECE, |_, piece| {
            if !tritlens_kernels::sum_sq(piece).is_finite() {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }

    /// One `AdamW` update; returns the learning rate used.
    fn update(&mut self) -> f64 {
        let c = self.config;
        let lr = c.schedule().rate(self.step);
        let decay = c.weight_decay_at(self.step);
        self.step += 1;
        let hyper = AdamHyper::new(lr, c.beta1, c.beta2, c.eps, decay, self.step);
        let p = self.program.params.latent_mut();
        let grad = &self.grad;
        par::for_each_piece_of_three([p, &mut self.m, &mut self.v], PIECE, |at, [p, m, v]| {
            tritlens_kernels::adamw(p, &grad[at..at + p.len()], m, v, &hyper);
        });
        lr
    }

    fn remember_codes(&mut self) {
        if !self.codes.is_empty() {
            return;
        }
        let params = &self.program.params;
        let codes = |i| params.codes(i).map_or_else(Vec::new, |(c, _)| c.to_vec());
        self.codes = self.quantised.iter().copied().map(codes).collect();
    }

    fn count_flips(&mut self, out: &mut [f64]) {
        self.program.params.refresh();
        for ((flips, old), &i) in out.iter_mut().zip(&mut self.codes).zip(&self.quantised) {
            if let Some((new, _)) = self.program.params.codes(i) {
                *flips = tritlens_kernels::count_diff(old, new) as f64;
                old.copy_from_slice(new);
            }
        }
    }

    /// Mean loss and accuracy on a data set.
    ///
    /// # Errors
    /// `E_RANGE` when the data set was not set.
    pub fn evaluate(&mut self, which: u32) -> Result<(f64, f64)> {
        self.program.params.refresh();
        let Some(set) = self.sets.get_mut(&which) else {
            return Err(CoreError::new(codes::RANGE, format!("data set {which} was not set")));
        };
        set.forward_shared(&self.program);
        set.lanes_forward(&self.program, 0..LANES);
        let loss = set.lanes.iter().map(|l| l.loss).sum();
        let hits: f64 = set.lanes.iter().map(|l| l.hits).sum();
        Ok((loss, hits / set.data.total as f64))
    }

    /// Gradient of the last step, flat; for tests.
    #[doc(hidden)]
    pub fn last_gradient(&self) -> &[f32] {
        &self.grad
    }
}

/// Indices of the quantised parameters.
fn quantised(program: &Program) -> Vec<usize> {
    let places = program.params.places();
    (0..places.len()).filter(|&i| places[i].quant != Quant::None).collect()
}

/// Weights of linear layers, each once.
fn linear_weights(program: &Program) -> Vec<usize> {
    let weights = program.spec.nodes.iter().filter_map(|n| match n {
        NodeSpec::Linear { w, .. } => Some(*w),
        _ => None,
    });
    weights.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn unknown_state(kind: u32) -> CoreError {
    CoreError::new(codes::RANGE, "unknown kind of state").expected("0, 1 or 2", kind)
}
