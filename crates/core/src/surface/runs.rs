//! The part of the surface that runs programs: runs with gradients, inference runs, and what is kept between these.

use std::sync::Mutex;

use serde::Serialize;

use super::{
    AnyRun, OpenRun, PROGRAMS, RUNS, Table, close, find, insert, lock, text, with_program, with_run,
};
#[cfg(not(feature = "lean"))]
use crate::error::{CoreError, codes};
use crate::error::{Result, check_len};
use crate::infer::{InferenceRun, Plan, Session, Sizes};
use crate::program::places::SitePlace;

static SESSIONS: Table<Mutex<Session>> = Table::new(Vec::new());

/// Opens a session: room for the keys and values of `capacity` positions.
pub fn open_session(program: u32, batch: u32, capacity: u32) -> Result<u32> {
    let session = with_program(program, |p| Session::new(p, batch as usize, capacity as usize))?;
    Ok(insert(&SESSIONS, Mutex::new(session)))
}

fn with_session<T>(handle: u32, f: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    let session = find(&SESSIONS, handle, "session")?;
    f(&mut *lock(&session, "session")?)
}

/// Positions that a session holds.
pub fn session_length(session: u32) -> Result<u32> {
    with_session(session, |s| Ok(s.length() as u32))
}

/// Goes back to the first `length` positions.
pub fn rewind_session(session: u32, length: u32) -> Result<()> {
    with_session(session, |s| s.rewind(length as usize))
}

/// Closes a session; open runs keep what they need. Closing twice is allowed.
pub fn close_session(session: u32) -> Result<()> {
    close(&SESSIONS, session);
    Ok(())
}

/// Opens an inference run; session 0 stands for none.
pub fn open_inference(
    program: u32,
    session: u32,
    batch: u32,
    seq: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<u32> {
    let shared = find(&PROGRAMS, program, "program")?;
    let kept = if session == 0 { None } else { Some(find(&SESSIONS, session, "session")?) };
    let sizes = [batch as usize, seq as usize];
    let run = InferenceRun::open(&mut *lock(&shared, "program")?, kept, sizes, listen, last_only)?;
    let run = AnyRun::Lean(Box::new(run));
    Ok(insert(&RUNS, Mutex::new(OpenRun { program: shared, run })))
}

#[derive(Serialize)]
struct Bytes {
    arena: usize,
    scratch: usize,
    cache: usize,
    weights: usize,
}

/// Bytes that a session and an inference run would take: JSON.
pub fn plan_inference(
    program: u32,
    batch: u32,
    seq: u32,
    capacity: u32,
    listen: &[u8],
    last_only: bool,
) -> Result<String> {
    with_program(program, |p| {
        let sizes = Sizes { batch: batch as usize, seq: seq as usize, capacity: capacity as usize };
        let plan = Plan::new(p, sizes, listen, last_only)?;
        let float = size_of::<f32>();
        text(&Bytes {
            arena: plan.arena_len() * float,
            scratch: InferenceRun::scratch_bytes(p, sizes),
            cache: Session::bytes(p, sizes.batch, sizes.capacity),
            weights: p.params.bytes(),
        })
    })
}

/// Place of a site as of now: `[offset, length, offset of the gradient or -1, axes, extents...]`; site -1 is the output.
pub fn site_place(run: u32, site: i32, out: &mut [f64]) -> Result<()> {
    check_len("room for a place", 8, out.len())?;
    with_run(run, |p, r| {
        let place = match (r, usize::try_from(site)) {
            #[cfg(not(feature = "lean"))]
            (AnyRun::Full(run), Ok(site)) => {
                run.info().sites.get(site).cloned().ok_or_else(|| {
                    CoreError::new(codes::NAME, format!("no site has index {site}"))
                })?
            }
            #[cfg(not(feature = "lean"))]
            (AnyRun::Full(run), Err(_)) => run.info().output.clone(),
            (AnyRun::Lean(run), Ok(site)) => run.place(p, site)?,
            (AnyRun::Lean(run), Err(_)) => run.output(p),
        };
        write_place(&place, out);
        Ok(())
    })
}

fn write_place(place: &SitePlace, out: &mut [f64]) {
    let head = [
        place.offset as f64,
        place.length as f64,
        place.grad_offset as f64,
        place.shape.len() as f64,
    ];
    let extents = place.shape.iter().map(|&d| d as f64);
    out.iter_mut().zip(head.into_iter().chain(extents)).for_each(|(o, x)| *o = x);
}

/// Elements of a run's arena.
pub fn arena_len(run: u32) -> Result<usize> {
    with_run(run, |_, r| {
        Ok(match r {
            #[cfg(not(feature = "lean"))]
            AnyRun::Full(run) => run.info().arena_length,
            AnyRun::Lean(run) => run.arena_len(),
        })
    })
}

/// Sets the tokens and rewinds (an inference run goes on from where its session is).
pub fn set_tokens(run: u32, tokens: &[i32]) -> Result<()> {
    with_run(run, |p, r| match r {
        #[cfg(not(feature = "lean"))]
        AnyRun::Full(run) => run.set_tokens(p, tokens),
        AnyRun::Lean(run) => run.set_tokens(p, tokens),
    })
}

/// Sets where to pause.
#[cfg_attr(feature = "lean", allow(unused_variables, reason = "no way back"))]
pub fn set_pause(run: u32, forward: &[u8], backward: &[u8]) -> Result<()> {
    with_run(run, |p, r| match r {
        #[cfg(not(feature = "lean"))]
        AnyRun::Full(run) => run.set_pause(forward, backward),
        AnyRun::Lean(run) => run.set_pause(p, forward),
    })
}

/// Replaces the edits.
pub fn set_edits(run: u32, ints: &[i32], floats: &[f32]) -> Result<()> {
    with_run(run, |p, r| match r {
        #[cfg(not(feature = "lean"))]
        AnyRun::Full(run) => run.set_edits(ints, floats),
        AnyRun::Lean(run) => run.set_edits(p, ints, floats),
    })
}

/// Runs forward to the next paused site or the end (-1).
pub fn step(run: u32, arena: &mut [f32]) -> Result<i32> {
    with_run(run, |p, r| {
        p.params.refresh();
        match r {
            #[cfg(not(feature = "lean"))]
            AnyRun::Full(run) => run.step(p, arena),
            AnyRun::Lean(run) => run.step(p, arena),
        }
    })
}

/// Mean cross-entropy; seeds the gradient where there is one.
pub fn loss(run: u32, arena: &mut [f32], targets: &[i32]) -> Result<f64> {
    with_run(run, |p, r| match r {
        #[cfg(not(feature = "lean"))]
        AnyRun::Full(run) => run.loss(p, arena, targets),
        AnyRun::Lean(run) => run.loss(p, arena, targets),
    })
}

/// Closes a run. Closing twice is allowed.
pub fn close_run(run: u32) -> Result<()> {
    close(&RUNS, run);
    Ok(())
}
