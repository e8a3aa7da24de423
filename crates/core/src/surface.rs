//! The whole outside surface: free functions over handles, numbers, strings and slices. Both bindings call nothing else, so an `if` that a
//! binding would need belongs here (or in `arrays.rs`, which has the calls that need no handle). `packages/sdk/src/core/core.ts` is the same list as TypeScript sees it.
//!
//! Handles are looked up in tables; each object has its own lock that is only ever tried, never waited for: an object in use gives `E_BUSY`.

#[cfg(not(feature = "lean"))]
mod gradients;
mod handles;
mod lanes;
mod packed;
mod runs;
mod stored;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::error::{CoreError, Result, check_len, codes};
use crate::infer::InferenceRun;
use crate::par;
use crate::program::Program;
#[cfg(not(feature = "lean"))]
use crate::program::Run;
use crate::train::{LANES, Trainer};

use handles::{Table, close, find, insert, lock};

pub use crate::arrays::*;
#[cfg(not(feature = "lean"))]
pub use gradients::*;
pub use lanes::*;
pub use packed::*;
pub use runs::*;
pub use stored::*;

struct OpenRun {
    program: Arc<Mutex<Program>>,
    run: AnyRun,
}

/// A run that keeps everything and has gradients, or one that keeps what somebody listens to.
enum AnyRun {
    #[cfg(not(feature = "lean"))]
    Full(Box<Run>),
    Lean(Box<InferenceRun>),
}

#[cfg(not(feature = "lean"))]
impl AnyRun {
    fn full(&mut self) -> Result<&mut Run> {
        match self {
            Self::Full(run) => Ok(run),
            Self::Lean(_) => Err(CoreError::new(codes::SHAPE, "an inference run has no gradients")
                .expected("a run opened by openRun", "one opened by openInference")),
        }
    }
}

struct OpenTrainer {
    program: Arc<Mutex<Program>>,
    trainer: Mutex<Trainer>,
    cancel: Arc<AtomicBool>,
}

static PROGRAMS: Table<Mutex<Program>> = Table::new(Vec::new());
static RUNS: Table<Mutex<OpenRun>> = Table::new(Vec::new());
static TRAINERS: Table<OpenTrainer> = Table::new(Vec::new());

fn with_program<T>(handle: u32, f: impl FnOnce(&mut Program) -> Result<T>) -> Result<T> {
    let program = find(&PROGRAMS, handle, "program")?;
    f(&mut *lock(&program, "program")?)
}

fn with_run<T>(handle: u32, f: impl FnOnce(&mut Program, &mut AnyRun) -> Result<T>) -> Result<T> {
    let open = find(&RUNS, handle, "run")?;
    let mut open = lock(&open, "run")?;
    let OpenRun { program, run } = &mut *open;
    f(&mut *lock(program, "program")?, run)
}

fn with_trainer<T>(handle: u32, f: impl FnOnce(&mut Trainer) -> Result<T>) -> Result<T> {
    let open = find(&TRAINERS, handle, "trainer")?;
    f(&mut *lock(&open.trainer, "trainer")?)
}

fn param(program: &Program, index: u32) -> Result<usize> {
    let count = program.params.places().len();
    if (index as usize) < count {
        return Ok(index as usize);
    }
    Err(CoreError::new(codes::NAME, "no such parameter").expected(format!("below {count}"), index))
}

/// What JavaScript reads as JSON. Written straight from a struct: serde's tree of values would be a tenth of the smallest WebAssembly module.
fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| CoreError::new(codes::SPEC, format!("cannot be written as JSON: {e}")))
}

#[derive(Serialize)]
struct Info {
    version: &'static str,
    isa: &'static str,
    isas: Vec<&'static str>,
    threads: u32,
}

/// Version, instruction sets, threads: JSON.
pub fn info() -> Result<String> {
    text(&Info {
        version: env!("CARGO_PKG_VERSION"),
        isa: tritlens_kernels::isa(),
        isas: tritlens_kernels::available().iter().map(|k| k.name).collect(),
        threads: par::threads(),
    })
}

/// Sets the number of threads; returns what is in force.
pub fn set_threads(threads: u32) -> Result<u32> {
    par::set_threads(threads)
}

/// Compiles a Spec.
pub fn compile(spec: &str) -> Result<u32> {
    Ok(insert(&PROGRAMS, Mutex::new(Program::compile(spec)?)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    params: Vec<Param<'a>>,
    param_length: usize,
    sites: Vec<SiteName<'a>>,
}

#[derive(Serialize)]
struct Param<'a> {
    name: &'a str,
    shape: &'a [usize],
    offset: usize,
    length: usize,
    quant: &'static str,
    stored: bool,
}

#[derive(Serialize)]
struct SiteName<'a> {
    name: &'a str,
}

/// Parameters and sites of a program: JSON.
pub fn describe(program: u32) -> Result<String> {
    with_program(program, |p| {
        let params = p.params.places().iter().map(|q| Param {
            name: &q.name,
            shape: &q.shape,
            offset: q.offset,
            length: q.shape.iter().product(),
            quant: q.quant.name(),
            stored: q.stored,
        });
        text(&Description {
            params: params.collect(),
            param_length: p.params.latent().len(),
            sites: p.spec.sites.iter().map(|s| SiteName { name: &s.name }).collect(),
        })
    })
}

/// Closes a program; open runs and trainers keep what they need. Closing twice is allowed.
pub fn close_program(program: u32) -> Result<()> {
    drop_fillings(program);
    close(&PROGRAMS, program);
    Ok(())
}

/// Fills the parameters from the counter-based generator.
pub fn init(program: u32, seed: f64) -> Result<()> {
    let seed = integer("seed", seed)?;
    with_program(program, |p| {
        p.params.init(seed);
        Ok(())
    })
}

