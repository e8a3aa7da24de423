//! The memory of open runs. JavaScript makes views over it (pointer and length), which stay valid until this module's memory grows: the
//! adapter makes them anew when `memory.buffer` has changed. An arena is allocated when its run is opened and never moves.

use std::cell::RefCell;

use tritlens_core::error::{CoreError, Result, codes, zeros};
use tritlens_core::surface;

thread_local! {
    /// By run, in no order: a few runs are open at a time.
    static ARENAS: RefCell<Vec<(u32, Vec<f32>)>> = const { RefCell::new(Vec::new()) };
}

/// Opens a run together with its arena; a refused allocation leaves nothing open.
pub(crate) fn open(open: impl FnOnce() -> Result<u32>) -> Result<u32> {
    let run = open()?;
    match surface::arena_len(run).and_then(zeros) {
        Ok(arena) => ARENAS.with_borrow_mut(|arenas| arenas.push((run, arena))),
        Err(error) => {
            surface::close_run(run)?;
            return Err(error);
        }
    }
    Ok(run)
}

/// Closes a run and frees its arena.
pub(crate) fn close(run: u32) -> Result<()> {
    ARENAS.with_borrow_mut(|arenas| arenas.retain(|(r, _)| *r != run));
    surface::close_run(run)
}

/// Calls `body` with the arena of `run`.
pub(crate) fn with<T>(run: u32, body: impl FnOnce(&mut [f32]) -> Result<T>) -> Result<T> {
    ARENAS.with_borrow_mut(|arenas| match arenas.iter_mut().find(|(r, _)| *r == run) {
        Some((_, arena)) => body(arena),
        None => Err(CoreError::new(codes::CLOSED, "the run is closed or never was open")),
    })
}
