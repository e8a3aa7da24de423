//! One thing that can be timed.

/// One measured operation, opened and checked.
pub(crate) struct Case {
    /// Products, elements or bytes of one run.
    pub(crate) work: f64,
    /// Runs it so many times and returns seconds.
    run: Box<dyn FnMut(usize) -> f64>,
    repeats: usize,
}

impl Case {
    pub(crate) fn new(work: f64, run: impl FnMut(usize) -> f64 + 'static) -> Self {
        Case { work, run: Box::new(run), repeats: 1 }
    }

    /// Seconds of one run, from as many runs as fill `at_least` seconds.
    pub(crate) fn seconds(&mut self, at_least: f64) -> f64 {
        loop {
            let took = (self.run)(self.repeats);
            if took >= at_least {
                return took / self.repeats as f64;
            }
            let wanted = self.repeats as f64 * at_least / took.max(1e-7) * 1.2;
            self.repeats = (wanted as usize).clamp(self.repeats + 1, self.repeats * 64);
        }
    }

    /// Runs it `repeats` times.
    pub(crate) fn repeat(&mut self, repeats: usize) {
        (self.run)(repeats);
    }
}