/// Reads a latent parameter, or a stored one as f32.
pub fn read_param(program: u32, index: u32, out: &mut [f32]) -> Result<()> {
    if is_stored(program, index)? {
        return read_whole(program, index, out);
    }
    with_program(program, |p| {
        let place = &p.params.places()[param(p, index)?];
        copy(&place.name, &p.params.latent()[place.range()], out)
    })
}

/// Overwrites a latent parameter.
pub fn write_param(program: u32, index: u32, data: &[f32]) -> Result<()> {
    with_program(program, |p| {
        let i = param(p, index)?;
        p.params.write(i, data)
    })
}

/// Reads the matrix the forward pass multiplies with.
pub fn effective_param(program: u32, index: u32, out: &mut [f32]) -> Result<()> {
    if is_stored(program, index)? {
        return read_whole(program, index, out);
    }
    with_program(program, |p| {
        let i = param(p, index)?;
        p.params.refresh();
        copy(&p.params.places()[i].name, p.params.effective(i), out)
    })
}

/// Reads the codes of a quantised parameter; returns its scale.
pub fn param_codes(program: u32, index: u32, out: &mut [i8]) -> Result<f64> {
    if is_stored(program, index)? {
        return codes_and_scale(program, index, out);
    }
    with_program(program, |p| {
        let i = param(p, index)?;
        p.params.refresh();
        let name = p.params.places()[i].name.clone();
        let (codes, scale) = p.params.codes(i).ok_or_else(|| {
            CoreError::new(codes::NAME, format!("{name} is not quantised and has no codes"))
        })?;
        copy(&name, codes, out)?;
        Ok(f64::from(scale))
    })
}

fn copy<T: Copy>(name: &str, from: &[T], to: &mut [T]) -> Result<()> {
    check_len(&format!("room for {name}"), from.len(), to.len())?;
    to.copy_from_slice(from);
    Ok(())
}

/// Opens a trainer.
pub fn open_trainer(program: u32, config: &str) -> Result<u32> {
    let shared = find(&PROGRAMS, program, "program")?;
    let trainer = Trainer::new(&*lock(&shared, "program")?, config)?;
    let cancel = trainer.cancel_flag();
    Ok(insert(&TRAINERS, OpenTrainer { program: shared, trainer: Mutex::new(trainer), cancel }))
}

#[derive(Serialize)]
struct TrainerInfo<C> {
    columns: C,
    lanes: usize,
}

/// Names of the numbers a step gives: JSON.
pub fn describe_trainer(trainer: u32) -> Result<String> {
    with_trainer(trainer, |t| text(&TrainerInfo { columns: t.columns(), lanes: LANES }))
}

/// Sets a data set.
pub fn set_data(trainer: u32, which: u32, tokens: &[i32], targets: &[i32]) -> Result<()> {
    with_trainer(trainer, |t| t.set_data(which, tokens, targets))
}

/// Takes up to `n` steps and copies the parameters back to the program, also after a failed step.
pub fn train_steps(trainer: u32, n: u32, out: &mut [f64]) -> Result<u32> {
    let open = find(&TRAINERS, trainer, "trainer")?;
    let mut t = lock(&open.trainer, "trainer")?;
    let result = t.steps(n as usize, out);
    give_back(&open, &t)?;
    result.map(|done| done as u32)
}

fn give_back(open: &OpenTrainer, trainer: &Trainer) -> Result<()> {
    let mut program = lock(&open.program, "program")?;
    program.params.latent_mut().copy_from_slice(trainer.params().latent());
    Ok(())
}

/// Mean loss and accuracy on a data set.
pub fn evaluate(trainer: u32, which: u32) -> Result<(f64, f64)> {
    with_trainer(trainer, |t| t.evaluate(which))
}

/// Steps taken.
pub fn trainer_step(trainer: u32) -> Result<f64> {
    with_trainer(trainer, |t| Ok(t.step_count() as f64))
}

/// Reads flat state: parameters 0, moments 1 and 2.
pub fn read_trainer_state(trainer: u32, kind: u32, out: &mut [f32]) -> Result<()> {
    with_trainer(trainer, |t| copy("the state", t.state(kind)?, out))
}

/// Overwrites flat state; parameters go to the program as well.
pub fn write_trainer_state(trainer: u32, kind: u32, data: &[f32]) -> Result<()> {
    let open = find(&TRAINERS, trainer, "trainer")?;
    let mut t = lock(&open.trainer, "trainer")?;
    t.set_state(kind, data)?;
    give_back(&open, &t)
}

/// Continues a step count.
pub fn set_trainer_step(trainer: u32, step: f64) -> Result<()> {
    let step = integer("step", step)?;
    with_trainer(trainer, |t| {
        t.set_step_count(step);
        Ok(())
    })
}

/// Stops `train_steps` before its next step; may be called while it runs.
pub fn cancel_trainer(trainer: u32) -> Result<()> {
    find(&TRAINERS, trainer, "trainer")?.cancel.store(true, Ordering::Relaxed);
    Ok(())
}

/// Closes a trainer. Closing twice is allowed.
pub fn close_trainer(trainer: u32) -> Result<()> {
    close(&TRAINERS, trainer);
    Ok(())
}

/// A whole number that JavaScript holds exactly.
pub(crate) fn integer(name: &str, x: f64) -> Result<u64> {
    if (0.0..9_007_199_254_740_992.0).contains(&x) && x.fract() == 0.0 {
        return Ok(x as u64);
    }
    Err(CoreError::new(codes::RANGE, format!("{name} is out of range"))
        .expected("an integer from 0 below 2^53", x))
}
