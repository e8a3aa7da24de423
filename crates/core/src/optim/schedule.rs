//! Learning rate of a step: a warm-up, then a decay.

use serde::Deserialize;

/// Shape of the decay after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stays at the base rate.
    #[default]
    Constant,
    /// Straight line to `min_ratio` at `total`.
    Linear,
    /// Half a cosine to `min_ratio` at `total`.
    Cosine,
}

/// A schedule; `rate` is a pure function of the step, so a resumed run needs no state.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Base learning rate.
    pub lr: f64,
    /// Steps of the warm-up: the factor is min(step / warmup, 1), so the first update has rate 0 (Nanda et al. 2023, code).
    pub warmup: u64,
    /// Decay.
    pub decay: Decay,
    /// Step at which the decay ends.
    pub total: u64,
    /// Rate at the end, as a share of `lr`.
    pub min_ratio: f64,
}

impl Schedule {
    /// Learning rate of step `step` (the first one is 0).
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.lr * step as f64 / self.warmup as f64;
        }
        let span = self.total.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / span).clamp(0.0, 1.0);
        let shape = match self.decay {
            Decay::Constant => return self.lr,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done)),
        };
        self.lr * (self.min_ratio + (1.0 - self.min_ratio) * shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(decay: Decay) -> Schedule {
        Schedule { lr: 2.0, warmup: 10, decay, total: 110, min_ratio: 0.1 }
    }

    #[test]
    fn warms_up_from_zero_and_ends_at_the_floor() {
        let s = schedule(Decay::Constant);
        assert_eq!([0, 5, 10, 999].map(|i| s.rate(i)), [0.0, 1.0, 2.0, 2.0]);
        for decay in [Decay::Linear, Decay::Cosine] {
            let s = schedule(decay);
            assert!((s.rate(60) - 1.1).abs() < 1e-12);
            assert!((s.rate(110) - 0.2).abs() < 1e-12 && (s.rate(5000) - 0.2).abs() < 1e-12);
        }
    }
}
