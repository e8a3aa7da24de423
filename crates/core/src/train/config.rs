//! What a trainer is told.

use serde::Deserialize;

use crate::error::{CoreError, Result, codes};
use crate::optim::schedule::{Decay, Schedule};

/// `AdamW` (Loshchilov and Hutter 2019, decoupled decay, `PyTorch`'s order of operations) with a schedule. Weight decay applies to every
/// parameter, as in both papers.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainConfig {
    /// Learning rate.
    #[serde(default = "default_lr")]
    pub lr: f64,
    /// Decay of the first moment.
    #[serde(default = "default_beta1")]
    pub beta1: f64,
    /// Decay of the second moment.
    #[serde(default = "default_beta2")]
    pub beta2: f64,
    /// Added to the denominator.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Weight decay per unit of learning rate.
    #[serde(default)]
    pub weight_decay: f64,
    /// Step from which weight decay is 0 (b1.58's second stage); never, when absent.
    #[serde(default)]
    pub wd_off_step: Option<u64>,
    /// Steps of linear warm-up from 0.
    #[serde(default)]
    pub warmup_steps: u64,
    /// Decay after the warm-up.
    #[serde(default)]
    pub schedule: Decay,
    /// Step at which the decay ends.
    #[serde(default)]
    pub total_steps: u64,
    /// Last learning rate as a share of `lr`.
    #[serde(default)]
    pub min_lr_ratio: f64,
    /// Examples a step; the whole training set, when absent.
    #[serde(default)]
    pub batch_size: Option<usize>,
    /// Seed of the order in which mini-batches take the examples.
    #[serde(default)]
    pub batch_seed: u64,
    /// Whether to use the exact savings (same mathematics; off only to test them).
    #[serde(default = "default_savings")]
    pub savings: bool,
}

fn default_lr() -> f64 {
    1e-3
}
fn default_beta1() -> f64 {
    0.9
}
fn default_beta2() -> f64 {
    0.999
}
fn default_eps() -> f64 {
    1e-8
}
fn default_savings() -> bool {
    true
}

impl TrainConfig {
    /// Reads and checks the JSON.
    ///
    /// # Errors
    /// `E_SPEC` for JSON of another form, `E_RANGE` for a number outside its range.
    pub fn parse(json: &str) -> Result<Self> {
        let c: Self = serde_json::from_str(json).map_err(|e| {
            CoreError::new(codes::SPEC, format!("the training configuration is not valid: {e}"))
        })?;
        let half_open = |x: f64| (0.0..1.0).contains(&x);
        // Far above any use; one update from finite numbers then stays finite in f32, so that divergence is caught with the parameters intact.
        check("lr", "0 to 1e30", c.lr, (0.0..=1e30).contains(&c.lr))?;
        check("beta1", "[0, 1)", c.beta1, half_open(c.beta1))?;
        check("beta2", "[0, 1)", c.beta2, half_open(c.beta2))?;
        check("eps", "above 0, finite", c.eps, c.eps.is_finite() && c.eps > 0.0)?;
        let decay_fits = c.weight_decay >= 0.0 && c.weight_decay * c.lr < 1.0;
        check("weightDecay", "0 or more, below 1 / lr", c.weight_decay, decay_fits)?;
        let batch = c.batch_size.unwrap_or(1);
        check("batchSize", "1 or more", batch as f64, batch > 0)?;
        check("minLrRatio", "[0, 1]", c.min_lr_ratio, (0.0..=1.0).contains(&c.min_lr_ratio))?;
        Ok(c)
    }

    /// The learning rates.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            lr: self.lr,
            warmup: self.warmup_steps,
            decay: self.schedule,
            total: self.total_steps,
            min_ratio: self.min_lr_ratio,
        }
    }

    /// Weight decay of a step (the first one is 0).
    pub fn weight_decay_at(&self, step: u64) -> f64 {
        if self.wd_off_step.is_some_and(|off| step >= off) { 0.0 } else { self.weight_decay }
    }
}

fn check(name: &str, expected: &str, found: f64, ok: bool) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(CoreError::new(codes::RANGE, format!("{name} is out of range")).expected(expected, found))
}
