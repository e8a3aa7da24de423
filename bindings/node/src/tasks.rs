//! The two calls that take long: they run on libuv's threads and give promises.

use napi::bindgen_prelude::{AsyncTask, FromNapiValue, JsObjectValue, JsValue, ObjectRef};
use napi::{Env, Result, Task};
use napi_derive::napi;
use tritlens_core::error::{CoreError, codes, zeros};
use tritlens_core::surface;

use crate::guard::{guard, to_js};

/// Steps being trained. Numbers are gathered in memory of ours and copied into the caller's array on the JavaScript thread: an array may be
/// transferred away while the task runs, and then nothing of it may be touched.
pub struct TrainSteps {
    trainer: u32,
    steps: u32,
    numbers: Vec<f64>,
    out: ObjectRef<false>,
}

impl Task for TrainSteps {
    type Output = u32;
    type JsValue = u32;

    fn compute(&mut self) -> Result<u32> {
        let Self { trainer, steps, numbers, .. } = self;
        guard(|| surface::train_steps(*trainer, *steps, numbers))
    }

    fn resolve(&mut self, env: Env, done: u32) -> Result<u32> {
        let array = self.out.get_value(&env)?;
        // SAFETY: both handles belong to the environment this runs in; the slice is made anew from the array as it is now (its length is 0 if
        // its memory was transferred away) and is used before any JavaScript can run.
        let out = unsafe { <&mut [f64]>::from_napi_value(env.raw(), array.raw())? };
        if out.len() != self.numbers.len() {
            return Err(to_js(&detached(self.numbers.len(), out.len())));
        }
        out.copy_from_slice(&self.numbers);
        Ok(done)
    }

    fn finally(self, env: Env) -> Result<()> {
        self.out.unref(&env)
    }
}

fn detached(expected: usize, found: usize) -> CoreError {
    CoreError::new(codes::DETACHED, "the array for the numbers of the steps was transferred away")
        .expected(expected, found)
}

/// Takes up to `n` steps off the JavaScript thread; `out` receives the columns of `describe_trainer` for each step.
#[napi(
    ts_args_type = "trainer: number, n: number, out: Float64Array",
    ts_return_type = "Promise<number>"
)]
pub fn train_steps(
    env: Env,
    trainer: u32,
    n: u32,
    out: ObjectRef<false>,
) -> Result<AsyncTask<TrainSteps>> {
    let length: u32 = out.get_value(&env)?.get_named_property("length")?;
    let numbers = guard(|| zeros(length as usize))?;
    Ok(AsyncTask::new(TrainSteps { trainer, steps: n, numbers, out }))
}

/// A data set being evaluated.
pub struct Evaluate {
    trainer: u32,
    which: u32,
}

impl Task for Evaluate {
    type Output = (f64, f64);
    type JsValue = Vec<f64>;

    fn compute(&mut self) -> Result<(f64, f64)> {
        guard(|| surface::evaluate(self.trainer, self.which))
    }

    fn resolve(&mut self, _env: Env, (loss, accuracy): (f64, f64)) -> Result<Vec<f64>> {
        Ok(vec![loss, accuracy])
    }
}

/// Mean loss and accuracy on data set `which`.
#[napi(ts_return_type = "Promise<[loss: number, accuracy: number]>")]
pub fn evaluate(trainer: u32, which: u32) -> AsyncTask<Evaluate> {
    AsyncTask::new(Evaluate { trainer, which })
}
